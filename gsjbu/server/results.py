"""A finished run as an answer: JSON with the panels as PNG, the read-outs at one pixel, and the zip."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import platform
import threading
import time
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, BinaryIO

import numpy as np
import torch

from gsjbu.images import png_bytes
from gsjbu.server.problems import Problem
from gsjbu.server.store import size_of
from gsjbu.threads import available
from gsjbu.version import __version__

_encoders = ThreadPoolExecutor(available(), thread_name_prefix="gsjbu-png")
_ZIPPED = {
    "metrics.json": ("metrics", "losses", "histograms", "timings_ms"),
    "settings.json": ("settings", "device", "backend", "backend_reason", "image", "status"),
}
VERSIONS_OF = ("torch", "torchvision", "numpy", "numba", "pillow", "fastapi")


class Bundle:
    """A pipeline result with its PNGs, which are made when they are first asked for.

    ``slim`` lets go of what can be spared of a very large result: first the pictures (their PNGs stay) and half the
    digits of the values, then the values, without which the read-out at a pixel is not available.
    """

    def __init__(self, result: Any) -> None:
        self.result = result
        self.extra_ms: dict[str, float] = {}
        self.where: dict[str, dict[str, str]] = {}
        self.body = b""
        self.has_values = True
        self._pngs: dict[str, bytes] = {}
        self._files: dict[str, Path] = {}
        self._lock = threading.Lock()

    @property
    def panels(self) -> dict[str, Any]:
        """Panels by name."""
        return {panel.name: panel for panel in self.result.panels}

    def png(self, name: str) -> bytes:
        """One panel as a PNG file."""
        data = self._pngs.get(name)
        if data is not None:
            return data
        if name in self._files:
            try:
                return self._files[name].read_bytes()
            except OSError:
                raise Problem(
                    "expired", "The files of this result were kept for a while and are gone."
                ) from None
        panel = self.panels.get(name)
        if panel is None:
            raise Problem("panel_unknown", f"This run has no such panel; it has {', '.join(self.panels)}.")
        data = panel.png()
        with self._lock:
            self._pngs[name] = data
        return data

    def keep_files(self, files: dict[str, Path]) -> None:
        """The PNGs lie in files from now on and need no memory."""
        self._files = files
        self._pngs = {}

    def slim(self, most: int) -> None:
        """Spare memory until no more than ``most`` bytes are held, as far as that goes."""
        if size_of(self) <= most:
            return
        if not self._files:
            self.all_pngs()
        nothing = np.empty((0, 0, 3), np.uint8)
        self.result.panels = [
            dataclasses.replace(p, picture=nothing, values=p.values.half()) for p in self.result.panels
        ]
        if size_of(self) > most:
            self.has_values = False
            empty = torch.empty(0)
            self.result.panels = [dataclasses.replace(p, values=empty) for p in self.result.panels]

    def pixel(self, x: int, y: int) -> dict[str, list[float]]:
        """Every panel's values at one pixel."""
        self.check_pixel(x, y)
        if not self.has_values:
            raise Problem("not_available", "This result is too large to keep its values; lower resolution.")
        return self.result.pixel(x, y)

    def all_pngs(self, check: Callable[[], None] = lambda: None) -> dict[str, bytes]:
        """Every panel as a PNG file, made by several threads; ``check`` may raise between panels."""
        began = time.monotonic()
        out = {}
        waiting = {name: _encoders.submit(self.png, name) for name in self.panels}
        try:
            for name, future in waiting.items():
                check()
                out[name] = future.result()
        finally:
            for future in waiting.values():
                future.cancel()
        self.extra_ms["png"] = 1000 * (time.monotonic() - began)
        return out

    def summary(self) -> dict[str, Any]:
        """The result without its pictures."""
        r = self.result
        return {
            "settings": r.settings.as_dict(),
            "device": str(r.device),
            "backend": r.backend,
            "backend_reason": r.backend_reason,
            "image": r.image,
            "metrics": r.metrics,
            "losses": list(r.losses),
            "histograms": r.histograms,
            "status": r.status,
            "timings_ms": {name: round(ms, 3) for name, ms in {**r.timings_ms, **self.extra_ms}.items()},
        }

    def panel_list(self, where: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
        """The panels' descriptions; ``where`` adds ``png`` or ``url`` (or both) by name."""
        return [{**panel.as_dict(), **where[panel.name]} for panel in self.result.panels]

    def size(self) -> tuple[int, int]:
        """Width and height of the image that the run worked on."""
        return self.result.image["width"], self.result.image["height"]

    def check_pixel(self, x: int, y: int) -> None:
        """Refuse a pixel that lies outside."""
        width, height = self.size()
        if not (0 <= x < width and 0 <= y < height):
            raise Problem(
                "pixel_outside",
                f"Pixel ({x}, {y}) lies outside the image; x must be 0–{width - 1} and y 0–{height - 1}.",
                setting="x" if not 0 <= x < width else "y",
            )


def inline(pngs: dict[str, bytes]) -> dict[str, dict[str, str]]:
    """Panels put into the answer itself."""
    return {name: {"png": base64.b64encode(data).decode("ascii")} for name, data in pngs.items()}


def to_json(value: Any) -> bytes:
    """Strict JSON; what is not finite becomes null, arrays become lists."""
    return json.dumps(clean(value), allow_nan=False, separators=(",", ":")).encode()


def clean(value: Any) -> Any:
    """``value`` in terms of JSON."""
    if isinstance(value, dict):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(v) for v in value]
    if isinstance(value, torch.Tensor):
        return clean(value.detach().cpu().tolist())
    if isinstance(value, (np.ndarray, np.generic)):
        return clean(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def similarity_maps(bundle: Bundle, x: int, y: int) -> tuple[list[np.ndarray], float, float]:
    """Cosine similarity of the HR features to those at one pixel, bilinear and GS-JBU, and the scale of both."""
    bundle.check_pixel(x, y)
    if bundle.result.features_lr is None:
        raise Problem("not_available", "This run has no features; switch them on and run again.")
    maps = [np.asarray(m, np.float32) for m in bundle.result.similarity(x, y)]
    return maps, min(0.0, *(float(m.min()) for m in maps)), 1.0


def similarity(bundle: Bundle, x: int, y: int) -> dict[str, Any]:
    """The similarity maps as PNGs on one shared scale."""
    from gsjbu.colours import viridis

    maps, low, high = similarity_maps(bundle, x, y)
    pictures = [png_bytes(viridis((m - low) / (high - low))) for m in maps]
    return {
        "x": x, "y": y, "low": low, "high": high, "map": "viridis",
        "bilinear": base64.b64encode(pictures[0]).decode("ascii"),
        "gsjbu": base64.b64encode(pictures[1]).decode("ascii"),
    }  # fmt: skip


def similarity_u16(bundle: Bundle, x: int, y: int) -> tuple[bytes, dict[str, str]]:
    """The maps as numbers: bilinear, then GS-JBU, each H × W little-endian uint16; the scale is in the headers.

    A value is low + (high − low)·v / 65535, so it is exact to 2e-5, which a picture's 8 bits are not; and it is
    made in a tenth of the time of two PNGs.
    """
    maps, low, high = similarity_maps(bundle, x, y)
    scale = np.float32(65535 / (high - low))
    body = b"".join(((m - low) * scale + 0.5).clip(0, 65535).astype("<u2").tobytes() for m in maps)
    height, width = maps[0].shape
    return body, {"X-Low": repr(low), "X-High": repr(high), "X-Width": str(width), "X-Height": str(height)}


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    out = {"gsjbu": __version__, "python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def ellipses(bundle: Bundle) -> dict[str, Any]:
    """Centres (pixels), σ (pixels) and θ (radians) of all Gaussians, flat, row by row."""
    kernel = bundle.result.kernel
    grid = kernel.grid
    rows, cols = grid.rows, grid.cols
    cx = (np.arange(cols) + 0.5) * grid.step_x
    cy = (np.arange(rows) + 0.5) * grid.step_y
    out: dict[str, Any] = {"cx": np.tile(cx, rows).tolist(), "cy": np.repeat(cy, cols).tolist()}
    for name in ("sigma_x", "sigma_y", "theta"):
        out[name] = [round(v, 4) for v in getattr(kernel, name).detach().cpu().flatten().tolist()]
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


def _arrays(bundle: Bundle) -> Iterable[tuple[str, np.ndarray]]:
    """The HR signal, one array at a time: the brought signal, or else the image's own colours; and LR features."""
    result = bundle.result
    signal = getattr(result, "signal_lr", None)
    if signal is not None:
        yield "signal_lr", signal.detach().cpu().numpy()
        yield "signal_hr", result.kernel.render(signal).detach().cpu().numpy()
    elif "gsjbu_rgb" in bundle.panels and bundle.has_values:
        yield "rgb_hr", bundle.panels["gsjbu_rgb"].values.detach().cpu().numpy()
    if result.features_lr is not None:
        yield "features_lr", result.features_lr.detach().cpu().numpy()
