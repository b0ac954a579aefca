"""The guide's colours as the eye tells them apart: CIELAB, lightness 0…1, where a distance means the same anywhere."""

from __future__ import annotations

import numpy as np

from gsjbu.core.compiler import njit
from gsjbu.core.threads import bands, each

# sRGB (D65) to XYZ over the white point's XYZ, rows X, Y, Z.
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_TO_XYZ = (_TO_XYZ / np.array([[0.950456], [1.0], [1.088754]])).astype(np.float32)


def colours(guide: np.ndarray, threads: int | None = None) -> np.ndarray:
    """CIELAB / 100 of an sRGB guide [3, H, W] in 0…1; a guide of any other number of channels as it is."""
    if len(guide) != 3:
        return guide
    out = np.empty_like(guide)
    each(lambda part: _convert(guide[:, part], out[:, part]), bands(guide.shape[1], threads), threads)
    return out


@njit(nogil=True, fastmath=True, cache=True)
def _convert(guide, out):
    linear, f = np.empty(3, np.float32), np.empty(3, np.float32)
    for y in range(guide.shape[1]):
        for x in range(guide.shape[2]):
            for k in range(3):
                v = min(max(guide[k, y, x], np.float32(0)), np.float32(1))
                bright = np.float32(((v + 0.055) / 1.055) ** 2.4)
                linear[k] = bright if v > 0.04045 else v / np.float32(12.92)
            for k in range(3):
                t = _TO_XYZ[k, 0] * linear[0] + _TO_XYZ[k, 1] * linear[1] + _TO_XYZ[k, 2] * linear[2]
                f[k] = np.cbrt(t) if t > 0.008856 else np.float32(7.787) * t + np.float32(16 / 116)
            out[0, y, x] = np.float32(1.16) * f[1] - np.float32(0.16)
            out[1, y, x] = 5 * (f[0] - f[1])
            out[2, y, x] = 2 * (f[1] - f[2])
