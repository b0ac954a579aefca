"""Rounding leaves values a step beyond the range that they are of: they are of it all the same."""

from __future__ import annotations

#: Arithmetic in float32 is no further off, in parts of what stands for 1.
ROUNDING = 1e-5


def in_unit(low: float, high: float, step: float = 0.0) -> bool:
    """Whether values from ``low`` to ``high`` are of [0, 1] but for rounding.

    step: of their type at 1, where it may be coarser than ROUNDING (half precision). What lies below 0 is held against
    the largest value: small numbers of both signs are none of [0, 1].
    """
    slack = max(ROUNDING, step)
    return low >= -slack * min(high, 1.0) and high <= 1 + slack
