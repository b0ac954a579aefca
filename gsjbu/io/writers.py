"""Results on disk: .npy, .safetensors, Zarr, or the fitted kernel alone; and the .json that says what a .npy means.

Every writer works under a temporary name and renames at the end, so a result is there whole or not at all, and
writes the same bytes for the same values.
"""

from __future__ import annotations

import errno
import io
import json
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gsjbu.core import files
from gsjbu.errors import GsjbuError
from gsjbu.extras import lacking
from gsjbu.io import addresses
from gsjbu.io.halving import halved
from gsjbu.io.kinds import SHARES
from gsjbu.io.notes import beside, encoded, notes_of

if TYPE_CHECKING:
    from gsjbu.core.kernel import Kernel

ENDINGS = {
    "npy": ".npy",
    "png": ".png",
    "safetensors": ".safetensors",
    "zarr": ".zarr",
    "kernel": ".kernel.safetensors",
}
#: No file has such a name, or can have.
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
_OURS = ("kind", "gaps", "brought")  # of notes beside a result


def result_path(folder: Path, key: str, form: str) -> Path:
    """Where the result of ``key`` belongs."""
    return folder / (key + ENDINGS[form])


def write(
    path: Path,
    form: str,
    shape: tuple[int, ...],
    blocks: Iterable[np.ndarray],
    half: bool = False,
    alone: Callable[[], bool] = lambda: True,
    dtype: np.dtype | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """A result of ``shape`` ``[C, H, W]`` or ``[H, W]`` to ``path``, as float16 if ``half`` and no integers.

    blocks: the result in runs of whole channels ``[c, H, W]`` (or whole), in order; each is written before the next is
    asked for, so a result may be larger than the memory. ``dtype``: its own, float32 if not given. ``facts``: kept
    in the file where it has room for them. ``alone`` is asked right before the result gets its final
    name; a worker whose run is gone answers False, and then nothing is left behind.

    Raises GsjbuError where float16 would lose the values.
    """
    kind = result_dtype(dtype, half)
    whole = (np.ascontiguousarray(block, dtype=kind) for block in blocks)
    widest = 1.0 if facts and facts.get("kind") in SHARES else 0.0
    ready = halved(blocks, widest) if kind == np.float16 else whole
    if form == "zarr":
        _replace(path, alone, lambda part: _write_zarr(part, shape, ready, kind, facts))
        return
    header = npy_header(shape, kind) if form == "npy" else _safetensors_header(shape, kind, facts)

    def fill(part: Path) -> None:
        with open(part, "wb", buffering=0) as file:
            file.write(header)
            for block in ready:
                _write_all(file, block)

    _replace(path, alone, fill)


def result_dtype(dtype: np.dtype | None, half: bool) -> np.dtype:
    """What is written: integers as they are, in this machine's order; fractions as float16 if ``half``."""
    if dtype is not None and dtype.kind != "f":
        return dtype
    return np.dtype("<f2") if half else (dtype or np.dtype("<f4")).newbyteorder("<")


def write_bytes(path: Path, data: bytes, alone: Callable[[], bool] = lambda: True) -> None:
    """``data`` under ``path``, whole or not at all; what was there before stays until then. Raises OSError."""
    _replace(path, alone, lambda part: part.write_bytes(data))


def write_text(path: Path, text: str, alone: Callable[[], bool] = lambda: True) -> None:
    """As :func:`write_bytes`; ``text`` may hold names of files that are no UTF-8."""
    write_bytes(path, encoded(text), alone)


def write_notes(path: Path, told: dict[str, Any], alone: Callable[[], bool] = lambda: True) -> None:
    """What the numbers of the result at ``path`` mean, beside it."""
    write_text(beside(path), json.dumps(told, indent=1, ensure_ascii=False) + "\n", alone)


def write_kernel(path: Path, kernel: Kernel, alone: Callable[[], bool] = lambda: True) -> None:
    """The kernel instead of the rendered values: far smaller than many channels, and renders any signal later."""
    _replace(path, alone, kernel.save)


def check_folder(path: str | Path) -> None:
    """Refuse, before the work, a folder for results that is a file or has no name."""
    addresses.named(path, "The name of the folder for results")
    if os.path.exists(path) and not os.path.isdir(path):
        raise GsjbuError("output_in_the_way", f"{path} is a file, and the results need a folder; choose another name.")


def is_there(path: Path) -> bool:
    """Whether a result lies at ``path``: a file, or a folder where its form is one."""
    try:
        return path.is_dir() if path.suffix == ENDINGS["zarr"] else path.is_file()
    except OSError:  # no such name can be
        return False


def sweep(folder: Path) -> None:
    """Remove what killed runs left under temporary names."""
    for path in list(folder.rglob(f".*{files.PART}")):
        files.discard(path)


def _replace(asked: Path, alone: Callable[[], bool], fill: Callable[[Path], Any]) -> None:
    if files.replace(asked, fill, alone):
        _forget_notes(asked)


def _forget_notes(path: Path) -> None:
    """Remove what was said of an earlier result under this name; a stranger's file stays."""
    notes = beside(path)
    try:
        if set(_OURS) <= notes_of(notes.read_text("utf-8", "replace")).keys():
            notes.unlink()
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise


def _write_all(file: io.FileIO, block: np.ndarray) -> None:
    """One call of the system writes 2 GiB at most."""
    rest = block.data.cast("B")
    while len(rest):
        rest = rest[file.write(rest) or 0 :]


def npy_header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """What an array file has before its data."""
    header = io.BytesIO()
    facts = {"descr": dtype.str, "fortran_order": False, "shape": tuple(int(n) for n in shape)}
    np.lib.format.write_array_header_1_0(header, facts)
    return header.getvalue()


def _safetensors_header(shape: tuple[int, ...], dtype: np.dtype, facts: dict[str, Any] | None) -> bytes:
    """One tensor, ``values``: length, JSON padded with spaces to a multiple of 8 bytes, then the data."""
    size = int(np.prod(shape)) * dtype.itemsize
    name = "BOOL" if dtype.kind == "b" else f"{dtype.kind.upper()}{8 * dtype.itemsize}"
    told: dict[str, Any] = {"__metadata__": {"gsjbu": json.dumps(facts)}} if facts else {}
    told["values"] = {"dtype": name, "shape": [int(n) for n in shape], "data_offsets": [0, size]}
    text = json.dumps(told)
    body = text.encode("utf-8")
    body += b" " * (-len(body) % 8)
    return struct.pack("<Q", len(body)) + body


def _write_zarr(
    part: Path, shape: tuple[int, ...], blocks: Iterable[np.ndarray], dtype: np.dtype, facts: dict[str, Any] | None
) -> None:
    if why := lacking("zarr", "Writing Zarr"):
        raise GsjbuError("zarr_missing", why)
    import zarr

    array, start = None, 0
    for block in blocks:
        if array is None:
            # uncompressed: packing noise-like floats costs more than the whole upsampling and saves a few per cent
            array = zarr.create_array(
                store=str(part), shape=shape, chunks=block.shape, dtype=dtype, compressors=None,
                attributes={"gsjbu": facts} if facts else None,
            )  # fmt: skip
        array[start : start + len(block)] = block
        start += len(block)
