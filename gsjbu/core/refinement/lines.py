"""Smoothing along lines: weighted least squares that follow the guide's edges, solved row by row and column by column.

Each line is min Σ (x − v)² + strength · Σ w · (x − x')² over neighbours, a tridiagonal system; rows and columns in
turn, with weaker strengths each time, come near the answer in two dimensions at a cost linear in pixels (as in Min et
al., Fast Global Image Smoothing, 2014). Whichever is first is preferred: the mean of both orders turns with the image.
"""

from __future__ import annotations

import numpy as np

from gsjbu.core.compiler import njit
from gsjbu.core.threads import bands, each

TURNS = 3  # of rows and columns
LINES = 16  # solved side by side


def edges(colours: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Likeness exp(−‖ΔI‖ / tolerance) of neighbours in ``colours`` [G, H, W]: rows [H, W − 1], columns [H − 1, W]."""
    across, down = (np.square(np.diff(colours, axis=axis)).sum(axis=0) for axis in (2, 1))
    return tuple(np.exp(np.sqrt(d) / np.float32(-tolerance)) for d in (across, down))  # type: ignore[return-value]


def smoothed(
    values: np.ndarray,  # [C, H, W] float32
    likeness: tuple[np.ndarray, np.ndarray],  # as edges gives it
    strength: float,
    threads: int | None = None,
) -> np.ndarray:
    """``values`` smoothed along lines, [C, H, W]: within the range of the values, their mean kept."""
    across, down = likeness
    height, width = values.shape[1:]

    def along(x: np.ndarray, like: np.ndarray, count: int, strength: np.float32) -> None:
        each(lambda p: _solve(x[:, :, p], like[:, p], strength), bands(count, threads), threads)

    halves = []
    for order in (1, -1):
        x = values.copy()
        rows_and_columns = [(x.transpose(0, 2, 1), across.T, height), (x, down, width)]
        for turn in range(TURNS):
            now = np.float32(1.5 * strength * 4.0 ** (TURNS - 1 - turn) / (4.0**TURNS - 1))
            for way, like, count in rows_and_columns[::order]:
                along(way, like, count, now)
        halves.append(x)
    halves[0] += halves[1]
    halves[0] *= np.float32(0.5)
    return halves[0]


@njit(nogil=True, fastmath=True, cache=True)
def _solve(x, likeness, strength):
    """All columns of x [C, n, m] in place, likeness [n − 1, m]; LINES side by side, as one waits for its own sums."""
    channels, length, count = x.shape
    joined = np.zeros((length, LINES), np.float32)
    keep, scale, line = np.empty_like(joined), np.empty_like(joined), np.empty_like(joined)
    for first in range(0, count, LINES):
        here = min(LINES, count - first)
        _turn(likeness[:, first : first + here], joined)
        for y in range(length - 1):
            for i in range(LINES):
                joined[y, i] *= strength
        for i in range(LINES):
            scale[0, i] = 1 / (1 + joined[0, i])
            keep[0, i] = joined[0, i] * scale[0, i]
        for y in range(1, length):
            for i in range(LINES):
                before = joined[y - 1, i]
                scale[y, i] = 1 / (1 + before + joined[y, i] - before * keep[y - 1, i])
                keep[y, i] = joined[y, i] * scale[y, i]
        for c in range(channels):
            _turn(x[c, :, first : first + here], line)
            for i in range(LINES):
                line[0, i] *= scale[0, i]
            for y in range(1, length):
                for i in range(LINES):
                    line[y, i] = (line[y, i] + joined[y - 1, i] * line[y - 1, i]) * scale[y, i]
            for y in range(length - 2, -1, -1):
                for i in range(LINES):
                    line[y, i] += keep[y, i] * line[y + 1, i]
            _turn(line[:, :here], x[c, :, first : first + here])


@njit(nogil=True, fastmath=True, cache=True)
def _turn(here, there):
    """Copy between arrays of which one may lie across memory: in squares, so that either way few lines are open."""
    for top in range(0, here.shape[0], LINES):
        for i in range(here.shape[1]):
            for y in range(top, min(top + LINES, here.shape[0])):
                there[y, i] = here[y, i]
