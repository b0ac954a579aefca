"""The truth at full resolution: an upsampled signal is measured against it, or a signal is made of it.

A truth is read as signals are, and belongs to the same family as its signal: a measured quantity ("depth"), classes,
shares of one thing ("alpha") or features. Each pixel of a run has the mean of the truth over it, of classes the one at
its centre.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.grid import Grid, size_text
from gsjbu.errors import SignalError
from gsjbu.io import gaps, kinds, layouts
from gsjbu.io.aspects import is_exact
from gsjbu.io.brought import Brought, check
from gsjbu.io.class_codes import colour_numbers, number_name
from gsjbu.io.kinds import AUTO, CLASS_KINDS, UNIT_KINDS, Kind
from gsjbu.io.numbers import BEYOND, may_be_classes, settled, whole_of_levels
from gsjbu.io.signals import Signal, label, understand
from gsjbu.settings import SETTINGS

Family = Literal["depth", "classes", "alpha", "features"]
#: Ratio of the medians of signal and truth from which on they may be in two units.
UNITS_APART = 3.0
#: The reason for the kind of a signal that was made of its truth.
MADE = "made of its truth, cell by cell"
#: A truth is the signal's own quantity where the mean squared difference of its cell means from the signal is no larger
#: part of their variance.
LEFT = 0.25
#: If more of a truth's pixels have numbers that are no class of the signal, it may be a quantity.
MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth over the pixels of a run.

    ``values``: float32 [C, H, W] in the signal's unit; of classes int64 [1, H, W], indices of the signal's channels,
    and further ones for classes that the signal does not have. ``known``: bool [H, W]. ``names`` and ``codes``: of the
    classes, by index.
    """

    family: Family
    values: Tensor
    known: Tensor
    names: tuple[str, ...] = ()
    note: str = ""
    codes: tuple[int, ...] = ()


def family_of(signal: Signal) -> Family:
    """The family of a signal, which decides how its results are measured."""
    if signal.kind == "labels" or (signal.kind in CLASS_KINDS and signal.shape[0] > 1):
        return "classes"
    if signal.kind in UNIT_KINDS:
        return "alpha"
    return "depth" if signal.kind == "depth" else "features"


def truth_of(brought: Brought, signal: Signal, height: int, width: int) -> Truth:
    """``brought`` as the truth of ``signal`` over ``height × width`` pixels. Raises SignalError."""
    family = family_of(signal)
    planes = _planes(brought, signal)
    if family != "classes":
        _check_no_classes(brought, planes, signal)
    rows, cols = planes.shape[1:]
    _check(rows, cols, height, width)
    kind: Kind = "labels" if family == "classes" else "depth" if family == "depth" else "heat_map"
    found = gaps.find(planes, kind, brought.codes or AUTO, brought.known)
    if set(found.codes) & set(signal.codes):  # the signal takes them for classes
        others = tuple(code for code in found.codes if code not in signal.codes)
        found = gaps.find(planes, kind, others or gaps.NONE, brought.known)
    known, grid = torch.from_numpy(found.known), Grid.from_sizes(rows, cols, height, width)
    said = [f"{brought.source} of {size_text(rows, cols)}"] + ([found.sentence] if found.sentence else [])
    if family == "classes":
        index, names, codes = _classes(planes, found.known, signal)
        _check_classes(brought, planes, index, found.known, signal)
        y, x = (_centres(n, m) for n, m in ((rows, height), (cols, width)))
        index, known = index[y][:, x], known[y][:, x] & (index[y][:, x] >= 0)
        return Truth(family, index[None], known, names, "; ".join(said), codes)
    values = _values(planes, found.known, shares=family == "alpha")
    if family == "alpha":
        _check_shares(values[:, known], signal)
    values, known = _over(values, known, grid)
    if family == "depth":
        said += _units(values[:, known], signal)
    return Truth(family, values, known, note="; ".join(said))


def _planes(brought: Brought, signal: Signal) -> np.ndarray:
    """The truth as [C, H, W] with the number of channels that ``signal`` asks for; colours of classes as 0xRRGGBB.

    Raises SignalError where it has another number of channels.
    """
    classes = family_of(signal) == "classes"
    array = brought.array[0] if brought.array.ndim == 4 and len(brought.array) == 1 else brought.array
    if classes and brought.colours:
        if not signal.colours:
            raise SignalError(
                "signal_kind",
                "The truth is a picture of colours, and the signal has class numbers; bring both in one way: save the "
                "truth as class numbers (grey or palette PNG, .npy).",
            )
        return _of_colours(brought)
    channels = {signal.shape[0], 1} if classes else {signal.shape[0]}
    ways = [array[None]] if array.ndim == 2 else [array, array.transpose(2, 0, 1)]
    for planes in ways[1:] if brought.layout == "HWC" else ways:
        if len(planes) in channels:
            return planes
    wanted = " or ".join(str(n) for n in sorted(channels))
    raise SignalError(
        "signal_shape",
        f"The truth is {layouts.shape_text(array.shape)}; for this signal it must have {wanted} "
        f"{'channel' if wanted == '1' else 'channels'}.",
    )


def _kind_of(brought: Brought, planes: np.ndarray) -> str | None:
    """The kind of a truth by itself; None where it is not sure."""
    kind = brought.told or brought.kind
    if kind is not None:
        return kind
    guess = kinds.guess(planes, gaps.finite(planes), brought.lossy)
    return guess.kind if guess.runner_up is None else None


def _check_no_classes(brought: Brought, planes: np.ndarray, signal: Signal) -> None:
    """Refuse class numbers as the truth of a signal without classes.

    Numbers that may be either are a quantity if a person says so or their cell means are the signal; two different
    values may be shares of a mask.
    """
    said = brought.told or brought.kind
    if said is None and (signal.asked.kind == "depth" or _gives(planes, signal)):
        return
    if signal.kind in UNIT_KINDS and len(np.unique(planes[:, gaps.finite(planes)])) <= 2:
        return
    if _kind_of(brought, planes) == "labels":
        advice = (
            "save them without a palette and say kind=depth"
            if brought.kind
            else "save them without the word labels"
            if said
            else "kind=depth (--kind depth) says so"
        )
        raise SignalError(
            "signal_kind",
            f"The truth is a map of class numbers, and the signal, taken as {label(signal.kind)}, has none: bring the "
            f"truth of what the signal is. If the truth's numbers are the quantity, {advice}. If the signal's are "
            "classes, kind=labels (--kind labels) says so.",
        )


def _check_classes(brought: Brought, planes: np.ndarray, index: Tensor, known: np.ndarray, signal: Signal) -> None:
    """Refuse a quantity in whole numbers as the truth of classes: most of them are no class of the signal."""
    strange = (index >= signal.classes).numpy()[known]
    if len(planes) == 1 and strange.size and strange.mean() > MOSTLY and _kind_of(brought, planes) == "depth":
        raise SignalError(
            "signal_kind",
            f"The truth is a measured quantity, and the signal, taken as {label(signal.kind)}, has class numbers: "
            "bring the truth of what the signal is. If the signal's numbers are the quantity, kind=depth "
            "(--kind depth) says so.",
        )


def _gives(planes: np.ndarray, signal: Signal) -> bool:
    """Whether the cell means of a truth [C, H, W] are about the signal's values."""
    (height, width), (rows, cols) = planes.shape[1:], signal.shape[1:]
    if rows > height or cols > width:
        return False
    known = gaps.finite(planes)
    values = _values(planes, known, shares=signal.kind in UNIT_KINDS)
    means, there = _over(values, torch.from_numpy(known), Grid.from_sizes(height, width, rows, cols))
    both = (there & signal.mask).numpy()
    own, brought = signal.real(signal.values.numpy())[:, both], means.numpy()[:, both]
    return bool(both.any()) and float(np.square(own - brought).mean()) <= LEFT * float(brought.var())


def _of_colours(brought: Brought) -> np.ndarray:
    """A picture's colours as class numbers 0xRRGGBB [1, H, W]; a photograph is refused."""
    return colour_numbers(layouts.lay(brought.array, None, brought.layout).planes)


def _check(rows: int, cols: int, height: int, width: int) -> None:
    smaller = rows < height or cols < width
    if not (is_exact((rows, cols), (height, width)) if smaller else is_exact((height, width), (rows, cols))):
        raise SignalError(
            "signal_aspect",
            f"The truth is {size_text(rows, cols)} and the image {size_text(height, width)}; it must have the "
            "image's shape.",
        )
    if smaller:
        own, run = size_text(rows, cols), size_text(height, width)
        lowest = SETTINGS["resolution"].low or 0
        if max(rows, cols) < lowest:
            raise SignalError("signal_size", f"The truth is {own} and the run works at {run}; it must be no smaller.")
        raise SignalError(
            "signal_size",
            f"The truth is {own} and the run works at {run}; it must be no smaller: lower the resolution to "
            f"{max(rows, cols)}.",
        )


def _classes(planes: np.ndarray, known: np.ndarray, signal: Signal) -> tuple[Tensor, tuple[str, ...], tuple[int, ...]]:
    """Class indices [H, W], −1 where there is none, and the names and codes of all classes: those of the signal first,
    then those that only the truth has."""
    count = signal.classes
    codes = signal.codes or tuple(range(count))
    names = signal.names or tuple(f"class {n}" for n in range(count))
    if len(planes) > 1:
        return torch.from_numpy(planes.argmax(axis=0)), names, codes
    found, at = np.unique(_class_numbers(planes[0], known), return_inverse=True)
    place = {code: n for n, code in enumerate(codes)}
    others = [code for code in map(int, found) if code >= 0 and code not in place]
    place |= {code: count + n for n, code in enumerate(others)}
    index = np.full(known.shape, -1)
    index[known] = np.array([place.get(int(code), -1) for code in found], np.int64)[at]
    names = (*names, *(number_name(code, signal.colours) for code in others))
    return torch.from_numpy(index), names, (*codes, *others)


def _class_numbers(plane: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The known numbers of [H, W]; fractions are refused, and floats that no integer of 64 bits holds."""
    numbers = settled(plane, known)[known]
    if not may_be_classes(numbers):
        raise SignalError(
            "signal_kind",
            "The truth holds fractions, or numbers of more than 64 bits, and classes are whole numbers; give their "
            "numbers, or shares, one channel a class.",
        )
    return numbers


def _centres(size: int, pixels: int) -> Tensor:
    """Which of ``size`` rows or columns lies at the centre of each of ``pixels``."""
    return ((torch.arange(pixels, dtype=torch.float64) + 0.5) * size / pixels).long().clamp_max(size - 1)


def _check_shares(values: Tensor, signal: Signal) -> None:
    """Refuse values beyond [0, 1], metres say, as the truth of shares."""
    low, high = (float(v) for v in values.aminmax()) if values.numel() else (0.0, 1.0)
    if low < -BEYOND or high > 1 + BEYOND:
        raise SignalError(
            "signal_kind",
            f"The truth lies between {low:.4g} and {high:.4g}, and the signal, taken as {label(signal.kind)}, gives "
            "shares between 0 and 1: bring the truth as shares, or take the signal for the quantity that the truth is "
            "(kind=depth).",
        )


def _values(planes: np.ndarray, known: np.ndarray, shares: bool) -> Tensor:
    """[C, H, W] as float64, 0 where nothing is known; levels of ``shares`` as fractions."""
    values = np.where(known, planes, 0).astype(np.float64)
    return torch.from_numpy(values / whole_of_levels(planes.dtype, values) if shares else values)


def _over(values: Tensor, known: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Means over the known pixels of each cell, float32 [C, h, w], and which cells have any, bool [h, w]."""
    share = grid.cell_means(known.to(torch.float64))
    means = grid.cell_means(torch.where(known, values, 0.0))
    return torch.where(share > 0, means / share.clamp_min(1e-12), 0.0).to(torch.float32), share > 0


def _units(values: Tensor, signal: Signal) -> list[str]:
    """A sentence where truth and signal seem to be in two units."""
    if not values.numel():
        return []
    there = float(np.median(signal.real(signal.values.numpy())[:, signal.mask.numpy()]))
    here = float(values.flatten().median())
    if here > 0 and there > 0 and not 1 / UNITS_APART <= here / there <= UNITS_APART:
        return [f"its median is {here:.4g} and the signal's {there:.4g}, so that both may not be in one unit"]
    return []


# ------------------------------------------------------------------------------- a signal from it


def downsampled(brought: Brought, rows: int, cols: int, kind: str | None = None) -> Signal:
    """The LR signal of a truth: the mean over each cell, of classes the share of each. Raises SignalError.

    ``kind``: depth, labels, heat_map or features; told from the truth's values where it is not given.
    """
    of_colours = brought.colours and kind in (None, "labels")
    planes = _of_colours(brought) if of_colours else layouts.lay(brought.array, None, brought.layout).planes
    height, width = planes.shape[1:]
    grid = Grid.from_sizes(height, width, min(rows, height), min(cols, width))
    finite = gaps.finite(planes)
    usual = "labels" if of_colours else brought.kind
    taken = kind or usual or kinds.guess(planes, finite, brought.lossy).kind
    found = gaps.find(planes, "labels" if taken == "labels" else "depth", brought.codes or AUTO, brought.known)
    if taken == "labels":
        return _shares(planes[0], found.known, grid, brought)
    values = _values(planes, found.known, shares=taken in UNIT_KINDS)
    means, there = _over(values, torch.from_numpy(found.known), grid)
    as_kind = "heat_map" if taken in UNIT_KINDS and len(planes) == 1 else taken
    signal = understand(
        torch.where(there, means, torch.nan).numpy(), kind=as_kind, invalid="none", layout="chw", as_it_is=True
    )
    return replace(signal, reason=MADE)


def _shares(plane: np.ndarray, known: np.ndarray, grid: Grid, brought: Brought) -> Signal:
    """Each class's share of the known pixels of each cell; channel n is class number n where numbers are below 256."""
    numbers = _class_numbers(plane, known)
    found = np.unique(numbers)
    if len(found) and found[0] >= 0 and found[-1] < 256 and not brought.colours:
        found = np.arange(int(found[-1]) + 1).astype(found.dtype)
    codes = tuple(map(int, found))
    check(np.dtype(np.float32), (len(codes), grid.rows, grid.cols))
    index = np.full(known.shape, -1)
    index[known] = np.searchsorted(found, numbers)
    with np.errstate(invalid="ignore"):  # nothing of nothing is known: a gap
        shares = grid.shares(index, len(codes)) / grid.shares(known - 1, 1)
    names = [brought.names.get(code, number_name(code, brought.colours)) for code in codes]
    signal = understand(shares, kind="soft_labels", invalid="none", layout="chw", names=names, as_it_is=True)
    return replace(signal, codes=codes, colours=brought.colours, reason=MADE)
