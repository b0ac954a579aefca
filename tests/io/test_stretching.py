"""Bands of an image to [0, 1]: by percentiles, or as given."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import torch

from gsjbu.errors import ImageError
from gsjbu.io import stretching
from gsjbu.io.guides import to_guide

RNG = np.random.default_rng(0)
SCENE = np.stack([RNG.normal(1000 * (n + 1), 50 * (n + 1), (30, 40)) for n in range(6)])  # [6, H, W]


def test_percentiles_are_each_bands_own():
    guide = to_guide(SCENE.astype(np.int16), stretch="percentiles")
    pixels = guide.pixels.numpy() / np.sqrt(3 / 6)  # six bands weigh as three
    for band, plane in zip(SCENE.astype(np.int16), pixels, strict=True):
        low, high = np.percentile(band, (2, 98))
        np.testing.assert_allclose(plane, np.clip((band - low) / (high - low), 0, 1), atol=1e-6)
    assert "2nd and 98th percentile" in guide.notes[0]


def test_numbers_are_those_of_the_image(tmp_path):
    tifffile.imwrite(tmp_path / "scene.tif", SCENE.astype(np.uint16))
    right = np.clip(SCENE.astype(np.uint16) / 8000, 0, 1) * np.sqrt(0.5)
    for given in ((0, 8000), [(0, 8000)] * 6, stretching.parse("0,8000")):
        pixels = to_guide(tmp_path / "scene.tif", stretch=given).pixels
        np.testing.assert_allclose(pixels.numpy(), right, atol=1e-6)
    one = to_guide(SCENE, stretch=stretching.parse(";".join(f"0,{4000 * (n + 1)}" for n in range(6)))).pixels
    np.testing.assert_allclose(one[5].numpy(), SCENE[5] / 24000 * np.sqrt(0.5), atol=1e-6)


def test_masked_pixels_have_no_part_in_percentiles():
    cloud = np.zeros((30, 40), bool)
    cloud[:10] = True
    bright = np.where(cloud, 9e4, SCENE)
    clear, cloudy = (to_guide(x, guide_mask=cloud, stretch="percentiles").pixels for x in (SCENE, bright))
    torch.testing.assert_close(clear, cloudy, atol=0, rtol=0)


def test_a_flat_band_is_nothing():
    pixels = to_guide(np.full((3, 30, 40), 7.0), stretch="percentiles").pixels
    assert not pixels.any()


@pytest.mark.parametrize("given", ["best", (3, 1), (0, np.inf), [(0, 1)] * 4, "abc", (1, 2, 3)])
def test_what_is_no_stretch_is_refused(given):
    with pytest.raises(ImageError, match="stretch"):
        to_guide(SCENE, stretch=given)


@pytest.mark.parametrize("typed", ["1-2", "", "1", "1,2,3", "3000,0", "1,1", "0,inf", "nan,1", "0,1;", "0,1;2"])
def test_what_is_typed_and_no_stretch_is_refused(typed):
    with pytest.raises(ImageError, match="LOW,HIGH"):
        stretching.parse(typed)
