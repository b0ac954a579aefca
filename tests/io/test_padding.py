"""Padding to a square is told where it is plain to see: below, right of or around the picture, exactly as large."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.io.padding import padding

RNG = np.random.default_rng(0)


def padded(first: int, last: int, value: float = -12.0, across: bool = False) -> np.ndarray:
    planes = RNG.standard_normal((3, 64, 64)).astype(np.float32)
    turned = planes.swapaxes(1, 2) if across else planes
    turned[:, :first], turned[:, last:] = value, value
    return planes


@pytest.mark.parametrize(("first", "last"), [(0, 48), (16, 64), (8, 56)])
@pytest.mark.parametrize("value", [-12.0, 0.0, np.nan])
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("layout", ["CHW", "HWC"])
def test_padding_is_found_and_its_cut_leaves_the_picture(first, last, value, across, layout):
    planes = padded(first, last, value, across)
    found = padding(planes, (512, 384) if across else (384, 512))
    assert found is not None and (found.first, found.last, found.sure) == (first, last, True)
    x = planes.transpose(1, 2, 0) if layout == "HWC" else planes
    cut = eval(found.cut(layout), {"x": x})
    cut = cut.transpose(2, 0, 1) if layout == "HWC" else cut
    np.testing.assert_array_equal(cut, planes[:, :, first:last] if across else planes[:, first:last], strict=True)
    assert ("columns" if across else "rows") in found.sentence


def test_flat_rows_of_another_number_are_no_padding():
    for last in (30, 44, 52, 63):
        assert padding(padded(0, last), (384, 512)) is None
    assert padding(np.ones((1, 64, 64), np.float32), (384, 512)) is None


def test_a_mask_that_ends_there_may_be_padded():
    mask = np.zeros((1, 64, 64), np.uint8)
    mask[0, 20:48, 10:30] = 1
    found = padding(mask, (384, 512))
    assert found is not None and not found.sure
