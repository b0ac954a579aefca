"""Arrays in files: .npy, .npz, .safetensors, .pt of ``torch.save``, and .mat of MATLAB.

Files come from strangers: nothing is unpickled but by torch's ``weights_only`` reader, every size is checked in the
header before memory is taken for it.
"""

from __future__ import annotations

import ast
import io
import json
import math
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.plain import as_array, why_unreadable
from gsjbu.errors import Remedy, SignalError
from gsjbu.io.brought import check
from gsjbu.io.layouts import shape_text

MAX_HEADER = 4096
MOST_NAMED = 20  # of a file's arrays
#: How members of a .npz may be compressed.
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_MAT_OF_HDF5 = b"MATLAB 7.3 MAT-file"
MAT = (b"MATLAB 5.0 MAT-file", _MAT_OF_HDF5)
_OF_NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def read_npy(data: bytes, max_values: int) -> np.ndarray:
    """The array of a .npy file."""
    return _npy(io.BytesIO(data), len(data), max_values)


class SeveralArrays(SignalError):
    """A file of several arrays, or of none, of which nobody said which; ``names`` of them."""

    def __init__(self, form: str, names: list[str]) -> None:
        what = ", ".join(name[:30] for name in names[:5]) or "none"
        held = f"The {form} holds {len(names)} arrays ({what}); it must hold one."
        super().__init__("signal_several", held, [Remedy("entry", name) for name in names[:MOST_NAMED]])
        self.names = names

    def of(self, file: str) -> str:
        """The sentence, and how one of them is named where the file has the name ``file``."""
        how = f" FILE:ENTRY names one of several: {file}:{self.names[0]}." if file and self.names else ""
        return self.message + how


def entry_of(form: str, held: Mapping[str, Any], entry: str | None) -> Any:
    """The one thing that is ``held``, or the one under the name ``entry``. Raises SignalError."""
    if entry is None:
        if len(held) != 1:
            raise SeveralArrays(form, list(held))
        return next(iter(held.values()))
    if entry not in held:
        names = ", ".join(name[:30] for name in list(held)[:MOST_NAMED]) or "nothing"
        raise SignalError("signal_missing", f"The {form} has no entry {entry[:60]!r}; it holds {names}.")
    return held[entry]


def read_zip(data: bytes, max_values: int, entry: str | None) -> tuple[np.ndarray, str]:
    """The array of a .npz file or of a torch one, and which of the two it is."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        _check_packed(infos)
        if any(i.filename.endswith("/data.pkl") or i.filename == "data.pkl" for i in infos):
            if sum(i.file_size for i in infos) > 16 * max_values:
                raise SignalError("signal_too_large", f"The .pt unfolds to more than {16 * max_values} bytes.")
            return read_torch(data, max_values, entry), "pt"
        held = {i.filename.removesuffix(".npy"): i for i in infos if i.filename.endswith(".npy")}
        info = entry_of(".npz", held, entry)
        with archive.open(info) as member:
            # The header is checked first and bounds what is unpacked: a bomb never gets to unfold.
            return _npy(member, info.file_size, max_values), "npz"  # type: ignore[arg-type]


def _check_packed(infos: list[zipfile.ZipInfo]) -> None:
    """Refuse members of a .npz or .pt that are whole and cannot be unpacked."""
    if any(info.flag_bits & 1 for info in infos):
        raise SignalError("signal_type", "The file is encrypted; save it without a password.")
    if any(info.compress_type not in PACKED for info in infos):
        raise SignalError(
            "signal_type",
            "The file is compressed in a way that is not read; save it by numpy.savez or numpy.savez_compressed.",
        )


def read_torch(data: bytes, max_values: int, entry: str | None = None) -> np.ndarray:
    """A tensor of a .pt file, alone, in a flat dictionary or in a list; only plain tensors are unpickled."""
    try:
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # its reader raises nearly anything
        raise SignalError(
            "signal_pickled",
            "The .pt file is damaged, or holds more than plain tensors; save one tensor: torch.save(features, path).",
        ) from error
    if isinstance(found, list | tuple):
        found = dict(enumerate(found))
    if isinstance(found, dict):
        return from_tensor(_tensor_of(found, entry), max_values)
    if entry is not None:
        raise SignalError("signal_missing", f"The .pt is one tensor without a name; leave the name {entry[:60]} out.")
    return from_tensor(found, max_values)


def _tensor_of(held: dict[Any, Any], entry: str | None) -> Tensor:
    """The one tensor among what a .pt holds, or the one under the name ``entry``; those that are nested are named."""
    tensors = {str(name): part for name, part in held.items() if isinstance(part, Tensor)}
    nested = [str(name)[:30] for name, part in held.items() if isinstance(part, dict | list | tuple)]
    if nested and not (tensors if entry is None else entry in tensors):
        raise SignalError(
            "signal_type",
            f"What the .pt holds under {', '.join(nested[:5])} is nested, and its tensors have no names here: save the "
            "one that is meant, torch.save(tensor, path).",
        )
    return entry_of(".pt", tensors, entry)


def read_safetensors(data: bytes, max_values: int, entry: str | None) -> np.ndarray:
    """A tensor of a .safetensors file."""
    from safetensors.torch import load

    held = dict(sorted(load(data).items()))  # it gives them in any order
    return from_tensor(entry_of(".safetensors", held, entry), max_values)


def safetensors_notes(data: bytes) -> str:
    """What the header of a sound .safetensors file keeps under ``gsjbu``."""
    (length,) = struct.unpack("<Q", data[:8])
    told = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    return str(told.get("gsjbu", ""))


def read_mat(data: bytes, max_values: int, entry: str | None = None) -> np.ndarray:
    """A matrix of a MATLAB file, versions 5 to 7; cells, structs and texts are none."""
    if data.startswith(_MAT_OF_HDF5):
        raise SignalError(
            "signal_type",
            "The .mat is of version 7.3, which is HDF5 and is not read here; save it by save('signal.mat', 'depth', "
            "'-v7').",
        )
    from scipy.io import loadmat, whosmat

    matrices = {name: (shape, of) for name, shape, of in whosmat(io.BytesIO(data)) if of in _OF_NUMBERS}
    shape, of = entry_of(".mat", matrices, entry)
    check(np.dtype(np.float64), shape, max_values)  # before memory is taken for it
    name = next(iter(matrices)) if entry is None else entry
    array = np.ascontiguousarray(loadmat(io.BytesIO(data), variable_names=[name])[name])
    check(array.dtype, array.shape, max_values)
    return array.astype(bool) if of == "logical" else array


def from_tensor(tensor: Any, max_values: int) -> np.ndarray:
    """A tensor as an array; types that NumPy lacks (bfloat16, 8-bit floats) become float32."""
    if not isinstance(tensor, Tensor):
        raise SignalError("signal_type", "The file holds no tensor; save one.")
    if why := why_unreadable(tensor):
        raise SignalError("signal_type", f"The tensor {why}.")
    check(np.dtype(np.float32), tuple(tensor.shape), max_values)
    return as_array(tensor)


def _npy(stream: BinaryIO, length: int, max_values: int) -> np.ndarray:
    """The array of a .npy stream; ``length`` bytes at most are there."""
    dtype, order, shape, used = _npy_header(stream)
    check(dtype, shape, max_values)
    size = math.prod(shape) * dtype.itemsize
    early = SignalError("signal_corrupt", f"The file ends early: its header promises an array {shape_text(shape)}.")
    if used + size > length:
        raise early
    body = stream.read(size)
    if len(body) != size:
        raise early
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
