"""Low-resolution (LR) signals that a person brings: depth, labels, probabilities, features, as .npy, .npz or PNG.

Files come from strangers: nothing is ever unpickled, every size is checked in the header before memory is taken for
it, and a file that is not understood becomes a :class:`~gsjbu.errors.SignalError` with a sentence.
"""

from __future__ import annotations

import ast
import io
import math
import struct
import zipfile
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gsjbu.core.tto import LEAST_TOP, MOST_TOP
from gsjbu.errors import SignalError
from gsjbu.io.pictures import png_bytes

Kind = Literal["depth", "labels", "probabilities", "features"]
KINDS: tuple[Kind, ...] = ("depth", "labels", "probabilities", "features")

MAX_CHANNELS = 4096
MAX_SIDE = 4096
#: Values in all: 200 MB as float32.
MAX_VALUES = 50_000_000
#: Cells of a signal with gaps: to find each gap's nearest neighbour takes half a second for so many.
MAX_GAPPY = 1 << 22
MAX_CLASSES = 256
#: Integers with more different values than this are taken for depth rather than labels, if nobody says.
FEW_CLASSES = 32
MAX_HEADER = 4096
#: Pixels per cell across over those down: a signal may be squashed, as square network outputs are, but not turned.
MAX_STRETCH = 1.25
MAX_STRETCH_OF_SQUARE = 2.0

Layout = Literal["CHW", "HWC", ""]
# How to read a [C, h, w] tensor the other way round, and what that is called.
_TURNS: dict[Layout, tuple[tuple[int, int, int], Layout]] = {
    "CHW": ((2, 0, 1), "HWC"),
    "HWC": ((1, 2, 0), "CHW"),
}

_ACCEPTED = (
    "A signal is a .npy or .npz file with one array, or a PNG: grey for depth, palette or RGB for labels."
)
_SHAPES = "it must be [h, w], [C, h, w], [h, w, C] or a batch of one of those"


@dataclass(frozen=True, eq=False)
class Signal:
    """An LR signal over a whole image.

    ``values`` float32 [C, h, w], all finite: labels as one-hot, gaps filled from their neighbours. ``mask`` bool
    [h, w]: False where a value was NaN or infinite. ``names``: one a class, for labels and probabilities.
    ``codes``: the numbers (or 0xRRGGBB colours) that the file used for its classes. ``unit`` of depth, ``note``: a
    sentence on what was read. ``layout``: how a three-dimensional array was understood, so that the image's shape
    may correct it.
    """

    values: Tensor
    mask: Tensor
    kind: Kind
    names: tuple[str, ...] = ()
    note: str = ""
    unit: str = ""
    codes: tuple[int, ...] = ()
    layout: Layout = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        c, h, w = self.values.shape
        return c, h, w

    def fitted(self, height: int, width: int) -> Signal:
        """This signal if it can lie over an image of ``height`` × ``width`` pixels; otherwise raises SignalError.

        A three-dimensional array whose channels were guessed to be on the wrong side is turned.
        """
        if self.shape[1] == self.shape[2] and _suits(self.shape[1:], height, width):
            return self  # two equal sizes are rows and columns
        sizes: dict[Layout, tuple[int, ...]] = {self.layout: self.shape[1:]}
        order, other = _TURNS.get(self.layout, ((0, 1, 2), self.layout))
        sizes[other] = tuple(self.values.permute(order).shape[1:])
        suiting = [layout for layout, size in sizes.items() if _suits(size, height, width)]
        if suiting:
            best = min(suiting, key=lambda layout: abs(math.log(_stretch(sizes[layout], height, width))))
            if best == self.layout:
                return self
            array = self.values.permute(order).contiguous().numpy()
            return replace(_from_planes(array, None, self.note.split(":")[0]), layout=best)
        _, rows, cols = self.shape
        if rows > height or cols > width:
            raise SignalError(
                "signal_size",
                f"The signal is {cols}×{rows}, larger than the image's {width}×{height} pixels; it must be smaller.",
            )
        fitting = max(1, round(cols * height / width))
        raise SignalError(
            "signal_aspect",
            f"The signal is {cols}×{rows} and the image {width}×{height}: their shapes differ too much. "
            f"{cols}×{fitting} would fit.",
        )


def read_signal(
    data: bytes, filename: str = "", kind: Kind | None = None, max_values: int = MAX_VALUES
) -> Signal:
    """A signal from a file's bytes; what it is, is told by its content (``filename`` only appears in the note).

    ``kind`` overrules the guess: integers as labels or depth, several channels as probabilities or features.
    ``max_values``: how many values the signal may have, labels as one channel a class.
    """
    if kind is not None and kind not in KINDS:
        raise SignalError(
            "signal_kind", f"There is no kind of signal {str(kind)[:40]!r}; it is one of {', '.join(KINDS)}."
        )
    if not data:
        raise SignalError("signal_empty", f"The file is empty. {_ACCEPTED}")
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _from_png(data, kind, max_values)
        if data.startswith(b"\x93NUMPY"):
            array = _read_npy(io.BytesIO(data), len(data), max_values)
            return from_array(array, kind, "npy", max_values=max_values)
        if data.startswith(b"PK"):
            return from_array(_read_npz(data, max_values), kind, "npz", max_values=max_values)
    except SignalError:
        raise
    except Exception as error:  # zipfile, zlib, struct and Pillow raise nearly anything on damaged files
        raise SignalError(
            "signal_corrupt", f"The signal's file is damaged or cut short. {_ACCEPTED}"
        ) from error
    raise SignalError("signal_type", f"The file is neither NumPy's nor a PNG, whatever its name. {_ACCEPTED}")


def from_array(
    array: Any,
    kind: Kind | None = None,
    source: str = "array",
    layout: Layout = "",
    max_values: int = MAX_VALUES,
) -> Signal:
    """A signal from an array or tensor: [h, w], [C, h, w], [h, w, C] or a batch of one of those.

    ``layout`` says which of the two a three-dimensional array is; without it the sizes are looked at.
    """
    a = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
    _check(a.dtype, a.shape, max_values)
    if a.ndim == 4:
        a = a[0]
    if a.ndim == 2:
        return _from_planes(a[None], kind, source, max_values)
    if layout:
        return _from_planes(a if layout == "CHW" else a.transpose(2, 0, 1), kind, source, max_values)
    # Rows and columns are nearer to each other than either is to the number of channels, mostly.
    first, second, last = a.shape
    channels_last = abs(math.log(first / second)) < abs(math.log(second / last))
    turned = a.transpose(2, 0, 1)
    sums = _sums_to_one(a), _sums_to_one(turned)
    if sums[0] != sums[1]:  # probabilities say themselves which way they lie
        return _from_planes(turned if sums[1] else a, kind, source, max_values)
    return replace(
        _from_planes(turned if channels_last else a, kind, source, max_values),
        layout="HWC" if channels_last else "CHW",
    )


def result_png(signal: Signal, high: Tensor) -> bytes:
    """The HR result [C, H, W] as a PNG: depth 16-bit grey, labels in the file's own numbers or colours.

    Depth from an integer file keeps its numbers where 16 bits hold them; other depth is stretched from its least to
    its greatest value.
    """
    if signal.kind in ("labels", "probabilities"):
        return labels_png(signal, high.argmax(0))
    plane = high[0].detach().to("cpu", torch.float32).numpy()
    if signal.unit == "level" and plane.min() >= 0 and plane.max() <= 65535:
        return png_bytes(np.clip(np.rint(plane), 0, 65535).astype(np.uint16))
    low, span = float(plane.min()), float(plane.max() - plane.min())
    return png_bytes(np.rint((plane - low) * (65535 / span if span > 0 else 0)).astype(np.uint16))


def labels_png(signal: Signal, best: Tensor) -> bytes:
    """The class of each pixel, ``best`` [H, W] as its channel, as a PNG of the file's own numbers or colours."""
    channels = signal.values.shape[0]
    codes = np.array(signal.codes or range(channels), np.int64)
    if signal.unit != "colour" and not 0 <= codes.min() <= codes.max() <= 0xFFFFFF:
        codes = np.arange(channels)  # numbers that no picture can hold: the class's place among them
    codes = codes[best.numpy()]
    if codes.max(initial=0) > 65535 or signal.unit == "colour":
        rgb = np.stack([codes >> 16 & 255, codes >> 8 & 255, codes & 255], axis=-1)
        return png_bytes(rgb.astype(np.uint8))
    return png_bytes(codes.astype(np.uint8 if codes.max(initial=0) < 256 else np.uint16))


# ------------------------------------------------------------------------------------------ reading


def _check(dtype: np.dtype, shape: tuple[int, ...], max_values: int) -> None:
    """Refuse what cannot be a signal, before any memory is taken for it."""
    if dtype.hasobject:
        raise SignalError(
            "signal_pickled", "The array holds Python objects (pickled); save plain numbers instead."
        )
    if dtype.kind == "c":
        raise SignalError(
            "signal_type", "The array is complex; save its real part, or its parts as channels."
        )
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise SignalError(
            "signal_type", f"The array holds {dtype.name}; it must hold floats, integers or booleans."
        )
    if len(shape) not in (2, 3, 4) or (len(shape) == 4 and shape[0] != 1):
        raise SignalError(
            "signal_shape", f"The array is {len(shape)}-dimensional, {_shape(shape)}; {_SHAPES}."
        )
    if any(not isinstance(n, int) or n < 1 for n in shape):
        raise SignalError("signal_shape", f"The array is {_shape(shape)}; no side may be empty.")
    sides = sorted(shape[1:] if len(shape) == 4 else shape)
    if math.prod(sides) > max_values or sides[-1] > MAX_SIDE:
        raise SignalError(
            "signal_too_large",
            f"The array is {_shape(shape)}; at most {MAX_CHANNELS} channels, {MAX_SIDE} rows or columns and "
            f"{max_values / 1e6:.3g} million values are read.",
        )


def _shape(shape: tuple[Any, ...]) -> str:
    return "[" + ", ".join(str(n)[:20] for n in shape[:8]) + (", …]" if len(shape) > 8 else "]")


def _read_npy(stream: BinaryIO, length: int, max_values: int) -> np.ndarray:
    """The array of a .npy stream; ``length`` bytes at most are there."""
    dtype, order, shape, used = _npy_header(stream)
    _check(dtype, shape, max_values)
    size = math.prod(shape) * dtype.itemsize
    if used + size > length:
        raise SignalError(
            "signal_corrupt", f"The file ends early: its header promises an array {_shape(shape)}."
        )
    body = stream.read(size)
    if len(body) != size:
        raise SignalError(
            "signal_corrupt", f"The file ends early: its header promises an array {_shape(shape)}."
        )
    return np.frombuffer(body, dtype).reshape(shape, order=order)


def _npy_header(stream: BinaryIO) -> tuple[np.dtype, Literal["F", "C"], tuple[int, ...], int]:
    """dtype, order, shape and the header's length; read by hand, as numpy's reader allocates what a header says."""
    head = stream.read(8)
    if len(head) < 8 or not head.startswith(b"\x93NUMPY") or head[6] not in (1, 2, 3):
        raise SignalError("signal_corrupt", "The file has no valid NumPy header.")
    field = "<H" if head[6] == 1 else "<I"
    (count,) = struct.unpack(field, stream.read(struct.calcsize(field)))
    if count > MAX_HEADER:
        raise SignalError("signal_corrupt", "The file's NumPy header is longer than any real one.")
    header = ast.literal_eval(stream.read(count).decode("utf-8" if head[6] == 3 else "latin1"))
    descr, shape = header["descr"], header["shape"]
    if not isinstance(descr, str):
        raise SignalError("signal_type", "The array holds records; it must hold plain numbers.")
    if not isinstance(shape, tuple):
        raise SignalError("signal_corrupt", "The file has no valid NumPy header.")
    order: Literal["F", "C"] = "F" if header["fortran_order"] else "C"
    return np.dtype(descr), order, shape, 8 + struct.calcsize(field) + count


def _read_npz(data: bytes, max_values: int) -> np.ndarray:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [i for i in archive.infolist() if i.filename.endswith(".npy")]
        if len(names) != 1:
            what = ", ".join(i.filename[:-4][:30] for i in names[:5]) or "none"
            raise SignalError(
                "signal_shape", f"The .npz holds {len(names)} arrays ({what}); it must hold one."
            )
        with archive.open(names[0]) as member:  # type: ignore[assignment]
            # The header is checked first and bounds what is unpacked: a bomb never gets to unfold.
            return _read_npy(member, names[0].file_size, max_values)  # type: ignore[arg-type]


def _check_png_size(width: int, height: int, max_values: int) -> None:
    if width > MAX_SIDE or height > MAX_SIDE or width * height > max_values:
        raise SignalError(
            "signal_too_large",
            f"The PNG is {width}×{height}; at most {MAX_SIDE} either way and {max_values / 1e6:.3g} million "
            "pixels are read.",
        )


def _from_png(data: bytes, kind: Kind | None, max_values: int) -> Signal:
    first_width, first_height = struct.unpack(">II", data[16:24])
    _check_png_size(first_width, first_height, max_values)
    with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
        width, height = file.size  # what will be decoded: the last header counts, if there are several
        _check_png_size(width, height, max_values)
        file.load()
        if file.size != (width, height):
            raise ValueError("the PNG changes its size")
        mode = file.mode
        picture = (
            file
            if mode in ("P", "L", "1") or mode.startswith("I")
            else file.convert("L" if mode == "LA" else "RGB")
        )
        pixels = np.array(picture)
    if mode in ("L", "LA") or mode.startswith("I"):
        levels = np.clip(pixels, 0, 65535).astype(np.uint16)
        return _from_planes(levels[None], kind or "depth", "grey PNG", max_values)
    if mode in ("P", "1"):
        how = "palette PNG" if mode == "P" else "black-and-white PNG"
        return _labels(_classes(pixels), how, max_values)
    codes = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    return _labels(_classes(codes), "RGB PNG", max_values, colours=True)


def _from_planes(planes: np.ndarray, kind: Kind | None, source: str, max_values: int = MAX_VALUES) -> Signal:
    """[C, h, w] numbers → a signal of the kind asked for, or of the one they look like."""
    if planes.shape[0] > MAX_CHANNELS:
        raise SignalError(
            "signal_too_large", f"The signal has {planes.shape[0]} channels; at most {MAX_CHANNELS} are read."
        )
    integers = planes.dtype.kind in "iub"
    if planes.shape[0] == 1 and kind in (None, "labels") and (integers or kind == "labels"):
        labels = _as_labels(planes[0])
        if labels is not None and (kind == "labels" or len(labels[0]) <= FEW_CLASSES):
            return _labels(labels, source, max_values)
        if kind == "labels":
            raise SignalError(
                "signal_kind", f"Labels must be whole numbers of at most {MAX_CLASSES} classes."
            )
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and so masked
        values = torch.from_numpy(np.array(planes, dtype=np.float32, order="C"))
    known = torch.isfinite(values).all(dim=0)
    missing = int((~known).sum())
    if missing == known.numel():
        raise SignalError("signal_not_finite", "The signal holds no finite value at all.")
    if missing and known.numel() > MAX_GAPPY:
        raise SignalError(
            "signal_too_large",
            f"The signal has NaN or infinite values, and {known.shape[1]}×{known.shape[0]} cells; with gaps at most "
            f"{MAX_GAPPY / 1e6:.1f} million are filled: make it smaller, or fill them first.",
        )
    values = fill(values, known)
    top = float(values.abs().max())
    if top and not LEAST_TOP <= top <= MOST_TOP:
        raise SignalError(
            "signal_range",
            f"The signal's largest value is {top:.3g}; it must lie between {LEAST_TOP:g} and {MOST_TOP:g}: give it in "
            "another unit.",
        )
    if kind in (None, "labels"):
        kind = "depth" if values.shape[0] == 1 else "probabilities" if _sums_to_one(planes) else "features"
    names = tuple(f"class {i}" for i in range(values.shape[0])) if kind == "probabilities" else ()
    unit = "level" if kind == "depth" and integers else ""
    gaps = (
        f" {missing} of {known.numel()} cells are NaN or infinite: left out of the mix, filled from their neighbours."
        if missing
        else ""
    )
    return Signal(values, known, kind, names, f"{_said(source, kind, values)}{gaps}", unit)


Classes = tuple[
    np.ndarray, np.ndarray
]  # the different numbers in rising order, and per cell which one it has


def _classes(labels: np.ndarray) -> Classes:
    """The different whole numbers of [h, w], and the place of each cell's among them."""
    low = int(labels.min())
    span = int(labels.max()) - low + 1
    if span > 1 << 24:
        codes, index = np.unique(labels, return_inverse=True)
        return codes, index.reshape(labels.shape)
    above = (labels.astype(np.int64) - low).ravel()
    found = np.bincount(above, minlength=span) > 0  # much quicker than to sort them all
    places = np.cumsum(found) - 1
    return np.flatnonzero(found) + low, places[above].reshape(labels.shape)


def _labels(classes: Classes, source: str, max_values: int = MAX_VALUES, colours: bool = False) -> Signal:
    codes, index = classes
    if len(codes) > MAX_CLASSES:
        raise SignalError(
            "signal_classes",
            f"The picture has {len(codes)} colours; as labels it may have at most {MAX_CLASSES}. "
            "Save depth as a grey PNG.",
        )
    rows, cols = index.shape
    if len(codes) * rows * cols > max_values:
        raise SignalError(
            "signal_too_large",
            f"The signal has {len(codes)} classes on {cols}×{rows}, and each needs a channel of its own; at most "
            f"{max_values / 1e6:.3g} million values are taken: make it smaller, a signal has low resolution.",
        )
    names = tuple(f"#{c:06x}" if colours else f"class {c}" for c in codes)
    one_hot = np.zeros((len(codes), rows, cols), np.float32)
    np.put_along_axis(one_hot, index[None], np.float32(1), axis=0)
    values = torch.from_numpy(one_hot)
    known = torch.ones(rows, cols, dtype=torch.bool)
    note = _said(source, "labels", values)
    return Signal(
        values, known, "labels", names, note, "colour" if colours else "", tuple(int(c) for c in codes)
    )


def _as_labels(plane: np.ndarray) -> Classes | None:
    """Whole numbers of few classes, or None."""
    if plane.dtype.kind == "f" and not (np.isfinite(plane).all() and (plane == np.rint(plane)).all()):
        return None
    if len(np.unique(plane.ravel()[:4096])) > MAX_CLASSES:
        return None  # told at once for most that are none
    with np.errstate(invalid="ignore"):
        classes = _classes(plane.astype(np.int64))
    return classes if len(classes[0]) <= MAX_CLASSES else None


def _sums_to_one(planes: np.ndarray) -> bool:
    """Whether [C, h, w] holds probabilities: nothing negative, and 1 in all in every known cell."""
    with np.errstate(invalid="ignore", over="ignore"):
        sums = planes.sum(axis=0, dtype=np.float64)
        known = np.isfinite(sums)
        if planes.shape[0] < 2 or not known.any():
            return False
        return bool(np.abs(sums[known] - 1).max() <= 0.02 and np.nanmin(planes) >= -1e-4)


def fill(values: Tensor, known: Tensor) -> Tensor:
    """``values`` [C, h, w] with every unknown cell taking the nearest known one's."""
    if bool(known.all()):
        return values
    from scipy.ndimage import distance_transform_edt

    y, x = distance_transform_edt(~known.numpy(), return_distances=False, return_indices=True)
    return torch.from_numpy(values.numpy()[:, y, x])


def _suits(size: tuple[int, ...], height: int, width: int) -> bool:
    rows, cols = size
    if rows > height or cols > width:
        return False
    if abs(rows - cols * height / width) <= 1 or abs(cols - rows * width / height) <= 1:
        return True  # the same shape but for rounding
    limit = MAX_STRETCH_OF_SQUARE if rows == cols else MAX_STRETCH
    return 1 / limit <= _stretch(size, height, width) <= limit


def _stretch(size: tuple[int, ...], height: int, width: int) -> float:
    """Pixels per cell across over pixels per cell down."""
    return (width / size[1]) / (height / size[0])


def _said(source: str, kind: str, values: Tensor) -> str:
    c, h, w = values.shape
    what = {"depth": "one value", "labels": f"{c} classes", "features": f"{c} channels"}.get(
        kind, f"{c} classes"
    )
    return f"{source}: {kind}, {what} on {w}×{h}."
