"""How the numbers of a plane lie about 0 and the other end of their scale: as its ends, or apart from what is beside.

Shares of cells come near both ends, and are mixed only where a border runs, beside cells that are pure. A 0 that
stands for "nothing here" lies among numbers that are far from it, and these fill whole regions.
"""

from __future__ import annotations

import numpy as np

#: Part of what lies beside a 0 that may be speckles.
SPECKLES = 0.05


def nearest_to_zero(plane: np.ndarray, known: np.ndarray) -> float:
    """The least number beside a 0 of [h, w], but for a few speckles; of all, where none is beside one; 0: no 0, or no
    other."""
    rest, zero = plane[known & (plane > 0)], (plane == 0) & known
    if not rest.size or not zero.any():
        return 0.0
    beside = plane[_grown(zero) & known & (plane > 0)]
    return float(np.quantile(beside if beside.size else rest, SPECKLES, method="lower"))


def off_zero(plane: np.ndarray, known: np.ndarray) -> float:
    """:func:`nearest_to_zero` in medians of all that is above 0; 0 where there is no 0, or no other."""
    rest = plane[known & (plane > 0)]
    return nearest_to_zero(plane, known) / float(np.median(rest)) if rest.size else 0.0


def inside(plane: np.ndarray, known: np.ndarray, top: float = 1.0) -> float:
    """The share of what lies between 0 and ``top`` in [h, w] that touches neither, not at a corner either."""
    ends = known & ((plane == 0) | (plane == top))
    between = known & ~ends
    return float((~_grown(ends, corners=True))[between].mean()) if between.any() else 0.0


def _grown(cells: np.ndarray, corners: bool = False) -> np.ndarray:
    """Cells of [h, w] and those beside them, or at their corners, too."""
    out = cells.copy()
    for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        of = out.copy() if corners else cells
        out[a] |= of[b]
        out[b] |= of[a]
    return out
