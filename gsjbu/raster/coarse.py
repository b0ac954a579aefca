"""The coarse raster, understood as any other signal is: what its numbers are, and which of them mean no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gsjbu.errors import GsjbuError
from gsjbu.io.brought import Brought
from gsjbu.io.gaps import Invalid
from gsjbu.io.kinds import AUTO
from gsjbu.io.signals import Asked, label, look
from gsjbu.raster.legend import has_colours
from gsjbu.raster.opening import check_real, reading


@dataclass(frozen=True)
class Coarse:
    """An open dataset's numbers and what they are; ``kind`` is depth, labels or features."""

    data: Any
    kind: str
    values: np.ndarray  # float64 [C, h, w], NaN where there is no value; of labels places among ``classes``
    classes: np.ndarray | None  # of labels: their numbers, rising, in the file's data type
    gap: float | None  # the number that stands for no value in the file, if one does
    notes: tuple[str, ...]

    @property
    def is_labels(self) -> bool:
        """Whether its numbers stand for something, and are not averaged."""
        return self.classes is not None


def coarse_of(data: Any, kind: str, invalid: Invalid) -> Coarse:
    """``data`` as the words say, or as ``gsjbu.io.signals`` understands it. Raises GsjbuError."""
    if kind == "labels" and data.count > 1:
        raise GsjbuError("raster_bands", f"Labels are one band of numbers; the signal has {data.count}.")
    check_real(data, "signal")
    asked = Asked.parse(kind, invalid)
    with reading(data.name):
        read = data.read(masked=True)
    array, masked = np.ma.getdata(read), np.ma.getmaskarray(read).any(axis=0)
    nodata = data.nodata if data.nodata is not None and _holds(array.dtype, data.nodata) else None
    if asked.invalid != AUTO and nodata is not None and _only_nodata(data):
        masked, nodata = np.zeros_like(masked), None  # a person knows better than the file
    coded = kind == AUTO and data.count == 1 and has_colours(data)
    brought = Brought(
        array, layout="CHW", known=np.asarray(~masked), kind="labels" if coded else None,
        codes=() if nodata is None else (nodata,),
    )  # fmt: skip
    seen = look(brought, asked.laid(brought, None), asked)
    is_labels = seen.guess.kind == "labels" and data.count == 1
    taken = "labels" if is_labels else "features" if kind == "features" else "depth"
    known = seen.found.known
    classes = np.unique(array[0][known]) if is_labels else None
    numbers = array if classes is None else np.searchsorted(classes, array)
    codes = [code for code in seen.found.codes if _holds(array.dtype, code)]
    notes = [_taken(taken, kind, seen.guess, data.count)]
    if nodata is None and codes:
        notes.append(f"{seen.found.sentence[:1].upper()}{seen.found.sentence[1:]}; invalid= says otherwise.")
    return Coarse(
        data, taken, np.where(known, numbers, np.nan), classes,
        nodata if nodata is not None else codes[0] if codes else None, tuple(notes),
    )  # fmt: skip


def _taken(taken: str, asked: str, guess: Any, bands: int) -> str:
    """What the signal is taken for, why, and what else it may be."""
    if asked != AUTO or bands > 1 or guess.kind != taken:
        return f"The signal is taken for {taken}."
    other = guess.runner_up
    doubt = f" It may be {label(other)}: kind= says which." if other in ("depth", "labels") else ""
    hint = f" {guess.hint}" if guess.hint else ""
    return f"The signal is taken for {taken} ({guess.reason}).{doubt}{hint}"


def _holds(dtype: np.dtype[Any], number: float) -> bool:
    """Whether a number of ``dtype`` can be this one."""
    if dtype.kind == "f":
        return True
    return float(number).is_integer() and np.iinfo(dtype).min <= number <= np.iinfo(dtype).max


def _only_nodata(data: Any) -> bool:
    """Whether the dataset masks by its nodata alone, and has no mask or alpha beside it."""
    return all({flag.name for flag in flags} <= {"nodata", "all_valid"} for flags in data.mask_flag_enums)
