"""What a 0 is: an end of the scale, as in soft labels, or a code for "no value", as in depth.

Soft labels lie between 0 and 1 only along borders, beside cells that are 0 or 1. Depth fills whole regions between, and
its values beside a 0 are far from it.
"""

from __future__ import annotations

import numpy as np

#: Share of the values beside a 0 that may be outliers.
SPECKLES = 0.05


def nearest_to_zero(plane: np.ndarray, known: np.ndarray) -> float:
    """The least positive value that is a neighbour of a 0 of [h, w], but for a few outliers.

    Where there is no such neighbour, the least of all positive values; 0 where there is no 0, or no positive value.
    """
    rest, zero = plane[known & (plane > 0)], (plane == 0) & known
    if not rest.size or not zero.any():
        return 0.0
    beside = plane[_grown(zero) & known & (plane > 0)]
    return float(np.quantile(beside if beside.size else rest, SPECKLES, method="lower"))


def off_zero(plane: np.ndarray, known: np.ndarray) -> float:
    """:func:`nearest_to_zero` as a part of the median of all positive values; 0 where there is no 0, or no such."""
    rest = plane[known & (plane > 0)]
    return nearest_to_zero(plane, known) / float(np.median(rest)) if rest.size else 0.0


def inside(plane: np.ndarray, known: np.ndarray, top: float = 1.0) -> float:
    """Of the values of [h, w] that are neither 0 nor ``top``, the share without a 0 or ``top`` among their eight
    neighbours."""
    ends = known & ((plane == 0) | (plane == top))
    between = known & ~ends
    return float((~_grown(ends, corners=True))[between].mean()) if between.any() else 0.0


def _grown(cells: np.ndarray, corners: bool = False) -> np.ndarray:
    """Cells of [h, w] with their four neighbours, or all eight where ``corners`` count."""
    out = cells.copy()
    for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        of = out.copy() if corners else cells
        out[a] |= of[b]
        out[b] |= of[a]
    return out
