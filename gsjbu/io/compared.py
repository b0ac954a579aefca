"""What is compared with its reference: two pictures, two maps of numbers or two maps of classes, arrays or tensors.

A figure of something else than it is meant for is worse than none: levels beside fractions, fractions as classes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from gsjbu.core.plain import as_array, as_tensor, unmasked, why_unreadable
from gsjbu.errors import ImageError, ShapeError, SignalError
from gsjbu.io.guides import fractions_of

#: No picture in [0, 1] goes further beyond it, by how much ever its upsampling swings over an edge.
SWING = 1.0
#: float32 holds the whole numbers of so many bytes.
EXACT_BYTES = 2


def numbers(x: Any, what: str) -> np.ndarray:
    """An array or a tensor on any device as an array of numbers that float32, or else float64, holds; NaN where a
    masked array hides them.

    Raises ImageError for what is none.
    """
    array, hidden = _parted(x, what)
    return array if hidden is None else _with_nan(array, hidden)


def _with_nan(array: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    return np.where(hidden, np.nan, array if array.dtype.kind == "f" else array.astype(np.float64))


def _parted(x: Any, what: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The numbers of ``x``, and bool of its shape where a masked array hides them; None: nowhere."""
    x, hidden = unmasked(x)
    if isinstance(x, Tensor):
        if why := why_unreadable(x):
            raise ImageError("image_type", f"{what} {why}.")
        x = as_array(x)
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        name = type(x).__name__ if array.dtype.kind == "O" else str(array.dtype)
        raise ImageError("image_type", f"{what} is {name}; it must be an array or a tensor of real numbers.")
    return array, hidden


def two_maps(values: Any, reference: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two [C, H, W] of one shape as floats of one type, float64 where float32 would not hold the numbers of one."""
    a, b = numbers(values, "What is compared"), numbers(reference, "The reference")
    if a.shape != b.shape or a.ndim != 3 or not a.size:
        raise ShapeError(
            f"Both must be [C, H, W] of one shape that is not empty, not {list(a.shape)} and {list(b.shape)}."
        )
    dtype = np.float32 if all(map(_fits_float32, (a.dtype, b.dtype))) else np.float64
    return a.astype(dtype, copy=False), b.astype(dtype, copy=False)


def _fits_float32(dtype: np.dtype) -> bool:
    return dtype.itemsize <= (4 if dtype.kind == "f" else EXACT_BYTES)


def two_pictures(picture: Any, reference: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures as [C, H, W] in [0, 1], NaN in every channel of both where one of them has no value.

    They are read as images are, in any layout: floats, or levels of 8 or 16 bits. Raises ImageError for other numbers.
    """
    a, b = _fractions(picture, "The picture"), _fractions(reference, "The reference")
    if a.shape != b.shape and {type(picture), type(reference)} == {np.ndarray, Tensor}:
        # [3, 4, 4] may be either in an array: beside a tensor its channels are first, too
        a, b = (_fractions(as_tensor(x), "A picture") for x in (picture, reference))
    if {len(a), len(b)} == {1, 3}:  # grey has three equal channels
        a, b = (np.broadcast_to(x, (3, *x.shape[1:])) for x in (a, b))
    a, b = two_maps(a, b)
    for what, x in (("picture", a), ("reference", b)):
        low, high = float(np.nanmin(x, initial=0)), float(np.nanmax(x, initial=0))
        if low < -SWING or high > 1 + SWING:
            raise ImageError(
                "image_range",
                f"The {what} lies between {low:.4g} and {high:.4g}; pictures are compared in [0, 1]: divide it by the "
                "number that stands for white. rmse takes any quantity.",
            )
    if not np.isnan(a.min() + b.min()):
        return a, b
    known = ~(np.isnan(a) | np.isnan(b)).any(0)
    return np.where(known, a, np.nan), np.where(known, b, np.nan)


def _fractions(x: Any, what: str) -> np.ndarray:
    """[C, H, W] of a picture, shares of its levels."""
    dtype = str(getattr(x, "dtype", "")).removeprefix("torch.")
    if dtype.startswith(("int", "uint")) and dtype not in ("uint8", "uint16"):
        raise ImageError("image_type", f"{what} is {dtype}; it must be floats in [0, 1], or levels of 8 or 16 bits.")
    return numbers(fractions_of(x), what)


def mean(x: np.ndarray) -> float:
    """The mean of what is no NaN, summed in float64; NaN where nothing is."""
    whole = float(np.mean(x, dtype=np.float64))
    if not math.isnan(whole):
        return whole
    known = x[~np.isnan(x)]
    return float(np.mean(known, dtype=np.float64)) if known.size else math.nan


def class_numbers(labels: Any, what: str = "A class map") -> np.ndarray:
    """int64 of a map of classes; −1, which is no class, where it is NaN or masked. Raises SignalError for fractions."""
    array, hidden = _parted(labels, what)
    if hidden is not None:
        array = np.where(hidden, array.dtype.type(0), array)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), -1, array)
        if not (array == np.rint(array)).all():
            raise SignalError("signal_kind", f"{what} holds fractions; classes are whole numbers.")
    if array.size and not (float(array.min()) >= -(2.0**63) and float(array.max()) < 2.0**63):
        raise SignalError(
            "signal_kind", f"{what} holds numbers beyond 64 bits; classes are whole numbers of at most 64."
        )
    found = array.astype(np.int64)
    return found if hidden is None else np.where(hidden, -1, found)


def two_class_maps(labels: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two maps of classes [H, W] of one shape, int64."""
    a, b = class_numbers(labels), class_numbers(truth, "The truth")
    if a.shape != b.shape or a.ndim != 2 or not a.size:
        raise ShapeError(
            f"Class maps must be [H, W] of one shape that is not empty, not {list(a.shape)} and {list(b.shape)}."
        )
    return a, b
