"""What a person brought, before anything is made of it: an array, and what its container says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gsjbu.errors import SignalError
from gsjbu.io.kinds import Kind
from gsjbu.io.layouts import shape_text

MAX_CHANNELS = 4096
MAX_SIDE = 1 << 15
#: Values in all: 200 MB as float32.
MAX_VALUES = 50_000_000


@dataclass(frozen=True, eq=False)
class Brought:
    """An array, and what its file or object says of it."""

    array: np.ndarray  # of at most four dimensions, any real dtype
    source: str = "array"  # in words: "16-bit grey PNG"
    layout: str = "auto"  # CHW or HWC, where the container fixes it
    known: np.ndarray | None = None  # bool [h, w] or of the array's shape: a mask that came with it
    kind: Kind | None = None  # where the container leaves no choice: a palette is labels
    codes: tuple[float, ...] = ()  # numbers that mean "no value"
    palette: bytes = b""  # RGB triples of a palette PNG
    colours: bool = False  # class numbers are 0xRRGGBB
    lossy: bool = False  # a JPEG's levels are not exact
    names: dict[int, str] = field(default_factory=dict)  # of classes, by number
    told: Kind | None = None  # the kind by the file's own notes; ``codes`` are then all that there are
    maybe: Kind | None = None  # a kind that is possible whatever the values look like
    classes: tuple[int, ...] = ()  # the class number of each channel
    gap: float | None = None  # the number that a result has for "no value", if it is to be none of ``codes``
    pages: int = 1  # pictures in the file, of which this is the first
    alpha: bool = False  # the file marks the last channel as alpha
    placed: bool = False  # the file says where on the ground it lies
    blank: tuple[float, ...] = ()  # of colours: levels that mean "no data" where all channels have them


def check(dtype: np.dtype, shape: tuple[int, ...], max_values: int = MAX_VALUES) -> None:
    """Refuse a dtype or shape that cannot be a signal's, before memory is allocated for it."""
    if dtype.hasobject:
        raise SignalError("signal_pickled", "The array holds Python objects (pickled); save plain numbers instead.")
    if dtype.kind == "c":
        raise SignalError("signal_type", "The array is complex; save its real part, or its parts as channels.")
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise SignalError(
            "signal_type",
            f"The array holds {dtype.name}; it must hold floats of at most 64 bits, integers or booleans.",
        )
    if len(shape) not in (2, 3, 4):
        raise SignalError(
            "signal_shape",
            f"The array is {len(shape)}-dimensional, {shape_text(shape)}; it must be [h, w], [C, h, w], [h, w, C], "
            "tokens [N, C], or a batch of one of those" + (": x.reshape(h, w)." if len(shape) == 1 else "."),
        )
    if any(not isinstance(n, int) or n < 1 for n in shape):
        raise SignalError("signal_shape", f"The array is {shape_text(shape)}; no side may be empty.")
    if math.prod(shape) > max_values or max(shape) > MAX_SIDE:
        raise SignalError(
            "signal_too_large",
            f"The array is {shape_text(shape)}; at most {MAX_SIDE} rows or columns and {max_values / 1e6:.3g} million "
            "values are read.",
        )
