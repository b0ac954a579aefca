"""What numbers an array holds, whatever they mean: whole ones, fractions in [0, 1], or shares of a whole.

Shares may be stored as whole-number levels, of which 255 (8 bits) or 65535 (16 bits) stands for 1.
"""

from __future__ import annotations

import numpy as np

from gsjbu.core.rounding import ROUNDING, in_unit

#: Shares may lie so far beyond [0, 1]: a thousandth, and what rounding adds.
BEYOND = 1e-3 + ROUNDING
#: Sums of shares are so near to 1.
SUM = 0.02
#: Rounding adds or takes up to one level a channel, and in all channels together no more than this part of the whole.
MOST_ROUNDED = 0.6


def may_be_classes(values: np.ndarray) -> bool:
    """Whether all are whole numbers that integers of 64 bits hold."""
    if values.dtype.kind != "f":
        return True
    return bool((values == np.rint(values)).all()) and float(np.abs(values).max(initial=0)) < 2.0**63


def settled(
    values: np.ndarray,  # [..., h, w]
    known: np.ndarray,  # bool [h, w]
) -> np.ndarray:
    """``values`` with rounding taken off, where the known ones lie in [0, 1] but for rounding; all others as they are.

    Values as far from 0 and 1 as the farthest beyond them become 0 and 1, from either side.
    """
    if values.dtype.kind != "f":
        return values
    some = values[..., known]
    low, high = float(some.min(initial=0.0)), float(some.max(initial=0.0))
    if (low >= 0 and high <= 1) or not in_unit(low, high, float(np.finfo(values.dtype).eps)):
        return values
    none, all_ = values <= -low, values >= 2 - high
    return np.where(known & none, values.dtype.type(0), np.where(known & all_, values.dtype.type(1), values))


def sums_to_one(values: np.ndarray) -> bool:
    """Whether [C, …] has two or more channels, none negative, that sum to 1."""
    if values.shape[0] < 2 or values.size == 0 or not values.min() >= -1e-4:
        return False
    return bool(np.abs(values.sum(axis=0, dtype=np.float64) - 1).max() <= SUM)


def whole_of_levels(dtype: np.dtype, values: np.ndarray) -> float:
    """The number that stands for 1 among shares that were brought as ``dtype``.

    255 of levels of 8 bits, which more bits or floats may hold; 65535 of 16; 1 of fractions, and of 0 and 1.
    ``values``: the known ones, in any dtype.
    """
    top, whole = float(values.max(initial=0)), dtype.kind in "iu"
    if top <= 1 or not (whole or may_be_classes(values)):
        return 1.0
    return 255.0 if top <= 255 and not (whole and dtype.itemsize == 2) else 65535.0


def may_be_per_cent(values: np.ndarray) -> bool:
    """Whether shares in levels, of which 255 stands for 1, may be per cent: none is above 100, and of 8 bits the
    largest is 100."""
    top = float(values.max(initial=0))
    levels = whole_of_levels(values.dtype, values) == 255
    return levels and top <= 100 and (top == 100 or values.dtype.itemsize > 1)


def sums_to_whole(values: np.ndarray, whole: float) -> bool:
    """Whether [C, …] holds levels of which ``whole`` stands for 1, and that sum to it over the channels, but for what
    rounding to levels added or took, or cutting off took."""
    if whole == 1 or values.shape[0] < 2 or values.size == 0 or values.min() < 0:
        return False
    more = values.sum(axis=0, dtype=np.float64) - whole
    # Of 16 bits, 2 % are many levels: colours, points and motion around the middle sum to as much.
    slack, unit = (SUM * whole, 1.0) if whole <= 255 else (0.0, _unit(values, whole))
    least, most = (min(max(slack, n * unit), MOST_ROUNDED * whole) for n in (len(values), len(values) / 2))
    return bool(-least <= more.min() and more.max() <= most)


def _unit(values: np.ndarray, whole: float) -> float:
    """The common divisor of all levels where ``whole`` is a multiple of it, otherwise 1: 257 of levels of 8 bits that
    were stored in 16."""
    some = values.ravel()
    unit = np.gcd.reduce(some[:: max(1, some.size // 4096)].astype(np.int64))
    unit = np.gcd.reduce(some.astype(np.int64)) if unit > 1 else unit
    return float(unit) if unit and whole % unit == 0 else 1.0
