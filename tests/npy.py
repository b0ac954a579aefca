"""An array as the bytes of its file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """What ``np.save`` writes."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()
