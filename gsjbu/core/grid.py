"""The low-resolution (LR) grid over the high-resolution (HR) image: the geometry rules, in one place.

A cell is the block of HR pixels that one LR pixel stands for. HR pixel centres sit at ``p + 0.5``;
the centre of cell ``q`` sits at ``(q + 0.5) * step``. Two ways to make a grid:

- from a stride ``s``: ``ceil(H/s) × ceil(W/s)`` cells of ``s × s`` pixels; the last row and column may be partial;
- from sizes ``h × w``: step ``H/h`` and ``W/w``, which may be non-integer and differ per axis. A pixel
  belongs to the cell that holds its centre, so cells may differ by one pixel in size; of centres that lie on a border
  (ratios such as 2.5) every other one belongs to the next cell.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gsjbu.core.threads import bands, each
from gsjbu.errors import SettingError, ShapeError
from gsjbu.settings import is_truth

#: Rows and columns, as a person gives them.
Size: TypeAlias = Sequence[int] | np.ndarray | Tensor

NEARLY = 1e-9  # pixels, or cells: so near a pixel's centre lies on a border

# Shares that count pixels do so but for rounding; of others the median is a quarter of a pixel off a whole number.
# Asked of cells that have more than one class.
UNCOUNTED, MIXED = 0.1, 1e-3

# So many pixel rows are summed together, as they stay in the cache; fewer values than LARGE by one thread.
BAND, LARGE = 32, 1 << 20


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
            raise ShapeError(f"The image is {size_text(height, width)}; it needs at least one pixel each way.")
        if stride < 1:
            raise ShapeError(f"stride is {stride}; it must be at least 1 pixel.")
        return cls(height, width, math.ceil(height / stride), math.ceil(width / stride), float(stride), float(stride))

    @classmethod
    def from_sizes(cls, height: int, width: int, rows: int, cols: int) -> Grid:
        """Cells from the two sizes; the ratio may be non-integer and differ per axis."""
        if rows < 1 or cols < 1:
            raise ShapeError(
                f"The low-resolution size is {size_text(rows, cols)}; it needs at least one pixel each way."
            )
        if rows > height or cols > width:
            raise ShapeError(
                f"The low-resolution size {size_text(rows, cols)} is larger than the image, "
                f"{size_text(height, width)}; it must be no larger on either axis."
            )
        return cls(height, width, rows, cols, height / rows, width / cols)

    @property
    def is_regular(self) -> bool:
        """True if it is one that ``from_sizes`` or ``from_stride`` makes."""
        by_sizes = Grid.from_sizes(self.height, self.width, self.rows, self.cols)
        return self in (by_sizes, Grid.from_stride(self.height, self.width, max(1, int(self.step_y))))

    @property
    def axes(self) -> tuple[tuple[int, int, float], tuple[int, int, float]]:
        """Pixels, cells and pixels to a cell along each axis, down first."""
        return (self.height, self.rows, self.step_y), (self.width, self.cols, self.step_x)

    @property
    def is_whole(self) -> bool:
        """True if all cells have the same size, a whole number of pixels each way: none is partial."""
        return all(step % 1 == 0 and cells * step == size for size, cells, step in self.axes)

    @cached_property
    def row_starts(self) -> np.ndarray:
        """``int64 [rows + 1]``: pixel rows of cell row ``i`` are ``row_starts[i]:row_starts[i + 1]``."""
        return _starts(self.height, self.rows, self.step_y)

    @cached_property
    def col_starts(self) -> np.ndarray:
        """``int64 [cols + 1]``: pixel columns of cell column ``j`` are ``col_starts[j]:col_starts[j + 1]``."""
        return _starts(self.width, self.cols, self.step_x)

    @cached_property
    def row_of(self) -> np.ndarray:
        """``int64 [height]``: the cell row of each pixel row."""
        return np.repeat(np.arange(self.rows), np.diff(self.row_starts))

    @cached_property
    def col_of(self) -> np.ndarray:
        """``int64 [width]``: the cell column of each pixel column."""
        return np.repeat(np.arange(self.cols), np.diff(self.col_starts))

    @property
    def pixels(self) -> np.ndarray:
        """int64 [h, w]: how many pixels each cell has."""
        return np.outer(np.diff(self.row_starts), np.diff(self.col_starts))

    def cell_of(self, x: int, y: int) -> tuple[int, int]:
        """``(qx, qy)`` of the cell that holds HR pixel ``(x, y)``."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise ShapeError(
                f"Pixel ({x}, {y}) lies outside the image: x must be 0–{self.width - 1}, y 0–{self.height - 1}."
            )
        return int(self.col_of[x]), int(self.row_of[y])

    def low_resolution(self, x: Tensor, how: str) -> Tensor:
        """``x [..., H, W]`` → ``[..., h, w]``: ``bilinear`` as :meth:`cell_samples`, ``area`` as :meth:`cell_means`."""
        ways = {"bilinear": self.cell_samples, "area": self.cell_means}
        if how not in ways:
            raise SettingError("lr_image", f"lr_image is {how!r}; it must be one of {', '.join(ways)}.")
        return ways[how](x)

    def cell_samples(self, x: Tensor) -> Tensor:
        """Value of ``x [..., H, W]`` at each cell's centre, ``[..., h, w]`` float32: linear between pixel centres.

        Where all cells are whole it is ``F.interpolate(mode="bilinear", align_corners=False, antialias=False)``. A
        partial cell has its centre where a whole one would; beyond the border the last pixel stands.
        """
        self._check(x)
        a = x.detach().to("cpu", torch.float32)
        for dim, (size, cells, step) in ((-1, self.axes[1]), (-2, self.axes[0])):
            at = ((torch.arange(cells, dtype=torch.float64) + 0.5) * step - 0.5).clamp(0, size - 1)
            low = at.long()
            part = (at - low).to(torch.float32).reshape(-1, *[1] * (-1 - dim))
            a = torch.lerp(a.index_select(dim, low), a.index_select(dim, (low + 1).clamp_max(size - 1)), part)
        return a.contiguous().to(x.device)

    def cell_means(self, x: Tensor) -> Tensor:
        """Mean of ``x [..., H, W]`` over each cell's valid pixels, ``[..., h, w]``, summed in float64."""
        self._check(x)
        a = x.detach().to("cpu").numpy()
        sums = np.empty((*a.shape[:-2], self.rows, self.cols))
        tall = max(1, round(BAND / self.step_y))  # cells

        def add(rows: slice) -> None:
            for first in range(rows.start, rows.stop, tall):
                last = min(first + tall, rows.stop)
                starts = self.row_starts[first : last + 1]
                # Columns first: reduceat over the contiguous axis leaves little for the second pass.
                lines = np.add.reduceat(
                    a[..., starts[0] : starts[-1], :], self.col_starts[:-1], axis=-1, dtype=np.float64
                )
                np.add.reduceat(lines, starts[:-1] - starts[0], axis=-2, out=sums[..., first:last, :])

        threads = torch.get_num_threads() if a.size >= LARGE else 1
        each(add, bands(self.rows, threads), threads)
        return torch.from_numpy((sums / self.pixels).astype(np.float32)).to(x.device)

    def area_means(self, x: Tensor) -> Tensor:
        """Mean of ``x [..., H, W]`` over each cell as it lies, parts of pixels included, ``[..., h, w]``.

        Where cells are whole pixels these are :meth:`cell_means`.
        """
        self._check(x)
        a = _area_means(x.detach().to("cpu").numpy(), self.col_starts, self.step_x, -1)
        return torch.from_numpy(_area_means(a, self.row_starts, self.step_y, -2).astype(np.float32)).to(x.device)

    def shares(self, classes: np.ndarray, number: int) -> np.ndarray:
        """Share of each class ``0…number − 1`` in each cell's pixels, float32 [number, h, w], as :meth:`cell_means` of
        one at a time; ``classes``: integers [H, W], below 0 for none."""
        place = (classes * self.rows + self.row_of[:, None]) * self.cols + self.col_of
        shape = (number, self.rows, self.cols)
        counts = np.bincount(place[classes >= 0], minlength=math.prod(shape)).reshape(shape)
        return (counts / self.pixels).astype(np.float32)

    def parts(self, x: Tensor, number: int) -> Tensor:
        """Means of ``x [C, H, W]`` over number × number parts of each cell, ``[C, number·h, number·w]`` float32.

        They tile the cells as whole ones lie: a partial cell goes on beyond the border with its last pixels.
        """
        self._check(x)
        right = max(0, round(self.cols * self.step_x) - self.width)
        below = max(0, round(self.rows * self.step_y) - self.height)
        wide = F.pad(x[None].to("cpu", torch.float32), (0, right, 0, below), mode="replicate")
        size = (number * self.rows, number * self.cols)
        return (wide if wide.shape[-2:] == size else F.adaptive_avg_pool2d(wide, size))[0]

    def are_counts(self, shares: np.ndarray) -> bool:
        """Whether ``shares [C, h, w]`` may say how many of each cell's pixels a class has, as its own cell means do."""
        counts = shares * self.pixels
        off = np.abs(counts - counts.round()) - self.rounded(shares)
        off = off[(shares > MIXED) & (shares < 1 - MIXED)]
        return not off.size or float(np.median(off)) <= UNCOUNTED

    def rounded(self, shares: np.ndarray) -> np.ndarray:
        """By how many pixels of each cell [h, w] ``shares`` are rounded: 0 but where they are levels of 8 bits."""
        levels = 255 * shares
        has_8_bits = np.abs(levels - levels.round()).max(initial=0) < MIXED
        return self.pixels / 510 if has_8_bits else np.zeros((self.rows, self.cols))

    def _check(self, x: Tensor) -> None:
        if tuple(x.shape[-2:]) != (self.height, self.width):
            raise ShapeError(
                f"The array is {size_text(*x.shape[-2:])}, the grid is over {size_text(self.height, self.width)}."
            )


def size_text(rows: int, cols: int) -> str:
    """A size as sentences say it, of a grid or an image, in the order of ``layout``: nobody need know the order."""
    return f"{rows} rows × {cols} columns"


def pair(name: str, size: Any) -> tuple[int, int]:
    """Rows and columns as a person gave them by ``name``. Raises ShapeError."""
    try:
        rows, cols = (operator.index(n) for n in size if not is_truth(n))
    except (TypeError, ValueError):
        rows, cols = 0, 0
    if min(rows, cols) < 1:
        raise ShapeError(f"{name} is {size!r}; it must be two whole numbers from 1, rows and columns.")
    return rows, cols


def one_of(**given: object) -> None:
    """Refuse more than one way to say a grid. Raises SettingError."""
    said = [name for name, value in given.items() if value is not None]
    if len(said) > 1:
        raise SettingError(said[0], f"{' and '.join(said)} say the same in two ways; give one of them.")


def _area_means(x: np.ndarray, starts: np.ndarray, step: float, axis: int) -> np.ndarray:
    """Means along an axis over cells as they lie: those of their pixels, and what each border cuts off one."""
    size = x.shape[axis]
    borders = np.minimum(np.arange(len(starts)) * step, size)
    # How much of a pixel lies before a cell's first, and is its own; below 0, how much of its first is another's.
    beyond = starts - borders
    cut = np.where(beyond > 0, starts - 1, np.minimum(starts, size - 1))
    parts = x.take(cut, axis) * beyond.reshape(-1, *[1] * (-1 - axis))
    before, after = np.split(parts, [-1], axis)[0], np.split(parts, [1], axis)[1]
    sums = np.add.reduceat(x, starts[:-1], axis=axis, dtype=np.float64) + before - after
    return sums / np.diff(borders).reshape(-1, *[1] * (-1 - axis))


def _starts(size: int, cells: int, step: float) -> np.ndarray:
    """First pixel of each cell: the smallest p whose centre p + 0.5 reaches q·step.

    A pixel whose centre lies on the border of two cells belongs to one and the next such pixel to the other, counted
    from either end: were all of them the right one's, every cell's mean would lie up to a quarter of a pixel left.
    """
    exact = np.arange(cells + 1, dtype=np.float64) * step - 0.5
    starts = np.ceil(exact - NEARLY).astype(np.int64)
    ties = np.flatnonzero(np.abs(exact - starts) <= NEARLY)
    left, right = np.arange(len(ties)), np.arange(len(ties))[::-1]
    starts[ties] += (np.minimum(left, right) + (left > right)) % 2
    starts[0], starts[-1] = 0, size
    return np.minimum(starts, size)
