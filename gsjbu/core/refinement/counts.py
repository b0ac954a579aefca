"""Counts matched: soft labels say how many of a cell's pixels belong to each class; the result should say the same.

Inside each cell the pixels are shared out among the classes so that every class has its count and the pixels agree
with their scores as well as they then can: entropic transport, exp(score / TEMPERATURE) with its rows and columns
scaled in turn. What a cell's shares lack to 1 (pixels without a class) is a class of its own that is not returned.
"""

from __future__ import annotations

import numpy as np
import torch

from gsjbu.core.compiler import LOOSE, LOOSE_BORROWS, njit
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import nearest
from gsjbu.core.refinement.portable import CLOSE, LEAST, LEAST_REST, ROUNDS, TEMPERATURE
from gsjbu.core.threads import bands, each


def matched(
    scores: np.ndarray,  # [C, H, W] float32
    shares: np.ndarray,  # [C, h, w] float32, 0…1, together at most 1
    grid: Grid,
    threads: int | None = None,
    known: np.ndarray | None = None,  # bool [h, w]: cells whose shares are known; None: all
) -> np.ndarray:
    """Probabilities [C, H, W] in 0…1 whose means over each cell are ``shares``, nearest to the scores.

    Each pixel's are exactly non-negative and sum to 1 (less where a cell's shares do); a class that a cell has no
    share of is 0 in it. Cells that are not known keep their scores. The same bits for any number of threads.
    """
    out = np.empty_like(scores)
    shares = np.ascontiguousarray(shares, np.float32)

    def some(rows: slice) -> None:
        _match(scores, shares, grid.row_starts, grid.col_starts, rows.start, rows.stop, out)

    each(some, bands(grid.rows, threads), threads)
    if known is not None:
        keep = nearest(torch.from_numpy(known)[None], grid)[0].numpy()
        np.copyto(out, scores, where=~keep)
    return out


@njit(**LOOSE)
def _match(scores, shares, row_starts, col_starts, first, last, out):
    channels = scores.shape[0]
    tallest = widest = 0
    for i in range(first, last):
        tallest = max(tallest, row_starts[i + 1] - row_starts[i])
    for j in range(shares.shape[2]):
        widest = max(widest, col_starts[j + 1] - col_starts[j])
    agree = np.empty((channels + 1, tallest * widest), np.float32)  # of class and pixel
    total = np.empty(tallest * widest, np.float32)  # of each pixel over the classes
    share = np.empty(channels + 1, np.float32)
    there = np.empty(channels + 1, np.int64)  # the cell's classes
    out[:, row_starts[first] : row_starts[last]] = 0
    for i in range(first, last):
        top, bottom = row_starts[i], row_starts[i + 1]
        for j in range(shares.shape[2]):
            left, right = col_starts[j], col_starts[j + 1]
            classes, rest = 0, np.float32(1)
            for c in range(channels):
                if shares[c, i, j] > LEAST:
                    there[classes], share[classes] = c, shares[c, i, j]
                    rest -= shares[c, i, j]
                    classes += 1
            parts = classes
            if rest > LEAST_REST and classes > 0:
                share[classes] = rest
                parts += 1
            if parts == 1:
                out[there[0], top:bottom, left:right] = 1
            elif parts > 1:
                pixels, width = (bottom - top) * (right - left), right - left
                total[:pixels] = 0
                for k in range(classes):
                    for y in range(top, bottom):
                        at = (y - top) * width - left
                        for x in range(left, right):
                            agree[k, at + x] = scores[there[k], y, x]
                            total[at + x] += scores[there[k], y, x]
                if parts > classes:
                    for e in range(pixels):
                        agree[classes, e] = 1 - total[e]
                _transport(agree, share, total, parts, pixels)
                for k in range(classes):
                    for y in range(top, bottom):
                        at = (y - top) * width - left
                        for x in range(left, right):
                            out[there[k], y, x] = agree[k, at + x]


@njit(**LOOSE_BORROWS)
def _transport(agree, share, total, parts, pixels):
    """Scores to an assignment, in place; each pixel sums to 1 at the end."""
    for e in range(pixels):
        best = agree[0, e]
        for k in range(1, parts):
            best = max(best, agree[k, e])
        total[e] = best
    for k in range(parts):
        for e in range(pixels):
            # The floor lets a class have pixels that are nowhere near it.
            agree[k, e] = np.exp((agree[k, e] - total[e]) * np.float32(1 / TEMPERATURE)) + np.float32(1e-12)
    for turn in range(ROUNDS):
        total[:pixels] = 0
        off = np.float32(0)
        for k in range(parts):
            count = np.float32(0)
            for e in range(pixels):
                count += agree[k, e]
            scale = share[k] * pixels / max(count, np.float32(1e-20))
            off = max(off, abs(scale - 1))
            for e in range(pixels):
                agree[k, e] *= scale
                total[e] += agree[k, e]
        for e in range(pixels):
            total[e] = 1 / max(total[e], np.float32(1e-30))
        for k in range(parts):
            for e in range(pixels):
                agree[k, e] *= total[e]
        if turn > 0 and off < CLOSE:
            break
