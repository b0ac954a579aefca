"""Problems for the compiled steps: odd sizes, partial cells, cells of unequal sizes, small strides."""

from __future__ import annotations

import numpy as np

from gsjbu.core.grid import Grid

GRIDS = (
    Grid.from_stride(12, 16, 4),
    Grid.from_stride(13, 18, 5),  # partial cells
    Grid.from_sizes(17, 11, 5, 3),  # cells of unequal sizes
    Grid.from_stride(9, 40, 2),
    Grid.from_stride(1, 7, 3),
    Grid.from_stride(7, 1, 3),
)
THREADS = (1, 2, 3)


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def cells(grid: Grid) -> list[tuple[int, int, slice, slice]]:
    """Row and column of each cell, and its pixels."""
    ys, xs = grid.row_starts, grid.col_starts
    return [
        (i, j, slice(ys[i], ys[i + 1]), slice(xs[j], xs[j + 1])) for i in range(grid.rows) for j in range(grid.cols)
    ]


def shares(grid: Grid, channels: int, seed: int = 0) -> np.ndarray:
    """Shares of a whole [C, h, w]; a class that is nowhere, pure cells, and a cell that no class has."""
    x = draw(seed).random((channels, grid.rows, grid.cols)) ** 3
    x[-1] = 0
    x[:, 0, 0] = 0
    x[0, 0, 0] = 1
    x[x < 0.05] = 0
    total = x.sum(axis=0)
    x /= np.where(total > 0, total, 1)
    x[:, -1, -1] *= 0.6  # pixels of no class
    return x.astype(np.float32)
