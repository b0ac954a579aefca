"""Whether an LR signal has no edges of its own, as maps of attention and activation have none: then an image's edges
are none of it either."""

from __future__ import annotations

from torch import Tensor

#: Second differences, in parts of first ones, of what is smooth: blobs of 7×7 cells have 0.5 to 1.05, finer ones less;
#: where an object has a border it is 1.2 and more.
SMOOTH = 0.9


def is_smooth(signal: Tensor) -> bool:
    """Whether ``signal`` [C, h, w] bends little from cell to cell; True of a flat one, False of less than three."""
    slopes = bends = 0.0
    for dim in (1, 2):
        slopes += float(signal.diff(dim=dim).abs().sum(dtype=signal.dtype))
        bends += float(signal.diff(n=2, dim=dim).abs().sum(dtype=signal.dtype))
    return min(signal.shape[1:]) > 2 and bends <= SMOOTH * slopes
