"""The guide's colours as the eye tells them apart: CIELAB, lightness 0…1, where a distance means the same anywhere."""

from __future__ import annotations

import numpy as np

from gsjbu.core.backends.simd import LANES, larger, load, smaller, splat, store
from gsjbu.core.compiler import LOOSE, LOOSE_BORROWS, njit
from gsjbu.core.refinement.portable import TO_XYZ
from gsjbu.core.threads import bands, each

f32 = np.float32


def colours(guide: np.ndarray, threads: int | None = None) -> np.ndarray:
    """CIELAB / 100 of an sRGB guide [3, H, W] in 0…1; a guide of any other number of channels as it is."""
    if len(guide) != 3:
        return guide
    flat = np.ascontiguousarray(guide, np.float32).reshape(3, -1)
    out = np.empty_like(flat)
    each(lambda part: _convert(flat, part.start, part.stop, out), bands(flat.shape[1], threads), threads)
    return out.reshape(guide.shape)


@njit(**LOOSE_BORROWS)
def _linear(v):
    """sRGB to linear light: straight up to 0.04045, and from there on a power of 2.4 = 12/5.

    Powers are no vector operations; the fifth root is, by Newton's steps from above it.
    """
    v = smaller(larger(v, splat(f32(0))), splat(f32(1)))
    u = (larger(v, splat(f32(0.04045))) + f32(0.055)) * f32(1 / 1.055)
    root = u * f32(0.5) + f32(0.5)
    for _ in range(6):
        square = root * root
        root = root * f32(0.8) + u * f32(0.2) / (square * square)
    return u * u * root * root + (smaller(v, splat(f32(0.04045))) - f32(0.04045)) * f32(1 / 12.92)


@njit(**LOOSE_BORROWS)
def _seen(k, r, g, b):
    """The cube root of one of X, Y, Z, by Newton's steps too; straight near black."""
    t = r * TO_XYZ[k, 0] + g * TO_XYZ[k, 1] + b * TO_XYZ[k, 2]
    u = larger(t, splat(f32(0.008856)))
    root = u * f32(0.65) + f32(0.4)
    for _ in range(5):
        root = root * f32(2 / 3) + u * f32(1 / 3) / (root * root)
    return root + (smaller(t, splat(f32(0.008856))) - f32(0.008856)) * f32(7.787)


@njit(**LOOSE)
def _convert(guide, first, last, out):
    """Values first…last of each channel of guide [3, pixels]."""
    flat, to, plane, part = guide.reshape(-1), out.reshape(-1), guide.shape[1], np.zeros((2, 3 * LANES), f32)
    for n in range(first, last, LANES):
        whole = n + LANES <= last
        source, target, at, step = flat, to, n, plane
        if not whole:  # the last few, on a copy
            source, target, at, step = part[0], part[1], 0, LANES
            for k in range(3):
                for e in range(n, last):
                    source[k * LANES + e - n] = flat[k * plane + e]
        r, g, b = (
            _linear(load(source, at)),
            _linear(load(source, at + step)),
            _linear(load(source, at + 2 * step)),
        )
        f0, f1, f2 = _seen(0, r, g, b), _seen(1, r, g, b), _seen(2, r, g, b)
        store(target, at, f1 * f32(1.16) - f32(0.16))
        store(target, at + step, (f0 - f1) * f32(5))
        store(target, at + 2 * step, (f1 - f2) * f32(2))
        if not whole:
            for k in range(3):
                for e in range(n, last):
                    to[k * plane + e] = target[k * LANES + e - n]
