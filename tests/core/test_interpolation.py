"""Nearest, bilinear and bicubic on the grid's own geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gsjbu.core import interpolation
from gsjbu.core.grid import Grid

GRIDS = [
    Grid.from_stride(32, 48, 16),
    Grid.from_stride(97, 61, 16),
    Grid.from_stride(5, 40, 64),
    Grid.from_sizes(224, 224, 15, 15),
    Grid.from_sizes(60, 91, 20, 13),
    Grid.from_sizes(1, 40, 1, 7),
    Grid.from_sizes(3, 3, 3, 3),
]


def taps(size: int, cells: int, step: float) -> np.ndarray:
    """Linear interpolation between cell centres (i + ½)·step, flat beyond the outermost: [size, cells], plain numpy."""
    centres = (np.arange(cells) + 0.5) * step
    return np.stack([np.interp(np.arange(size) + 0.5, centres, unit) for unit in np.eye(cells)], axis=1)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_bilinear_is_linear_between_cell_centres(grid):
    lr = torch.randn(3, grid.rows, grid.cols, generator=torch.Generator().manual_seed(0))
    rows = torch.from_numpy(taps(grid.height, grid.rows, grid.step_y))
    cols = torch.from_numpy(taps(grid.width, grid.cols, grid.step_x))
    right = torch.einsum("yi,cij,xj->cyx", rows, lr.double(), cols)
    assert (interpolation.bilinear(lr, grid) - right).abs().max() <= 2e-5


def test_on_whole_cells_it_is_what_torch_does():
    grid, lr = Grid.from_stride(32, 48, 16), torch.randn(4, 2, 3)
    for mode in ("bilinear", "bicubic"):
        right = F.interpolate(lr[None], size=(32, 48), mode=mode, align_corners=False)[0]
        assert (getattr(interpolation, mode)(lr, grid) - right).abs().max() <= 1e-6


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize(
    "way", [interpolation.nearest, interpolation.bilinear, interpolation.bicubic, interpolation.catmull_rom]
)
def test_sizes_and_constants(way, grid):
    lr = torch.full((2, grid.rows, grid.cols), -1.25)
    high = way(lr, grid)
    assert high.shape == (2, grid.height, grid.width)
    assert (high + 1.25).abs().max() <= 1e-5


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_nearest_is_the_pixels_own_cell(grid):
    lr = torch.arange(grid.rows * grid.cols, dtype=torch.float32).reshape(1, grid.rows, grid.cols)
    high = interpolation.nearest(lr, grid)
    for y in range(0, grid.height, 7):
        for x in range(0, grid.width, 5):
            qx, qy = grid.cell_of(x, y)
            assert high[0, y, x] == lr[0, qy, qx]
    if min(np.diff(grid.row_starts).min(), np.diff(grid.col_starts).min()) >= 1:
        assert torch.equal(grid.cell_means(high), lr)


def test_bicubic_follows_a_ramp_and_overshoots_a_step():
    grid = Grid.from_stride(8, 64, 8)
    ramp = torch.arange(8.0).expand(1, 1, 8)
    middle = interpolation.bicubic(ramp, grid)[0, 0, 20:44]
    assert (middle - (torch.arange(20, 44) + 0.5) / 8 + 0.5).abs().max() < 0.08  # a = −¾ is not exact on ramps
    step = (torch.arange(8) >= 4).float().expand(1, 1, 8)
    assert interpolation.bicubic(step, grid).max() > 1.02
    assert interpolation.bilinear(step, grid).max() <= 1


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_catmull_rom_is_exact_on_parabolas_away_from_the_rim(grid):
    def bowl(y, x):
        return 0.3 * y * y - 0.2 * x * x + y * x - 4 * x + 1

    rows, cols = torch.arange(grid.rows).double(), torch.arange(grid.cols).double()
    high = interpolation.catmull_rom(bowl(rows[:, None], cols)[None], grid)[0]
    y = (torch.arange(grid.height).double() + 0.5) / grid.step_y - 0.5
    x = (torch.arange(grid.width).double() + 0.5) / grid.step_x - 0.5
    inner = ((y >= 1) & (y < grid.rows - 2))[:, None] & ((x >= 1) & (x < grid.cols - 2))
    assert ((high - bowl(y[:, None], x)).abs()[inner] <= 1e-9 * max(grid.rows, grid.cols) ** 2).all()


def test_catmull_rom_is_torchs_other_cubic_away_from_the_rim():
    grid, lr = Grid.from_stride(80, 96, 8), torch.randn(2, 10, 12)
    right = F.interpolate(lr[None], size=(80, 96), mode="bicubic", antialias=True)[0]
    inner = (slice(None), slice(16, -16), slice(16, -16))
    assert (interpolation.catmull_rom(lr, grid) - right)[inner].abs().max() <= 1e-5


@pytest.mark.parametrize("way", [interpolation.bilinear, interpolation.bicubic])
def test_whole_numbers_are_interpolated_as_fractions_are(way):
    low, grid = torch.arange(12).reshape(1, 3, 4), Grid.from_stride(12, 16, 4)
    assert torch.equal(way(low, grid), way(low.float(), grid))
