"""Every n-th row and column of an image: lattices of its pixels, which together are all of them.

A lattice is an image of its own. In units of its own pixels the LR grid over it has steps 1/pitch as long, and
centres a little aside: whatever works on an image works on a lattice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gsjbu.core.grid import Grid

# Which of every two rows and columns come first. A corner's neighbours follow each other: they tell most between them.
ORDER = ((1, 1), (0, 0), (1, 0), (0, 1))


class Lattice(NamedTuple):
    """Pixels in rows ``top``, top + pitch_y, … and columns ``left``, left + pitch_x, …"""

    pitch_y: int = 1
    pitch_x: int = 1
    top: int = 0
    left: int = 0

    def row_starts(self, grid: Grid) -> np.ndarray:
        """int64 [h + 1]: of the lattice's rows, the first of each cell row of ``grid``; a cell may have none."""
        return -((self.top - grid.row_starts) // self.pitch_y)

    def col_starts(self, grid: Grid) -> np.ndarray:
        """int64 [w + 1]: the same for columns."""
        return -((self.left - grid.col_starts) // self.pitch_x)

    @property
    def shift(self) -> tuple[float, float]:
        """(y, x): a cell's centre is at (q + ½)·step/pitch + shift, in the lattice's pixels."""
        return 0.5 - (self.top + 0.5) / self.pitch_y, 0.5 - (self.left + 0.5) / self.pitch_x

    def pixels(self, guide: np.ndarray) -> np.ndarray:
        """Its part of guide [G, H, W], contiguous."""
        return np.ascontiguousarray(guide[:, self.top :: self.pitch_y, self.left :: self.pitch_x])


WHOLE = Lattice()


def lattices(grid: Grid, pitch: int, keep: int = 2) -> list[Lattice]:
    """The lattices that steps look at in turn: every ``pitch``-th row and column, or the whole image (1).

    The pitch is lower along an axis where cells would keep less than ``keep`` pixels. Up to 2 all pixels have their
    turn; of larger ones, rows and columns a quarter of the pitch to either side of its middle.
    """
    tall, wide = min(grid.step_y, grid.height), min(grid.step_x, grid.width)
    pitch_y, pitch_x = (max(1, min(pitch, int(size // keep))) for size in (tall, wide))
    starts_y, starts_x = ((round(0.25 * (pitch - 1)), round(0.75 * (pitch - 1))) for pitch in (pitch_y, pitch_x))
    return list(dict.fromkeys(Lattice(pitch_y, pitch_x, starts_y[y], starts_x[x]) for y, x in ORDER))
