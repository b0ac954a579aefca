"""Connected pieces of a plane of cells: those that can be reached from each other by links between neighbours."""

from __future__ import annotations

import numpy as np


def pieces(
    down: np.ndarray,  # bool [h − 1, w]: linked with the cell below
    across: np.ndarray,  # bool [h, w − 1]: linked with the cell to the right
) -> np.ndarray:
    """The number of each cell's piece, int [h, w], from 1 on."""
    from scipy.ndimage import label

    rows, cols = across.shape[0], down.shape[1]
    # Cells at even places, links between them at odd ones.
    joined = np.zeros((2 * rows - 1, 2 * cols - 1), bool)
    joined[::2, ::2] = True
    joined[1::2, ::2] = down
    joined[::2, 1::2] = across
    return np.asarray(label(joined)[0][::2, ::2])
