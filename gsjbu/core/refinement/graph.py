"""Edges of the whole image: the guided Laplacian with the cell means kept, for all that a window cannot see.

min xᵀLx + TRUST·Σ_cells n·(mean x − v)², L the Laplacian of a graph that joins each pixel to its eight neighbours
by ε + (1 − ε)·exp(−‖ΔI‖²/2σ²) in the guide's colours: some steps of Chebyshev's iteration from what mixing gave.
Conjugate gradients choose their steps by the values, and what float32 rounds off grew a thousandfold in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsjbu.core.compiler import njit
from gsjbu.core.grid import Grid
from gsjbu.core.threads import bands, each

TOLERANCE = 0.03  # σ, in colours of 0…1
FLOOR = 1e-3  # ε: unlike neighbours are joined a little, or lone pixels would have no value
DIAGONAL = 0.7
TRUST = 0.2  # in the cell means
# Of the matrix over its preconditioner no eigenvalue is larger. Those down to SMALLEST are damped alike.
LARGEST, SMALLEST = 2.0, 2.0 / 400


@dataclass(frozen=True, eq=False)
class Graph:
    """Affinities of an image's pixels, with a frame of nothing around it so that no loop asks for borders."""

    joined: (
        np.ndarray
    )  # [4, H + 2, W + 2] of a pixel with its right, lower, lower right and lower left neighbour
    degree: np.ndarray  # [H + 2, W + 2] sum over all eight

    @classmethod
    def of(cls, colours: np.ndarray) -> Graph:
        """The graph of ``colours`` [G, H, W]."""
        _, height, width = colours.shape
        joined = np.zeros((4, height + 2, width + 2), np.float32)
        _join(np.ascontiguousarray(colours), joined)
        degree = joined.sum(axis=0)
        for k, (dy, dx) in enumerate(((0, 1), (1, 0), (1, 1), (1, -1))):
            degree[1:-1, 1:-1] += joined[k, 1 - dy : height + 1 - dy, 1 - dx : width + 1 - dx]
        return cls(joined, degree)


def solved(
    start: np.ndarray,  # [C, H, W] float32
    means: np.ndarray,  # [C, h, w] float32
    known: np.ndarray | None,  # bool [h, w]: cells whose means are asked for; None: all
    graph: Graph,
    grid: Grid,
    steps: int = 30,
    threads: int | None = None,
    spans: np.ndarray
    | None = None,  # int64 [C, h, 2]: per row of cells, the columns of cells that may change
) -> np.ndarray:
    """The minimiser [C, H, W], as near as so many steps from ``start`` come. The same bits for any thread count."""
    out = np.empty_like(start)
    if spans is None:
        spans = np.tile(np.array([0, grid.cols]), (len(start), grid.rows, 1))
    trust = np.full((grid.rows, grid.cols), TRUST, np.float32)
    if known is not None:
        trust[~known] = 0
    means = np.ascontiguousarray(means, np.float32)

    def some(channels: slice) -> None:
        for c in range(channels.start, channels.stop):
            x = np.pad(start[c], 1)
            _descend(
                x,
                means[c],
                trust,
                graph.joined,
                graph.degree,
                grid.row_starts,
                grid.col_starts,
                spans[c],
                steps,
            )
            out[c] = x[1:-1, 1:-1]

    each(some, bands(len(start), threads), threads)
    return out


@njit(nogil=True, fastmath=True, cache=True)
def _join(colours, joined):
    channels, height, width = colours.shape
    sharp = np.float32(1 / (2 * TOLERANCE**2))
    for k in range(4):
        dy = 0 if k == 0 else 1
        dx = 1 if k in (0, 2) else 0 if k == 1 else -1
        most = np.float32(1) if k < 2 else np.float32(DIAGONAL)
        for y in range(height - dy):
            for x in range(max(0, -dx), width - max(0, dx)):
                off = np.float32(0)
                for g in range(channels):
                    step = colours[g, y, x] - colours[g, y + dy, x + dx]
                    off += step * step
                like = np.float32(FLOOR) + np.float32(1 - FLOOR) * np.exp(-off * sharp)
                joined[k, y + 1, x + 1] = most * like


@njit(nogil=True, fastmath=True, cache=True)
def _apply(p, trust, joined, degree, row_starts, col_starts, spans, out):
    """out = (L + TRUST·DᵀD)·p within the spans; returns p·out."""
    product = 0.0
    columns = np.empty(p.shape[1], np.float32)
    for i in range(len(row_starts) - 1):
        left, right = col_starts[spans[i, 0]] + 1, col_starts[spans[i, 1]] + 1
        columns[left:right] = 0
        for y in range(row_starts[i] + 1, row_starts[i + 1] + 1):
            for x in range(left, right):
                columns[x] += p[y, x]
        _spread(columns, trust[i], row_starts[i + 1] - row_starts[i], col_starts, spans[i])
        for y in range(row_starts[i] + 1, row_starts[i + 1] + 1):
            row = np.float32(0)
            for x in range(left, right):
                # Differences first: what neighbours have in common would cost float32 most of its digits.
                here = p[y, x]
                off = joined[0, y, x] * (here - p[y, x + 1]) + joined[0, y, x - 1] * (here - p[y, x - 1])
                off += joined[1, y, x] * (here - p[y + 1, x]) + joined[1, y - 1, x] * (here - p[y - 1, x])
                off += joined[2, y, x] * (here - p[y + 1, x + 1]) + joined[2, y - 1, x - 1] * (
                    here - p[y - 1, x - 1]
                )
                off += joined[3, y, x] * (here - p[y + 1, x - 1]) + joined[3, y - 1, x + 1] * (
                    here - p[y - 1, x + 1]
                )
                value = off + columns[x]
                out[y, x] = value
                row += value * here
            product += row
    return product


@njit(nogil=True, fastmath=True, cache=True)
def _spread(columns, trust, height, col_starts, span):
    """Sums of columns to, in each, its cell's mean times ``trust``."""
    for j in range(span[0], span[1]):
        left, right = col_starts[j] + 1, col_starts[j + 1] + 1
        total = np.float32(0)
        for x in range(left, right):
            total += columns[x]
        columns[left:right] = total * trust[j] / (height * (right - left))


@njit(nogil=True, fastmath=True, cache=True)
def _descend(x, means, trust, joined, degree, row_starts, col_starts, spans, steps):
    """Chebyshev's iteration on x [H + 2, W + 2] in place, preconditioned by the diagonal.

    Its steps are the same whatever the values: the answer is linear in them, and turns with the image.
    """
    r, p, q, scale = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    rows = len(row_starts) - 1
    _apply(x, trust, joined, degree, row_starts, col_starts, spans, q)
    for i in range(rows):
        for j in range(spans[i, 0], spans[i, 1]):
            for y in range(row_starts[i] + 1, row_starts[i + 1] + 1):
                for e in range(col_starts[j] + 1, col_starts[j + 1] + 1):
                    inverse = 1 / max(degree[y, e] + trust[i, j], np.float32(1e-12))
                    scale[y, e] = inverse
                    r[y, e] = (trust[i, j] * means[i, j] - q[y, e]) * inverse
                    p[y, e] = r[y, e]
    middle, half = 0.5 * (LARGEST + SMALLEST), 0.5 * (LARGEST - SMALLEST)
    along, turn = 1 / middle, 0.5 * (half / middle) ** 2
    for step in range(steps):
        _apply(p, trust, joined, degree, row_starts, col_starts, spans, q)
        length = np.float32(along)
        if step:
            turn = (0.5 * half * along) ** 2
        along = 1 / (middle - turn / along)
        keep = np.float32(turn)
        for i in range(rows):
            left, right = col_starts[spans[i, 0]] + 1, col_starts[spans[i, 1]] + 1
            for y in range(row_starts[i] + 1, row_starts[i + 1] + 1):
                for e in range(left, right):
                    x[y, e] += length * p[y, e]
                    off = r[y, e] - length * q[y, e] * scale[y, e]
                    r[y, e] = off
                    p[y, e] = off + keep * p[y, e]
