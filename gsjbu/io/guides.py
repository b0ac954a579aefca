"""The guide, the image that a fit follows, from a path, PIL, an array or a tensor in any usual layout and scale.

Channels are last in arrays and first in tensors, unless the sizes say otherwise. Values in [0, 1] are taken as they
are; levels of 8 and 16 bits are divided by 255 and 65535. Values beyond [0, 1], or that fill less than an eighth of it,
are stretched to it, which a note says: the kernel's colour tolerance is relative to the whole range.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gsjbu.core.gaps import fill
from gsjbu.core.plain import plain, why_unreadable
from gsjbu.core.rounding import ROUNDING, in_unit
from gsjbu.errors import GsjbuError, ImageError, SignalError
from gsjbu.io import addresses, containers, masks, pictures, readers, stretching
from gsjbu.io.arrays import SeveralArrays
from gsjbu.io.brought import Brought
from gsjbu.io.stretching import Stretch

#: An axis with more elements is no axis of channels: sensors have up to about a dozen bands.
MOST_BANDS = 16
#: A guide whose values span less is stretched.
LEAST_SPAN = 1 / 8
#: Resizing leaves [0, 1] by less; values around 0 leave it by more.
OVERSHOOT = 1 / 4
#: ImageNet's, with which nearly all backbones want their images.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Share of pixels that are fully transparent or opaque from which on a fourth channel looks like an alpha.
MOSTLY = 0.5
FOURTH = "The fourth channel is followed as the others are, as a band; if it is an alpha, leave it out."
#: An opaque alpha as a float, in 8 bits and in 16.
_FULL = (1.0, 255.0, 65535.0)
LAYERS = "An .exr has layers of linear light: name the one to follow, {}:RGB, or save the picture as PNG or TIFF."
#: One a channel, as a person gives them.
Numbers: TypeAlias = Sequence[float] | np.ndarray | Tensor
_SHAPES = "[H, W], [H, W, C], [C, H, W] or a batch of one of those"


@dataclass(frozen=True, eq=False)
class Guide:
    """``pixels`` float32 [C, H, W], in [0, 1] if there are three bands; ``notes``: sentences on what was done to them.

    ``seen`` bool [H, W]: False where the image is not to be followed; None: it is followed everywhere.
    """

    pixels: Tensor
    notes: tuple[str, ...] = ()
    seen: Tensor | None = None
    lent: bool = False  # the pixels may lie in the memory of what was given, and change with it

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[-2], self.pixels.shape[-1]


@dataclass(frozen=True, eq=False)
class _Pixels:
    """``planes`` [C, H, W] in the scale in which they came; ``ready``: already in [0, 1], as Pillow's pictures are."""

    planes: Tensor
    ready: bool = False
    hidden: Tensor | None = None  # bool [H, W]: where a masked array has no value
    notes: tuple[str, ...] = ()


def to_guide(
    x: Any,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    guide_mask: Any = None,
    stretch: Stretch | None = None,
    max_pixels: int = pictures.MAX_PIXELS,
) -> Guide:
    """An image as a fit follows it.

    x: a path or a file's bytes (turned as its EXIF says), a PIL picture (its pixels as it holds them), an array or a
    tensor: [H, W], [H, W, C], [C, H, W], or a batch of one; uint8, uint16, other whole numbers, or floats.
    mean, std: per channel, if it comes normalised: ``x · std + mean``. guide_mask: an array, a picture or a path,
    [H, W], not 0 where the image is not to be followed; a masked array brings its own. stretch: ``percentiles``, or
    the numbers that become 0 and 1: (low, high), or one such pair a band. Raises ImageError.
    """
    if isinstance(x, Guide):
        return x
    found = _pixels(x, max_pixels)
    if mean is not None or std is not None:
        check_normalised(found.planes.is_floating_point() and not found.ready)
    planes, opaque = _without_opaque_alpha(found.planes)
    seen = masks.seen_of(guide_mask, found.hidden, (planes.shape[1], planes.shape[2]))
    if seen is not None:
        planes = fill(planes, seen)
    if stretch is not None:
        pixels, said = stretching.stretched(planes, stretch, seen)
        guide = Guide(_weighed(pixels), (said,))
    elif found.ready:
        guide = _scaled(planes)
    elif mean is not None or std is not None:
        guide = Guide(_denormalised(planes, mean, std))
    else:
        if not planes.is_floating_point():
            planes = _from_whole_numbers(planes)
        guide = _scaled(pictures.to_image(planes.to(torch.float32)), _step(planes.dtype))
    lent = guide.pixels.untyped_storage().data_ptr() == found.planes.untyped_storage().data_ptr()
    notes = (*found.notes, *guide.notes, *opaque, *masks.note(seen))
    return replace(guide, notes=notes, seen=seen, lent=lent and not found.ready)


def fractions_of(x: Any) -> Tensor:
    """A picture's own values, [C, H, W], read as :func:`to_guide` reads an image: levels as shares of their range,
    floats as they are, NaN where a masked array has none. Nothing is stretched. Raises ImageError."""
    found = _pixels(x, pictures.MAX_PIXELS)
    planes = found.planes
    if not planes.is_floating_point():
        planes = _from_whole_numbers(planes)
        if planes.dtype == torch.float64:
            low, high = (float(v) for v in planes.aminmax())
            raise ImageError(
                "image_range",
                f"The image's whole numbers run from {low:g} to {high:g}; give 8 or 16 bits, or floats in [0, 1].",
            )
    return planes if found.hidden is None else planes.masked_fill(found.hidden, math.nan)


def shrunk(guide: Guide, resolution: int) -> Guide:
    """``guide`` with a long side of ``resolution`` pixels at most; a pixel that is masked in part is masked."""
    pixels = pictures.shrink(guide.pixels, resolution)
    seen = guide.seen
    if seen is not None and seen.shape != pixels.shape[-2:]:
        seen = pictures.resize_area(seen[None].to(torch.float32), *pixels.shape[-2:])[0] > 1 - 1e-6
    return replace(guide, pixels=pixels, seen=seen)


def _pixels(x: Any, max_pixels: int) -> _Pixels:
    x = containers.unwrapped(x)
    if isinstance(x, str | os.PathLike):
        path, entry = addresses.parted(x)
        return _of_file(_bytes_of(path, x), max_pixels, entry, path.name)
    if isinstance(x, bytes | bytearray | memoryview):
        return _of_file(bytes(x), max_pixels)
    if isinstance(x, Image.Image):
        return _Pixels(pictures.to_image(x), ready=True, notes=pictures.clear_parts(x))
    if isinstance(x, Tensor):
        return _bare(_planes_of_tensor(x))
    if isinstance(x, np.ma.MaskedArray):
        hidden = _planes_of_array(np.ma.getmaskarray(x)).any(dim=0)
        return _bare(_planes_of_array(np.ma.getdata(x)), hidden)
    return _bare(_planes_of_array(x))


def _bare(planes: Tensor, hidden: Tensor | None = None) -> _Pixels:
    """An array [C, H, W], which does not say whether a fourth channel is a band or an alpha."""
    return _Pixels(planes, hidden=hidden, notes=(FOURTH,) if _may_have_alpha(planes) else ())


def _bytes_of(path: Path, address: str | os.PathLike[str]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError("image_missing", addresses.unreadable(address, error)) from error


def _of_file(data: bytes, max_pixels: int, entry: str | None = None, name: str = "") -> _Pixels:
    """A picture file's bytes: what the page takes, and whatever else Pillow opens; a TIFF or an array of many bands."""
    form = readers.form_of(data)
    if form == "exr" and entry is None:
        raise ImageError("image_type", LAYERS.format(name or "FILE"))
    if form in (*readers.OF_ARRAYS, "pfm") or entry is not None:
        found = _array_of(data, max_pixels, entry, name)
        hidden = None if found.known is None else torch.from_numpy(~found.known)
        return _bare(_planes_of_array(found.array), hidden)
    if form == "tiff":
        return _of_tiff(data, max_pixels)
    if pictures.sniffed(data) is not None or not data:
        with pictures.loaded(data, max_pixels) as file:
            pixels, notes = pictures.upright(file, data), pictures.notes(file)
        return _Pixels(pictures.to_image(pixels), ready=True, notes=notes)
    try:
        with Image.open(io.BytesIO(data)) as file:
            pictures.check_size(file.size, max_pixels)
            pixels = pictures.upright(file)
            return _Pixels(pictures.to_image(pixels), ready=True, notes=pictures.notes(file))
    except ImageError:
        raise
    except Exception as error:  # Pillow raises nearly every built-in exception on damaged files
        raise ImageError(
            "image_type",
            "The file is not a JPEG, PNG, WebP or AVIF picture, nor another that can be read; save it as PNG or TIFF.",
        ) from error


def _array_of(data: bytes, max_pixels: int, entry: str | None = None, name: str = "") -> Brought:
    """The array in the bytes of a file of arrays or a TIFF, of several pictures the first."""
    try:
        return readers.read(data, max_values=MOST_BANDS * max_pixels, entry=entry, first=True)
    except SeveralArrays as error:
        raise ImageError("image_type", error.of(name)) from error
    except SignalError as error:
        if error.code == "signal_corrupt":
            sentence = "The picture is damaged or cut short; save it again."
            raise ImageError("image_corrupt", sentence) from error
        code = "image_too_large" if error.code == "signal_too_large" else "image_type"
        raise ImageError(code, error.message) from error


def _of_tiff(data: bytes, max_pixels: int) -> _Pixels:
    brought = _array_of(data, max_pixels)
    array = brought.array
    hidden = torch.from_numpy(_without_data(brought)) if brought.codes or brought.blank else None
    if brought.palette:
        palette = np.frombuffer(brought.palette, np.uint8).reshape(-1, 3)
        array = palette[np.minimum(array, len(palette) - 1)]
    array = np.moveaxis(array, -1, 0) if brought.layout == "HWC" else array
    if array.ndim == 3 and len(array) > MOST_BANDS:
        raise ImageError(
            "image_shape",
            f"The TIFF has {len(array)} pages or bands; at most {MOST_BANDS} are taken for bands of one image. Save "
            "the page that is to be followed by itself.",
        )
    planes = _planes_of_tensor(torch.from_numpy(_plain(array)))
    notes = pictures.first_of(brought.pages)
    if brought.known is not None:  # an alpha, in a file that Pillow read
        notes += ("The colours of the picture's transparent parts are followed as they are.",)
    elif brought.alpha and not _without_opaque_alpha(planes)[1]:  # or infrared: GDAL marks any fourth band so
        notes += (f"The file marks its channel {len(planes)} as alpha; it is followed as the others are.",)
    return _Pixels(planes, hidden=hidden, notes=notes)


def _without_data(brought: Brought) -> np.ndarray:
    """bool [H, W]: where some band of a TIFF has the file's "no data" number; of 8 bits, where all have it, as it is a
    level too."""
    array = np.moveaxis(brought.array, -1, 0) if brought.layout == "HWC" else brought.array
    bands = array.reshape(-1, *array.shape[-2:])
    least = np.finfo(np.float32).eps if array.dtype.kind == "f" else 0.0  # of the digits that the file names it by
    coded = np.zeros(bands.shape, bool)
    for code in brought.codes or brought.blank:
        coded |= np.isnan(bands) if math.isnan(code) else np.abs(bands - code) <= least * abs(code)
    return np.asarray(coded.all(axis=0) if array.dtype == np.uint8 else coded.any(axis=0))


# --------------------------------------------------------------------------------------------- axes


def _planes_of_tensor(x: Tensor) -> Tensor:
    """[C, H, W] of a tensor: channels are first, unless the last axis alone is one of colours."""
    if why := why_unreadable(x):
        raise ImageError("image_type", f"The image {why}.")
    x = _one(plain(x).cpu())
    if x.ndim == 2:
        x = x[None]
    if x.dtype in (torch.int32, torch.int64) and x.numel():
        x = torch.from_numpy(_plain(x.numpy()))
    if x.ndim != 3 or x.numel() == 0:
        raise ImageError("image_shape", f"An image tensor must be {_SHAPES}; this one is {list(x.shape)}.")
    if x.shape[0] > MOST_BANDS and x.shape[2] in (1, 3, 4):
        x = x.permute(2, 0, 1)
    return of_grey(x)


def _one(x: Any) -> Any:
    """The image in a batch of one."""
    if x.ndim == 4 and len(x) > 1:
        raise ImageError(
            "image_shape",
            f"The image is {list(x.shape)}, a batch of {len(x)}: give them one by one; gsjbu.GSJBU takes batches.",
        )
    return x[0] if x.ndim == 4 and len(x) == 1 else x


def _planes_of_array(x: Any) -> Tensor:
    """[C, H, W] of an array: channels are last, unless only the first axis is short."""
    try:
        a = np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ImageError("image_type", f"A {type(x).__name__} is no image.") from error
    if a.dtype.kind not in "fiub":
        raise ImageError(
            "image_type",
            f"An image must be a path, a PIL picture, a tensor or an array of numbers, not {type(x).__name__} of "
            f"{a.dtype.name}.",
        )
    a = _one(a)
    if a.ndim not in (2, 3) or a.size == 0:
        raise ImageError("image_shape", f"An image array must be {_SHAPES}; this one is {list(a.shape)}.")
    if a.ndim == 3:
        first, last = a.shape[0], a.shape[2]
        if min(first, last) > MOST_BANDS:
            raise ImageError(
                "image_shape",
                f"An image array of {list(a.shape)} has no axis of channels: at most {MOST_BANDS} are taken. Give "
                "[H, W, C] or [C, H, W], or a tensor [C, H, W].",
            )
        if last <= MOST_BANDS and (first > MOST_BANDS or last in (1, 3, 4) or last < first):
            a = np.moveaxis(a, -1, 0)
    return of_grey(torch.from_numpy(_plain(a if a.ndim == 3 else a[None])))


def of_grey(planes: Tensor) -> Tensor:
    """[…, C, H, W], a single band as three that are equal: a grey picture is one, whatever it comes in."""
    return planes.expand(*planes.shape[:-3], 3, -1, -1) if planes.shape[-3] == 1 else planes


def _without_opaque_alpha(planes: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """[C, H, W] without a fourth channel that is opaque everywhere, and a sentence on that."""
    if planes.shape[0] != 4 or planes.dtype == torch.bool:
        return planes, ()
    alpha = planes[3]
    low, high = (float(v) for v in alpha.aminmax())
    if not any(max(full - low, high - full) <= ROUNDING * full for full in _FULL):
        return planes, ()
    return planes[:3], ("The fourth channel is the same everywhere, an opaque alpha: it is left out.",)


def _may_have_alpha(planes: Tensor) -> bool:
    """Whether the last of four channels may be an alpha: it has 8 bits, or is mostly fully transparent or opaque."""
    if planes.shape[0] != 4 or planes.dtype == torch.bool or _without_opaque_alpha(planes)[1]:
        return False
    ends = sum(float((planes[3] == end).double().mean()) for end in {0, *_FULL})
    return planes.dtype == torch.uint8 or ends >= MOSTLY


def _plain(a: np.ndarray) -> np.ndarray:
    """An array that torch takes: native byte order, writable, contiguous; uint8 where wider integers hold 0 to 255."""
    if a.dtype.kind in "iu" and a.dtype.itemsize > 2 and a.min() >= 0 and a.max() <= 255:
        return np.require(a, np.uint8, ["C", "W"])
    if a.dtype.kind in "iub" and a.dtype not in (np.uint8, np.bool_):
        return np.require(a, np.int64, ["C", "W"])
    kind = np.float64 if a.dtype.kind == "f" and a.dtype.itemsize >= 8 else a.dtype.newbyteorder("=")
    return np.require(a, kind, ["C", "W"])


# -------------------------------------------------------------------------------------------- scale


def _from_whole_numbers(planes: Tensor) -> Tensor:
    """Levels of 8 or 16 bits as fractions, float32; other whole numbers (heights, Hounsfield units) as float64."""
    if planes.dtype == torch.bool:
        return planes.to(torch.float32)
    if planes.dtype == torch.uint8:
        return torch.from_numpy(planes.numpy() / np.float32(255))
    wide = planes.to(torch.float64)
    low, high = (float(v) for v in wide.aminmax())
    if low < 0 or high > 65535:
        return wide
    return torch.from_numpy((wide.numpy() / 65535.0).astype(np.float32))


PICTURES = (1, 3, 4)  # channels that pictures have


def if_swapped(refusal: SignalError, guide: Guide, signal: Any) -> SignalError:
    """The ``refusal`` of a signal's size, with a hint where image and signal seem to be swapped."""
    if refusal.code not in ("signal_size", "signal_aspect"):
        return refusal
    try:
        other = to_guide(signal).pixels
    except GsjbuError:
        return refusal
    larger = other[0].numel() > guide.pixels[0].numel()
    if len(other) not in PICTURES or not (larger or len(guide.pixels) not in PICTURES):
        return refusal
    return SignalError(
        refusal.code,
        f"{refusal.message} Or are the two swapped? The image comes first, and then its low-resolution signal.",
    )


def check_normalised(floats: bool) -> None:
    """Refuse ``mean`` and ``std`` of levels. Raises ImageError."""
    if not floats:
        raise ImageError(
            "image_range",
            "mean= and std= are of an image that was normalised, which is floats; this one has levels of whole numbers "
            "as they are: leave mean= and std= out.",
        )


def _denormalised(planes: Tensor, mean: Numbers | None, std: Numbers | None) -> Tensor:
    x = planes.to(torch.float32)
    means, scales = check_mean_and_std(mean, std, len(x))
    plain = x * per_channel(scales) + per_channel(means)
    low, high = (float(v) for v in plain.aminmax())
    if low < -1 or high > 2:
        raise ImageError(
            "image_range",
            f"By mean= and std= the image runs from {low:.3g} to {high:.3g}, not 0 to 1; they must be those that it "
            "was normalised by, in parts of 1.",
        )
    settled = _settled(pictures.to_image(plain), _step(planes.dtype))
    return _weighed(settled) if len(x) == 2 else settled


def per_channel(numbers: Sequence[float]) -> Tensor:
    """One number a channel, [C, 1, 1]."""
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None]


def check_mean_and_std(
    mean: Numbers | None, std: Numbers | None, channels: int | None = None
) -> tuple[list[float], list[float]]:
    """Both as numbers, one for each of ``channels`` (None: not known yet), or one for all.

    Raises ImageError where they are none, or one is there alone.
    """
    means, scales = _numbers("mean", mean), _numbers("std", std)
    if (mean is None) != (std is None):
        raise ImageError(
            "image_shape",
            "mean= and std= go together, and one is missing: give both that the image was normalised by (std=[1], "
            "mean=[0] where there was none).",
        )
    if not all(0 < abs(number) < math.inf for number in scales):
        raise ImageError("image_shape", f"std is {std!r}; no channel's may be 0 or infinite.")
    many = max(len(means), len(scales)) if channels is None else channels
    if any(count not in (1, many) for count in (len(means), len(scales))) and mean is not None:
        raise ImageError("image_shape", f"mean and std must have one number for each of {many} channels.")
    return means, scales


def _numbers(name: str, given: Numbers | None) -> list[float]:
    try:
        return [] if given is None else [float(number) for number in given]
    except (TypeError, ValueError) as error:
        raise ImageError("image_shape", f"{name} is {given!r}; it must be one number a channel, as a list.") from error


def _scaled(x: Tensor, step: float = 0.0) -> Guide:
    """``x`` [C, H, W] as a guide in [0, 1]."""
    found = stretched(x, step)
    return replace(found, pixels=_weighed(found.pixels))


def _weighed(x: Tensor) -> Tensor:
    """Bands [C, H, W] scaled so that their squared distance is that of three bands, for which σr is meant."""
    bands = x.shape[0]
    return x if bands == 3 else x * (3 / bands) ** 0.5


def _step(dtype: torch.dtype) -> float:
    """The distance of floats of ``dtype`` at 1; 0 for integers, which are not rounded."""
    return torch.finfo(dtype).eps if dtype.is_floating_point else 0.0


def _settled(x: Tensor, step: float) -> Tensor:
    """``x`` clipped to [0, 1], where it leaves it by no more than rounding in steps of ``step``."""
    low, high = (float(v) for v in x.aminmax())
    return x.clamp(0, 1) if (low < 0 or high > 1) and in_unit(low, high, step) else x


def stretched(x: Tensor, step: float = 0.0) -> Guide:
    """``x`` [C, H, W] stretched to [0, 1] where its values lie beyond it or span less than LEAST_SPAN.

    step: the distance of its floats at 1, by which rounding may have left [0, 1].
    """
    notes = []
    x = _settled(x, step)
    low, high = (float(v) for v in x.aminmax())
    if low < 0 or high > 1:
        x, note = _brought_back(x, low, high, step)
        notes.append(note)
        low, high = (float(v) for v in x.aminmax())
    if 0 < high - low < LEAST_SPAN:
        x = (x - low) / (high - low)
        filled = f"The image fills only {low:.3g} to {high:.3g} of its range 0–1, and is stretched to all of it."
        notes.append(filled)
    return Guide(x, tuple(notes))


def _brought_back(x: Tensor, low: float, high: float, step: float) -> tuple[Tensor, str]:
    """Values beyond [0, 1] as [0, 1]: from [−1, 1], ImageNet's normalisation, 8 bits as floats, or any other range."""
    said = f"The image's values run from {low:.3g} to {high:.3g}, not 0 to 1: "
    around_0 = low < -OVERSHOOT
    if around_0 and in_unit((low + 1) / 2, (high + 1) / 2, step):
        return ((x + 1) / 2).clamp(0, 1), f"{said}taken as −1 to 1."
    if (around_0 or high > 1 + OVERSHOOT) and low < 0 and x.shape[0] == 3:
        plain = x * per_channel(STD) + per_channel(MEAN)
        if float(plain.min()) >= -0.01 and float(plain.max()) <= 1.01:
            told = f"{said}taken as normalised by ImageNet's mean and std (mean=, std= say otherwise)."
            return plain.clamp(0, 1), told
    if high > 2 and in_unit(low / 255, high / 255, step):
        return (x / 255).clamp(0, 1), f"{said}taken as levels of 8 bits."
    return (x - low) / (high - low), f"{said}stretched to it."
