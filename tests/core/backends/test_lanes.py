"""Pixels in lanes: every pixel once, where its place says, and nothing else counts."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.core.backends import lanes
from gsjbu.core.backends.lattices import WHOLE, lattices
from gsjbu.core.backends.simd import LANES
from gsjbu.core.grid import Grid

GRIDS = (
    Grid.from_stride(20, 37, 1),
    Grid.from_stride(20, 37, 4),
    Grid.from_sizes(20, 37, 7, 11),
    Grid.from_sizes(20, 64, 5, 64),
)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_every_column_of_pixels_has_one_valid_place(grid):
    layout = lanes.layout_at(lanes.layouts_of(grid, [WHOLE], 2, 1), 0)
    columns = layout.columns.reshape(layout.places, layout.lanes)
    valid = layout.valid.reshape(layout.places, layout.lanes) > 0
    assert sorted(columns[valid]) == list(range(grid.width))
    for x in range(grid.width):
        place, lane = np.argwhere(valid & (columns == x))[0]
        assert lane == grid.cell_of(x, 0)[0]
        centre = (lane + 0.5) * grid.step_x
        assert layout.xs.reshape(columns.shape)[place, lane] == pytest.approx(x + 0.5 - centre, abs=1e-5)
    assert layout.ys[3] == pytest.approx(3.5 - (grid.cell_of(0, 3)[1] + 0.5) * grid.step_y, abs=1e-6)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_sources_say_where_each_pixel_of_a_row_is(grid):
    layouts = lanes.layouts_of(grid, [WHOLE], 2, 1)
    layout = lanes.layout_at(layouts, 0)
    row = np.arange(grid.width, dtype=np.float32)
    in_lanes = row[layout.columns].reshape(layout.places, layout.lanes)
    for x, source in enumerate(lanes.sources(layouts, grid.width)):
        block = grid.cell_of(x, 0)[0] // LANES * LANES
        assert in_lanes[:, block : block + LANES].reshape(-1)[source] == x


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_tasks_cover_all_lanes(grid):
    layout = lanes.layouts_of(grid, [WHOLE], 2, 40)
    assert layout.lanes % LANES == 0
    assert layout.lanes >= grid.cols
    assert layout.tile % LANES == 0
    down, across = -(-grid.rows // layout.band), -(-layout.lanes // layout.tile)
    assert lanes.tasks_of(layout) == down * across


def test_a_guide_that_is_in_lanes_already_is_not_copied():
    guide = np.zeros((3, 20, 64), np.float32)
    assert np.shares_memory(lanes.pixels_in_lanes([guide], lanes.layouts_of(GRIDS[3], [WHOLE], 1, 1)), guide)


def test_pixels_in_lanes():
    guide = np.arange(2 * 20 * 37, dtype=np.float32).reshape(2, 20, 37)
    layout = lanes.layouts_of(GRIDS[1], [WHOLE], 1, 1)
    laid = lanes.pixels_in_lanes([guide], layout).reshape(2, 20, layout.places, layout.lanes)
    for place in range(4):
        np.testing.assert_array_equal(laid[:, :, place, :9], guide[:, :, place:36:4])


def test_lines_of_a_signal_have_nothing_around_them():
    signal = np.ones((3, 4, 5), np.float32)
    lines = lanes.lined(signal, 2, 4)
    assert lines.shape[:2] == (8, 4)
    assert lines.sum() == signal.size
    np.testing.assert_array_equal(lines[2:6, :3, 2:7], signal.transpose(1, 0, 2))


def test_a_lattice_lies_where_its_pixels_lie_in_the_image():
    grid = Grid.from_sizes(20, 37, 4, 8)
    parts = lattices(grid, pitch=2)
    layouts = lanes.layouts_of(grid, parts, 1, 1)
    for k, part in enumerate(parts):
        layout = lanes.layout_at(layouts, k)
        columns = layout.columns.reshape(layout.places, layout.lanes)
        valid = layout.valid.reshape(layout.places, layout.lanes) > 0
        seen = part.left + part.pitch_x * columns[valid]
        assert sorted(seen) == list(range(part.left, 37, part.pitch_x))
        lane = np.argwhere(valid)[:, 1]
        found = layout.xs.reshape(columns.shape)[valid]
        np.testing.assert_allclose(found, seen + 0.5 - (lane + 0.5) * grid.step_x, atol=1e-5)
