"""An alpha channel: the mask of a cut-out, or where a picture is to be seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import gsjbu
from gsjbu.io import alphas
from gsjbu.io.signals import understand

DISC = np.hypot(*(np.mgrid[:12, :16] - np.array([6, 8])[:, None, None])) < 4.5
IMAGE = np.repeat(DISC.repeat(8, 0).repeat(8, 1)[..., None], 3, axis=2).astype(np.float32)


def cut_out(mode: str, colour: int = 200) -> Image.Image:
    picture = Image.fromarray(np.where(DISC, colour, 0).astype(np.uint8)).convert(mode[:-1])
    picture.putalpha(Image.fromarray(np.where(DISC, 255, 0).astype(np.uint8)))
    return picture


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_a_cut_out_of_one_colour_is_its_mask(mode):
    signal = understand(cut_out(mode), (96, 128))
    assert signal.kind == "labels" and signal.codes == (0, 255) and signal.mask.all()
    assert "of one colour, its alpha" in signal.note
    out = gsjbu.upsample(IMAGE, cut_out(mode)).numpy()
    assert ((out == 255) == (IMAGE[..., 0] > 0)).mean() > 0.98


def test_a_cut_out_that_was_made_smaller_is_a_soft_mask():
    """Where little of a pixel is opaque, its colour is a rounded one."""
    rgba = np.zeros((96, 128, 4), np.uint8)
    rgba[np.hypot(*(np.mgrid[:96, :128] - np.array([48, 64])[:, None, None])) < 36] = (200, 30, 90, 255)
    small = Image.fromarray(rgba).resize((16, 12), Image.Resampling.BOX)
    assert len(np.unique(np.asarray(small)[..., :3].reshape(-1, 3), axis=0)) > 2
    signal = understand(small, (96, 128))
    assert signal.kind == "soft_labels" and signal.mask.all() and signal.dtype == "uint8"


def test_several_colours_are_classes_and_what_is_transparent_is_a_gap():
    two = np.asarray(cut_out("RGBA")).copy()
    two[:, :8, 1] = 90
    signal = understand(Image.fromarray(two), (96, 128))
    assert signal.colours and not signal.mask.all()
    opaque = np.dstack([two[..., :3], np.full((12, 16), 255, np.uint8)])
    assert understand(Image.fromarray(opaque), (96, 128)).mask.all()


def test_one_colour_that_is_opaque_everywhere_is_no_cut_out():
    pixels = np.full((4, 4, 3), 7, np.uint8)
    assert not alphas.is_cut_out(pixels, np.full((4, 4), 255, np.uint8))
    assert alphas.parted(pixels, np.full((4, 4), 0, np.uint8)) == (False, None)


def test_four_channels_of_flat_colours_are_asked_for_and_read_as_a_picture():
    array = np.asarray(cut_out("RGBA"))
    for planes in (array, array.transpose(2, 0, 1)):
        assert understand(planes, (96, 128)).runner_up == "labels"
        assert understand(planes, (96, 128), kind="labels").codes == (0, 255)
    two = array.copy()
    two[:, :8, 1] = 90
    said = understand(two, (96, 128), kind="labels")
    assert said.codes == (0xC85AC8, 0xC8C8C8) and not said.mask.all()
    four = (np.arange(4)[:, None, None] == np.arange(16) // 4 + np.zeros((12, 1), int)) * np.uint8(255)
    assert understand(four, (96, 128)).runner_up is None  # four classes, one a channel
