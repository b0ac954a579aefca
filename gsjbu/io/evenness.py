"""Whether values change gradually along rows and columns, as in a map [h, w] and not in tokens [N, C]."""

from __future__ import annotations

import numpy as np

#: ``roughness``: channels, which lie in no order, have 1; depth maps have 0.1 to 0.4.
EVEN = 0.5
LEAST = 8  # with fewer rows or columns it may be so by chance


def is_even(plane: np.ndarray) -> bool:
    """Whether neighbours in ``plane`` [h, w] differ far less than distant values, along both axes; NaN are left out."""
    return min(plane.shape) >= LEAST and all(0 < roughness(axis) <= EVEN for axis in (plane, plane.T))


def roughness(rows: np.ndarray) -> float:
    """The mean difference of neighbours along the last axis of [..., n] over that of values n/2 apart.

    0: neighbours are equal; 1: values lie in no order.
    """
    half = rows.shape[-1] // 2
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(np.diff(rows.astype(np.float64), axis=-1))
        far = np.abs(rows[..., half:].astype(np.float64) - rows[..., : rows.shape[-1] - half])
    near, far = near[np.isfinite(near)], far[np.isfinite(far)]
    if not near.size or not near.any():
        return 0.0
    return float(near.mean() / far.mean()) if far.any() else 1.0
