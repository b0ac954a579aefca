"""The row form's arrays: where each pixel of an image lies when every lane of a vector is a cell of a row.

P: places across the widest cell. L: cells in a row, rounded up to whole vectors. A row of pixels becomes P rows of L
lanes: place 0 of every cell, place 1 of every cell … Cells that are narrower (a ratio that is no integer, a partial
last cell) have their last pixel again in the places that they lack, and so have lanes past the last cell; ``valid``
is 0 there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gsjbu.core.backends.lattices import Lattice
from gsjbu.core.backends.simd import LANES
from gsjbu.core.compiler import FAST, njit
from gsjbu.core.grid import Grid

f32 = np.float32
BAND = 8  # pixel rows that a task has at least: the rows of cells in it share the sums of their LR rows


class Layouts(NamedTuple):
    """K lattices of an image in lanes, and how its cells are shared out in tasks."""

    rows: int
    cols: int
    radius: int
    places: int  # P
    lanes: int  # L
    even: bool  # all cells but the last are P pixels wide
    step_y: float
    step_x: float
    band: int  # rows of cells of a task
    tile: int  # lanes of a task
    pixels: np.ndarray  # int64 [K]
    row_starts: np.ndarray  # int64 [K, rows + 1]
    columns: np.ndarray  # int64 [K, P·L]  pixel column of each place of each cell
    xs: np.ndarray  # float32 [K, P·L]  where it lies from the cell's centre, in HR pixels
    valid: np.ndarray  # float32 [K, P·L]
    widths: np.ndarray  # float32 [K, L]  pixels across, at least 1
    ys: np.ndarray  # float32 [K, H]  where each pixel row lies from its cell's centre, in HR pixels


class Layout(NamedTuple):
    """One of them."""

    rows: int
    cols: int
    radius: int
    places: int
    lanes: int
    even: bool
    step_y: float
    step_x: float
    pixels: int
    row_starts: np.ndarray
    columns: np.ndarray
    xs: np.ndarray
    valid: np.ndarray
    widths: np.ndarray
    ys: np.ndarray


@njit(**FAST)
def layout_at(layouts, k):
    """Number k of K layouts."""
    a = layouts
    return Layout(a.rows, a.cols, a.radius, a.places, a.lanes, a.even, a.step_y, a.step_x, a.pixels[k],
                  a.row_starts[k], a.columns[k], a.xs[k], a.valid[k], a.widths[k], a.ys[k])  # fmt: skip


def layouts_of(grid: Grid, parts: list[Lattice], radius: int, tasks: int) -> Layouts:
    """The lanes of a grid over each lattice, in at least ``tasks`` tasks where there is enough to share."""
    row_starts = np.stack([part.row_starts(grid) for part in parts])
    col_starts = np.stack([part.col_starts(grid) for part in parts])
    starts, widths = col_starts[:, :-1], np.diff(col_starts)
    lanes = whole_vectors(grid.cols)
    cell = np.minimum(np.arange(lanes), grid.cols - 1)
    place = np.arange(widths.max())[:, None]
    columns = starts[:, None, cell] + np.minimum(place, widths[:, None, cell] - 1)
    columns = np.maximum(columns, 0)  # a cell may have no pixel of its own
    valid = (place < widths[:, None, cell]) & (np.arange(lanes) < grid.cols)
    left, pitch_x = np.array([[part.left, part.pitch_x] for part in parts]).T[:, :, None, None]
    xs = left + pitch_x * columns + 0.5 - (cell + 0.5) * grid.step_x
    ys = np.zeros((len(parts), int(row_starts.max())), dtype=f32)
    for line, part, first in zip(ys, parts, row_starts, strict=True):
        row = np.repeat(np.arange(grid.rows), np.diff(first))
        line[: len(row)] = part.top + part.pitch_y * np.arange(len(row)) + 0.5 - (row + 0.5) * grid.step_y
    band = max(1, int(BAND // grid.step_y))
    even = bool((widths[:, :-1] == len(place)).all())
    across = -(-tasks // -(-grid.rows // band))
    kinds: tuple[tuple[np.ndarray, Any], ...] = (
        (columns, np.int64), (xs, f32), (valid, f32), (np.maximum(widths[:, cell], 1), f32),
    )  # fmt: skip
    flat_columns, flat_xs, flat_valid, flat_widths = (
        np.ascontiguousarray(x.reshape(len(parts), -1), dtype=kind) for x, kind in kinds
    )
    return Layouts(
        grid.rows, grid.cols, radius, len(place), lanes, even, float(grid.step_y), float(grid.step_x), band,
        max(1, lanes // LANES // across) * LANES, row_starts[:, -1] * col_starts[:, -1], row_starts,
        flat_columns, flat_xs, flat_valid, flat_widths, ys,
    )  # fmt: skip


def sources(layouts: Layouts, width: int) -> np.ndarray:
    """int64 [W]: which of a block's vectors, one a place, and which of its lanes holds each pixel of a row."""
    found = np.empty(width, dtype=np.int64)
    places, cells = layouts.valid[0].reshape(layouts.places, layouts.lanes).nonzero()
    found[layouts.columns[0].reshape(layouts.places, -1)[places, cells]] = places * LANES + cells % LANES
    return found


def pitch_of(count: int, radius: int) -> int:
    """Floats of a line of ``count`` lanes and R more on either side: an odd number of vectors, so that lines below
    each other do not all fall into the same few sets of the cache."""
    return (whole_vectors(count + 2 * radius) // LANES | 1) * LANES


def tasks_of(layouts: Layouts) -> int:
    """Tasks of a phase."""
    return -(-layouts.rows // layouts.band) * -(-layouts.lanes // layouts.tile)


def whole_vectors(count: int) -> int:
    """``count`` rounded up to a multiple of LANES."""
    return -(-count // LANES) * LANES


def pixels_in_lanes(images: list[np.ndarray], layouts: Layouts) -> np.ndarray:
    """K lattices' images [G, H, W] as [K, G, H, P·L]; the image itself where it is that already."""
    if len(images) == 1 and layouts.places == 1 and layouts.lanes == images[0].shape[2]:
        return images[0][None]
    laid = np.zeros((len(images), len(images[0]), layouts.ys.shape[1], layouts.columns.shape[1]), dtype=f32)
    for image, columns, to in zip(images, layouts.columns, laid, strict=True):
        to[:, : image.shape[1]] = np.take(image, columns, axis=2)
    return laid


def padded(signal: np.ndarray, radius: int) -> np.ndarray:
    """A signal [C, h, w] flat, with room for the vectors that begin before its first value or end past its last."""
    return np.pad(signal.ravel(), (radius, radius + LANES))


def lined(signal: np.ndarray, radius: int, channels: int) -> np.ndarray:
    """A signal [C, h, w] as lines [h + 2R, channels, pitch] beside each other; what is outside is 0."""
    count, rows, cols = signal.shape
    lines = np.zeros((rows + 2 * radius, channels, pitch_of(whole_vectors(cols), radius)), dtype=f32)
    lines[radius : radius + rows, :count, radius : radius + cols] = signal.transpose(1, 0, 2)
    return lines
