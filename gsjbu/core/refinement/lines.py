"""Smoothing along lines: weighted least squares that follow the guide's edges, solved row by row and column by column.

Each line is min Σ (x − v)² + strength · Σ w · (x − x')² over neighbours, a tridiagonal system; rows and columns in
turn, with weaker strengths each time, come near the answer in two dimensions at a cost linear in pixels (as in Min et
al., Fast Global Image Smoothing, 2014). Whichever is first is preferred: the mean of both orders turns with the image.
"""

from __future__ import annotations

import numpy as np

from gsjbu.core.backends.simd import LANES as LINES
from gsjbu.core.backends.simd import load, splat, store, zip_high, zip_low
from gsjbu.core.compiler import LOOSE, LOOSE_BORROWS, njit
from gsjbu.core.refinement.portable import strengths
from gsjbu.core.threads import bands, each

# Where lines lie beside each other: each row of them is some cache lines, one after another.
COLUMNS = 4 * LINES


def smoothed(
    values: np.ndarray,  # [C, H, W] float32
    likeness: tuple[np.ndarray, np.ndarray],  # as edges gives it
    strength: float,
    turns: int = 3,  # of rows and columns
    threads: int | None = None,
) -> np.ndarray:
    """``values`` smoothed along lines, [C, H, W]: within the range of the values, their mean kept."""
    across, down = likeness
    height, width = values.shape[1:]
    tall, wide = (bands(-(-size // LINES), threads) for size in (height, width))  # whole, for the same bits

    def along_rows(x: np.ndarray, now: np.float32) -> None:
        each(lambda p: _solve_rows(x, across, p.start * LINES, min(p.stop * LINES, height), now), tall, threads)

    def along_columns(x: np.ndarray, now: np.float32) -> None:
        each(lambda p: _solve_columns(x, down, p.start * LINES, min(p.stop * LINES, width), now), wide, threads)

    halves = []
    for order in ((along_rows, along_columns), (along_columns, along_rows)):
        x = np.array(values, order="C")
        for now in strengths(strength, turns):
            for along in order:
                along(x, now)
        halves.append(x)
    halves[0] += halves[1]
    halves[0] *= np.float32(0.5)
    return halves[0]


@njit(**LOOSE_BORROWS)
def _is_zero(lines):
    for y in range(lines.shape[0]):
        for x in range(lines.shape[1]):
            if lines[y, x] != 0:
                return False
    return True


@njit(**LOOSE)
def _solve_columns(x, likeness, first, last, strength):
    """Columns first…last of x [C, n, m] in place, likeness [n − 1, m]; LINES side by side, COLUMNS at once."""
    channels, length, width = x.shape
    flat, like, last_whole = x.reshape(-1), likeness.reshape(-1), first + (last - first) // LINES * LINES
    keep = np.empty(length * COLUMNS, np.float32)
    scale = np.empty_like(keep)
    for left in range(first, last_whole, COLUMNS):
        right = min(left + COLUMNS, last_whole)
        for i in range(left, right, LINES):
            before, kept, one = splat(np.float32(0)), splat(np.float32(0)), splat(np.float32(1))
            for y in range(length):
                after = splat(np.float32(0))
                if y < length - 1:
                    after = load(like, y * width + i) * strength
                inverse = one / (one + before + after - before * kept)
                kept = after * inverse
                store(scale, y * COLUMNS + i - left, inverse)
                store(keep, y * COLUMNS + i - left, kept)
                before = after
        for c in range(channels):
            if _is_zero(x[c, :, left:right]):  # a class that is not there
                continue
            top, bottom = c * length * width, ((c + 1) * length - 1) * width
            for y in range(length):
                n = top + y * width
                for i in range(left, right, LINES):
                    value = load(flat, n + i)
                    if y > 0:
                        value = value + load(like, (y - 1) * width + i) * strength * load(flat, n - width + i)
                    store(flat, n + i, value * load(scale, y * COLUMNS + i - left))
            for n in range(bottom - width, top - 1, -width):
                y = (n - top) // width
                for i in range(left, right, LINES):
                    later = load(keep, y * COLUMNS + i - left) * load(flat, n + width + i)
                    store(flat, n + i, load(flat, n + i) + later)
    if last_whole < last:
        _solve(x[:, :, last_whole:last], likeness[:, last_whole:last], strength)


@njit(**LOOSE_BORROWS)
def _square(source, at, pitch, to, n, pitch_to, part):
    """Turn LINES × LINES values, in rows of ``pitch`` from source[at], over to rows from to[n]: zips of halves."""
    half = LINES // 2
    for turn in range(4):
        here, there = turn % 2 * LINES * LINES, (1 - turn % 2) * LINES * LINES
        for i in range(half):
            if turn == 0:
                a, b = load(source, at + i * pitch), load(source, at + (i + half) * pitch)
            else:
                a, b = load(part, here + i * LINES), load(part, here + (i + half) * LINES)
            if turn == 3:
                store(to, n + 2 * i * pitch_to, zip_low(a, b))
                store(to, n + (2 * i + 1) * pitch_to, zip_high(a, b))
            else:
                store(part, there + 2 * i * LINES, zip_low(a, b))
                store(part, there + (2 * i + 1) * LINES, zip_high(a, b))


@njit(**LOOSE)
def _solve_rows(x, likeness, first, last, strength):
    """Rows first…last of x [C, n, m] in place, likeness [n, m − 1]: LINES of them at once, turned and turned back."""
    channels, height, width = x.shape
    flat, like, last_whole = x.reshape(-1), likeness.reshape(-1), first + (last - first) // LINES * LINES
    joined, scale = np.empty(width * LINES, np.float32), np.empty(width * LINES, np.float32)
    line, part = np.empty_like(joined), np.empty(2 * LINES * LINES, np.float32)
    one, whole, near = splat(np.float32(1)), width // LINES * LINES, (width - 1) // LINES * LINES
    for y in range(first, last_whole, LINES):
        for e in range(0, near, LINES):
            _square(like, y * (width - 1) + e, width - 1, joined, e * LINES, LINES, part)
        for e in range(near, width - 1):
            for i in range(LINES):
                joined[e * LINES + i] = like[(y + i) * (width - 1) + e]
        joined[(width - 1) * LINES :] = 0
        before, kept = splat(np.float32(0)), splat(np.float32(0))
        for n in range(0, width * LINES, LINES):
            after = load(joined, n) * strength
            inverse = one / (one + before + after - before * kept)
            kept = after * inverse
            store(scale, n, inverse)
            store(joined, n, after)
            before = after
        for c in range(channels):
            if _is_zero(x[c, y : y + LINES]):
                continue
            at = (c * height + y) * width
            for e in range(0, whole, LINES):
                _square(flat, at + e, width, line, e * LINES, LINES, part)
            for e in range(whole, width):
                for i in range(LINES):
                    line[e * LINES + i] = flat[at + i * width + e]
            value = load(line, 0) * load(scale, 0)
            store(line, 0, value)
            for n in range(LINES, width * LINES, LINES):
                value = (load(line, n) + load(joined, n - LINES) * value) * load(scale, n)
                store(line, n, value)
            for n in range((width - 2) * LINES, -1, -LINES):
                value = load(line, n) + load(joined, n) * load(scale, n) * value
                store(line, n, value)
            for e in range(0, whole, LINES):
                _square(line, e * LINES, LINES, flat, at + e, width, part)
            for e in range(whole, width):
                for i in range(LINES):
                    flat[at + i * width + e] = line[e * LINES + i]
    if last_whole < last:
        _solve(x[:, last_whole:last].transpose(0, 2, 1), likeness[last_whole:last].T, strength)


@njit(**LOOSE)
def _solve(x, likeness, strength):
    """The same for all columns of x, wherever they lie in memory; LINES side by side, as one waits for its own sums."""
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


@njit(**LOOSE_BORROWS)
def _turn(here, there):
    """Copy between arrays of which one may lie across memory: in squares, so that either way few lines are open."""
    for top in range(0, here.shape[0], LINES):
        for i in range(here.shape[1]):
            for y in range(top, min(top + LINES, here.shape[0])):
                there[y, i] = here[y, i]
