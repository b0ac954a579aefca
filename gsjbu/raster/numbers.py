"""The numbers of the result: the signal's data type, and one of it that stands where there is no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gsjbu.errors import GsjbuError


@dataclass(frozen=True)
class Numbers:
    """``gap`` stands where there is no value; it is None where every number is one. ``told``: the signal has it."""

    dtype: np.dtype[Any]
    gap: float | None
    told: bool

    @classmethod
    def of(cls, dtype: np.dtype[Any], gap: float | None, values: np.ndarray) -> Numbers:
        """From the signal's data type, its own number for a gap, and ``values``, all that it has."""
        if gap is not None:
            return cls(dtype, gap, told=True)
        return cls(dtype, float("nan") if dtype.kind == "f" else _free(dtype, values), told=False)

    @property
    def note(self) -> str:
        """What is said of a gap that was chosen here."""
        return f"Pixels without a value are {self.gap}: the signal names no nodata, and no value is this."

    def held(self, made: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """``made`` [C, H, W], float64 or of the data type, in that type, the gap where ``missing`` [H, W].

        A value is never the gap: rounded to it, it takes the number beside it.
        """
        if missing.any() and self.gap is None:
            text = (
                f"Some pixels have no value, and every number of {self.dtype} is a value of the signal: "
                "bring it in a wider data type (gdal_translate -ot Int32), or fill its gaps (gdal_fillnodata)."
            )
            raise GsjbuError("raster_nodata", text)
        whole = self.dtype.kind in "iu"
        near = np.rint(made) if whole and made.dtype != self.dtype else made
        out = np.where(missing, made.dtype.type(0), near).astype(self.dtype)
        if self.gap is None:
            return out
        gap = self.dtype.type(self.gap)
        taken = (out == gap) & ~missing
        if taken.any():
            way = np.where(made[taken] >= gap, 1, -1)
            out[taken] = gap + way if whole else np.nextafter(gap, np.inf * way.astype(self.dtype))
        out[:, missing] = gap
        return out


def _free(dtype: np.dtype[Any], values: np.ndarray) -> int | None:
    """A whole number that is none of ``values``: an end of the type where they leave one, else any."""
    about, used = np.iinfo(dtype), np.unique(values)
    if used[0] > about.min:
        return int(about.min)
    if used[-1] < about.max:
        return int(about.max)
    before_a_hole = used[:-1][np.diff(used) > 1]
    return int(before_a_hole[0]) + 1 if before_a_hole.size else None
