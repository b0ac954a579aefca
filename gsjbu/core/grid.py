"""The low-resolution (LR) grid over the high-resolution (HR) image: the geometry rules, in one place.

A cell is the block of HR pixels that one LR pixel stands for. HR pixel centres sit at ``p + 0.5``;
the centre of cell ``q`` sits at ``(q + 0.5) * step``. Two ways to make a grid:

- from a stride ``s``: ``ceil(H/s) × ceil(W/s)`` cells of ``s × s`` pixels; the last row and column may be partial;
- from sizes ``h × w``: step ``H/h`` and ``W/w``, which may be non-integer and differ per axis. A pixel
  belongs to the cell that holds its centre, so cells may differ by one pixel in size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gsjbu.errors import ShapeError


@dataclass(frozen=True)
class Grid:
    """Cells of an image of ``height × width`` pixels: ``rows × cols``, ``step_y × step_x`` pixels each."""

    height: int
    width: int
    rows: int
    cols: int
    step_y: float
    step_x: float

    @classmethod
    def from_stride(cls, height: int, width: int, stride: int) -> Grid:
        """Square cells of ``stride`` pixels; nothing is cropped, edge cells may be partial."""
        if height < 1 or width < 1:
            raise ShapeError(f"The image is {width}×{height} pixels; it needs at least one pixel each way.")
        if stride < 1:
            raise ShapeError(f"stride is {stride}; it must be at least 1 pixel.")
        return cls(
            height, width, math.ceil(height / stride), math.ceil(width / stride), float(stride), float(stride)
        )

    @classmethod
    def from_sizes(cls, height: int, width: int, rows: int, cols: int) -> Grid:
        """Cells from the two sizes; the ratio may be non-integer and differ per axis."""
        if rows < 1 or cols < 1:
            raise ShapeError(
                f"The low-resolution size is {cols}×{rows}; it needs at least one pixel each way."
            )
        if rows > height or cols > width:
            raise ShapeError(
                f"The low-resolution size {cols}×{rows} is larger than the image, {width}×{height}; "
                "it must be no larger on either axis."
            )
        return cls(height, width, rows, cols, height / rows, width / cols)

    @property
    def is_regular(self) -> bool:
        """True if it is one that ``from_sizes`` or ``from_stride`` makes."""
        by_sizes = Grid.from_sizes(self.height, self.width, self.rows, self.cols)
        return self in (by_sizes, Grid.from_stride(self.height, self.width, max(1, int(self.step_y))))

    @cached_property
    def row_starts(self) -> np.ndarray:
        """``int64 [rows + 1]``: pixel rows of cell row ``i`` are ``row_starts[i]:row_starts[i + 1]``."""
        return _starts(self.height, self.rows, self.step_y)

    @cached_property
    def col_starts(self) -> np.ndarray:
        """``int64 [cols + 1]``: pixel columns of cell column ``j`` are ``col_starts[j]:col_starts[j + 1]``."""
        return _starts(self.width, self.cols, self.step_x)

    def cell_of(self, x: int, y: int) -> tuple[int, int]:
        """``(qx, qy)`` of the cell that holds HR pixel ``(x, y)``."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise ShapeError(
                f"Pixel ({x}, {y}) lies outside the image: x must be 0–{self.width - 1}, y 0–{self.height - 1}."
            )
        qx = int(np.searchsorted(self.col_starts, x, side="right")) - 1
        qy = int(np.searchsorted(self.row_starts, y, side="right")) - 1
        return qx, qy

    def cell_means(self, x: Tensor) -> Tensor:
        """Mean of ``x [..., H, W]`` over each cell's valid pixels, ``[..., h, w]``, summed in float64."""
        if tuple(x.shape[-2:]) != (self.height, self.width):
            raise ShapeError(
                f"The array is {x.shape[-1]}×{x.shape[-2]} pixels, the grid is over {self.width}×{self.height}."
            )
        a = x.detach().to("cpu").numpy()
        # Columns first: reduceat over the contiguous axis leaves little for the second pass.
        sums = np.add.reduceat(a, self.col_starts[:-1], axis=-1, dtype=np.float64)
        sums = np.add.reduceat(sums, self.row_starts[:-1], axis=-2)
        counts = np.diff(self.row_starts)[:, None] * np.diff(self.col_starts)[None, :]
        return torch.from_numpy((sums / counts).astype(np.float32)).to(x.device)


def _starts(size: int, cells: int, step: float) -> np.ndarray:
    """First pixel of each cell: the smallest p whose centre p + 0.5 reaches q·step."""
    exact = np.arange(cells + 1, dtype=np.float64) * step - 0.5
    starts = np.ceil(exact - 1e-9).astype(np.int64)
    starts[0], starts[-1] = 0, size
    return np.minimum(starts, size)
