"""Whether a signal was sampled with align_corners, its outer cells centred on the outer pixels; and the way there.

Each cell is predicted by its neighbours alone, part by part: a part takes the value of those whose colours are like its
own. Where the guide, stretched to such a signal, predicts better than it does as it is, stretched the other way, and
moved to any side, the signal lies so.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.grid import Grid
from gsjbu.core.shift import FEWEST

PARTS = 3  # of a cell along each axis
SIGMA = 1.0  # of the distance to a neighbour, LR pixels
MOST = 64  # cells along each axis that are predicted, spread over the image
TOLERANCES = (0.03, 0.06, 0.12, 0.25)  # guide values, the best of which counts
# The mean error (log) falls by MORE and more when the guide is stretched so, and is APART and more below that when it
# is stretched the other way. Of 299 signals on corners, of 13 kinds at seven strides, 200 are told (0.014 and more; not
# smooth ones, and thin curves look moved); of 1,950 others six are not right, four of them one scene of 228 cells. Of
# signals of 60 other kinds 281 of 330 are told, and three of 385 others wrongly (five from 0.012 on).
MORE, APART = 0.014, 0.04
FEWEST_CELLS = 256


def found(
    values: np.ndarray,  # [C, h, w] about 0 and of spread 1, gaps filled
    guide: Tensor,  # [G, H, W]
    grid: Grid,
    known: Tensor | None = None,  # bool [h, w]; None: all
) -> bool:
    """Whether the signal lies on the image's corners."""
    few = min(grid.rows, grid.cols) < FEWEST or grid.rows * grid.cols < FEWEST_CELLS
    if few or min(grid.step_y, grid.step_x) < 2:
        return False
    there = np.ones(values.shape[1:], bool) if known is None else known.numpy()
    down, across = (_asked(*axis) for axis in grid.axes)
    rows, cols = np.ix_(down.cells, across.cells)
    near, told = values[:, rows, cols], there[rows, cols]
    small = Grid(len(down.pixels), len(across.pixels), rows.size, cols.size, grid.step_y, grid.step_x)

    def error(rows: Tensor, cols: Tensor) -> float:
        """Of the guide whose pixels come from these rows and columns of it."""
        laid = guide[:, rows[down.pixels]][:, :, cols[across.pixels]]
        return _error(near, small.parts(laid, PARTS).numpy(), told, down.asked, across.asked)

    def moved(down: int, across: int) -> float:
        return error(_moved(grid.height, down), _moved(grid.width, across))

    so = error(*(_stretch(pixels, cells) for pixels, cells, _ in grid.axes))
    if moved(0, 0) - so <= MORE:
        return False
    if error(*(beside_corners(pixels, cells) for pixels, cells, _ in grid.axes)) - so <= APART:
        return False
    y, x = round(grid.step_y / 4), round(grid.step_x / 4)  # as far as most cells lie off
    return all(moved(*by) > so for by in product((-y, y), (-x, x)))


def _moved(pixels: int, by: int) -> Tensor:
    """int64 [pixels]: where each pixel of an axis that is moved by so many comes from; the rim is repeated."""
    return (torch.arange(pixels) - by).clamp(0, pixels - 1)


class _Asked(NamedTuple):
    """Along an axis, at most MOST cells that are predicted, and those beside them."""

    cells: np.ndarray  # where both are on the grid
    asked: np.ndarray  # which of these are predicted
    pixels: np.ndarray  # of ``cells``, where they are on the image


def _asked(pixels: int, cells: int, step: float) -> _Asked:
    asked = np.unique(np.linspace(0, cells - 1, MOST).round().astype(int))
    if step % 1 or cells * step != pixels:  # cells that cut pixels lie as they do among all
        return _Asked(np.arange(cells), asked, np.arange(pixels))
    near = np.unique((asked[:, None] + np.arange(-1, 2)).clip(0, cells - 1))
    return _Asked(near, np.searchsorted(near, asked), (near[:, None] * int(step) + np.arange(int(step))).ravel())


def _error(
    values: np.ndarray,  # [C, h, w]
    parts: np.ndarray,  # [G, PARTS·h, PARTS·w]
    there: np.ndarray,  # bool [h, w]
    rows: np.ndarray,
    cols: np.ndarray,
) -> float:
    """Log of the mean distance of the cells of these rows and columns to what their neighbours predict."""
    rows, cols = np.ix_(rows, cols)
    whole = parts.reshape(len(parts), there.shape[0], PARTS, there.shape[1], PARTS)
    own = np.ascontiguousarray(whole.transpose(2, 4, 0, 1, 3)[..., rows, cols])  # [n, n, G, rows, cols]
    near_values, near_guide = (np.pad(t, ((0, 0), (1, 1), (1, 1))) for t in (values, whole.mean(axis=(2, 4))))
    inside = np.pad(there.astype(np.float32), 1)
    at = (np.arange(PARTS, dtype=np.float32) + 0.5) / PARTS - 0.5
    kappas = np.array([0.5 / t**2 for t in TOLERANCES], np.float32)[:, None, None, None, None]
    total = np.full((len(kappas), PARTS, PARTS, rows.size, cols.size), 1e-12, np.float32)
    sums = np.zeros((len(kappas), PARTS, PARTS, len(values), rows.size, cols.size), np.float32)
    for y, x in product(range(-1, 2), repeat=2):
        if y == x == 0:
            continue
        down, across = rows + 1 + y, cols + 1 + x
        near = np.exp(-((at[:, None] - y) ** 2 + (at - x) ** 2) / (2 * SIGMA**2))[:, :, None, None]
        distance = np.square(own - near_guide[:, down, across]).sum(axis=2)
        # The floor keeps a part unlike all neighbours from having no estimate.
        weight = near * (np.exp(-kappas * distance) + np.float32(1e-9))
        weight *= inside[down, across]
        total += weight
        sums += weight[:, :, :, None] * near_values[:, down, across]
    estimate = (sums / total[:, :, :, None]).mean(axis=(1, 2))
    off = np.sqrt(np.square(estimate - values[:, rows, cols]).sum(axis=1))[:, there[rows, cols]].mean(axis=1)
    return float(np.log(max(off.min(), 1e-12)))


def onto_corners(x: Tensor, grid: Grid) -> Tensor:
    """``x`` [C, H, W] stretched to where a signal is taken to lie that was sampled with align_corners: the centres of
    its outer cells are those of the image's outer pixels, not half a cell inside. Whole pixels, the nearest ones."""
    rows, cols = (_stretch(pixels, cells) for pixels, cells, _ in grid.axes)
    return x[:, rows][:, :, cols]


def off_corners(x: Tensor, grid: Grid) -> Tensor:
    """``x`` [C, H, W], which lies so, back on the image."""
    rows, cols = (beside_corners(pixels, cells) for pixels, cells, _ in grid.axes)
    return x[:, rows][:, :, cols]


def _stretch(pixels: int, cells: int) -> Tensor:
    """int64 [pixels]: where on the image each pixel of the stretched one comes from."""
    if cells == 1:
        return torch.arange(pixels)
    at = (torch.arange(pixels, dtype=torch.float64) + 0.5) * cells / pixels - 0.5  # in cells
    return _pixels_at(0.5 + at * (pixels - 1) / (cells - 1), pixels)


def beside_corners(pixels: int, cells: int) -> Tensor:
    """int64 [pixels]: where, along an axis, each pixel of the image is on the one stretched onto its corners."""
    if cells == 1:
        return torch.arange(pixels)
    at = torch.arange(pixels, dtype=torch.float64) * (cells - 1) / max(1, pixels - 1)  # in cells
    return _pixels_at((at + 0.5) * pixels / cells, pixels)


def _pixels_at(places: Tensor, pixels: int) -> Tensor:
    """int64: the pixel that each place lies in; on a border of two the one nearer to the middle, so that what is
    mirrored comes out mirrored."""
    places = places.round(decimals=9)  # 8 is on a border, however it was worked out
    inner = torch.where(places < pixels / 2, places.floor(), places.ceil() - 1)
    return inner.long().clamp(0, pixels - 1)


def corner_centres(pixels: int, cells: int) -> np.ndarray:
    """float64 [cells]: the cells' centres along an axis, from that of the first pixel to that of the last."""
    return np.linspace(0.5, pixels - 0.5, cells) if cells > 1 else np.array([pixels / 2])


def sentence(corners: bool) -> str | None:
    """What was found and done, for people."""
    if not corners:
        return None
    return (
        "The signal's outer cells are centred on the image's outer pixels, as align_corners=True samples: the image was"
        " stretched as much to be followed, and the result lies on the image."
    )
