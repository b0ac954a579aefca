"""Results as pictures: PNG and TIFF, with what their numbers mean written into them.

Integers are written as they are. Fractions take the levels of a picture, of 16 bits, or of 8 where there are three
channels: the value is ``offset + scale · level``, and where there are gaps level 0 is theirs. The file says so, and
:func:`gsjbu.io.meaning.meaning` reads it back.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from gsjbu.errors import GsjbuError
from gsjbu.extras import lacking
from gsjbu.io import pictures, restoring
from gsjbu.io.kinds import CLASS_KINDS, UNIT_KINDS
from gsjbu.io.signals import Signal

TOP, TOP_OF_COLOURS = 65535, 255
SHARES = "A .png holds the map of classes, and not the share of each class; write .npy, .safetensors or .zarr."


def png(signal: Signal, result: np.ndarray, shares: bool = False) -> bytes:
    """A result, as :func:`gsjbu.io.restoring.restored` gives it, as a PNG. Raises GsjbuError where no PNG holds it.

    shares: whether shares of classes were asked for.
    """
    check_png(signal, result.shape, shares)
    if result.ndim == 3 and len(result) == 1:
        result = result[0]
    if signal.kind in CLASS_KINDS and result.ndim == 3:  # shares of classes: the largest of each pixel
        strongest = np.where(np.isnan(result), -1, result).argmax(axis=0)
        numbers = restoring.codes_of(signal)[strongest]
        return classes_png(signal, numbers, np.isnan(result).all(axis=0))
    if signal.kind == "labels" and not shares:
        return classes_png(signal, result)
    told = restoring.facts(signal, shares) | scale(signal, result, shares)
    if "scale" not in told:
        dtype = np.uint8 if result.dtype.itemsize == 1 else np.uint16
        return pictures.png_bytes(result.astype(dtype), text=_text(told))
    levels = to_levels(result, told)
    if result.ndim == 3:
        levels = np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))
    return pictures.png_bytes(levels, text=_text(told))


def check_png(signal: Signal, shape: tuple[int, ...], shares: bool = False) -> None:
    """Refuse, before any work, what a PNG cannot hold: features of many channels, class numbers below 0, and shares of
    several classes that were asked for."""
    if shares and len(shape) == 3 and shape[0] > 1:
        raise GsjbuError("output_format", SHARES)
    if shares:
        return
    if signal.kind not in CLASS_KINDS and len(shape) == 3 and shape[0] not in (1, 3):
        raise GsjbuError(
            "output_format",
            f"A .png holds classes, one channel or three, and the signal has {shape[0]}; write .npy instead.",
        )
    if signal.kind == "labels":
        codes, none = signal.codes or (0,), restoring.gap_of_classes(signal)
        _check_numbers(signal, f"The class numbers run from {min(codes)} to {max(codes)}", codes)
        if none is not None and not math.isnan(none):
            _check_numbers(signal, f"Pixels without a class have the number {none:g}", (none,))


def _check_numbers(signal: Signal, told: str, numbers: Iterable[float]) -> None:
    top = 0xFFFFFF if signal.colours else TOP
    if not all(0 <= number <= top for number in numbers):
        raise GsjbuError("output_format", f"{told}, and a .png holds 0 to {top}; write .npy, .tif.")


def scale(signal: Signal, result: np.ndarray, shares: bool = False) -> dict[str, float]:
    """What the levels of a PNG of ``result`` mean: ``offset``, ``scale`` and ``gap_level`` (-1: there is none).

    Empty where it holds the numbers as they are, or classes.
    """
    if result.ndim == 3 and len(result) == 1:
        result = result[0]
    hard = signal.kind == "labels" and not shares
    if hard or (signal.kind in CLASS_KINDS and result.ndim == 3):
        return {}
    whole = result.dtype.kind in "iub"
    if whole and result.ndim == 2 and int(result.min()) >= 0 and int(result.max()) <= TOP:
        return {}
    top = TOP if result.ndim == 2 else TOP_OF_COLOURS
    known = np.isfinite(result)
    first = 0 if known.all() else 1
    low, high = (float(result[known].min()), float(result[known].max())) if known.any() else (0.0, 1.0)
    if shares or signal.kind in UNIT_KINDS or (result.ndim == 3 and low >= 0 and high <= 1):
        low, high = 0.0, 1.0
    step = (high - low) / (top - first) or 1.0
    return {"offset": low - first * step, "scale": step, "gap_level": 0 if first else -1}


def to_levels(result: np.ndarray, told: dict[str, Any]) -> np.ndarray:
    """Fractions [H, W] or [3, H, W] as the levels that :func:`scale` told of, uint16."""
    known = np.isfinite(result)
    first, top = told["gap_level"] + 1, TOP if result.ndim == 2 else TOP_OF_COLOURS
    with np.errstate(invalid="ignore"):
        levels = np.rint((result.astype(np.float64) - told["offset"]) / told["scale"])
    return np.where(known, np.clip(levels, first, top), 0).astype(np.uint16)


def tiff(signal: Signal, result: np.ndarray, shares: bool = False) -> bytes:
    """A result as a TIFF of its own dtype, channels as pages; what the numbers mean is its description."""
    if why := lacking("geo", "Writing TIFF"):
        raise GsjbuError("tiff_missing", why)
    import tifffile

    if result.dtype.kind == "b":
        result = result.astype(np.uint8)
    narrow, wide = np.iinfo(np.int32), result.dtype.kind in "iu" and result.dtype.itemsize == 8
    if wide and narrow.min <= result.min() <= result.max() <= narrow.max:
        result = result.astype(np.int32)
    stream = io.BytesIO()
    # Not `"shape":`, by which tifffile tells descriptions of its own, which ours is not.
    description = json.dumps(restoring.facts(signal, shares), separators=(", ", " : "))
    has_palette = bool(signal.palette) and signal.kind == "labels" and not shares and result.dtype == np.uint8
    tifffile.imwrite(
        stream,
        result,
        description=description,
        photometric="palette" if has_palette else "minisblack",
        colormap=_colormap(signal.palette) if has_palette else None,
        metadata=None,
    )
    return stream.getvalue()


def _colormap(palette: bytes) -> np.ndarray:
    """RGB triples as a TIFF has them: uint16 [3, 256]."""
    colours = np.zeros((256, 3), np.uint16)
    triples = np.frombuffer(palette, np.uint8).reshape(-1, 3)[:256]
    colours[: len(triples)] = triples
    return np.ascontiguousarray(257 * colours.T)


def _text(told: dict[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False)


def classes_png(signal: Signal, numbers: np.ndarray, gap: np.ndarray | None = None) -> bytes:
    """Class numbers [H, W]: in their palette, as grey of 8 or 16 bits, or as the colours that they are.

    gap: bool [H, W], pixels without a class; NaN are some, too.
    """
    signal = restoring.as_classes(signal)
    told = restoring.facts(signal)
    gap = np.isnan(numbers) if gap is None else gap
    if gap.any():
        dtype = np.dtype(np.int32 if signal.colours else np.uint16)
        none = restoring.no_class(signal, dtype, restoring.codes_of(signal).tolist())
        assert none is not None  # a picture has 256 classes at most
        numbers = np.where(gap, none, numbers)
        told["gaps"] |= {"codes": [none]}
    least, most = numbers.min(), numbers.max()
    _check_numbers(signal, f"The class numbers run from {least} to {most}", (least, most))
    numbers = numbers.astype(np.int64)
    if signal.colours:
        rgb = np.stack([numbers >> 16 & 255, numbers >> 8 & 255, numbers & 255], axis=-1)
        return pictures.png_bytes(rgb.astype(np.uint8))
    if numbers.max() < 256:
        return pictures.png_bytes(numbers.astype(np.uint8), palette=signal.palette, text=_text(told))
    return pictures.png_bytes(numbers.astype(np.uint16), text=_text(told))
