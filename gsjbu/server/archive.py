"""Everything of a run in one zip, made while it is sent."""

from __future__ import annotations

import io
import math
import platform
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

import numpy as np

from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel
from gsjbu.io import restoring
from gsjbu.io.exports import Export
from gsjbu.io.signals import Signal
from gsjbu.io.writers import npy_header
from gsjbu.server.limits import KIB, MIB
from gsjbu.server.results import Bundle, to_json
from gsjbu.version import __version__

_ZIPPED = {
    "metrics.json": ("metrics", "losses", "histograms", "timings_ms"),
    "settings.json": ("settings", "device", "backend", "backend_reason", "image", "status"),
}
BLOCK_BYTES = 64 * MIB  # of an HR signal that are in memory at a time
PIECE_BYTES = 4 * MIB  # of it that are on their way at a time
_OVERHEAD = 64 * KIB  # of names, headers and small files, generously
VERSIONS_OF = ("torch", "torchvision", "numpy", "numba", "pillow", "fastapi")


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    out = {"gsjbu": __version__, "python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def most_bytes(bundle: Bundle) -> int:
    """No zip of this result is larger: from shapes alone, before anything is made."""
    result = bundle.result
    pixels = result.kernel.grid.height * result.kernel.grid.width
    panels = len(bundle.panels) * (3 * pixels + _OVERHEAD)
    arrays = sum(array.nbytes for _, array in _arrays(bundle))
    grid = result.kernel.grid
    signal = 0 if result.signal is None else signal_bytes(result.signal, grid.height, grid.width)
    grids = [grid] if result.signal is None else [grid, result.signal_kernel.grid]
    return panels + arrays + signal + sum(map(kernel_bytes, grids)) + pixels // 10 + _OVERHEAD


def kernel_bytes(grid: Grid) -> int:
    """Of a kernel's file over ``grid``: the picture, where it is followed, and up to three sets of raw values."""
    return 13 * grid.height * grid.width + 64 * grid.rows * grid.cols + _OVERHEAD


def signal_bytes(signal: Signal, height: int, width: int) -> int:
    """Of the HR signal: the array and a picture of it."""
    shape, dtype = restoring.result_shape(signal, (height, width)), restoring.result_dtype(signal)
    return math.prod(shape) * dtype.itemsize + 6 * height * width


def pieces(bundle: Bundle) -> Iterator[bytes]:
    """Everything of a run in one zip, piece by piece: nothing is made before it is asked for, nothing is kept."""
    out = _Pieces()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, blocks in _entries(bundle):
            with archive.open(name, "w", force_zip64=True) as entry:
                for block in blocks:
                    entry.write(block)
                    yield out.take()
    yield out.take()


class _Pieces(io.RawIOBase):
    """A file that can only be written to, and is emptied as it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """What was written since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


Entry = tuple[str, Iterable[bytes | memoryview]]


def _entries(bundle: Bundle) -> Iterator[Entry]:
    result = bundle.result
    for name in bundle.panels:
        yield f"panels/{name}.png", [bundle.png(name)]
    yield "parameters.safetensors", [result.kernel.to_bytes()]
    if result.signal is not None:
        yield from _signal(result.signal_kernel, result.signal)
    for name, array in _arrays(bundle):
        yield f"{name}.npy", _npy(array.shape, array.dtype, [np.ascontiguousarray(array)])
    summary = bundle.summary()
    for name, keys in _ZIPPED.items():
        yield name, [to_json({key: summary[key] for key in keys})]
    yield "versions.json", [to_json(versions())]


def _signal(kernel: Kernel, signal: Signal) -> Iterator[Entry]:
    """The HR signal as .npy in the unit and dtype of what was brought, as a PNG where it is a picture; its facts; the
    kernel that made it, which need not be the image's."""
    export = Export(signal, kernel, BLOCK_BYTES)
    yield "signal_hr.npy", _npy(export.shape, export.dtype, export.blocks())
    png = export.png()
    if png is not None:
        yield "signal_hr.png", [png]
    yield "signal.json", [to_json(export.facts())]
    yield "signal_parameters.safetensors", [kernel.to_bytes()]


def _npy(shape: tuple[int, ...], dtype: np.dtype[Any], blocks: Iterable[np.ndarray]) -> Iterator[bytes | memoryview]:
    """An array file whose data come in blocks."""
    yield npy_header(shape, dtype)
    for block in blocks:
        data = block.reshape(-1).view(np.uint8).data
        for first in range(0, len(data), PIECE_BYTES):
            yield data[first : first + PIECE_BYTES]


def _arrays(bundle: Bundle) -> Iterable[tuple[str, np.ndarray]]:
    """The LR signal that was brought, or else the image's own colours at HR; and LR features."""
    result = bundle.result
    if result.signal is not None:
        brought = result.signal.brought
        yield "signal_lr", result.signal.values.numpy() if brought is None else brought.array
    elif "gsjbu_rgb" in bundle.panels and bundle.evicted < 2:
        yield "rgb_hr", bundle.panels["gsjbu_rgb"].values.detach().cpu().float().numpy()
    if result.features_lr is not None:
        yield "features_lr", result.features_lr.detach().cpu().numpy()
