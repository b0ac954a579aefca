"""Whether numbers in rows and columns change evenly along both, as a map [h, w] does and tokens [N, C] do not."""

from __future__ import annotations

import numpy as np

#: Mean step between neighbours, in parts of that between numbers far apart: channels, which lie in no order, have 1;
#: depth maps have 0.1 to 0.4.
EVEN = 0.5
LEAST = 8  # of fewer rows or columns chance says as much


def is_even(plane: np.ndarray) -> bool:
    """Whether neighbours in ``plane`` [h, w] differ far less than others, along both axes; gaps are passed over."""
    return min(plane.shape) >= LEAST and all(_is_even_along(axis) for axis in (plane, plane.T))


def _is_even_along(rows: np.ndarray) -> bool:
    """Along the last axis, beside what half of it away differs by."""
    half = rows.shape[1] // 2
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(np.diff(rows.astype(np.float64), axis=1))
        far = np.abs(rows[:, half:].astype(np.float64) - rows[:, : rows.shape[1] - half])
    near, far = near[np.isfinite(near)], far[np.isfinite(far)]
    return bool(near.size and far.size and 0 < near.mean() <= EVEN * far.mean())
