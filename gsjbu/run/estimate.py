"""What a run will cost before it starts: seconds and bytes, and on a CPU which setting to lower.

The figures come from a cost model with few constants, measured once on one machine, and scaled by how fast a
tiny fit runs here (a few milliseconds, once per process). Meant to be right within a factor of two.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from gsjbu.core import auto, devices, threads
from gsjbu.core.backends.lattices import lattices
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import OPTIMISERS
from gsjbu.errors import ShapeError
from gsjbu.settings import SETTINGS, Settings

# The fused kernel, nanoseconds a step on one thread of the machine it was measured on (Xeon at 2.6 GHz, AVX-512):
# per cell, per 16 pixels of a cell, per neighbour, per neighbour and 16 pixels.
CELL, CELL_VECTOR, NEIGHBOUR, NEIGHBOUR_VECTOR = 630.0, 60.0, 20.0, 10.7
# Farther than this many cells a neighbour weighs nothing at the start, and is skipped.
REACH = 3.6
# The attention form, nanoseconds a pixel and neighbour and step; rendering costs about a third of a step.
ATTENTION_CPU, ATTENTION_GPU = 13.0, 0.05
# Everything else, nanoseconds a pixel: metrics and renders of RGB; a backbone; panels as PNG.
RGB, FEATURES, SEGMENTATION, PNG = 330.0, 180.0, 900.0, 90.0
LOADING = 0.05  # seconds, whatever the size
FEATURES_FIT = 3.6  # a fit on a backbone's 256 channels, in fits on three
# Memory beyond what is loaded once (modules, weights), bytes a pixel: pictures, their values and what makes them; a
# backbone's activations.
BYTES_PIXEL, BYTES_FEATURES, BYTES_BASE = 150, 150, 4_000_000
SLOW, LARGE = 5.0, 2_000_000_000  # seconds and bytes from which on advice is worth a person's time


@dataclass(frozen=True)
class Advice:
    """Lower ``setting`` to ``value`` and the run takes about ``seconds``."""

    setting: str
    value: int | bool | str
    seconds: float
    sentence: str


@dataclass(frozen=True)
class Estimate:
    """``seconds`` in all and by stage, ``bytes`` beyond the image, ``advice`` best first (slow CPU runs only)."""

    seconds: float
    bytes: int
    stages: dict[str, float]
    advice: list[Advice]
    backend: str
    threads: int


def estimate(
    height: int, width: int, settings: Settings | Mapping[str, Any] | None = None, *, threads: int | None = None,
    channels: int = 3, lr_size: tuple[int, int] | None = None, **given: Any,
) -> Estimate:  # fmt: skip
    """Estimate a run (fit, renders, features, panels) on an image of ``height × width`` pixels.

    ``settings``: as for a run, or name them: ``estimate(2160, 3840, stride=16, iters=50)``; named ones without a
    ``resolution`` are for the image at its own size, as ``fit`` takes it. ``stages["fit"]`` is the fit alone.
    ``channels`` and ``lr_size`` (rows, columns): of a signal to upsample as well; the LR grid is then the signal's,
    whatever the stride. Raises SettingError as a run would.

    Example:
        >>> import gsjbu
        >>> gsjbu.estimate(512, 512, iters=50).seconds < 60
        True
    """
    if height < 1 or width < 1:
        raise ShapeError(f"The image is {width}×{height} pixels; it needs at least one pixel each way.")
    if not isinstance(settings, Settings):
        asked = {**(settings or {}), **given}
        settings = Settings.parse(asked)
        if "resolution" not in asked:  # as for fit, which takes the image as it is
            settings = replace(settings, resolution=max(height, width))
    signal = _Signal(channels, lr_size)
    cost = _cost(height, width, settings, threads, signal)
    if cost.backend == "attention on a GPU":
        return cost
    return replace(cost, advice=_advice(height, width, settings, threads, signal, cost))


@dataclass(frozen=True)
class _Signal:
    channels: int
    size: tuple[int, int] | None  # rows, columns


def _cost(height: int, width: int, s: Settings, asked: int | None, signal: _Signal) -> Estimate:
    scale = min(1.0, s.resolution / max(height, width))
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    pixels, channels = height * width, signal.channels
    if signal.size is None:
        grid = Grid.from_stride(height, width, s.stride)
    else:
        grid = Grid.from_sizes(height, width, min(signal.size[0], height), min(signal.size[1], width))
    pitch = OPTIMISERS[s.optimiser].pitch if s.objective in ("rgb", "suited") else 1
    where = devices.resolve(s.device).type
    workers = min(asked or threads.available(), threads.available())
    neighbours = _mean_window(grid.rows, s.radius) * _mean_window(grid.cols, s.radius)
    if where == "cpu" and _fused_is_there():
        backend, sharing = "fused", _machine() / (1 + 0.85 * (workers - 1))
        whole = _fused_step(grid, s.radius, pitch=1)
        step = _fused_step(grid, s.radius, pitch=pitch)
        working = 16 * grid.rows * (grid.cols + 16) * (2 * s.radius + 1)
        working += 36 * pixels // math.ceil(grid.step_x)
    else:
        backend = "attention" if where == "cpu" else "attention on a GPU"
        each = ATTENTION_CPU / (1 + 0.4 * (workers - 1)) if where == "cpu" else ATTENTION_GPU
        whole, sharing = pixels * (2 * s.radius + 1) ** 2 * each, 1.0
        part = lattices(grid, pitch)[0]
        step = whole / (part.pitch_y * part.pitch_x)
        kept = 4 * pixels * (2 * s.radius + 1) ** 2
        working = min(kept, 256_000_000) + 8 * 16_000_000
    fits, steps = 1.0, s.iters
    of_signals = (signal.size is not None) + (s.segmentation != "off")
    if s.objective in (
        "signal",
        "auto",
    ):  # RGB, a signal that was brought and classes have a fit of their own each
        fits += of_signals
    if s.objective == "signal":
        fits += FEATURES_FIT * s.features
    elif s.objective == "auto":  # it has nothing to fit features to
        steps = auto.most_steps(s.iters)
    fits += 2 * (1 + s.features) if s.methods == "all" else 0
    suited = of_signals * auto.most_steps(s.iters) if s.objective == "suited" else 0  # steps, on all pixels
    mixing = channels * pixels * neighbours * 0.12 * sharing
    stages = {
        "fit": (fits * steps * step + suited * whole) * sharing * 1e-9,
        "rgb": (pixels * RGB * (2.2 if s.methods == "all" else 1.0) + 2 * whole * sharing) * 1e-9,
        "features": (pixels * FEATURES * 1e-9 + LOADING) * s.features,
        "segmentation": 0.0 if s.segmentation == "off" else pixels * SEGMENTATION * 1e-9 + LOADING,
        "signal": mixing * 1e-9,
        "panels": pixels * PNG * 1e-9 * (2.0 if s.methods == "all" else 1.0),
    }
    pictures = BYTES_PIXEL * (2 if s.methods == "all" else 1)
    size = pixels * (pictures + BYTES_FEATURES * s.features) + working + BYTES_BASE
    return Estimate(sum(stages.values()), int(size), stages, [], backend, workers)


def _fused_step(grid: Grid, radius: int, pitch: int) -> float:
    """Nanoseconds of a step of the fused kernel on the measured machine."""
    near = _mean_window(grid.rows, min(radius, REACH)) * _mean_window(grid.cols, min(radius, REACH))
    part = lattices(grid, pitch)[0]
    area = min(grid.step_y, grid.height) / part.pitch_y * min(grid.step_x, grid.width) / part.pitch_x
    vectors = math.ceil(area / 16)
    return grid.rows * grid.cols * (
        CELL + CELL_VECTOR * vectors + near * (NEIGHBOUR + NEIGHBOUR_VECTOR * vectors)
    )  # fmt: skip


def _mean_window(cells: int, radius: float) -> float:
    """How many of the 2·radius + 1 cells along one axis lie in the grid, on average over the grid."""
    inside = min(2 * radius + 1, cells)
    lost = min(radius, cells) * (min(radius, cells) + 1) / cells if cells > radius else 0.0
    return max(1.0, inside - lost) if cells > 2 * radius + 1 else max(1.0, 0.85 * inside)


def _advice(
    height: int, width: int, s: Settings, asked: int | None, signal: _Signal, cost: Estimate
) -> list[Advice]:
    """What to lower, best first; only what saves a fifth or more of a slow run's time, or of its memory."""
    if cost.seconds <= SLOW and cost.bytes <= LARGE:
        return []
    longest = max(height, width)
    now = min(s.resolution, longest)
    tries: dict[str, list[Any]] = {
        "iters": [v for v in (50, 20, 10) if v < s.iters],
        "resolution": [v for v in (2048, 1024, 768, 512, 384, 256) if v < now],
        "radius": [v for v in (4, 2, 1) if v < s.radius],
        "stride": [v for v in (4, 8, 16, 32) if v > s.stride and signal.size is None],
        "methods": ["pair"] if s.methods != "pair" else [],
        "features": [False] if s.features else [],
    }
    found = []
    for name, values in tries.items():
        options = [(v, _cost(height, width, replace(s, **{name: v}), asked, signal)) for v in values]
        # The mildest change that makes the run quick, or else the strongest one.
        value, then = next(
            ((v, c) for v, c in options if c.seconds <= SLOW), options[-1] if options else (None, cost)
        )
        if value is None or (then.seconds > 0.8 * cost.seconds and then.bytes > 0.8 * cost.bytes):
            continue
        shown = "off" if value is False else value
        sentence = (
            f"Set {SETTINGS[name].label.lower()} to {shown}: about {_said(then.seconds)} instead of "
            f"{_said(cost.seconds)}, {then.bytes / 1e9:.1f} GB instead of {cost.bytes / 1e9:.1f} GB."
        )
        found.append(Advice(name, value, then.seconds, sentence))
    return sorted(found, key=lambda a: a.seconds)


def _said(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _fused_is_there() -> bool:
    from gsjbu.core.backends.dispatch import warm_up

    return warm_up.state != "failed"


@lru_cache(maxsize=1)
def _measured() -> float:
    """How many times the measured machine's time a tiny fit takes here; the best of five."""
    import torch

    from gsjbu.core import parameters
    from gsjbu.core.backends import cpu

    grid = Grid.from_stride(64, 64, 16)
    guide = torch.linspace(0, 1, 3 * 64 * 64).reshape(3, 64, 64)
    problem = cpu.Problem.of(guide, grid.cell_means(guide), grid, 2)
    raw, steps, best = parameters.start(grid), 4, math.inf
    for _ in range(5):
        began = time.perf_counter()
        cpu.fit(problem, raw, steps, 0.1, 1.0, threads=1)
        best = min(best, time.perf_counter() - began)
    near = _mean_window(4, 2) ** 2
    expected = 16 * (CELL + 16 * CELL_VECTOR + near * (NEIGHBOUR + 16 * NEIGHBOUR_VECTOR)) * 1e-9
    return best / steps / expected


def _machine() -> float:
    """The speed factor of this machine; 1 until the fused kernel is compiled."""
    from gsjbu.core.backends.dispatch import warm_up

    return _measured() if warm_up.state == "warm" else 1.0
