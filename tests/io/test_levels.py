"""What a PNG holds of a result, and what it refuses."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from gsjbu.errors import GsjbuError
from gsjbu.io import levels
from gsjbu.signals import understand

CELLS = np.arange(48).reshape(6, 8)
SHARE = np.linspace(0, 1, 96 * 128, dtype=np.float32).reshape(96, 128)


@pytest.mark.parametrize("mask", [np.where(CELLS < 20, 0, 255).astype(np.uint8), CELLS < 20])
def test_the_share_of_a_mask_keeps_its_fractions(mask):
    """All levels were 0 and 1 of 255, as if shares were class numbers."""
    signal = understand(mask)
    assert signal.kind == "labels"
    data = levels.png(signal, SHARE, shares=True)
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    told = levels.scale(signal, SHARE, shares=True)
    np.testing.assert_allclose(told["offset"] + told["scale"] * pixels, SHARE, atol=1 / 65535)
    again = understand(data)
    assert again.brought is not None
    np.testing.assert_allclose(again.brought.array, SHARE, atol=1 / 65535)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_shares_of_several_classes_are_refused(count):
    signal = understand(np.array([7, 11, 26, 30, 31])[CELLS // 7 % count])
    with pytest.raises(GsjbuError, match="not the share of each class"):
        levels.png(signal, np.stack([SHARE] * count), shares=True)
    levels.png(signal, np.full((96, 128), 7), shares=False)


def test_a_palette_stays_in_a_tiff():
    pytest.importorskip("tifffile")
    picture = Image.fromarray(np.array([3, 7, 11], np.uint8)[CELLS // 16])
    picture.putpalette(list(range(200, 236)))
    signal = understand(picture)
    again = understand(levels.tiff(signal, np.full((96, 128), 7, np.uint8)))
    assert again.palette[:36] == signal.palette[:36] == bytes(range(200, 236))
    assert again.kind == "labels" and again.codes == (7,)


@pytest.mark.parametrize("kind", ["probabilities", "logits", "soft_labels"])
@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_the_map_of_the_strongest_classes_is_read_back_as_labels(count, hole, kind):
    """Class numbers came back as levels of one share, divided by 255."""
    classes = CELLS // 7 % count
    shares = 0.9 * (classes == np.arange(count)[:, None, None]) + 0.1 / count
    signal = understand(np.log(shares) if kind == "logits" else shares, kind=kind, invalid=0, names=["a", "b", "c"])
    high = shares.astype("f4")
    high[:, :2] = np.nan if hole else high[:, :2]
    again = understand(levels.png(signal, high))
    assert again.brought is not None
    assert again.kind == "labels" and again.dtype == "uint8" and again.names == ("a", "b", "c")[:count]
    np.testing.assert_array_equal(again.mask[:2], np.full((2, 8), not hole))
    np.testing.assert_array_equal(again.brought.array[2:], classes[2:])
