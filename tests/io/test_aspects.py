"""Which grids lie over an image without a word, with a doubt, or not at all."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu.errors import SignalError, SignalWarning
from gsjbu.io import aspects
from gsjbu.io.signals import understand

PHOTOS = [
    (480, 640), (640, 480), (427, 640), (375, 500), (333, 500), (300, 500), (512, 683), (360, 640), (720, 1280),
    (1080, 1920), (3024, 4032), (4000, 6000), (1365, 2048), (768, 1024),
]  # fmt: skip


def whole(side: float, patch: int) -> int:
    return round(side / patch) * patch


def of_shorter(target: int, patch: int, parts: tuple[int, ...]):
    """The outputs of a network whose input's shorter side is ``target``, both of whole patches."""

    def outputs(height, width):
        scale = target / min(height, width)
        rows, cols = whole(height * scale, patch), whole(width * scale, patch)
        return [(rows // part, cols // part) for part in parts]

    return outputs


def depth_anything(height, width):
    (rows, cols), *_ = of_shorter(518, 14, (1,))(height, width)
    return [(rows, cols), (rows // 14, cols // 14), (rows // 14 * 8, cols // 14 * 8)]


def segformer(height, width):
    scale = 512 / min(height, width)
    return [(math.ceil(round(height * scale) / 4), math.ceil(round(width * scale) / 4))]


def mask2former(height, width):
    scale = min(800 / min(height, width), 1333 / max(height, width))
    rows, cols = (math.ceil(side * scale / 32) * 32 for side in (height, width))
    return [(rows // part, cols // part) for part in (1, 4, 32)]


def strides(height, width):
    return [(math.ceil(height / n), math.ceil(width / n)) for n in (4, 7, 8, 14, 16, 32)] + [(height // 8, width // 8)]


NETWORKS = {
    "Depth Anything": depth_anything,
    "DPT": of_shorter(384, 32, (1, 2, 4)),
    "MiDaS small": of_shorter(256, 32, (1,)),
    "SegFormer": segformer,
    "Mask2Former": mask2former,
    "ZoeDepth without padding": of_shorter(384, 32, (1,)),
    "ViT of 16": of_shorter(512, 16, (1, 4, 16)),
    "strides": strides,
}


@pytest.mark.parametrize("network", NETWORKS)
def test_rounding_explains_the_outputs_of_usual_networks(network):
    for size in PHOTOS:
        for cells in NETWORKS[network](*size):
            assert cells[0] == cells[1] or aspects.is_rounded(cells, size), (size, cells)


APART = [
    ((56, 88), (300, 500)),  # Mask2Former's of a small input: 50×83 are the picture
    ((60, 104), (300, 500)),
    ((96, 168), (300, 500)),
    ((392, 512), (480, 640)),  # ZoeDepth's with its padding
    ((98, 128), (480, 640)),
    ((30, 41), (300, 500)),
    ((41, 30), (500, 300)),
    ((37, 50), (300, 500)),
]


@pytest.mark.parametrize(("cells", "size"), APART)
def test_what_no_rounding_explains_is_taken_with_a_doubt(cells, size):
    rows, cols = cells
    depth = np.add.outer(np.arange(rows), np.arange(cols)).astype("f4") / 10 + 1
    for form in (depth, np.stack([depth] * 40)):
        signal = understand(form, size=size)
        doubts = [doubt for doubt in signal.doubts if "of the picture with padding (right and below" in doubt]
        assert len(doubts) == 1 and f"layout='{rows}x{cols}' says that it is squashed" in doubts[0]
        assert "whose shape is another by more than rounding; it may be" in doubts[0]
        assert signal.shape[1:] == cells
    assert not understand(depth, size=size, layout=f"{rows}x{cols}").layout_doubt


def test_the_module_warns_of_it_as_the_function_does():
    image, apart, right = torch.rand(1, 3, 60, 100), torch.rand(1, 40, 12, 23), torch.rand(1, 40, 12, 20)
    for upsample in (gsjbu.GSJBU(iters=0), lambda image, signal: gsjbu.upsample(image[0], signal[0], iters=0)):
        with pytest.warns(SignalWarning, match="by more than rounding"):
            upsample(image, apart)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            upsample(image, right)


def test_a_shape_that_is_far_from_the_pictures_is_refused_as_before():
    with pytest.raises(SignalError, match="their shapes differ too much"):
        understand(np.random.default_rng(0).random((30, 39)), size=(300, 500))
