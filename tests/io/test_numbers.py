"""Whole numbers, fractions and shares of a whole are told by the numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.io.numbers import may_be_classes, may_be_per_cent, settled, sums_to_one, sums_to_whole, whole_of_levels

SHARES = np.random.default_rng(0).dirichlet(np.ones(5), 600).T.reshape(5, 20, 30)


@pytest.mark.parametrize(
    ("values", "may_be"),
    [([0.0, 3.0, -1.0], True), ([0.0, 2.5], False), ([2.0**63], False), ([np.nan], False), ([], True)],
)
def test_classes_are_whole_numbers_of_64_bits(values, may_be):
    assert may_be_classes(np.array(values)) is may_be


def test_rounding_beyond_0_and_1_is_taken_off_from_either_side():
    values = np.array([[-4e-6, 4e-6, 0.5, 1 - 4e-6, 1 + 4e-6, 7.0]], np.float32)
    known = np.array([[True] * 5 + [False]])
    assert settled(values, known).tolist() == [[0, 0, 0.5, 1, 1, 7]]
    beyond = np.array([[-0.1, 0.5]], np.float32)
    assert settled(beyond, np.ones((1, 2), bool)) is beyond


def test_shares_sum_to_one_over_two_channels_or_more():
    assert sums_to_one(SHARES)
    assert not sums_to_one(SHARES[:1]) and not sums_to_one(1.1 * SHARES) and not sums_to_one(SHARES * [[[-1]]])
    assert not sums_to_one(np.stack([SHARES[0] + 1, -SHARES[0]]))  # the sum alone says nothing


@pytest.mark.parametrize(
    ("values", "dtype", "whole"),
    [
        ([0, 255], "u1", 255), ([0, 200], "f4", 255), ([0, 200], "u2", 65535), ([0, 300], "i4", 65535),
        ([0, 1], "u1", 1), ([0, 1.5], "f4", 1),
    ],
)  # fmt: skip
def test_the_level_that_stands_for_1_goes_by_the_bits_that_are_used(values, dtype, whole):
    assert whole_of_levels(np.dtype(dtype), np.array(values, dtype)) == whole


@pytest.mark.parametrize(
    ("top", "dtype", "may_be"), [(100, "u1", True), (99, "u1", False), (99, "f4", True), (101, "f4", False)]
)
def test_levels_up_to_100_may_be_per_cent(top, dtype, may_be):
    assert may_be_per_cent(np.array([0, 50, top], dtype)) is may_be


@pytest.mark.parametrize(("whole", "dtype"), [(255, np.uint8), (65535, np.uint16)])
def test_levels_sum_to_the_whole_but_for_rounding(whole, dtype):
    levels = np.rint(whole * SHARES).astype(dtype)
    assert sums_to_whole(levels, whole) and not sums_to_whole(levels // 2, whole)
    assert not sums_to_whole(levels[:1], whole)


def test_16_bits_allow_no_more_than_rounding_unless_they_hold_levels_of_8():
    levels = np.rint(255 * SHARES).astype(np.uint16)
    off = levels.astype(int).sum(axis=0) - 255
    assert off.any() and sums_to_whole(257 * levels, 65535)
    near = np.rint(65535 * SHARES).astype(np.uint16)
    near[0] -= np.minimum(near[0], 400)  # 0.6 %
    assert not sums_to_whole(near, 65535)
