"""The cells that an LR signal had before it was enlarged, by the network that made it or on the way here.

Cells of an enlargement are neither means over the image nor samples of it: borders are as soft in them as enlarging
made them, and stay so. The softmax of enlarged logits is no enlargement; its logarithms are one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsjbu.core.grid import size_text
from gsjbu.core.rounding import in_unit
from gsjbu.io import logits
from gsjbu.io.enlarging import Samples, middles
from gsjbu.io.numbers import sums_to_one
from gsjbu.io.resolution import Resolved, enlarged

#: Smaller probabilities have lost digits to float32.
LEAST = 1e-30
#: Samples are as exact as so many eps of float32 at the largest: what is 0 or 1 is so exactly.
DIGITS = 8.0


@dataclass(frozen=True, eq=False)
class OwnCells:
    """``planes`` [C, h, w] that a signal was enlarged from, and how that was found."""

    planes: np.ndarray
    resolved: Resolved

    @property
    def sentence(self) -> str:
        """What the signal is, for people."""
        size = size_text(*self.planes.shape[1:])
        return f"an enlargement of {size}, whose cells are taken ({self.resolved.why})"


def found(planes: np.ndarray) -> OwnCells | None:
    """The cells that ``planes`` [C, h, w] were enlarged from; None where that is not sure."""
    resolved = enlarged(planes)
    if resolved is not None:
        return OwnCells(_own(planes, resolved), resolved)
    odds = _log_odds(planes)
    resolved = None if odds is None else enlarged(odds)
    if odds is None or resolved is None:
        return None
    return OwnCells(logits.to_probabilities(_own(odds, resolved)).astype(planes.dtype), resolved)


def _own(planes: np.ndarray, resolved: Resolved) -> np.ndarray:
    """[C, H, W] → [C, h, w] of the same dtype."""
    if resolved.how == "blocks":
        return middles(planes, resolved.grid)
    samples = Samples(resolved.grid, resolved.way, np.ones(planes.shape[1:], bool))
    low = np.stack([samples.of(plane) for plane in planes])
    if planes.dtype.kind in "iu":
        limits = np.iinfo(planes.dtype)
        return np.rint(low).clip(limits.min, limits.max).astype(planes.dtype)
    exact = 2.0 ** np.ceil(np.log2(DIGITS * np.finfo(np.float32).eps * float(np.abs(planes).max())))
    low = np.rint(low / exact) * exact
    # A peak between pixels is higher than all of these, but no share exceeds 1.
    return (low.clip(0, 1) if in_unit(float(planes.min()), float(planes.max())) else low).astype(planes.dtype)


def _log_odds(planes: np.ndarray) -> np.ndarray | None:
    """Logits of probabilities [C, h, w]; None of what are none, or have lost digits, as those of one class have."""
    has_digits = planes.dtype.kind == "f" and planes.dtype.itemsize >= 4 and bool((planes > LEAST).all())
    if not has_digits or not sums_to_one(planes):
        return None
    logs = np.log(planes, dtype=np.float64)
    return np.asarray(logs - logs.mean(axis=0))
