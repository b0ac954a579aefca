"""Lattices of an image's pixels: together they are all of them, and each knows its cells."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.core.backends.lattices import Lattice, lattices
from gsjbu.core.grid import Grid

GRIDS = [
    Grid.from_stride(61, 97, 16),
    Grid.from_stride(50, 33, 4),
    Grid.from_sizes(37, 90, 8, 11),
    Grid.from_stride(65, 65, 64),  # the last cells are one pixel wide
]


@pytest.mark.parametrize("grid", GRIDS)
def test_four_of_them_are_the_whole_image(grid):
    parts = lattices(grid, pitch=2)
    assert len(parts) == 4
    image = np.arange(grid.height * grid.width).reshape(1, grid.height, grid.width)
    seen = np.concatenate([part.pixels(image).reshape(-1) for part in parts])
    assert sorted(seen) == list(range(grid.height * grid.width))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("part", [Lattice(), Lattice(2, 2, 1, 0), Lattice(3, 1, 2, 0)])
def test_a_pixel_of_a_lattice_belongs_to_the_cell_that_it_has_in_the_image(grid, part):
    rows, cols = part.row_starts(grid), part.col_starts(grid)
    for y in range(part.top, grid.height, part.pitch_y):
        for x in range(part.left, grid.width, part.pitch_x):
            mine = (y - part.top) // part.pitch_y, (x - part.left) // part.pitch_x
            cell = np.searchsorted(cols, mine[1], "right") - 1, np.searchsorted(rows, mine[0], "right") - 1
            assert cell == grid.cell_of(x, y)


def test_distances_to_a_cells_centre_are_those_in_the_image():
    grid, part = Grid.from_stride(64, 64, 16), Lattice(2, 4, 1, 3)
    for pitch, first, shift in ((2, 1, part.shift[0]), (4, 3, part.shift[1])):
        for k in range(5):
            here = (k + 0.5) - (1.5 * grid.step_y / pitch + shift)
            assert here * pitch == pytest.approx((first + k * pitch + 0.5) - 1.5 * grid.step_y)


@pytest.mark.parametrize(
    ("grid", "pitch"),
    [
        (Grid.from_stride(64, 64, 3), (1, 1)),
        (Grid.from_stride(64, 64, 4), (2, 2)),
        (Grid.from_sizes(60, 70, 20, 10), (1, 2)),
        (
            Grid.from_stride(1, 40, 8),
            (1, 2),
        ),  # one row of pixels cannot be halved, however large a cell would be
    ],
)
def test_small_cells_are_not_thinned_out(grid, pitch):
    assert {(part.pitch_y, part.pitch_x) for part in lattices(grid, pitch=2)} == {pitch}
    assert lattices(grid, pitch=1) == [Lattice()]


def test_large_pitches_leave_what_is_asked_for_about_the_middle():
    grid = Grid.from_sizes(96, 180, 8, 9)  # cells of 12 × 20
    parts = lattices(grid, pitch=64, keep=4)
    assert {(part.pitch_y, part.pitch_x) for part in parts} == {(3, 5)}
    assert {part.top for part in parts} == {0, 2} and {part.left for part in parts} == {1, 3}
    assert all((np.diff(part.row_starts(grid)) == 4).all() for part in parts)
