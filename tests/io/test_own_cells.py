"""A signal that was enlarged before it came is brought back to its own cells, and no other is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

import gsjbu
from gsjbu.errors import SignalWarning
from gsjbu.io import own_cells
from gsjbu.samples import SAMPLES
from gsjbu.signals import understand

ROWS, COLS = 15, 20
SCENE = SAMPLES["paper"]
IMAGE = SCENE.image[:, : ROWS * 16, : COLS * 16]
DEPTH = F.avg_pool2d(SCENE.depth.reshape(1, *SCENE.image.shape[1:])[:, : ROWS * 16, : COLS * 16], 16)
LABELS = SCENE.labels[: ROWS * 16, : COLS * 16]
SHARES = F.avg_pool2d(F.one_hot(LABELS.long()).permute(2, 0, 1).float(), 16)
LOGITS = 3 * torch.randn(7, ROWS, COLS, generator=torch.Generator().manual_seed(1))
WAYS = {
    "nearest": {"mode": "nearest"},
    "bilinear": {"mode": "bilinear"},
    "corners": {"mode": "bilinear", "align_corners": True},
    "bicubic": {"mode": "bicubic"},
}


def enlarged(low: Tensor, by: int = 4, way: str = "bilinear", less: int = 0) -> Tensor:
    size = (low.shape[1] * by - less, low.shape[2] * by - less)
    return F.interpolate(low[None], size=size, **WAYS[way])[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("by", [2, 3, 8])
@pytest.mark.parametrize("low", [DEPTH, SHARES, LOGITS], ids=["depth", "shares", "logits"])
def test_own_cells_are_found(low, by, way):
    found = own_cells.found(enlarged(low, by, way).numpy())
    assert found is not None
    assert found.planes.dtype == np.float32
    np.testing.assert_allclose(found.planes, low, atol=2e-5 * float(low.abs().max()))


def test_cells_that_were_cut_at_the_border_are_found():
    """As ``F.interpolate(size=)`` leaves them where a network's stride does not divide the image."""
    low = 255 * LOGITS
    found = own_cells.found(enlarged(low, 8, less=3).numpy())
    assert found is not None
    np.testing.assert_allclose(found.planes, low, atol=0.02)


@pytest.mark.parametrize("filter_", [Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_a_picture_that_pillow_enlarged(filter_):
    levels = np.rint(127 + 6 * LOGITS[0].numpy()).astype(np.uint8)
    large = np.asarray(Image.fromarray(levels).resize((4 * COLS, 4 * ROWS), filter_))
    found = own_cells.found(large[None])
    assert found is not None and found.planes.dtype == np.uint8
    assert np.abs(found.planes[0].astype(int) - levels).max() <= 1


def test_the_softmax_of_enlarged_logits():
    found = own_cells.found(enlarged(LOGITS, 8).softmax(dim=0).numpy())
    assert found is not None
    np.testing.assert_allclose(found.planes, LOGITS.softmax(dim=0), atol=2e-3)
    assert own_cells.found(LOGITS.softmax(dim=0).numpy()) is None


def test_class_numbers_in_blocks_and_gaps_with_them():
    low = LABELS[8::16, 8::16].numpy().astype(np.uint8)
    low[3:5, 6:9] = 255
    found = understand(low.repeat(4, 0).repeat(4, 1), (480, 640))
    assert found.shape[1:] == (ROWS, COLS) and found.kind == "labels"
    np.testing.assert_array_equal(~found.mask.numpy(), low == 255)


def smooth(side: int, sigma: float) -> np.ndarray:
    return gaussian_filter(np.random.default_rng(0).random((1, side, side)), (0, sigma, sigma)).astype(np.float32)


RNG = np.random.default_rng(3)
Y, X = np.mgrid[:64, :64]
WINDOWS = np.tile((X % 16 > 4) & (X % 16 < 11) & (Y % 16 > 3) & (Y % 16 < 13), (5, 5))
OTHERS = {
    "noise": RNG.random((1, 64, 64)).astype("f4"),
    "smooth": smooth(64, 4),
    "smooth, in half precision": smooth(64, 2).astype(np.float16),
    "a plane": (0.3 * X + 0.2 * Y)[None].astype("f4"),
    "a square": ((X // 16 % 3 == 1) & (Y // 16 % 3 == 1))[None],
    "flat": np.ones((1, 64, 64), "f4"),
    "depth": DEPTH.numpy(),
    "shares": SHARES.numpy(),
    "logits": LOGITS.numpy(),
    "windows of a façade": F.avg_pool2d(torch.from_numpy(WINDOWS[None].astype("f4")), 4).numpy(),
    "one row": RNG.random((1, 1, 64)).astype("f4"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_was_not_enlarged_stays(name):
    assert own_cells.found(OTHERS[name]) is None


def test_noise_on_an_enlargement_hides_it():
    large = enlarged(DEPTH) / float(DEPTH.max())
    assert own_cells.found((large + 0.02 * torch.randn(large.shape)).numpy()) is None


@pytest.mark.parametrize("way", WAYS)
def test_the_result_is_that_of_the_own_cells(way):
    with pytest.warns(SignalWarning, match="an enlargement of 15 rows × 20 columns"):
        high = gsjbu.upsample(IMAGE, enlarged(DEPTH, 4, way))
    own = gsjbu.upsample(IMAGE, DEPTH)
    assert (high - own).abs().max() < 1e-3 * float(DEPTH.max())


def test_what_is_as_large_as_the_image_and_was_enlarged_is_upsampled():
    """As DeepLab's logits are, and a depth that was brought to its picture's size."""
    signal = understand(enlarged(DEPTH, 16), tuple(IMAGE.shape[1:]))
    assert signal.shape[1:] == (ROWS, COLS) and not signal.as_large


def test_naming_the_size_keeps_the_cells():
    large = enlarged(DEPTH)
    rows, cols = large.shape[1:]
    said = understand(large)
    assert f"layout='{rows}x{cols}'" in " ".join(said.doubts) and said.came == (rows, cols)
    for words in ({"layout": f"{rows}x{cols}"}, {"grid": (rows, cols)}, {"as_it_is": True}):
        kept = understand(large, **words)
        assert kept.shape[1:] == (rows, cols) and not kept.enlarged


def test_a_mask_that_came_with_it_keeps_the_cells():
    large = np.ma.masked_array(enlarged(DEPTH)[0].numpy(), enlarged(DEPTH)[0].numpy() > 0.9 * float(DEPTH.max()))
    assert understand(large).shape[1:] == large.shape


def test_over_an_image_nothing_is_looked_for_anew(monkeypatch):
    signal = understand(enlarged(DEPTH))
    monkeypatch.setattr(own_cells, "found", lambda _: pytest.fail("looked for anew"))
    over = signal.fitted(480, 640)
    assert over.shape == signal.shape and over.enlarged == signal.enlarged and over.note == signal.note


def test_a_gradient_and_a_kernel_to_start_from_are_of_the_cells_that_came():
    large = enlarged(DEPTH, 2).requires_grad_()
    gsjbu.upsample(IMAGE, large, iters=1).sum().backward()
    assert large.grad is not None and large.grad.shape == large.shape and bool((large.grad != 0).all())
    init = gsjbu.fit(IMAGE, lr_size=large.shape[1:], iters=1)
    assert gsjbu.upsample(IMAGE, large.detach(), "rgb", init=init, iters=1).shape == (1, *IMAGE.shape[1:])
