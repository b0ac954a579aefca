"""Layers of napari in, a layer out: frames, channels, place and looks. No window is needed."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels

import gsjbu
from gsjbu.errors import SignalError
from gsjbu.napari.layers import Pair, upsampled

RNG = np.random.default_rng(0)
FRAMES = RNG.random((3, 40, 56)).astype(np.float32)
PLACE = {"scale": (0.5, 0.25), "translate": (7, -3), "rotate": 20, "shear": (0.1,)}


def run(pair, kind="auto", **options):
    return pair.layer([upsampled(i, s, kind, iters=1, radius=1, **options) for i, s in pair.frames()])


def test_one_image_and_what_the_library_gives():
    low = RNG.random((5, 7)).astype(np.float32) + 3
    made = run(Pair(Image(FRAMES[0], **PLACE), Image(low, name="depth", colormap="viridis")))
    expected = gsjbu.upsample(FRAMES[0], low, iters=1, radius=1).numpy()
    np.testing.assert_array_equal(made.data, expected)
    assert isinstance(made, Image) and made.name == "depth upsampled" and made.colormap.name == "viridis"


@pytest.mark.parametrize("shape", [(5, 7), (4, 5, 7)])
def test_the_result_lies_where_the_image_lies(shape):
    """Also with an axis of channels before rows and columns: every pixel's place in the world is the image's."""
    image = Image(FRAMES[0], **PLACE, affine=[[1, 0.2, 5], [0, 1, 2], [0, 0, 1]])
    made = run(Pair(image, Image(RNG.normal(0, 1, shape).astype(np.float32))), kind="features")
    assert made.data.shape == (*shape[:-2], 40, 56)
    np.testing.assert_allclose(made.scale[-2:], image.scale, atol=1e-6)
    np.testing.assert_allclose(made.translate[-2:], image.translate)
    for pixel in ((0, 0), (39, 0), (0, 55), (39, 55)):
        there = made.data_to_world([0] * (made.ndim - 2) + list(pixel))
        np.testing.assert_allclose(there[-2:], image.data_to_world(pixel), atol=1e-6)


def test_a_stack_is_frame_by_frame_and_keeps_its_step_in_time():
    low = RNG.random((3, 5, 7)).astype(np.float32) + 1
    made = run(Pair(Image(FRAMES, scale=(4, 0.5, 0.5), translate=(1, 2, 3)), Image(low)))
    assert made.data.shape == FRAMES.shape
    np.testing.assert_array_equal(made.scale, (4, 0.5, 0.5))
    np.testing.assert_array_equal(made.translate, (1, 2, 3))
    alone = gsjbu.upsample(FRAMES[2], low[2], iters=1, radius=1).numpy()
    np.testing.assert_array_equal(made.data[2], alone)


def test_a_stack_of_colours_with_channels():
    colours = RNG.integers(0, 255, (2, 40, 56, 3), np.uint8)
    low = RNG.normal(0, 1, (2, 6, 5, 7)).astype(np.float32)
    made = run(Pair(Image(colours, rgb=True, scale=(9, 2, 2)), Image(low)), kind="features")
    assert made.data.shape == (2, 6, 40, 56)
    np.testing.assert_array_equal(made.scale, (9, 1, 2, 2))


def test_colours_come_back_as_colours():
    low = RNG.random((5, 7, 3)).astype(np.float32)
    made = run(Pair(Image(FRAMES[0]), Image(low, rgb=True)), kind="features")
    assert made.rgb and made.data.shape == (40, 56, 3)


def test_labels_stay_labels_small_or_as_large_as_the_image():
    numbers = np.kron([[0, 3], [9, 3]], np.ones((10, 14))).astype(np.uint16)
    for signal in (numbers, np.kron(numbers, np.ones((2, 2))).astype(np.uint16)):
        made = run(Pair(Image(FRAMES[0]), Labels(signal)), kind="labels")
        assert isinstance(made, Labels) and made.data.shape == (40, 56) and made.data.dtype == np.uint16
        assert set(np.unique(made.data)) == {0, 3, 9}


def test_of_several_scales_the_finest_is_taken():
    image = Image([FRAMES[0], FRAMES[0, ::2, ::2]], multiscale=True)
    assert run(Pair(image, Image(np.ones((5, 7), np.float32)))).data.shape == (40, 56)


@pytest.mark.parametrize("signal", [Image(np.ones((2, 5, 7))), Labels(np.ones((3, 2, 5, 7), int))])
def test_another_stack_is_refused(signal):
    with pytest.raises(SignalError, match="the image's stack"):
        Pair(Image(FRAMES), signal)


def test_a_signal_that_was_placed_elsewhere_is_told():
    image, low = Image(FRAMES[0], scale=(2, 2)), np.ones((5, 7))
    over = {"scale": (16, 16), "translate": (7, 7)}  # napari's origin is the centre of the first pixel
    assert Pair(image, Image(low)).note() is None
    assert Pair(image, Image(low, **over)).note() is None
    assert "lies elsewhere" in Pair(image, Image(low, scale=(16, 16), translate=(60, 0))).note()
