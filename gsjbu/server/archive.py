"""Everything of a run in one zip."""

from __future__ import annotations

import platform
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO

import numpy as np

from gsjbu.core.kernel import Kernel
from gsjbu.io import restoring
from gsjbu.io.exports import Export
from gsjbu.io.signals import Signal
from gsjbu.server.results import Bundle, to_json
from gsjbu.version import __version__

_ZIPPED = {
    "metrics.json": ("metrics", "losses", "histograms", "timings_ms"),
    "settings.json": ("settings", "device", "backend", "backend_reason", "image", "status"),
}
_BLOCK_BYTES = 64 << 20  # of an HR signal that are in memory at a time
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


def zip_file(bundle: Bundle, temporary: Path) -> tuple[BinaryIO, int]:
    """Everything of a run in one zip, in a file without a name, and its size in bytes.

    ``temporary``: a folder that goes when the server stops, however it stops.
    """
    file = TemporaryFile()  # noqa: SIM115  the answer's stream closes it
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in bundle.all_pngs().items():
            archive.writestr(f"panels/{name}.png", data)
        with TemporaryDirectory(dir=temporary) as folder:
            path = Path(folder) / "parameters.safetensors"
            bundle.result.kernel.save(path)
            archive.write(path, "parameters.safetensors")
        if bundle.result.signal is not None:
            _put_signal(archive, bundle.result.kernel, bundle.result.signal)
        for name, array in _arrays(bundle):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
        summary = bundle.summary()
        for name, keys in _ZIPPED.items():
            archive.writestr(name, to_json({key: summary[key] for key in keys}))
        archive.writestr("versions.json", to_json(versions()))
    size = file.tell()
    file.seek(0)
    return file, size


def _put_signal(archive: zipfile.ZipFile, kernel: Kernel, signal: Signal) -> None:
    """The HR signal as .npy, in the unit and dtype of what was brought; as a PNG where it is a picture; its facts."""
    export = Export(signal, kernel, _BLOCK_BYTES)
    head = {"descr": export.dtype.str, "fortran_order": False, "shape": export.shape}
    with archive.open("signal_hr.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array_header_1_0(entry, head)
        for block in export.blocks():
            entry.write(block.data.cast("B"))
    png = export.png()
    if png is not None:
        archive.writestr("signal_hr.png", png)
    archive.writestr("signal.json", to_json(restoring.facts(signal)))


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
