"""Gaps, the cells without a value: which numbers (codes) stand for "no value", and what gaps are filled with.

NaN and infinity are no values. Beyond that ``invalid`` names the codes: a number or several, ``none``, or ``auto``, the
rules of which are in :func:`find`. Gaps have no weight in any mix; they are filled from their nearest neighbours only
where an algorithm needs a number to start from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch

from gsjbu.core.gaps import nearest_known, without_stand_ins
from gsjbu.core.grid import size_text
from gsjbu.core.plain import as_tensor
from gsjbu.core.rounding import ROUNDING
from gsjbu.errors import SignalError
from gsjbu.io import ends
from gsjbu.io.kinds import AUTO, FEW, Kind
from gsjbu.io.numbers import may_be_classes

NONE = "none"
Invalid = str | float | Sequence[float] | None

IGNORE = 255  # of label maps
#: In depth, 0 means "no value" where the values beside it are this far from 0, in medians of all (``ends``), …
FAR_FROM_ZERO = 0.05
#: … and further than JOINED times the widest step between values below the median: 1.4 and more in depth with holes,
#: 0.2 to 1 in maps of few levels whose cells at borders are mixed.
JOINED = 1.0
#: Levels of 8 bits that were stretched to 0 … 255 have a value at 0. The values beside it are nearer than this part of
#: 255 (0.03 to 0.09; 0.13 and more in depth that was divided by its largest), and up to FEW_LEAST of cells are 0.
NEAR_OF_STRETCHED, FEW_LEAST = 0.1, 0.01
ZERO_TAKEN = "0 is taken for a value; if it means that there is none, invalid=0 says so."
#: A code that more of all cells have may be a value after all: the ground, among heights above ground.
MANY = 1 / 3
#: The largest class number of everyday data sets in 8 bits.
LAST_CLASS = 182
#: A number that repeats exactly is a code if it lies so many times the range of all others away from them, …
FAR_FROM_REST = 3.0
#: … or if it is the only negative number, and whole, so many of the others' mean steps below the least.
FAR_IN_STEPS = 2.0
MOST_CODES = 4
UNIT_WITHIN = 0.01  # of length 1: half precision's digits, and a few roundings
#: Negative class numbers are no classes where all are among these (ignore indices of losses, fills), or there is one.
IGNORED = (-1.0, -99.0, -100.0, -255.0, -999.0, -9999.0, -32768.0)
#: Usual codes: one cell that has it is enough.
KNOWN_CODES = (-9999.0, -32768.0, 65504.0, 1e10, 1e20, -3.4028234663852886e38)
#: Most cells of a signal with gaps: to find each gap's nearest neighbour takes half a second for so many.
MAX_GAPPY = 1 << 22
#: With at most so many cells, a gap takes the mean of neighbours that are as near, for eight times the work.
MAX_FAIR = 1 << 18


@dataclass(frozen=True, eq=False)
class Gaps:
    """``known`` bool [h, w]: False in gaps. ``codes``: the numbers that stand for "no value". ``sentence``: says so.

    ``guessed``: a person may know better, as a code was told by lying far from all others, or many cells have it, or it
    may be a value. ``doubt``: a sentence on a number that was taken for a value and may be a code.
    """

    known: np.ndarray
    codes: tuple[float, ...] = ()
    sentence: str = ""
    guessed: bool = False
    doubt: str = ""


def parse(invalid: Invalid) -> str | tuple[float, ...]:
    """``auto``, ``none`` or the numbers that a person wrote (``0``, ``"0,65535"``). Raises SignalError."""
    if invalid is None:
        return NONE
    given: Any = invalid
    if isinstance(invalid, str):
        text = invalid.strip().lower()
        if text in (AUTO, NONE):
            return text
        given = [part for part in re.split("[,; ]", text) if part]
    try:
        found = tuple(float(number) for number in np.atleast_1d(np.asarray(given, dtype=object)).ravel())
    except (TypeError, ValueError):
        found = ()
    if not found or len(found) > 64:
        raise SignalError(
            "signal_invalid", f"invalid is {repr(invalid)[:60]}; it must be auto, none, a number or several (0,65535)."
        )
    return found


def find(
    planes: np.ndarray,  # [C, h, w]
    kind: Kind,
    invalid: str | tuple[float, ...] = AUTO,
    brought: np.ndarray | None = None,  # bool [h, w]: cells that came with a value (a mask, an alpha channel)
) -> Gaps:
    """The gaps of a signal of ``kind``.

    The rules of ``auto``:

    - depth: 0 (and 65535 of 16 bits) where it repeats and no other value is near it;
    - one channel: a number far from all others, or the only negative one, that repeats exactly;
    - several channels: a usual code beyond all other values, or a number far from them, in cells that have it in all
      channels; 0 in all channels where a channel of 0 and 1 says so, or all other cells have length 1;
    - labels: 255 where it is the largest number, unless there are two or they are evenly spaced; −1, −100 and other
      ignore indices below all others;
    - any fractions without other gaps: the mean of all others, where it lies beyond the values around it.
    """
    known = finite(planes)
    missing = int((~known).sum())
    parts = [f"{_cells(missing, known.size)} NaN or infinite"] if missing else []
    if brought is not None and not brought.all():
        masked = int((known & ~brought).sum())
        known &= brought
        parts += [f"{_cells(masked, known.size)} masked"] if masked else []
    found = _auto(planes, known, kind) if invalid == AUTO else Codes(() if isinstance(invalid, str) else invalid)
    for code in found.codes:
        equal = (planes == _as(code, planes.dtype)).all(axis=0) & known
        known &= ~equal
        if equal.any():
            means = "ignore" if kind == "labels" else "no value"
            parts.append(f"{_cells(int(equal.sum()), known.size)} {code:g}, which means {means}")
    own = _own_values(planes) if invalid == AUTO and known.all() else None
    if own is not None:
        known = own
        parts.append(f"{_cells(int((~own).sum()), own.size)} the mean of all others, which means no value")
    return Gaps(known, found.codes, "; ".join(parts), found.guessed or own is not None, found.doubt)


def _own_values(planes: np.ndarray) -> np.ndarray | None:
    """bool [h, w]: False where fractions [C, h, w] hold the mean of all others, as whoever fills gaps may have put
    there (``core.gaps.without_stand_ins``); None: nowhere."""
    if planes.dtype.kind != "f":
        return None
    known = without_stand_ins(as_tensor(planes).to(torch.float32))
    return None if known is None else known.numpy()


def finite(planes: np.ndarray) -> np.ndarray:
    """bool [h, w]: where all channels of [C, h, w] are finite."""
    if planes.dtype.kind == "f":
        return np.isfinite(planes).all(axis=0)
    return np.ones(planes.shape[1:], bool)


def fill(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``values`` [C, h, w] with every gap taking the nearest known cell's.

    Where several cells are as near, floats take their mean, so that a rotated signal is filled as the unrotated one.
    """
    if known.all():
        return values
    if not known.any():
        raise SignalError("signal_not_finite", "The signal holds no value at all: every cell is a gap.")
    if known.size > MAX_GAPPY:
        raise SignalError(
            "signal_too_large",
            f"The signal has gaps and cells of {size_text(*known.shape)}; with gaps at most "
            f"{MAX_GAPPY / 1e6:.1f} million are read: make it smaller, or fill them first.",
        )
    if values.dtype.kind != "f" or known.size > MAX_FAIR:
        return nearest_known(values, known)
    total = np.zeros(values.shape, np.float64)
    for rows, cols in product((1, -1), repeat=2):  # eight turns: each of four also transposed
        some, there = values[:, ::rows, ::cols], known[::rows, ::cols]
        total += nearest_known(some, there)[:, ::rows, ::cols]
        total += nearest_known(some.swapaxes(1, 2), there.T).swapaxes(1, 2)[:, ::rows, ::cols]
    return np.where(known, values, (total / 8).astype(values.dtype))


def _cells(count: int, of: int) -> str:
    return f"{count} of {of} cells {'is' if count == 1 else 'are'}"


def _as(code: float, dtype: np.dtype) -> float | np.generic:
    """``code`` as an array of ``dtype`` holds it: −9999.1 in float32 is another number than in float64."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(code)
    return code


class Codes(NamedTuple):
    """The numbers that stand for "no value", ``guessed`` and ``doubt`` as of :class:`Gaps`."""

    codes: tuple[float, ...]
    guessed: bool = False
    doubt: str = ""


def _auto(planes: np.ndarray, known: np.ndarray, kind: Kind) -> Codes:
    if len(planes) > 1:
        return _of_all_channels(planes, known, kind)
    return _of_labels(planes[0], known) if kind == "labels" else _of_one_channel(planes[0], known, kind)


def _of_all_channels(planes: np.ndarray, known: np.ndarray, kind: Kind) -> Codes:
    """Codes of [C, h, w]: usual ones or far outliers, at an end of the range, that cells have in all channels.

    The doubt is of one that cells have in some channels only; in logits it rules classes out, and there is none.
    """
    codes = [0.0] if _is_zero_nothing(planes, known) else []
    known = known & planes.any(axis=0) if codes else known
    doubt = ""
    for _ in range(MOST_CODES):
        values = planes.reshape(len(planes), -1) if known.all() else planes[:, known]
        ends_ = (values.min(), values.max()) if values.size and planes.dtype != bool else ()
        code = next((end for end in ends_ if _is_known_code(float(end)) or _is_far(end, planes, values, known)), None)
        if code is None:
            break
        has = planes == code
        some, all_ = has.any(axis=0) & known, has.all(axis=0) & known
        if (known == all_).all():
            break
        codes += [float(code)] if all_.any() else []
        if (some > all_).any() and kind != "logits" and not doubt:
            cells = int((some > all_).sum())
            doubt = (
                f"{float(code):.20g} stands in some channels, and not all, of {cells} of {known.size} cells, and is "
                "taken for a value there; if it means that there is none, NaN in its place says so."
            )
        known = known & ~some
    return Codes(tuple(codes), bool(codes), doubt)


def _is_far(end: np.generic, planes: np.ndarray, values: np.ndarray, known: np.ndarray) -> bool:
    """Whether ``end``, the least or largest known value of [C, h, w], is a far outlier that some cells have in all
    channels, and no cell in some. ``values`` [C, n]: the known ones."""
    if planes.dtype.itemsize == 1 or not (values[:, (values[0] == end).argmax()] == end).all():
        return False
    has = (planes == end) & known
    cells, rest = has.all(axis=0), values[values != end].astype(np.float64)
    if not 1 < cells.sum() < 0.5 * known.sum() or (has.any(axis=0) != cells).any():
        return False
    return bool(0 < np.ptp(rest) < float(np.abs(rest - float(end)).min()) / FAR_FROM_REST)


def _is_zero_nothing(planes: np.ndarray, known: np.ndarray) -> bool:
    """Whether 0 in all channels of [C, h, w] means "no value".

    It does where the first or last channel is a flag, 0 there and 1 elsewhere, and the others are 0 nowhere else, as in
    KITTI's optical flow; and where all other cells are vectors of length 1.
    """
    if planes.dtype.itemsize == 1:
        return False
    none = known & ~planes.any(axis=0)
    some = planes[:, known & ~none]
    if not none.any() or not some.size:
        return False
    for flag, others in ((some[-1], some[:-1]), (some[0], some[1:])):
        if (flag == 1).all() and others.all() and len(np.unique(others)) > FEW:
            return True
    if planes.dtype.kind != "f" or may_be_classes(some):
        return False
    lengths = np.sqrt(np.square(some, dtype=np.float32).sum(axis=0))
    return bool((np.abs(lengths - 1) <= UNIT_WITHIN).all())


def _is_known_code(number: float) -> bool:
    return any(np.isclose(number, code, rtol=1e-6) for code in KNOWN_CODES)


def _of_labels(plane: np.ndarray, known: np.ndarray) -> Codes:
    below = ignored(plane, known)
    classes = known & ~np.isin(plane, below)
    usual = (float(IGNORE),) if _has_ignored(plane, classes, alone=not below) else ()
    return Codes(usual + below, bool(below), _doubt(plane, known, below))


def ignored(plane: np.ndarray, known: np.ndarray) -> tuple[float, ...]:
    """Ignore indices of labels [h, w]: negative numbers such as −1 and −100, and −1 as unsigned integers hold it.

    −1 may be the background class: where MANY cells have it, or 0 or 1 is the only other number.
    """
    codes, _ = _below(plane, known)
    return tuple(code for code in codes if not _may_be_class(plane, known, code))


def _doubt(plane: np.ndarray, known: np.ndarray, taken: tuple[float, ...]) -> str:
    """A sentence on an ignore index of labels [h, w] that is not ``taken`` for a gap, or on a 255 beside one class."""
    values = np.unique(plane[known])
    beside_255 = values.size == 2 and 0 < values[0] <= LAST_CLASS and values[1] == IGNORE
    codes, as_minus_1 = _below(plane, known)
    kept = [IGNORE] if beside_255 else [code for code in codes if code not in taken]
    if not kept or (as_minus_1 and _are_two_levels(plane, known)):
        return ""
    return f"{kept[0]:.20g} is taken for a class; if it means that there is none, invalid={kept[0]:.20g} says so."


def _below(plane: np.ndarray, known: np.ndarray) -> tuple[tuple[float, ...], bool]:
    """Numbers of labels [h, w] that may be ignore indices; and whether the dtype is unsigned, which holds −1 as its
    largest number."""
    values = np.unique(plane[known])
    if plane.dtype.kind == "u" and plane.dtype.itemsize > 1:
        top = np.iinfo(plane.dtype).max
        there = values.size > 1 and values[-1] == top and not _is_even(values)
        return ((float(top),) if there else ()), True
    low = values[values < 0] if plane.dtype.kind in "if" else values[:0]
    rest = values[low.size :].astype(np.float64)
    codes = tuple(map(float, low))
    lone = len(codes) == 1 and rest.size and _is_lone(codes[0], rest)
    return (codes if rest.size and (lone or set(codes) <= set(IGNORED)) else ()), False


def _may_be_class(plane: np.ndarray, known: np.ndarray, code: float) -> bool:
    """Whether the ignore index ``code`` of labels [h, w] may be their background class."""
    if plane.dtype.kind == "u":
        return _are_two_levels(plane, known) or _are_many(plane, code)
    if code != -1:
        return False
    others = np.unique(plane[known & (plane != code)])
    return (others.size == 1 and others[0] in (0, 1)) or _are_many(plane, code)


def _are_many(plane: np.ndarray, code: float) -> bool:
    return int((plane == code).sum()) >= MANY * plane.size


def _are_two_levels(plane: np.ndarray, known: np.ndarray) -> bool:
    """Whether [h, w] holds 0 and one other level."""
    values = np.unique(plane[known])
    return values.size == 2 and values[0] == 0


def _has_ignored(plane: np.ndarray, known: np.ndarray, alone: bool) -> bool:
    """Whether 255 is the ignore index of labels [h, w]. ``known``: cells that have no other one; ``alone``: there is no
    other one."""
    if plane.dtype == bool:
        return False
    values = np.unique(plane[known])
    if values.size < 2 or values[-1] != IGNORE or values[0] < 0:
        return False
    if values.size == 2:
        return not alone and values[0] > 0  # otherwise a mask
    return not _is_even(values)


def _is_even(values: np.ndarray) -> bool:
    """Whether rising ``values`` are grey levels, spread evenly up to white."""
    steps = np.diff(values.astype(np.float64))
    return values.size > 2 and bool(steps[-1] <= 1.5 * steps.min())


class Zero(NamedTuple):
    """Whether 0 stands for no value, and whether a person may know better."""

    gap: bool = False
    asked: bool = False


def _of_one_channel(plane: np.ndarray, known: np.ndarray, kind: Kind) -> Codes:
    """Codes of [h, w] that is no label map: those of depth sensors, and far outliers."""
    values = plane[known]
    usual: tuple[float, ...] = ()
    far: tuple[float, ...] = ()
    zero = Zero()
    if kind == "depth":
        zero = _zero(plane, known)
        usual = ((0.0,) if zero.gap else ()) + _top_of_sensors(plane, known)
        values = values[~np.isin(values, usual)] if usual else values
    if plane.dtype.kind == "f" or plane.dtype.itemsize > 1:
        far = tuple(_outliers(values.astype(np.float64)))
    many = int((known & np.isin(plane, usual)).sum()) > MANY * known.size
    guessed = many or bool(far) or (zero.asked and zero.gap)
    return Codes(usual + far, guessed, ZERO_TAKEN if zero.asked and not zero.gap else "")


def _zero(plane: np.ndarray, known: np.ndarray) -> Zero:
    """What 0 is in depth [h, w]: no value, where it repeats and the values beside it are far from it.

    A person is asked where other values lie as far apart, or 8 bits were stretched to 0 … 255.
    """
    values = plane[known]
    if values.dtype.kind in "if" and values.size and values.min() < 0 == values.max():
        mirrored = _zero(-plane.astype(np.float64), known)  # disparities; depth of water has 0 at its shore
        return mirrored._replace(asked=mirrored.asked or mirrored.gap)
    rest = values[values > 0]
    if not rest.size or values.min() != 0 or not _repeats((plane == 0) & known):
        return Zero()
    nearest, middle = ends.nearest_to_zero(plane, known), float(np.median(rest))
    if nearest < FAR_FROM_ZERO * middle or (values.dtype.kind != "f" and nearest <= 1):
        return Zero()
    seen = np.unique(rest[rest >= nearest].astype(np.float64))
    below = max(2, int(np.searchsorted(seen, middle, side="right")))
    joined = len(seen) > 1 and nearest <= JOINED * float(np.diff(seen[:below]).max())
    stretched = plane.dtype == np.uint8 and values.max() == 255
    if stretched and (joined or nearest <= NEAR_OF_STRETCHED * 255):
        return Zero(asked=values.size - rest.size > FEW_LEAST * values.size)
    return Zero(gap=True, asked=joined)


def _top_of_sensors(plane: np.ndarray, known: np.ndarray) -> tuple[float, ...]:
    """65535 of 16 bits, where all other values are well below."""
    if plane.dtype != np.uint16 or not _repeats(plane == 65535):
        return ()
    below = plane[known & (plane < 65535)]
    return (65535.0,) if 0 < below.size < known.sum() and below.max() < 0.9 * 65535 else ()


def _repeats(equal: np.ndarray) -> bool:
    """Whether some of these cells [h, w] are neighbours or at the rim, or they are more than 1 % of all."""
    beside = (equal[1:] & equal[:-1]).any() or (equal[:, 1:] & equal[:, :-1]).any()
    rim = equal[0].any() or equal[-1].any() or equal[:, 0].any() or equal[:, -1].any()
    return bool(beside or rim or equal.sum() > 0.01 * equal.size)


def _outliers(values: np.ndarray) -> Iterator[float]:
    """Codes at either end of the range of ``values``: far outliers that repeat exactly, or usual codes."""
    for _ in range(MOST_CODES):
        if values.size < 4:
            return
        for end in (values.min(), values.max()):
            same = values == end
            rest = values[~same]
            known_code = _is_known_code(float(end))
            if rest.size < 2 or not (known_code or same.sum() > 1):
                continue
            if end > 0 and not known_code and _are_few(rest):
                continue
            gap = float(np.abs(rest - end).min())
            spread = float(np.ptp(rest))
            far = gap > FAR_FROM_REST * spread and same.sum() < 0.5 * values.size
            alone = (far and spread > 0) or (known_code and gap > spread)
            if alone or (same.sum() > 1 and _is_lone(float(end), rest)):
                yield float(end)
                values = rest
                break
        else:
            return


def _are_few(values: np.ndarray) -> bool:
    """Whether there are so few different whole numbers that one far off is no outlier, as with ids."""
    some = np.unique(values[: FEW * FEW])  # most have more at once
    few = len(some) <= FEW and len(np.unique(values)) <= FEW
    return few and may_be_classes(values)


def _is_lone(end: float, rest: np.ndarray) -> bool:
    """Whether ``end`` is −1, or a whole negative number far below, where none of the ``rest`` is negative."""
    if end >= 0 or end != round(end) or rest.min() < -ROUNDING * rest.max():
        return False
    steps = np.diff(np.unique(rest))
    return end == -1 or bool(steps.size and rest.min() - end > FAR_IN_STEPS * steps.mean())
