"""The vector operations against numpy, lane by lane."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

from gsjbu.core.backends import simd
from gsjbu.core.backends.simd import (
    LANES,
    add_totals,
    any_at_most,
    exp2_negative,
    larger,
    load,
    lowest_lane,
    magnitude,
    signed,
    smaller,
    splat,
    store,
    store_some,
    total,
)


@njit
def apply_exp2(x, out):
    for b in range(0, x.shape[0], LANES):
        store(out, b, exp2_negative(load(x, b)))


@njit
def apply_two(x, y, out):
    """Rows of out: x+y, x−y, x·y, x/y, larger, smaller, |x|, x·2 + y by scalars."""
    a, b = load(x, 0), load(y, 0)
    store(out, 0 * LANES, a + b)
    store(out, 1 * LANES, a - b)
    store(out, 2 * LANES, a * b)
    store(out, 3 * LANES, a / b)
    store(out, 4 * LANES, larger(a, b))
    store(out, 5 * LANES, smaller(a, b))
    store(out, 6 * LANES, magnitude(a))
    store(out, 7 * LANES, np.float32(3) - a * np.float32(2))
    store(out, 8 * LANES, signed(a, np.float32(0.25)))
    store(out, 9 * LANES, splat(x[5]))


@njit
def lowest_and_total(x):
    return lowest_lane(load(x, 0)), total(load(x, 0))


@njit
def some_at_most(x, bound):
    return any_at_most(load(x, 0), splat(bound))


@njit
def put_some(x, out, at, count):
    store_some(out, at, load(x, 0), count)


@njit
def four_totals(x, sums, at):
    add_totals(sums, at, load(x, 0), load(x, LANES), load(x, 2 * LANES), load(x, 3 * LANES))


@njit
def copy_from(x, at, out):
    store(out, 3, load(x, at))


def exp2(x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    apply_exp2(x, out)
    return out


def test_exp2_over_its_whole_range():
    x = -np.linspace(0, 63.99, 64_000).astype(np.float32)
    right = np.exp2(x.astype(np.float64))
    assert np.abs(exp2(x) / right - 1).max() <= 2.5e-7  # measured 1.6e-7: the polynomial's 1.0e-7 and roundings


def test_exp2_at_whole_numbers_and_beside_them():
    whole = -np.arange(64, dtype=np.float32)
    for x in (
        whole,
        np.nextafter(whole, np.float32(-100)),
        np.nextafter(whole, np.float32(0)),
        whole - np.float32(0.5),
    ):
        assert np.abs(exp2(x) / np.exp2(x.astype(np.float64)) - 1).max() <= 2.5e-7


def test_exp2_is_exactly_zero_from_minus_64_on():
    x = np.array([-64, -64.5, -100, -1e4, -1e30, -np.inf] + [-65] * 10, dtype=np.float32)
    assert (exp2(x) == 0).all()


def test_exp2_never_gives_a_denormal():
    x = -np.linspace(60, 70, 16 * 500).astype(np.float32)
    positive = exp2(x)[exp2(x) > 0]
    assert positive.min() >= np.finfo(np.float32).tiny


def test_arithmetic():
    draw = np.random.default_rng(0)
    x, y = (draw.normal(size=LANES).astype(np.float32) for _ in range(2))
    x[3], x[4] = 0, -0.0
    out = np.zeros(10 * LANES, dtype=np.float32)
    apply_two(x, y, out)
    found = out.reshape(10, LANES)
    right = [
        x + y, x - y, x * y, x / y, np.maximum(x, y), np.minimum(x, y), np.abs(x), 3 - 2 * x,
        0.25 * np.sign(x), np.full(LANES, x[5]),
    ]  # fmt: skip
    for row, expected in zip(found, right):
        np.testing.assert_allclose(row, expected, rtol=3e-7, atol=1e-7)
    assert (found[8][3:5] == 0).all()  # no sign where there is no difference


def test_lowest_lane_and_total():
    draw = np.random.default_rng(1)
    for place in range(LANES):
        x = draw.normal(size=LANES).astype(np.float32)
        x[place] = -9
        low, everything = lowest_and_total(x)
        assert low == -9
        assert everything == pytest.approx(x.sum(dtype=np.float64), abs=1e-5)
        assert some_at_most(x, np.float32(-9)) and not some_at_most(x, np.float32(-9.01))


def test_four_totals_go_where_they_belong():
    # powers of two in every lane: a sum that mixes lanes or vectors up comes out different, and none is rounded
    x = np.concatenate([np.full(LANES, 2.0**-k) for k in range(4)]).astype(np.float32)
    x[::LANES] += 1024 * np.arange(1, 5)
    sums = np.arange(10, dtype=np.float32)
    four_totals(x, sums, 3)
    right = np.arange(10, dtype=np.float64)
    right[3:7] += x.reshape(4, LANES).sum(axis=1, dtype=np.float64)
    assert sums.tolist() == right.tolist()


def test_every_lane_of_the_four_counts_once():
    for lane in range(4 * LANES):
        x = np.zeros(4 * LANES, dtype=np.float32)
        x[lane] = 7
        sums = np.zeros(4, dtype=np.float32)
        four_totals(x, sums, 0)
        assert sums.tolist() == [7.0 if k == lane // LANES else 0.0 for k in range(4)]


def test_loads_and_stores_need_no_alignment():
    x, out = np.arange(40, dtype=np.float32), np.full(24, -1, dtype=np.float32)
    copy_from(x, 13, out)
    assert out.tolist() == [-1] * 3 + list(range(13, 29)) + [-1] * 5


def test_the_polynomial_is_what_its_comment_says():
    f = np.linspace(-0.5, 0.5, 10_001)
    value = np.polynomial.polynomial.polyval(f, simd.EXP2)
    assert np.abs(value / np.exp2(f) - 1).max() <= 1.05e-7


@pytest.mark.parametrize("count", range(LANES + 1))
def test_some_lanes_are_stored_and_nothing_behind_them(count):
    x, out = np.arange(1, LANES + 1, dtype=np.float32), np.zeros(5 + count, dtype=np.float32)
    beyond = np.zeros(5 + count + LANES, dtype=np.float32)
    for array in (out, beyond):  # the first one ends where the last lane is put
        put_some(x, array, 5, count)
        np.testing.assert_array_equal(array[5 : 5 + count], x[:count])
        assert not array[:5].any() and not array[5 + count :].any()
