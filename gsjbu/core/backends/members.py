"""What a compiled render mixes besides its Gaussians: a second set of them, and a plain interpolation.

All of it lies in the same window, so it is added to the window's weights: one pass over the image renders the mixture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor


class Members(NamedTuple):
    """Shares of a mixture; ``down`` holds the interpolation's, and is of no pixels where there is none."""

    first: float  # of the render's own Gaussians
    second: float
    raw: Tensor | None  # [4, h, w] the second set; None: there is none
    down: np.ndarray  # float32 [2R + 1, H]  what the LR row at each place of the window adds to a pixel row
    across: np.ndarray  # float32 [2R + 1, W]  the same for columns


def alone(radius: int) -> Members:
    """One set of Gaussians, and nothing else."""
    nothing = np.zeros((2 * radius + 1, 0), dtype=np.float32)
    return Members(1.0, 0.0, None, nothing, nothing)


class Loops(NamedTuple):
    """The same as the compiled loops take it; ``other``: the second set in a form's own layout, empty if none."""

    many: bool  # whether there is more than the first
    first: np.float32
    second: np.float32
    other: np.ndarray
    down: np.ndarray
    across: np.ndarray
