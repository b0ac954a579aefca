"""One reader for everything that a person brings: a file's bytes, a path, an array, a tensor, a picture, a network's
output.

What a file is, is told by its content and never by its name. Whatever a decoder raises becomes one
:class:`~gsjbu.errors.SignalError` with a sentence.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from gsjbu.errors import GsjbuError, SignalError
from gsjbu.extras import lacking
from gsjbu.io import addresses, arrays, containers, exrs, outputs, rasters
from gsjbu.io.brought import MAX_VALUES, Brought, check
from gsjbu.io.meaning import with_notes
from gsjbu.io.notes import beside, notes_of
from gsjbu.io.pictures import sniffed

_ACCEPTED_OF_STRANGERS = (
    "A signal is a .npy, .npz, .safetensors or .pt file with one array, "
    "a grey or palette PNG, a TIFF, a PFM, a PGM or a .flo of optical flow"
)
ACCEPTED = f"{_ACCEPTED_OF_STRANGERS}, an EXR, or a .mat of MATLAB (up to version 7)."
#: Endings of files that may hold a signal, for those who look for them by name.
ENDINGS = (".npy", ".npz", ".safetensors", ".pt", ".pth", ".mat", ".png", ".tif", ".tiff", ".pfm", ".pgm", ".ppm",
           ".pbm", ".flo", ".exr", ".jpg", ".jpeg", ".bmp", ".webp", ".avif")  # fmt: skip
_OF_KERNELS = "gsjbu-kernel-"  # how the format begins that Kernel.save names
#: What a whole number is masked by in NumPy where nobody says.
NUMPYS_FILL = 999_999


def bring(x: Any, max_values: int = MAX_VALUES) -> Brought:
    """Anything that a signal may be → the array that is in it. Raises SignalError."""
    x = containers.unwrapped(x)
    if isinstance(x, Brought):
        return x
    if isinstance(x, bytes | bytearray | memoryview):
        return read(bytes(x), max_values=max_values)
    if isinstance(x, str | os.PathLike):
        return _from_path(x, max_values)
    if isinstance(x, Image.Image):
        return rasters.from_picture(x)
    if isinstance(x, Tensor):
        return Brought(arrays.from_tensor(x, max_values), "tensor")
    if isinstance(x, np.ma.MaskedArray):
        return _masked(x, max_values)
    if not isinstance(x, np.ndarray):
        found = outputs.of_network(x)
        if found is not None:
            brought = found if isinstance(found, Brought) else bring(found, max_values)
            return outputs.with_kind(brought, x)
    array = _numbers(x)
    check(array.dtype, array.shape, max_values)
    return Brought(array)


def _numbers(x: Any) -> np.ndarray:
    """``x`` as an array of numbers; what holds several is refused, with the one to bring."""
    holds = containers.refusal(x)
    if holds and containers.is_several(x):
        raise holds
    try:
        array = np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise holds or SignalError("signal_type", f"A {type(x).__name__} is no array of numbers. {ACCEPTED}") from error
    if array.dtype.kind == "O" and hasattr(x, "to_numpy"):  # pandas' own types, whose gaps are no numbers
        with suppress(ValueError, TypeError):
            array = x.to_numpy(dtype=np.float64, na_value=np.nan)
    if holds and array.dtype.kind == "O":
        raise holds
    if array.dtype.kind not in "fiubc":
        raise SignalError(
            "signal_type", f"The signal is a {type(x).__name__} of {array.dtype.name}; it must hold real numbers."
        )
    return _in_64_bits(array) if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array


def _in_64_bits(array: np.ndarray) -> np.ndarray:
    """longdouble as float64. Raises SignalError beyond it."""
    with np.errstate(over="ignore"):
        found = array.astype(np.float64)
    if (np.isinf(found) & np.isfinite(array)).any():
        raise SignalError("signal_range", "The signal holds values beyond float64's range; give it in another unit.")
    return found


def read(
    data: bytes,
    name: str = "",
    max_values: int = MAX_VALUES,
    forms: tuple[str, ...] | None = None,
    entry: str | None = None,
    first: bool = False,
) -> Brought:
    """The array in a file's bytes; ``name`` only appears in sentences.

    forms: the only ones that are read. entry: the name of the array, where there are several. first: whether the
    first of several pictures will do.
    """
    name = name or "The file"
    accepted = ACCEPTED if forms is None else f"{_ACCEPTED_OF_STRANGERS}."
    if not data:
        raise SignalError("signal_empty", f"{name} is empty. {accepted}")
    form, reader = _reader(data)
    if reader is None:
        raise SignalError("signal_type", f"{name} is no signal, whatever its name. {accepted}")
    if forms is not None and form not in forms:
        what = f"{name} is of a kind ({form.upper()}) that is read from a disk of your own, but not here."
        raise SignalError("signal_type", f"{what} {accepted}")
    if entry is not None and form not in _OF_ENTRIES:
        raise SignalError("signal_missing", f"{name} has no entries; leave the name {entry[:60]} out.")
    try:
        found = reader(data, max_values) if entry is None else reader(data, max_values, entry)
    except (GsjbuError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib, struct, Pillow and tifffile raise nearly anything on damage
        raise SignalError("signal_corrupt", f"{name} is damaged or cut short. {accepted}") from error
    if found.pages > 1 and not first:
        raise SignalError(
            "signal_several",
            f"{name} holds {found.pages} pictures, and a signal is one: save the one that is meant, or all "
            "channels as one array (.npy).",
        )
    return found


def _from_path(address: str | os.PathLike[str], max_values: int) -> Brought:
    path, entry = addresses.parted(address)
    try:
        if os.path.isdir(path):
            return _zarr(path, max_values, entry)
        found = read(path.read_bytes(), path.name, max_values, entry=entry)
    except OSError as error:
        raise SignalError("signal_missing", addresses.unreadable(address, error)) from error
    except arrays.SeveralArrays as several:
        raise SignalError(several.code, several.of(path.name)) from several
    notes_at = beside(path)
    if found.source != "npy" or not os.path.isfile(notes_at):
        return found
    notes = notes_of(notes_at.read_text("utf-8", "replace"))
    return with_notes(found, notes) if notes.get("shape") == list(found.array.shape) else found


def _masked(x: np.ma.MaskedArray, max_values: int) -> Brought:
    """A NumPy masked array: masked cells are gaps, in the result as its fill value."""
    array = np.asarray(x.data)
    check(array.dtype, array.shape, max_values)
    hidden = np.ma.getmaskarray(x)
    if not hidden.any():
        return Brought(array, "masked array", gap=_fill_value(x))
    if array.dtype.kind == "f":
        return Brought(np.where(hidden, array.dtype.type(np.nan), array), "masked array")
    return Brought(array, "masked array", known=~hidden, gap=_fill_value(x))


def _fill_value(x: np.ma.MaskedArray) -> float | None:
    """The fill value that whole numbers were given, if their type holds it and none of them is one."""
    if x.dtype.kind not in "iu":
        return None
    limits, value = np.iinfo(x.dtype), int(x.fill_value)
    usable = limits.min <= value <= limits.max and value != NUMPYS_FILL and not (x == value).any()
    return float(value) if usable else None


def _zarr(path: Path, max_values: int, entry: str | None) -> Brought:
    if why := lacking("zarr", f"{path.name} is a folder; reading Zarr"):
        raise SignalError("signal_type", why)
    import zarr

    try:
        store: Any = zarr.open(str(path), mode="r")
    except Exception as error:
        raise SignalError("signal_type", f"{path.name} is a folder, and no Zarr array.") from error
    if hasattr(store, "dtype") and entry is not None:
        raise SignalError("signal_missing", f"{path.name} is one array; leave the name {entry[:60]} out.")
    found = store if hasattr(store, "dtype") else arrays.entry_of("Zarr group", dict(sorted(store.arrays())), entry)
    check(found.dtype, tuple(found.shape), max_values)
    notes = found.attrs.asdict().get("gsjbu")
    try:
        array = np.asarray(found[...])
    except Exception as error:  # its codecs raise nearly anything on damaged chunks
        raise SignalError("signal_corrupt", f"{path.name} is damaged; one of its chunks cannot be read.") from error
    return with_notes(Brought(array, "Zarr"), notes if isinstance(notes, dict) else {})


# ------------------------------------------------------------------------------- what a file is

# Of the bytes, the most values, and where there are several arrays one's name.
Reader = Callable[..., Brought]


def form_of(data: bytes) -> str:
    """What a file's content says it is: png, npy, tiff, …; empty if nothing that is read."""
    return _reader(data)[0]


def _reader(data: bytes) -> tuple[str, Reader | None]:
    """What a file is, and who reads it."""
    picture = sniffed(data)
    if picture is not None:
        return picture.lower(), _as_picture(picture)
    for form, starts, reader in _STARTS:
        if data.startswith(starts):
            return form, reader
    return ("safetensors", _safetensors) if data[8:9] == b"{" else ("", None)


def _as_array(form: str, read_array: Callable[..., np.ndarray]) -> Reader:
    return lambda *given: Brought(read_array(*given), form)


def _as_picture(form: str) -> Reader:
    return lambda data, most: rasters.read_picture(data, form, most)


def _safetensors(data: bytes, most: int, entry: str | None = None) -> Brought:
    notes = notes_of(arrays.safetensors_notes(data))
    if entry is None and str(notes.get("format")).startswith(_OF_KERNELS):
        raise SignalError(
            "signal_type",
            "The file is a saved kernel, and no signal: gsjbu render upsamples signals by it, and gsjbu.load reads it.",
        )
    return with_notes(Brought(arrays.read_safetensors(data, most, entry), "safetensors"), notes)


def _zip(data: bytes, most: int, entry: str | None = None) -> Brought:
    return Brought(*arrays.read_zip(data, most, entry))


_STARTS: tuple[tuple[str, bytes | tuple[bytes, ...], Reader], ...] = (
    ("npy", b"\x93NUMPY", _as_array("npy", arrays.read_npy)),
    ("zip", b"PK", _zip),
    ("tiff", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), rasters.read_tiff),
    ("pfm", (b"Pf\n", b"PF\n", b"Pf\r", b"PF\r", b"Pf ", b"PF "), rasters.read_pfm),
    ("flo", b"PIEH", rasters.read_flo),
    ("pnm", (b"P2", b"P3", b"P5", b"P6"), rasters.read_pnm),
    ("pnm", (b"P1", b"P4"), _as_picture("PPM")),
    ("exr", b"\x76\x2f\x31\x01", exrs.read_exr),
    ("bmp", b"BM", _as_picture("BMP")),
    ("pt", arrays.LEGACY_TORCH, _as_array("pt", arrays.read_torch)),
    ("mat", arrays.MAT, _as_array("mat", arrays.read_mat)),
)
#: What an open server reads of strangers: .npz and .pt are zips.
OPEN = ("png", "npy", "zip", "tiff", "pfm", "pnm", "flo", "safetensors", "pt", "jpeg")
#: Whose arrays have names.
_OF_ENTRIES = ("zip", "safetensors", "pt", "mat", "exr")
#: Files that hold arrays, and no picture.
OF_ARRAYS = ("npy", "zip", "safetensors", "pt", "mat")
