"""Classes that share channels: never two in one window, and the same map as with a channel each."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.maps import cells
from gsjbu.core import interpolation
from gsjbu.core.grid import Grid
from gsjbu.core.sharing import Shared, crowd

CELLS = cells(30, 41, 150)
NOISE = np.random.default_rng(0).integers(0, 120, (30, 41))
MAPS = {
    "cells": CELLS,
    "noise": NOISE,
    "one class": np.zeros((5, 4), int),
    "one row": np.arange(9)[None] // 2,
}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("reach", [1, 2, 5])
def test_no_window_has_two_classes_in_one_channel(name, reach):
    places = MAPS[name]
    shared = Shared.over(places, reach)
    assert crowd(places, reach) <= shared.channels.max() + 1 <= places.max() + 1
    side = 2 * reach + 1
    for i in range(max(1, places.shape[0] - side + 1)):
        for j in range(max(1, places.shape[1] - side + 1)):
            inside = np.unique(places[i : i + side, j : j + side])
            assert len(np.unique(shared.channels[inside])) == len(inside)
    assert (shared.values.sum(dim=0) == 1).all()


def test_channels_are_few_however_many_classes_there_are():
    few, many = cells(24, 32, 100), cells(96, 128, 1600)
    assert Shared.over(many, 2).channels.max() <= 1.5 * Shared.over(few, 2).channels.max() < 30


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("together", [False, True])
def test_the_strongest_class_is_that_of_a_channel_each(name, together):
    places = MAPS[name]
    rows, cols = places.shape
    grid = Grid.from_sizes(4 * rows, 3 * cols, rows, cols)
    own = torch.from_numpy((places == np.arange(places.max() + 1)[:, None, None]).astype(np.float32))
    for way, reach in ((interpolation.bilinear, 1), (interpolation.bicubic, 2)):
        found = Shared.over(places, reach).strongest(lambda x, way=way: way(x, grid), grid, together)
        assert torch.equal(found, way(own, grid).argmax(dim=0))


def test_of_equal_scores_the_first_class_wins_whatever_its_channel():
    places = np.array([[2, 0], [1, 3]])
    shared = Shared.over(places, 1)
    grid = Grid.from_stride(4, 4, 2)
    assert (shared.strongest(lambda x: torch.ones(len(x), 4, 4), grid) == 0).all()


def test_wider_windows_are_laid_out_anew():
    shared = Shared.over(CELLS, 1)
    assert shared.reaching(1) is shared and shared.reaching(3).channels.max() > shared.channels.max()
