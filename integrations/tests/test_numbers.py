"""Which number stands for no value: the signal's own, or one that no value is; and no value becomes it."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.errors import GsjbuError
from gsjbu.raster.numbers import Numbers


def numbers(values, dtype="uint8", nodata=None) -> Numbers:
    return Numbers.of(np.dtype(dtype), nodata, np.asarray(values, np.float64))


@pytest.mark.parametrize(
    ("values", "dtype", "gap"),
    [([0, 5], "uint8", 255), ([1, 255], "uint8", 0), ([0, 1, 4, 255], "uint8", 2), (range(256), "uint8", None),
     ([0, 65535], "uint16", 1), ([-5, 5], "int16", -32768), ([-(2**63), 3], "int64", 2**63 - 1)],
)  # fmt: skip
def test_a_gap_without_a_nodata_is_a_number_that_no_value_is(values, dtype, gap):
    chosen = numbers(list(values), dtype)
    assert chosen.gap == gap and not chosen.told
    if gap is not None:
        held = chosen.held(np.full((1, 1, 2), float(values[0])), np.array([[False, True]]))
        assert held.dtype == dtype and held.tolist() == [[[values[0], gap]]]


def test_a_nodata_of_the_signals_own_stays():
    assert numbers([1, 5], nodata=0) == Numbers(np.dtype("uint8"), 0, told=True)
    assert np.isnan(numbers([1, 5], "float32").gap)


def test_where_every_number_is_a_value_it_says_what_to_do_only_if_one_is_missing():
    full = numbers(range(256))
    assert full.held(np.full((1, 1, 1), 7.0), np.zeros((1, 1), bool)) == 7
    with pytest.raises(GsjbuError, match="gdal_fillnodata") as caught:
        full.held(np.full((1, 1, 1), np.nan), np.ones((1, 1), bool))
    assert caught.value.code == "raster_nodata"


def test_no_value_is_rounded_to_the_gap():
    made = np.array([[[-0.4, 0.0, 0.4, 3.2, np.nan]]])
    missing = np.isnan(made[0])
    assert numbers([-5, 5], "int16", nodata=0).held(made, missing).tolist() == [[[-1, 1, 1, 3, 0]]]
    fractions = numbers([-5, 5], "float32", nodata=0).held(made, missing)
    assert fractions[0, 0, 1] != 0 and abs(fractions[0, 0, 1]) < 1e-30 and fractions[0, 0, 4] == 0
