"""Whether an LR signal has no edges of its own, as maps of attention and heat have none: then an image's edges are none
of it either."""

from __future__ import annotations

import numpy as np
from torch import Tensor

#: Second differences, in parts of first ones, of what is smooth: blobs of 7×7 cells have 0.5 to 1.05, finer ones less;
#: where an object has a border it is 1.2 and more.
SMOOTH = 0.9


#: The same, and the share of a surface's error (``errors_left_out``) that the worst twentieth of the cells have, of
#: what has no border that stands out: smoke, vegetation, terrain ×8 have up to 1.12 and 0.38; ramps with an edge
#: between them 0.9 of the error there, fronts of houses 0.25 but bends of 1.5.
EVEN, WORST, EVEN_ERROR = 1.12, 20, 0.4


def is_smooth(signal: Tensor, bend: float = SMOOTH) -> bool:
    """Whether ``signal`` [C, h, w] bends little from cell to cell; True of a flat one, False of less than three."""
    slopes = bends = 0.0
    for dim in (1, 2):
        slopes += float(signal.diff(dim=dim).abs().sum(dtype=signal.dtype))
        bends += float(signal.diff(n=2, dim=dim).abs().sum(dtype=signal.dtype))
    return min(signal.shape[1:]) > 2 and bends <= bend * slopes


def is_even(signal: Tensor, errors: np.ndarray) -> bool:
    """Whether no cells of ``signal`` [C, h, w] stand out, as those at a border do, by their errors off a surface."""
    worst = np.sort(errors, axis=None)[-max(1, errors.size // WORST) :]
    return is_smooth(signal, EVEN) and float(worst.sum()) <= EVEN_ERROR * float(errors.sum())


def errors_left_out(values: np.ndarray) -> np.ndarray | None:
    """Squared errors [h − 4, w − 4], summed over channels, of the cells of ``values`` [C, h, w] left out and taken off
    a smooth surface through those around them, of two the better; None where no cell has two others on every side.
    """
    if min(values.shape[1:]) < 5:
        return None

    def at(down: int, across: int) -> np.ndarray:
        rows, cols = values.shape[1:]
        return values[:, 2 + down : rows - 2 + down, 2 + across : cols - 2 + across]

    beside = at(0, 1) + at(0, -1) + at(1, 0) + at(-1, 0)
    corners = at(1, 1) + at(1, -1) + at(-1, 1) + at(-1, -1)
    beyond = at(0, 2) + at(0, -2) + at(2, 0) + at(-2, 0)
    # Of least bending; cubic lines.
    surfaces = ((8 * beside - 2 * corners - beyond) / 20, (4 * beside - beyond) / 12)
    return min((np.square(s - at(0, 0)).sum(axis=0) for s in surfaces), key=np.mean)
