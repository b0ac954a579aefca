"""Class numbers lie in patches without an order, ids are a piece each, quantities are neither."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.io.patches import Patches, order, patches

Y, X = np.mgrid[:40, :60]
ALL = np.ones(Y.shape, bool)
BLOCKS = 10 * (Y // 8) + X // 10  # 30 blocks of 8×10 cells
DRAW = np.random.default_rng(0)


def by_hand(plane: np.ndarray, known: np.ndarray) -> Patches:
    """The oracle: pair by pair."""
    pairs = equal = 0
    beside = set()
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            for other in ((y + 1, x), (y, x + 1)):
                if other[0] < plane.shape[0] and other[1] < plane.shape[1] and known[y, x] and known[other]:
                    pairs += 1
                    if plane[y, x] == plane[other]:
                        equal += 1
                        beside.add(plane[y, x])
    values = set(plane[known])
    return Patches(equal / pairs, 1 - len(beside) / len(values), len(values))


@pytest.mark.parametrize("plane", [BLOCKS, X, DRAW.integers(0, 3, Y.shape), DRAW.random(Y.shape)])
def test_pairs_of_equal_neighbours_are_counted(plane):
    known = DRAW.random(Y.shape) > 0.2
    found, expected = patches(plane, known), by_hand(plane, known)
    assert found.equal == pytest.approx(expected.equal) and found.alone == pytest.approx(expected.alone)
    assert found.count == expected.count


def test_classes_lie_in_patches_and_measured_values_do_not():
    assert patches(BLOCKS % 7, ALL).lie_in_patches
    assert not patches(DRAW.random(Y.shape), ALL).lie_in_patches
    assert patches(BLOCKS, ~ALL) == Patches(1.0, 0.0, 0)


def test_neighbours_of_classes_have_numbers_by_chance_and_those_of_a_quantity_do_not():
    classes = DRAW.permutation(30)[np.unique(BLOCKS, return_inverse=True)[1]].reshape(Y.shape)
    assert order(classes, ALL).by_chance and order(classes, ALL).ids
    ramp = order(X // 4 + Y // 4, ALL)
    assert not ramp.by_chance and not ramp.ids and ramp.next == 1


def test_ids_may_be_counted_from_one_corner_on():
    counted = order(BLOCKS, ALL)
    assert counted.counted and counted.pieces == 1
    scattered = order(np.where((X // 5 + Y // 4) % 2, 0, BLOCKS + 1), ALL)
    assert scattered.pieces > counted.pieces


def test_a_large_map_is_told_by_its_middle():
    large = np.zeros((1100, 1200), int)
    large[:, 600:] = 1
    large[0, :20] = np.arange(20) + 2  # outside the middle
    assert order(large, np.ones(large.shape, bool)).count == 2
