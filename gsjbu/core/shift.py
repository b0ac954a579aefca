"""Whether a signal lies off its guide by a constant shift: half a cell from another convention of the grid, some pixels
from a depth camera beside the colour camera.

Where neighbouring cells of the signal differ much, neighbouring cells of the guide should; the guide is taken on
lattices shifted by quarters of a cell, and the shift at which both agree best is one if it is better than none all over
the image, not by chance in a corner.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gsjbu.core.grid import Grid
from gsjbu.core.threads import bands, each

FINE = 4  # steps a cell
REACH = 6  # steps to either side
MARGIN = -(-REACH // FINE)  # cells
FEWEST = 12  # cells along an axis
LEAST = 0.25  # cells
AGREED = 0.2  # least correlation
PEAK = 0.1  # and by how much it stands out
TIE = 1e-3  # a straight edge looks the same wherever it is moved along itself, but for rounding
PARTS = 4  # along each axis, that are asked one by one
#: The gain over the parts in units of its standard error. None of 114 signals that lie where they should has 2.71, and
#: none of ten of depth 0.7.
SURE, LIKELY = 2.8, 1.15
FLAT = 1e-6
BAND = 16  # rows of places that are looked at together: what is made of them stays in the cache
STRONG = 2.0  # differences of the signal count from so many times their mean on


class Shift(NamedTuple):
    """How far a signal lies to the right of its guide and below it, in HR pixels; not sure: it may be chance."""

    across: float
    down: float
    sure: bool
    of_sampling: bool = False  # half a cell: samples lie at the cells' first pixels, not at their centres

    @property
    def pixels(self) -> tuple[int, int]:
        """To the right and down, the nearest whole ones."""
        return round(self.across), round(self.down)


def found(
    signal: Tensor,  # [C, h, w], gaps filled
    guide: Tensor,  # [G, H, W]
    grid: Grid,
    known: Tensor | None = None,  # bool [h, w]; None: all
) -> Shift | None:
    """The shift of the signal against the guide; None where none shows."""
    rows, cols = grid.rows, grid.cols
    if min(rows, cols) < FEWEST or min(grid.step_y, grid.step_x) < 2:
        return None
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    there = np.ones((rows, cols), bool) if known is None else known.numpy()
    there_x, there_y = there[:, 1:] & there[:, :-1], there[1:] & there[:-1]
    there_x, there_y = (
        there_x[inner[0], MARGIN : cols - MARGIN - 1],
        there_y[MARGIN : rows - MARGIN - 1, inner[1]],
    )
    weights = (there_x.astype(np.float32), there_y.astype(np.float32))
    edges = _changes(signal.detach().to("cpu", torch.float32).numpy()[:, inner[0], inner[1]])
    most = STRONG * _mean(edges, weights)
    told = _standard([np.sqrt(np.maximum(e - most, 0)) for e in edges], weights)
    if told is None:
        return None
    changes_at = _changes_of_lattices(guide, grid)
    total, own = sum(float(w.sum()) for w in weights), _by_part(told)
    steps = range(-REACH, REACH + 1)
    gains = {}
    for at in product(steps, steps):
        # the correlation with what is about 0 and of spread 1, as _standard makes it, without making it
        seen = changes_at(*at)
        mean = sum(float(np.einsum("yx,yx->", w, a)) for w, a in zip(weights, seen, strict=True)) / total
        square = sum(float(np.einsum("yx,yx,yx->", w, a, a)) for w, a in zip(weights, seen, strict=True)) / total
        spread = max(0.0, square - mean * mean) ** 0.5
        if spread <= FLAT:
            return None
        gains[at] = (_by_part([a * b for a, b in zip(told, seen, strict=True)]) - mean * own) / (spread * total)
    sums = {at: float(parts.sum()) for at, parts in gains.items()}
    best = max(sums, key=lambda at: sums[at])
    more = gains[best] - gains[0, 0]
    error = float(more.std(ddof=1)) / len(more) ** 0.5
    down, across = -best[0] / FINE, -best[1] / FINE
    clear = sums[best] > AGREED and sums[best] - float(np.median(list(sums.values()))) > PEAK
    inside = max(abs(best[0]), abs(best[1])) < REACH and np.hypot(down, across) >= LEAST
    gain = float(more.mean())
    tied = sums[best] - sums[0, 0] < TIE
    if not (clear and inside and not tied and gain > LIKELY * error):
        return None
    return Shift(across * grid.step_x, down * grid.step_y, gain > SURE * error)


def moved(x: Tensor, across: int, down: int) -> Tensor:
    """``x`` [C, H, W] moved to the right and down by whole pixels; what comes in at the rim repeats it."""
    if not (across or down):
        return x
    rim = (max(across, 0), max(-across, 0), max(down, 0), max(-down, 0))
    height, width = x.shape[1:]
    wide = F.pad(x[None], rim, mode="replicate")[0]
    return wide[:, max(-down, 0) :, max(-across, 0) :][:, :height, :width].contiguous()


def means_of_moved(guide: Tensor, grid: Grid, across: int, down: int, roughly: bool) -> Tensor:
    """Cell means [G, h, w] of ``moved(guide, across, down)``; ``roughly``, where cells are whole, those of a view, and
    the cells at the rim repeat those beside them."""
    height, width = int(grid.step_y), int(grid.step_x)
    if not (grid.is_whole and roughly) or min(grid.rows, grid.cols) < 3 or abs(down) > height or abs(across) > width:
        return grid.cell_means(moved(guide, across, down)).to(torch.float32)
    top, left = height - down, width - across
    inner = guide[:, top : top + height * (grid.rows - 2), left : left + width * (grid.cols - 2)]
    means = F.avg_pool2d(inner[None].to(torch.float32), (height, width))
    return F.pad(means, (1, 1, 1, 1), mode="replicate")[0]


def sentence(shift: Shift | None) -> str | None:
    """What was found and done, for people; None of what may be chance."""
    if shift is None or not shift.sure:
        return None
    ways = (_way(shift.across, "right", "left"), _way(shift.down, "down", "up"))
    found = f"The signal lies off the image by a constant shift, about {' and '.join(w for w in ways if w)}"
    if shift.of_sampling:
        return (
            f"{found}: half a cell, as of samples at the cells' first pixels. The result is moved back, so that it lies"
            " on the image."
        )
    return (
        f"{found}. The image was moved as far to be followed; the result lies where the signal does. Check whether two"
        " cameras are registered."
    )


def _way(pixels: float, ahead: str, back: str) -> str:
    return f"{abs(pixels):.3g} px {ahead if pixels > 0 else back}" if pixels else ""


def _changes_of_lattices(guide: Tensor, grid: Grid) -> Callable[[int, int], list[np.ndarray]]:
    """Roots of the changes of the guide's cell means, MARGIN cells from the rim, on the grid moved down and across.

    Grids that are whole cells apart are the same: FINE² of them hold all.
    """
    fine = grid.parts(guide, FINE).numpy()
    height, width = (n - FINE + 1 for n in fine.shape[1:])
    across, down = np.empty((height, width - FINE), np.float32), np.empty((height - FINE, width), np.float32)

    def fill(tops: slice) -> None:
        for top in range(tops.start * BAND, min(tops.stop * BAND, height), BAND):
            means = _sliding_means(fine[:, top : top + BAND + 2 * FINE - 1])
            for changes, lines in zip((across, down), _changes(means, FINE), strict=True):
                there = changes[top : top + BAND]
                np.sqrt(lines[: len(there)], out=there)

    threads = torch.get_num_threads()
    each(fill, bands(-(-height // BAND), threads), threads)
    phases = {
        (p, q): [np.ascontiguousarray(changes[p::FINE, q::FINE]) for changes in (across, down)]
        for p, q in product(range(FINE), range(FINE))
    }

    def moved(down: int, across: int) -> list[np.ndarray]:
        (top, p), (left, q) = divmod(MARGIN * FINE + down, FINE), divmod(MARGIN * FINE + across, FINE)
        height, width = grid.rows - 2 * MARGIN, grid.cols - 2 * MARGIN
        x, y = phases[p, q]
        return [
            x[top : top + height, left : left + width - 1],
            y[top : top + height - 1, left : left + width],
        ]

    return moved


def _sliding_means(x: np.ndarray) -> np.ndarray:
    """Means of ``x`` [C, n, m] over FINE × FINE places, [C, n − FINE + 1, m − FINE + 1]."""
    height, width = (n - FINE + 1 for n in x.shape[1:])
    rows = np.asarray(sum(x[:, i : i + height] for i in range(FINE)))
    return np.asarray(sum(rows[:, :, i : i + width] for i in range(FINE)) / np.float32(FINE**2))


def _changes(x: np.ndarray, pitch: int = 1) -> list[np.ndarray]:
    """From each place of [C, h, w] to that ``pitch`` further: across [h, w − pitch] and down [h − pitch, w]."""
    ways = (x[:, :, pitch:] - x[:, :, :-pitch], x[:, pitch:] - x[:, :-pitch])
    return [np.sqrt(np.square(way).sum(axis=0)) for way in ways]


def _mean(x: list[np.ndarray], weights: tuple[np.ndarray, np.ndarray]) -> float:
    total = sum(float(w.sum()) for w in weights)
    return sum(float((a * w).sum()) for a, w in zip(x, weights, strict=True)) / max(total, 1.0)


def _standard(x: list[np.ndarray], weights: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray] | None:
    """About 0 and of spread 1, and 0 where there is no weight; None if it is flat."""
    mean = _mean(x, weights)
    spread = _mean([np.square(a - mean) for a in x], weights) ** 0.5
    if spread <= FLAT:
        return None
    return [(a - mean) * w / spread for a, w in zip(x, weights, strict=True)]


def _by_part(x: list[np.ndarray]) -> np.ndarray:
    """The sum over each of PARTS × PARTS parts of the image, all of one size: what a border cuts is shared."""
    sums = np.zeros((PARTS, PARTS))
    for plane in x:  # no product of matrices, whose threads wait for each other longer than they work
        parts = Grid.from_sizes(len(plane), plane.shape[1], PARTS, PARTS)
        sums += parts.area_means(torch.from_numpy(plane)).numpy() * (plane.size / PARTS**2)
    return sums.ravel()
