"""Whether numbers in rows and columns change evenly along both, as a map [h, w] does and tokens [N, C] do not."""

from __future__ import annotations

import numpy as np

#: Mean step between neighbours, in parts of that between numbers far apart: channels, which lie in no order, have 1;
#: depth maps have 0.1 to 0.4.
EVEN = 0.5
LEAST = 8  # of fewer rows or columns chance says as much


def is_even(plane: np.ndarray) -> bool:
    """Whether neighbours in ``plane`` [h, w] differ far less than others, along both axes; gaps are passed over."""
    return min(plane.shape) >= LEAST and all(0 < roughness(axis) <= EVEN for axis in (plane, plane.T))


def roughness(rows: np.ndarray) -> float:
    """How far neighbours along the last axis of [..., n] differ, in parts of what is half of it away: 0 where they do
    not, 1 where they lie in no order."""
    half = rows.shape[-1] // 2
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(np.diff(rows.astype(np.float64), axis=-1))
        far = np.abs(rows[..., half:].astype(np.float64) - rows[..., : rows.shape[-1] - half])
    near, far = near[np.isfinite(near)], far[np.isfinite(far)]
    if not near.size or not near.any():
        return 0.0
    return float(near.mean() / far.mean()) if far.any() else 1.0
