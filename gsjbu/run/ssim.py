"""Structural similarity of one plane in one compiled loop that holds no lock: several may run side by side."""

from __future__ import annotations

import numpy as np

from gsjbu.core.compiler import njit


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def mean_ssim(a, b, taps, c1, c2):
    """Mean SSIM of planes a and b, float32 [H, W], over whole windows without a NaN; ``taps``: the window
    along one axis. NaN where there is none.

    Four rows are kept for each row of the window: a, b, a² + b² and a·b. Down the window first, then along it.
    """
    size = taps.size
    rows, width = a.shape[0] - size + 1, a.shape[1]
    cols = width - size + 1
    squares, products = np.empty((size, width), np.float32), np.empty((size, width), np.float32)
    down = np.empty((4, width), np.float32)
    along = np.empty((4, cols), np.float32)
    total, known = 0.0, 0
    for y in range(rows + size - 1):
        place = y % size
        for x in range(width):
            squares[place, x] = a[y, x] * a[y, x] + b[y, x] * b[y, x]
            products[place, x] = a[y, x] * b[y, x]
        if y < size - 1:
            continue
        first = y - size + 1
        down[:] = 0
        for k in range(size):
            tap, held = taps[k], (first + k) % size
            for x in range(width):
                down[0, x] += tap * a[first + k, x]
                down[1, x] += tap * b[first + k, x]
                down[2, x] += tap * squares[held, x]
                down[3, x] += tap * products[held, x]
        along[:] = 0
        for k in range(size):
            tap = taps[k]
            for n in range(4):
                for x in range(cols):
                    along[n, x] += tap * down[n, x + k]
        row = 0.0
        for x in range(cols):
            mean_a, mean_b = along[0, x], along[1, x]
            cross, both = mean_a * mean_b, mean_a * mean_a + mean_b * mean_b
            top = (2 * cross + c1) * (2 * (along[3, x] - cross) + c2)
            like = top / ((both + c1) * (along[2, x] - both + c2))
            has = like == like
            known += has
            row += like if has else 0.0
        total += row
    if not known:
        return np.nan
    return min(total / known, 1.0)  # equal planes come out as much above as float32 rounds
