"""A finished run as an answer: JSON with the panels as PNG, the read-outs at one pixel, and the zip."""

from __future__ import annotations

import base64
import copy
import dataclasses
import io
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from gsjbu.core.threads import available, step_back
from gsjbu.io.pictures import png_bytes
from gsjbu.io.point_clouds import ply
from gsjbu.run import mixing
from gsjbu.run.estimate import Estimate
from gsjbu.run.later import Later
from gsjbu.run.panels import NO_PICTURE
from gsjbu.server.problems import Problem
from gsjbu.server.store import forget_oldest, size_of

_encoders = ThreadPoolExecutor(available(), thread_name_prefix="gsjbu-png", initializer=step_back)
VECTORS = 64  # pixels of a result whose features are kept as they were asked for
_CELLS = 65536  # whose Gaussians are written at a time
GONE = "The details of this result were kept for a while; run it again for them."


class Bundle:
    """A pipeline result with its PNGs, which are made when they are first asked for.

    When room is needed it lets go of what can be missed, in levels: 1, pictures whose PNG is there, and half the
    digits of the values; 2, the values, and with them the read-out at a pixel; 3, the kernel and the features, and with
    them the panels that nobody has looked at.
    What a client waits for, the answer and its PNGs, stays to the last.
    """

    def __init__(self, result: Any, pngs: dict[str, bytes] | None = None) -> None:
        self._result: Any = result
        self.panels: dict[str, Any] = {panel.name: panel for panel in result.panels}
        self.image: dict[str, Any] = result.image
        self.extra_ms: dict[str, float] = {}
        self.body = b""
        self.evicted = 0
        self.refusal: Problem | None = None  # of what was asked for besides the result
        self._pngs = {} if pngs is None else pngs
        self._files: dict[str, Path] = {}
        self._inline: dict[str, slice] = {}
        self._vectors: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}
        self._lock = threading.Lock()

    @property
    def result(self) -> Any:
        """The pipeline's result; refuses with ``expired`` where it had to make room."""
        result = self._result
        if result is None:
            raise Problem("expired", GONE)
        return result

    def again(self, sentence: str) -> Bundle | None:
        """The same for another job, which did not compute it, as ``sentence`` says; None once it is not whole."""
        with self._lock:
            if self.evicted:
                return None
            result = copy.copy(self._result)
            # What is said of files is the other's.
            own = {name: said for name, said in result.status.items() if name != "files"}
            result.status = {**own, "run": sentence}
            result.timings_ms = {}
            return Bundle(result, dict(self._pngs))

    def answer(self, job_id: str, where: dict[str, dict[str, str]]) -> None:
        """Write the answer as JSON, once. PNGs that are in it or in files need not be kept besides."""
        facts = self.summary()
        for panel in facts["panels"]:
            panel.update(where[panel["name"]])
        told = {"job_id": job_id, **facts}
        self.body = to_json(told)
        self._inline = self._places(where)
        if self._inline:
            self._pngs = {}

    def _places(self, where: dict[str, dict[str, str]]) -> dict[str, slice]:
        """Where in the answer the base64 of each PNG stands that is in it."""
        places, end = {}, 0
        for name in (name for name in self.panels if "png" in where[name]):
            start = self.body.index(f'"png":"{where[name]["png"]}"'.encode(), end) + len('"png":"')
            end = start + len(where[name]["png"])
            places[name] = slice(start, end)
        return places

    def evict(self, level: int) -> None:
        """Let go of what ``level`` says."""
        with self._lock:
            if level <= self.evicted:
                return
            self.evicted = level
            there = {*self._pngs, *self._files, *self._inline}
            half = level == 1
            for name, held in self.panels.items():
                if isinstance(held, Later) and not held.is_made:
                    if level >= 3:  # before, it takes no room of its own
                        self.panels[name] = held.head
                    continue
                panel = held.now if isinstance(held, Later) else held
                picture = NO_PICTURE if name in there else panel.picture
                values = _halved(panel) if half else torch.empty(0)
                self.panels[name] = dataclasses.replace(panel, picture=picture, values=values)
            if level >= 3:
                self._result = None
            elif self._result is not None:
                self._result.panels = list(self.panels.values())

    def slim(self, most: int) -> None:
        """For a result that is very large alone: evict what is needed to hold no more than ``most`` bytes."""
        if size_of(self) > most and not self._files and not self._inline:
            self.all_pngs()
        for level in (1, 2):
            if size_of(self) > most:
                self.evict(level)

    def png(self, name: str) -> bytes:
        """One panel as a PNG file."""
        data = self._pngs.get(name)
        if data is not None:
            return data
        if name in self._files:
            try:
                return self._files[name].read_bytes()
            except OSError:
                raise Problem("expired", "The files of this result were kept for a while and are gone.") from None
        if name in self._inline:
            return base64.b64decode(self.body[self._inline[name]])
        panel = self._panel(name)
        if not isinstance(panel, Later) and panel.picture.size == 0:
            raise Problem("expired", GONE)
        data = panel.png()
        with self._lock:
            self._pngs[name] = data
        return data

    def keep_files(self, files: dict[str, Path]) -> None:
        """The PNGs lie in files from now on and need no memory."""
        self._files = files
        self._pngs = {}

    def pixel(self, x: int, y: int) -> dict[str, list[float]]:
        """Every panel's values at one pixel."""
        self.check_pixel(x, y)
        result = self.result
        self._check_values()
        return result.pixel(x, y)

    def vectors(self, x: int, y: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The HR features of a pixel; they stay when the features of all have made room."""
        self.check_pixel(x, y)
        if (x, y) not in self._vectors:
            if self.result.features_lr is None:
                raise Problem("not_available", "This run has no features; switch them on and run again.")
            self._vectors[x, y] = self.result.vectors(x, y)
            forget_oldest(self._vectors, VECTORS)
        return self._vectors[x, y]

    def region(self, x0: int, y0: int, x1: int, y1: int) -> dict[str, Any]:
        """Mean and spread of every panel in the rectangle between two pixels."""
        self.check_pixel(x0, y0)
        self.check_pixel(x1, y1)
        result = self.result
        self._check_values()
        (left, right), (top, bottom) = sorted((x0, x1)), sorted((y0, y1))
        return result.region(left, top, right, bottom)

    def window(self, x: int, y: int, group: str, way: str) -> dict[str, Any]:
        """What a pixel of ``group`` is made of in this ``way``."""
        self.check_pixel(x, y)
        kernel = self.result.mixer(group, way)
        return {
            "x": x, "y": y, "cell": self.result.kernel.grid.cell_of(x, y), "group": group, "method": way,
            "window": self.result.window(x, y, group, way), "notes": mixing.notes(kernel),
        }  # fmt: skip

    def heights(self, name: str) -> tuple[np.ndarray, str]:
        """A panel of one number a pixel: float32 [h, w], NaN where there is none, and its unit."""
        panel = self._panel(name)
        if panel.bar is None:
            ones = [other.name for other in self.panels.values() if other.bar is not None]
            raise Problem("not_available", f"{name} is not one number a pixel; {', '.join(ones)} are.")
        self._check_values()
        return np.ascontiguousarray(panel.values[0].float().numpy()), panel.unit

    def _panel(self, name: str) -> Any:
        panel = self.panels.get(name)
        if panel is None:
            raise Problem("panel_unknown", f"This run has no such panel; it has {', '.join(self.panels)}.")
        return panel

    def _check_values(self) -> None:
        if self.evicted >= 2:
            raise Problem("expired", "The values of this result had to make room; lower resolution, or run it again.")

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
        """The result without its pictures; the server's own times are among its stages'."""
        facts: dict[str, Any] = self.result.as_dict()
        facts["timings_ms"] |= {stage: round(ms, 3) for stage, ms in self.extra_ms.items()}
        return facts

    def size(self) -> tuple[int, int]:
        """Width and height of the image that the run worked on."""
        return self.image["width"], self.image["height"]

    def check_pixel(self, x: int, y: int) -> None:
        """Refuse a pixel that lies outside."""
        width, height = self.size()
        if not (0 <= x < width and 0 <= y < height):
            raise Problem(
                "pixel_outside",
                f"Pixel ({x}, {y}) lies outside the image; x must be 0–{width - 1} and y 0–{height - 1}.",
                setting="x" if not 0 <= x < width else "y",
            )


def _halved(panel: Any) -> torch.Tensor:
    """A panel's values in half the digits, where those hold them: numbers of classes exactly, others to a 500th of what
    they are apart, at least."""
    values = panel.values
    if not values.numel():
        return values
    # Every new run may ask this of the one before, so it looks at the ends alone.
    low, high = map(float, values.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        known = values[values.isfinite()]
        low, high = map(float, known.aminmax()) if known.numel() else (0.0, 0.0)
    most = max(abs(low), abs(high))
    apart = 2**-14 <= most <= 65504 and most * 2**-11 <= (high - low) / 500
    held = most <= 2048 if panel.legend is not None else most == 0 or apart
    return values.half() if held else values


def inline(pngs: dict[str, bytes]) -> dict[str, dict[str, str]]:
    """Panels put into the answer itself."""
    return {name: {"png": base64.b64encode(data).decode("ascii")} for name, data in pngs.items()}


def of_estimate(cost: Estimate, download: str | None) -> dict[str, Any]:
    """What a run would take, for JSON, and why its zip will not be given."""
    return {
        "seconds": cost.seconds, "bytes": cost.bytes, "stages": cost.stages, "download": download,
        "advice": [
            {"setting": one.setting, "value": one.value, "seconds": one.seconds, "sentence": one.sentence}
            for one in cost.advice
        ],
    }  # fmt: skip


JSON = "application/json"


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


Points = list[tuple[int, int]]


def point(text: str) -> tuple[int, int]:
    """``column,row`` as numbers."""
    x, y = text.split(",")
    return int(x), int(y)


Elsewhere = list[tuple[Bundle, tuple[int, int]]]  # pixels of other results


def similarity_maps(bundle: Bundle, points: Points, elsewhere: Elsewhere) -> tuple[list[np.ndarray], float, float]:
    """Cosine similarity of the HR features to those at the likest of ``points``, bilinear and GS-JBU, and the scale."""
    vectors = [of.vectors(x, y) for of, (x, y) in [*((bundle, at) for at in points), *elsewhere]]
    maps = [np.asarray(m, np.float32) for m in bundle.result.alike(vectors)]
    return maps, min(0.0, *(float(m.min()) for m in maps)), 1.0


def similarity(bundle: Bundle, points: Points, elsewhere: Elsewhere) -> dict[str, Any]:
    """The similarity maps as PNGs on one shared scale."""
    from gsjbu.io.colours import paint

    maps, low, high = similarity_maps(bundle, points, elsewhere)
    pictures = [png_bytes(paint(m, low, high)) for m in maps]
    return {
        "points": points, "low": low, "high": high, "map": "viridis",
        "bilinear": base64.b64encode(pictures[0]).decode("ascii"),
        "gsjbu": base64.b64encode(pictures[1]).decode("ascii"),
    } | (dict(zip(("x", "y"), points[-1], strict=True)) if points else {})  # fmt: skip


def similarity_u16(bundle: Bundle, points: Points, elsewhere: Elsewhere) -> tuple[bytes, dict[str, str]]:
    """The maps as numbers: bilinear, then GS-JBU, each H × W little-endian uint16; the scale is in the headers.

    A value is low + (high − low)·v / 65535, so it is exact to 2e-5, which a picture's 8 bits are not; and it is
    made in a tenth of the time of two PNGs.
    """
    maps, low, high = similarity_maps(bundle, points, elsewhere)
    scale = np.float32(65535 / (high - low))
    body = b"".join(((m - low) * scale + 0.5).clip(0, 65535).astype("<u2").tobytes() for m in maps)
    height, width = maps[0].shape
    return body, {"X-Low": repr(low), "X-High": repr(high), "X-Width": str(width), "X-Height": str(height)}


def cloud(bundle: Bundle, name: str) -> Iterator[bytes]:
    """A panel's values as a point cloud in the picture's colours; refuses what is not of the picture's size."""
    values, unit = bundle.heights(name)
    if values.shape[::-1] != bundle.size():
        raise Problem("not_available", f"{name} has the low resolution; take a panel of the picture's own size.")
    with Image.open(io.BytesIO(bundle.png("original"))) as picture:
        colours = np.asarray(picture.convert("RGB"))
    return ply(values, colours, unit)


def ellipses(kernel: Any) -> Iterator[bytes]:
    """Centres (pixels), σ (pixels) and θ (radians) of all Gaussians as JSON, flat, row by row, piece by piece; an
    interpolation has none."""
    grid, count = kernel.grid, 0 if mixing.is_plain(kernel) else kernel.grid.rows * kernel.grid.cols
    xs, ys = kernel.centres()
    parameters = {name: getattr(kernel, name).detach().cpu().flatten() for name in ("sigma_x", "sigma_y", "theta")}

    def numbers(name: str, first: int) -> list[float]:
        cells = np.arange(first, min(first + _CELLS, count))
        if name == "cx":
            return list(xs[cells % grid.cols].tolist())
        if name == "cy":
            return list(ys[cells // grid.cols].tolist())
        return [round(value, 4) for value in parameters[name][first : first + _CELLS].tolist()]

    for number, name in enumerate(("cx", "cy", *parameters)):
        yield f'{"," if number else "{"}"{name}":['.encode()
        for first in range(0, count, _CELLS):
            text = json.dumps(numbers(name, first), separators=(",", ":"))
            yield (("," if first else "") + text[1:-1]).encode()
        yield b"]"
    yield b"}"
