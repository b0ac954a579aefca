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
    """``array`` of at most four dimensions, any real type; the rest is what its file or object says.

    ``source`` in words. ``layout``: where the container fixes it. ``known``: a mask that came with it, bool [h, w] or
    of the array's shape. ``kind``: where the container leaves no choice (a palette is labels). ``codes``: numbers that
    mean "no value".
    ``palette``: RGB triples of a palette PNG. ``colours``: class numbers are 0xRRGGBB. ``lossy``: levels are not exact.
    ``told``: the kind that the file's own notes say; ``codes`` are then all of them. ``classes``: channels' numbers.
    ``maybe``: a kind that it may be whatever its numbers say, and is if they are sure.
    ``gap``: the number that a result has where there is none, if it is to be none of ``codes``. ``pages``: pictures
    in the file, of which this is the first. ``alpha``: the last channel is one, by the file's own mark.
    ``placed``: the file says where on the ground it lies. ``blank``: of colours, the levels that all channels have
    where there is nothing.
    """

    array: np.ndarray
    source: str = "array"
    layout: str = "auto"
    known: np.ndarray | None = None
    kind: Kind | None = None
    codes: tuple[float, ...] = ()
    palette: bytes = b""
    colours: bool = False
    lossy: bool = False
    names: dict[int, str] = field(default_factory=dict)
    told: Kind | None = None
    maybe: Kind | None = None
    classes: tuple[int, ...] = ()
    gap: float | None = None
    pages: int = 1
    alpha: bool = False
    placed: bool = False
    blank: tuple[float, ...] = ()


def check(dtype: np.dtype, shape: tuple[int, ...], max_values: int = MAX_VALUES) -> None:
    """Refuse what cannot be a signal, before any memory is taken for it."""
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
