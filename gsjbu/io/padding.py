"""Padding of a picture to a square, as a square signal shows it: the rows or columns that it takes hold one value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gsjbu.core.rounding import ROUNDING
from gsjbu.io.aspects import Size

LEAST = 2  # rows or columns: one may hold one value by chance


@dataclass(frozen=True)
class Padding:
    """The picture has the rows (or, ``across``, the columns) from ``first`` to before ``last``, of ``side``.

    ``sure``: none of these holds one value; of class maps some often do.
    """

    first: int
    last: int
    side: int
    across: bool
    sure: bool

    @property
    def sentence(self) -> str:
        """Where it is."""
        before, after = self.first, self.side - self.last
        where = f"first {before}" if before else ""
        where += f" and last {after}" if before and after else f"last {after}" if after else ""
        return f"its {where} {'columns' if self.across else 'rows'} hold one value, as padding to a square leaves"

    def cut(self, layout: str) -> str:
        """What leaves it out of an array ``x`` of that layout, CHW (or [h, w]) or HWC."""
        part = f"{self.first or ''}:{self.last if self.last < self.side else ''}"
        after = (not self.across) + (layout == "HWC")
        return f"x[..., {part}{', :' * after}]"


def padding(planes: np.ndarray, size: Size) -> Padding | None:
    """The padding in square ``planes`` [C, n, n] over an image of ``size``: below or right of it, around, or before."""
    across = size[0] > size[1]
    side = planes.shape[1]
    low, high = _ends(planes, axis=1 if across else 2)
    kept = side * min(size) / max(size)
    span = high.max(axis=1) - low.min(axis=1)
    within = ROUNDING * span

    def one_value(lines: list[int]) -> bool:
        return bool(lines) and bool((high[:, lines].max(axis=1) - low[:, lines].min(axis=1) <= within).all())

    flat = [one_value([line]) for line in range(side)]
    for count in sorted({math.floor(kept), math.ceil(kept)}):
        rest = side - count
        for first in (0, rest // 2, rest - rest // 2, rest) if span.any() and rest >= LEAST else ():
            last = first + count
            band = [*range(first), *range(last, side)]
            ends = [first] * (first > 0) + [last - 1] * (last < side)
            if one_value(band) and not any(one_value([*band, end]) for end in ends):
                return Padding(first, last, side, across, sure=not any(flat[first:last]))
    return None


def _ends(planes: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest number in each row or column of [C, n, n]; what is no number is one of its own."""
    if planes.dtype.kind == "f" and not (some := np.isfinite(planes)).all():
        top = np.abs(planes[some].astype(np.float64)).max(initial=0)
        planes = np.where(some, planes, 2 * top + 1)
    return planes.min(axis=axis).astype(np.float64), planes.max(axis=axis).astype(np.float64)
