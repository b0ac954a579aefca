"""From what was mixed back to what was brought: its unit, its class numbers, its dtype, its gaps.

Integers in give integers out. A class map in gives a class map out, of the same numbers. Shares of a whole stay in
[0, 1]. A pixel that has no value in its window is NaN, or the integer that stood for "no value", unless it is filled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import clipping
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import Upsampler, bilinear, nearest
from gsjbu.core.kernel import Kernel
from gsjbu.core.strongest import strongest
from gsjbu.errors import SignalError
from gsjbu.io import kinds
from gsjbu.io.class_codes import OWN_CHANNEL
from gsjbu.io.kinds import CLASS_KINDS
from gsjbu.io.signals import Signal, no_classes

#: Numbers that stand for "no class" where the signal has none of its own, likeliest first; and of colours: white.
NO_CLASS = ((255, -1, 65535, *range(254, -1, -1)), (0xFFFFFF, 0, 255))


def restored(
    signal: Signal, kernel: Kernel, probabilities: bool = False, clip: bool = True, threads: int | None = None
) -> np.ndarray:
    """``signal`` upsampled by ``kernel``: [H, W] where [h, w] or labels were brought, otherwise [C, H, W].

    probabilities: the share of each class of a label map, [K, H, W], instead of the map; ``signal.codes`` are their
    numbers. clip: hold every pixel in the range of its window. Raises SignalError for probabilities of what has no
    classes.
    """
    if probabilities:
        check_shares(signal)

    def way(values: Tensor) -> Tensor:
        return kernel.render(values, mask=signal.mask, clip=clip, threads=threads)

    if signal.kind == "labels" and not probabilities:
        return class_map(signal, kernel, classes_by(way, signal, kernel.grid, kernel.reach, kernel.is_joint))
    high = way(signal.values).detach()
    high = filled(high, signal.values, kernel.grid) if signal.asked.fill else high
    return in_unit(signal, high.numpy(), signal.kind == "labels")


def in_blocks(
    signal: Signal, kernel: Kernel, most_bytes: int, probabilities: bool = False, threads: int | None = None
) -> Iterator[np.ndarray]:
    """:func:`restored`, as many channels at a time as ``most_bytes`` of float32 hold; classes and one channel at once.

    A few weights are computed again for each block; a result that is never in memory as a whole is worth more.
    """
    if signal.kind == "labels" or signal.shape[0] == 1:
        yield restored(signal, kernel, probabilities, threads=threads)
        return
    channels = max(1, most_bytes // (4 * kernel.grid.height * kernel.grid.width))
    joint = kernel.is_joint_for(signal.values, signal.mask)
    for some in signal.values.split(signal.shape[0] if joint else channels):
        high = kernel.render(some, mask=signal.mask, clip=True, threads=threads).detach()
        yield in_unit(signal, (filled(high, some, kernel.grid) if signal.asked.fill else high).numpy(), True)


def result_shape(signal: Signal, size: tuple[int, int], probabilities: bool = False) -> tuple[int, ...]:
    """The shape of a result over an image of ``size`` (height, width): [H, W] or [C, H, W]."""
    is_map = signal.kind == "labels" and not probabilities
    return size if is_map or (signal.flat and signal.kind != "labels") else (signal.shape[0], *size)


def in_unit(signal: Signal, high: np.ndarray, whole: bool = False) -> np.ndarray:
    """What was mixed, [C, H, W], in the unit and dtype of what was brought; ``whole`` keeps [1, H, W]."""
    values, dtype = in_numbers(signal, high), result_dtype(signal, True)
    values = values[0] if signal.flat and not whole else values
    if dtype.kind not in "iu":
        return values
    gap = np.isnan(values)
    if gap.any():
        values = np.where(gap, gap_number(signal), values)
    return values.astype(dtype)


def in_numbers(signal: Signal, high: np.ndarray) -> np.ndarray:
    """What was mixed, [C, H, W], in the unit of what was brought and as its dtype holds it, in floats: NaN, which whole
    numbers lack, where there is no value."""
    if signal.kind in kinds.SHARES:
        high = np.clip(high, 0, 1)  # NaN stays
    values, dtype = signal.real(high), result_dtype(signal, True)
    if dtype.kind not in "iu":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    top = float(limits.max)  # of 64 bits it is rounded up, and beyond them
    top = top if int(top) <= limits.max else float(np.nextafter(top, 0))
    return np.clip(np.rint(values), limits.min, top)


def result_dtype(signal: Signal, probabilities: bool = False) -> np.dtype:
    """The dtype of a result: the one that was brought where its numbers mean something, float32 otherwise."""
    dtype = np.dtype(signal.dtype)
    if signal.kind == "labels":
        return np.dtype(np.float32) if probabilities else _dtype_of_classes(signal)
    one_hot = signal.kind == "soft_labels" and signal.shape[0] > 1
    mixed = one_hot or signal.kind in ("features", "logits", "probabilities")
    keeps = dtype == np.float64 or (dtype.kind in "iu" and not mixed)
    return dtype if keeps else np.dtype(np.float32)


def gap_number(signal: Signal) -> float:
    """The integer that stands for "no value" in the result: the file's own, or 0."""
    return _held_code(signal, np.dtype(signal.dtype)) or 0.0


def _held_code(signal: Signal, dtype: np.dtype) -> float | None:
    """The first number that stands for "no value" and that ``dtype`` holds."""
    return next((code for code in signal.gap_codes if _holds(dtype, code)), None)


def _holds(dtype: np.dtype, code: float) -> bool:
    if dtype.kind == "f":
        return not math.isfinite(code) or abs(code) <= float(np.finfo(dtype).max)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return code % 1 == 0 and low <= code <= high


def filled(high: Tensor, low: Tensor, grid: Grid) -> Tensor:
    """``high`` [C, H, W] with gaps taken from their nearest neighbours, as ``low`` [C, h, w] was filled."""
    gap = torch.isnan(high)
    return torch.where(gap, bilinear(low, grid), high) if bool(gap.any()) else high


# ------------------------------------------------------------------------------------------ classes


def classes_by(way: Upsampler, signal: Signal, grid: Grid, reach: int, joint: bool) -> Tensor:
    """Per HR pixel the class of ``signal`` with the largest score upsampled by ``way``, int64 [H, W].

    ``reach``: LR pixels from its own that a pixel may take from. ``joint``: all channels must stay together.
    """
    if signal.shared is None:
        return strongest(way, signal.values, joint)
    return signal.shared.reaching(reach).strongest(way, grid, joint)


def classes_at(signal: Signal) -> Tensor:
    """The class of each cell, int64 [h, w]."""
    return signal.values.argmax(dim=0) if signal.shared is None else torch.from_numpy(signal.shared.places)


def check_shares(signal: Signal) -> None:
    """Refuse each class's share where there are no classes, or none have channels of their own. Raises SignalError."""
    if signal.kind not in CLASS_KINDS:
        raise no_classes("probabilities", signal.kind)
    if signal.shared is not None:
        raise SignalError(
            "signal_classes",
            f"The signal has {signal.classes} classes, and shares of each, a channel a class, are given of at most "
            f"{OWN_CHANNEL}: ask for the map of classes.",
        )


def class_map(signal: Signal, kernel: Kernel, best: Tensor) -> np.ndarray:
    """The class of each pixel, ``best`` [H, W] as its channel, in the numbers that were brought and their dtype.

    Colours stay numbers 0xRRGGBB, as int32.
    """
    signal = as_classes(signal)
    dtype, codes = _dtype_of_classes(signal), codes_of(signal)
    if bool(signal.mask.all()):
        return codes[best.numpy()].astype(dtype)
    gap = ~clipping.within_reach(signal.mask, kernel.grid, kernel.radius) | (best < 0)
    none = gap_of_classes(signal)
    if none is not None:
        return np.where(gap.numpy(), dtype.type(none), codes[best.numpy()].astype(dtype))
    return codes[with_nearest(signal, best.masked_fill(gap, -1), kernel.grid).numpy()].astype(dtype)


def with_nearest(signal: Signal, best: Tensor, grid: Grid) -> Tensor:
    """``best`` [H, W], of the classes of ``signal``, with the nearest cell's class where it is −1."""
    return torch.where(best < 0, nearest(classes_at(signal)[None], grid)[0], best)


def as_classes(signal: Signal) -> Signal:
    """``signal`` as the map of its strongest classes is understood: labels, whatever its shares were."""
    if signal.kind == "labels":
        return signal
    # What stood for no share would be a class's number.
    return replace(signal, kind="labels", runner_up=None, dtype=_dtype_of_classes(signal).name, gap_codes=())


def codes_of(signal: Signal) -> np.ndarray:
    """The number of each channel's class, in the widest integers."""
    widest = np.uint64 if _dtype_of_classes(signal) == np.uint64 else np.int64
    return np.array(signal.codes or range(signal.shape[0]), widest)


def gap_of_classes(signal: Signal) -> float | None:
    """What pixels without a class have in the map of classes; None where they take the nearest one's."""
    if not _has_gaps(signal):
        return None
    return no_class(signal, _dtype_of_classes(signal), signal.codes or range(signal.shape[0]))


def no_class(signal: Signal, dtype: np.dtype, codes: Iterable[int]) -> float | None:
    """The number of ``dtype`` for pixels without a class: the signal's own, NaN, or one that none of ``codes`` is.

    None if they are all numbers that the dtype holds.
    """
    own = _held_code(signal, dtype)
    if own is not None or dtype.kind == "f":
        return math.nan if own is None else own
    classes = set(codes)
    free = (code for code in NO_CLASS[signal.colours] if code not in classes and _holds(dtype, code))
    return next(map(float, free), None)


def _has_gaps(signal: Signal) -> bool:
    """Whether pixels of the result may have no value."""
    return not bool(signal.mask.all()) and not signal.asked.fill


def _dtype_of_classes(signal: Signal) -> np.dtype:
    if signal.kind != "labels":  # a map of classes that came as shares
        codes, some = signal.codes or (signal.shape[0] - 1,), map(np.dtype, ("u1", "i4", "i8"))
        return next((dtype for dtype in some if all(_holds(dtype, c) for c in codes)), np.dtype(np.uint64))
    if signal.dtype == "bool" and _has_gaps(signal):
        return np.dtype(np.uint8)  # which has a number left for them
    return np.dtype(np.int32) if signal.colours else np.dtype(signal.dtype)


# -------------------------------------------------------------------------------------------- facts


def _gap_codes(signal: Signal, probabilities: bool) -> list[float]:
    """The numbers that stand for "no value" in the result."""
    if not _has_gaps(signal):
        return list(signal.gap_codes)
    if signal.kind == "labels" and not probabilities:
        code = gap_of_classes(signal)
        return [] if code is None or math.isnan(code) else [code]  # NaN says it by itself, and is no JSON
    if result_dtype(signal, probabilities).kind in "iu":
        return [gap_number(signal)]
    return list(signal.gap_codes)


def facts(signal: Signal, probabilities: bool = False) -> dict[str, Any]:
    """What a reader of the result has to know, for a manifest, a sidecar, a file's own notes or JSON."""
    told: dict[str, Any] = {
        "kind": signal.kind, "reason": signal.reason, "note": signal.note, "runner_up": signal.runner_up,
        "layout": signal.layout, "unit": signal.unit,
        "brought": {
            "source": signal.source, "dtype": signal.dtype,
            "shape": [signal.shape[0], *(signal.came or signal.shape[1:])],
        },
        "dtype": result_dtype(signal, probabilities).name,
        "gaps": {"cells": int((~signal.mask).sum()), "codes": _gap_codes(signal, probabilities)},
    }  # fmt: skip
    if signal.kind in CLASS_KINDS and signal.shape[0] > 1 and signal.shared is None:
        told["codes"] = list(signal.codes or range(signal.shape[0]))
        told["names"] = list(signal.names)
    return told


def says_enough(told: dict[str, Any], high: np.ndarray) -> bool:
    """Whether who reads a result, or its first channels, without a word takes it for what its ``facts`` say."""
    planes = high if high.ndim == 3 else high[None]
    if "codes" in told or told["gaps"]["codes"]:
        return False
    return kinds.guess(planes, np.isfinite(planes).all(axis=0)).kind == told["kind"]
