"""Which axis is what, by the image that a signal lies over; what does not go with it is refused with a hint."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.errors import SignalError
from gsjbu.io import layouts


def lay(shape: tuple[int, ...], size: tuple[int, int] | None, dtype: str = "f4", **options) -> layouts.Laid:
    return layouts.lay(np.zeros(shape, dtype), size, **options)


@pytest.mark.parametrize(
    ("shape", "size", "planes", "layout"),
    [
        ((30, 40), (480, 640), (1, 30, 40), "CHW"),
        ((64, 30, 40), (480, 640), (64, 30, 40), "CHW"),
        ((30, 40, 64), (480, 640), (64, 30, 40), "HWC"),
        ((1, 30, 40, 64), (480, 640), (64, 30, 40), "HWC"),
        ((1, 384, 19, 28), (304, 448), (384, 19, 28), "CHW"),
        ((21, 32, 32), (333, 500), (21, 32, 32), "CHW"),
        ((1, 533, 384), (304, 448), (384, 19, 28), "tokens"),
        ((537, 384), (304, 448), (384, 19, 28), "tokens"),
        ((7, 7), (1080, 1920), (1, 7, 7), "CHW"),
        ((20, 6, 8), None, (20, 6, 8), "CHW"),
        ((8, 6, 6), None, (8, 6, 6), "CHW"),
        ((6, 8, 50), None, (50, 6, 8), "HWC"),
    ],
)
def test_axes_by_the_image(shape, size, planes, layout):
    laid = lay(shape, size)
    assert (laid.planes.shape, laid.layout) == (planes, layout)


@pytest.mark.parametrize(
    ("shape", "size", "hint"),
    [
        ((40, 30), (480, 640), "turned by 90°"),
        ((28, 19), (304, 448), "turned by 90°"),
        ((576, 768), (384, 512), "raise the resolution"),
        ((16, 16), (100, 900), "padded or cropped"),
        ((10, 30), (480, 640), "30×22 would fit"),
        ((2, 8, 30, 40), (480, 640), "batch of 2"),
        ((1, 530, 384), (304, 448), "530 tokens are no grid"),
        ((5,), (480, 640), r"\[5\]"),
    ],
)
def test_a_mismatch_names_its_cause(shape, size, hint):
    with pytest.raises(SignalError, match=hint):
        lay(shape, size)


def test_words_for_layouts():
    assert layouts.parse(None) == ("auto", None)
    assert layouts.parse("BHWC") == ("HWC", None)
    assert layouts.parse("19x28") == ("tokens", (19, 28))
    with pytest.raises(SignalError, match="auto, chw, hwc, tokens"):
        layouts.parse("whc")


def test_a_layout_that_is_said_is_not_guessed_over():
    assert lay((30, 40, 64), None, layout="HWC").planes.shape == (64, 30, 40)
    with pytest.raises(SignalError, match="shapes differ"):
        lay((30, 40, 96), (480, 640), layout="CHW")


def test_a_map_that_is_larger_than_the_image_is_called_so():
    with pytest.raises(
        SignalError, match=r"400×300 and the image 160×128: it is larger .* layout='ROWSxCOLS'"
    ) as refusal:
        lay((300, 400), (128, 160))
    assert refusal.value.code == "signal_size"


def test_tokens_of_a_named_grid():
    assert lay((530, 384), (304, 448), grid=(23, 23)).planes.shape == (384, 23, 23)
    with pytest.raises(SignalError, match="a grid of 19 rows × 28 columns has 532"):
        lay((530, 384), (304, 448), grid=(19, 28))


def test_a_named_grid_that_goes_with_the_image_the_other_way_round_is_a_doubt():
    turned = lay((532, 384), (304, 448), grid=(28, 19))
    assert turned.planes.shape == (384, 28, 19) and "28 rows × 19 columns" in turned.sentence
    assert turned.doubt == "one of 19 rows × 28 columns (layout='19x28')"
    for grid in ((19, 28), (23, 23)):
        assert lay((532, 384), (304, 448), grid=grid).doubt == ""
    assert (
        lay((240, 384), (480, 512), grid=(16, 15)).doubt
        and not lay((240, 384), (480, 512), grid=(15, 16)).doubt
    )


def test_tokens_keep_their_order():
    flat = np.arange(1 + 6 * 9, dtype="f4")[:, None].repeat(64, 1)
    laid = layouts.lay(flat, (96, 144))
    np.testing.assert_array_equal(laid.planes[0], np.arange(1, 55).reshape(6, 9))
