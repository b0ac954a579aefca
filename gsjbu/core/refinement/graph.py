"""Edges of the whole image: the guided Laplacian with the cell means kept, for all that a window cannot see.

min xᵀLx + TRUST·Σ_cells n·(mean x − v)², L the Laplacian of a graph that joins each pixel to its eight neighbours
by (1 − ε)·exp(−q) + ε/(1 + q/10) + lone, q = ‖ΔI‖²/2σ², in the guide's colours: some steps of Chebyshev's
iteration from what mixing gave. Conjugate gradients choose their steps by the values, and what float32 rounds off grew
a thousandfold in them.
"""

from __future__ import annotations

import numpy as np

from gsjbu.core.backends.phases import claim, finish, new_control, open_phase
from gsjbu.core.backends.simd import LANES, load, splat, store
from gsjbu.core.compiler import LOOSE, LOOSE_BORROWS, njit
from gsjbu.core.grid import Grid
from gsjbu.core.refinement.portable import DIAGONAL, FAR, TAIL, TOLERANCE, TRUST, chebyshev
from gsjbu.core.threads import available, bands, each

# Cells are worked on in bands of so many pixels; and so many pixels of all channels at once, whatever is in memory.
BAND_PIXELS, PIXELS_AT_ONCE = 1 << 16, 1 << 20


def solved(
    start: np.ndarray,  # [C, H, W] float32
    means: np.ndarray,  # [C, h, w] float32
    known: np.ndarray | None,  # bool [h, w]: cells whose means are asked for; None: all
    colours: np.ndarray,  # [G, H, W] float32
    grid: Grid,
    steps: int = 30,
    threads: int | None = None,
    # int64 [C, h, 2]: per row of cells, the columns of cells that may change; None: all
    spans: np.ndarray | None = None,
    lone: float = 0.0,  # by which any two neighbours are joined at least
) -> np.ndarray:
    """The minimiser [C, H, W], as near as so many steps from ``start`` come. The same bits for any thread count."""
    out = np.empty_like(start)
    if spans is None:
        spans = np.tile(np.array([0, grid.cols]), (len(start), grid.rows, 1))
    trust = np.full((grid.rows, grid.cols), TRUST, np.float32)
    if known is not None:
        trust[~known] = 0
    means, joined = np.ascontiguousarray(means, np.float32), joined_pixels(colours, threads, lone)
    del colours
    scale = _scale(joined, trust, grid, threads)
    group = max(1, PIXELS_AT_ONCE // (grid.height * grid.width))
    for first in range(0, len(start), group):
        some = slice(first, first + group)
        x = np.pad(start[some], ((0, 0), (1, 1), (1, 1)))
        _descended(x, means[some], trust, joined, scale, grid, spans[some], steps, threads)
        out[some] = x[:, 1:-1, 1:-1]
    return out


def joined_pixels(colours: np.ndarray, threads: int | None, lone: float) -> np.ndarray:
    """Affinities [4, H + 2, W + 2] of each pixel of ``colours`` with its right, lower, lower right and lower left
    neighbour; a frame of nothing around, so that no loop asks for borders.
    """
    _, height, width = colours.shape
    joined = np.zeros((4, height + 2, width + 2), np.float32)
    colours = np.ascontiguousarray(colours)
    each(
        lambda rows: _join(colours, rows.start, rows.stop, np.float32(lone), joined),
        bands(height, threads),
        threads,
    )
    return joined


def _scale(joined: np.ndarray, trust: np.ndarray, grid: Grid, threads: int | None) -> np.ndarray:
    """The preconditioner [H + 2, W + 2]: one over each pixel's affinities and the trust in its cell's mean."""
    scale = np.zeros(joined.shape[1:], np.float32)
    each(
        lambda rows: _invert(joined, trust, grid.row_starts, grid.col_starts, rows.start, rows.stop, scale),
        bands(grid.rows, threads),
        threads,
    )
    return scale


def _descended(
    x: np.ndarray,  # [C, H + 2, W + 2]
    means: np.ndarray,  # [C, h, w]
    trust: np.ndarray,  # [h, w]
    joined: np.ndarray,
    scale: np.ndarray,
    grid: Grid,
    spans: np.ndarray,  # [C, h, 2]
    steps: int,
    threads: int | None,
) -> None:
    """``steps`` steps on x in place, side by side by channel and band."""
    number = max(1, min(grid.rows, grid.height * grid.width // BAND_PIXELS))
    tops = np.array([grid.rows * k // number for k in range(number + 1)])
    control, tasks = new_control(), len(x) * number
    edges = np.zeros((2, tasks, 2, 2, x.shape[2]), np.float32)
    lengths, keeps = chebyshev(steps)
    open_phase(control, 0, False)
    arguments = (
        control, x, np.zeros_like(x), means, trust, joined.reshape(-1), scale.reshape(-1), grid.row_starts,
        grid.col_starts, spans, tops, edges, lengths, keeps,
    )  # fmt: skip
    count = max(1, min(threads or available(), tasks))
    each(lambda _: _descend(*arguments), range(count), count)


@njit(**LOOSE_BORROWS)
def _join(colours, first, last, lone, joined):
    channels, height, width = colours.shape
    sharp = np.float32(1 / (2 * TOLERANCE**2))
    for k in range(4):
        dy = 0 if k == 0 else 1
        dx = 1 if k in (0, 2) else 0 if k == 1 else -1
        most = np.float32(1) if k < 2 else np.float32(DIAGONAL)
        for y in range(first, min(last, height - dy)):
            for x in range(max(0, -dx), width - max(0, dx)):
                off = np.float32(0)
                for g in range(channels):
                    step = colours[g, y, x] - colours[g, y + dy, x + dx]
                    off += step * step
                q = off * sharp
                like = np.float32(1 - FAR) * np.exp(-q) + np.float32(FAR) / (1 + np.float32(TAIL) * q) + lone
                joined[k, y + 1, x + 1] = most * like


@njit(**LOOSE_BORROWS)
def _invert(joined, trust, row_starts, col_starts, first, last, scale):
    for i in range(first, last):
        for y in range(row_starts[i] + 1, row_starts[i + 1] + 1):
            for j in range(len(col_starts) - 1):
                for x in range(col_starts[j] + 1, col_starts[j + 1] + 1):
                    degree = joined[0, y, x] + joined[0, y, x - 1] + joined[1, y, x] + joined[1, y - 1, x]
                    degree += joined[2, y, x] + joined[2, y - 1, x - 1] + joined[3, y, x] + joined[3, y - 1, x + 1]
                    scale[y, x] = np.float32(1) / max(degree + trust[i, j], np.float32(1e-12))


@njit(**LOOSE_BORROWS)
def _advance(x, p, width, top, bottom, left, right, length):
    """x += length·p; both flat, rows ``width`` long."""
    for y in range(top, bottom):
        e, end = y * width + left, y * width + right
        while e + LANES <= end:
            store(x, e, load(x, e) + load(p, e) * length)
            e += LANES
        while e < end:
            x[e] += length * p[e]
            e += 1


@njit(**LOOSE_BORROWS)
def _aim(above, up, below, down, x, p, at, left, right, joined, scale, columns, keep):
    """p = D⁻¹·(what a row of x lacks) + keep·p; x, p, ``joined`` and ``scale`` flat, the row from ``at`` on.

    The rows above and below it, from ``up`` and ``down`` on, may lie elsewhere.
    """
    e, plane, width = left, len(x), len(columns)
    second, third, fourth = plane + at, 2 * plane + at, 3 * plane + at
    while e + LANES <= right:
        # Differences first: what neighbours have in common would cost float32 most of its digits.
        v, n, o, u = load(x, at + e), at + e, up + e, down + e
        off = load(joined, n) * (v - load(x, n + 1)) + load(joined, n - 1) * (v - load(x, n - 1))
        a, b = load(joined, second + e), load(joined, second + e - width)
        off = off + (a * (v - load(below, u)) + b * (v - load(above, o)))
        a, b = load(joined, third + e), load(joined, third + e - width - 1)
        off = off + (a * (v - load(below, u + 1)) + b * (v - load(above, o - 1)))
        a, b = load(joined, fourth + e), load(joined, fourth + e - width + 1)
        off = off + (a * (v - load(below, u - 1)) + b * (v - load(above, o + 1)))
        store(p, n, load(p, n) * keep - (off + load(columns, e)) * load(scale, n))
        e += LANES
    while e < right:
        v, n, o, u = x[at + e], at + e, up + e, down + e
        off = joined[n] * (v - x[n + 1]) + joined[n - 1] * (v - x[n - 1])
        off += joined[second + e] * (v - below[u]) + joined[second + e - width] * (v - above[o])
        off += joined[third + e] * (v - below[u + 1]) + joined[third + e - width - 1] * (v - above[o - 1])
        off += joined[fourth + e] * (v - below[u - 1]) + joined[fourth + e - width + 1] * (v - above[o + 1])
        p[n] = p[n] * keep - (off + columns[e]) * scale[n]
        e += 1


@njit(**LOOSE_BORROWS)
def _spread(x, top, bottom, means, trust, col_starts, span, columns, wanted):
    """In each column of a row of cells, how far its cell's mean is off, times ``trust``."""
    left, right, width = col_starts[span[0]] + 1, col_starts[span[1]] + 1, len(columns)
    for j in range(span[0], span[1]):
        for e in range(col_starts[j] + 1, col_starts[j + 1] + 1):
            wanted[e] = means[j]
    e = left
    while e + LANES <= right:
        mean, off = load(wanted, e), splat(np.float32(0))
        for y in range(top, bottom):
            off = off + (load(x, y * width + e) - mean)
        store(columns, e, off)
        e += LANES
    while e < right:
        columns[e] = 0
        for y in range(top, bottom):
            columns[e] += x[y * width + e] - wanted[e]
        e += 1
    for j in range(span[0], span[1]):
        first, last = col_starts[j] + 1, col_starts[j + 1] + 1
        total = np.float32(0)
        for e in range(first, last):
            total += columns[e]
        off_by = total * trust[j] / ((bottom - top) * (last - first))
        for e in range(first, last):
            columns[e] = off_by


@njit(**LOOSE)
def _descend(control, x, p, means, trust, joined, scale, row_starts, col_starts, spans, tops, edges, lengths, keeps):
    """Chebyshev's iteration on x [C, H + 2, W + 2] in place, preconditioned by the diagonal; p: its direction, 0.

    A phase is a step, a task one channel's band of rows of cells, from tops[n] to tops[n + 1]. What a band needs of
    its neighbours' rows, x and p of the step before, they leave in ``edges`` [2, tasks, top and bottom, x and p,
    W + 2], every other step in the other half. Any number of threads may be in here.
    """
    bands, steps, width = len(tops) - 1, len(lengths), x.shape[2]
    channels = len(x)
    tasks = channels * bands
    columns, wanted = np.empty(width, np.float32), np.empty(width, np.float32)
    above, below = np.empty(width, np.float32), np.empty(width, np.float32)
    while True:
        step, task = claim(control, tasks, tasks, steps)
        if step < 0:
            return
        c, n = task % channels, task // channels  # a band's affinities stay in the cache for all channels
        length, half = lengths[step], step % 2
        for e in range(width):
            if n > 0:
                said = edges[half, task - channels, 1, 0, e] + length * edges[half, task - channels, 1, 1, e]
                above[e] = said if step else x[c, row_starts[tops[n]], e]
            if n < bands - 1:
                said = edges[half, task + channels, 0, 0, e] + length * edges[half, task + channels, 0, 1, e]
                below[e] = said if step else x[c, row_starts[tops[n + 1]] + 1, e]
        _step(x[c], p[c], means[c], trust, joined, scale, row_starts, col_starts, spans[c], tops[n], tops[n + 1],
              above, below, columns, wanted, length, keeps[step])  # fmt: skip
        for side in range(2):
            y = row_starts[tops[n]] + 1 if side == 0 else row_starts[tops[n + 1]]
            edges[1 - half, task, side, 0] = x[c, y]
            edges[1 - half, task, side, 1] = p[c, y]
        if finish(control, tasks):
            open_phase(control, step + 1, False)


@njit(**LOOSE_BORROWS)
def _step(x, p, means, trust, joined, scale, row_starts, col_starts, spans, first, last, above, below, columns, wanted,
          length, keep):  # fmt: skip
    """One step of the rows of cells first…last; a row of cells is advanced before the one above it is aimed anew."""
    top, bottom = row_starts[first] + 1, row_starts[last]  # the band's first and last row of pixels
    flat, way, width = x.reshape(-1), p.reshape(-1), x.shape[1]
    for i in range(first, last + 1):
        if i < last:
            _advance(flat, way, width, row_starts[i] + 1, row_starts[i + 1] + 1, col_starts[spans[i, 0]] + 1,
                     col_starts[spans[i, 1]] + 1, length)  # fmt: skip
        if i == first:
            continue
        q = i - 1
        left, right = col_starts[spans[q, 0]] + 1, col_starts[spans[q, 1]] + 1
        if right <= left:
            continue
        start, end = row_starts[q] + 1, row_starts[q + 1] + 1
        _spread(flat, start, end, means[q], trust[q], col_starts, spans[q], columns, wanted)
        for y in range(start, end):
            at = y * width
            over, up = (above, 0) if y == top and first > 0 else (flat, at - width)
            under, down = (below, 0) if y == bottom and last < len(row_starts) - 1 else (flat, at + width)
            _aim(over, up, under, down, flat, way, at, left, right, joined, scale, columns, keep)
