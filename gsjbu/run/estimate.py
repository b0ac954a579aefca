"""What a run will cost before it starts: seconds and bytes, and on a CPU which setting to lower.

The figures come from a cost model with few constants (cost.py has that of a fit), measured once on one machine, and
scaled by how fast a tiny fit runs here (a few milliseconds, once per process). Meant to be right within a factor of
two.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex

from gsjbu.core import auto, devices, threads
from gsjbu.core.fit import lr_image_of
from gsjbu.core.grid import Grid, pair, size_text
from gsjbu.core.parameters import ADAM, Optimiser, optimiser_of
from gsjbu.core.threads import check_threads
from gsjbu.errors import ShapeError
from gsjbu.io.pictures import shrunk_size
from gsjbu.run import cost
from gsjbu.settings import SETTINGS, Settings

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
    """``seconds`` in all and by stage, ``bytes`` beyond the image, ``advice`` best first (of slow or large runs
    on a CPU only)."""

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

    ``settings``: as for a run, or name them: ``estimate(2160, 3840, stride=16, iters=50)``, which go before; named ones
    without a ``resolution`` are for the image at its own size, as ``fit`` takes it. ``stages["fit"]`` is the fit alone.
    ``channels`` and ``lr_size`` (rows, columns): of a signal to upsample as well; the LR grid is then the signal's,
    whatever the stride. Raises SettingError as a run would.

    Example:
        >>> import gsjbu
        >>> gsjbu.estimate(512, 512, iters=50).seconds < 60
        True
    """
    if not (_is_count(height) and _is_count(width)):
        raise ShapeError(
            f"The image is {size_text(height, width)}; it needs a whole number of them, at least one pixel each way."
        )
    if not _is_count(channels):
        raise ShapeError(f"channels is {channels!r}; it must be a whole number from 1.")
    lr_size = None if lr_size is None else pair("lr_size", lr_size)
    check_threads(threads)
    asked = {**(settings.as_dict() if isinstance(settings, Settings) else settings or {}), **given}
    settings = Settings.parse(asked)
    if "resolution" not in asked:  # as for fit, which takes the image as it is
        settings = replace(settings, resolution=max(height, width))
    signal = _Signal(channels, lr_size)
    plain = _cost(height, width, settings, threads, signal)
    if plain.backend == "attention on a GPU":
        return plain
    return replace(plain, advice=_advice(height, width, settings, threads, signal, plain))


def _is_count(given: object) -> bool:
    return isinstance(given, SupportsIndex) and operator.index(given) >= 1


@dataclass(frozen=True)
class _Signal:
    channels: int
    size: tuple[int, int] | None  # rows, columns


def _cost(height: int, width: int, s: Settings, asked: int | None, signal: _Signal) -> Estimate:
    height, width = shrunk_size(height, width, s.resolution)
    pixels, channels = height * width, signal.channels
    if signal.size is None:
        grid = Grid.from_stride(height, width, s.stride)
    else:
        grid = Grid.from_sizes(height, width, min(signal.size[0], height), min(signal.size[1], width))
    where = devices.resolve(s.device).type
    workers = min(asked or threads.available(), threads.available())
    neighbours = cost.mean_window(grid.rows, s.radius) * cost.mean_window(grid.cols, s.radius)
    if where == "cpu" and _fused_is_there():
        backend, sharing = "fused", cost.machine() / (1 + 0.85 * (workers - 1))
        working = 16 * grid.rows * (grid.cols + 16) * (2 * s.radius + 1)
        working += 36 * pixels // math.ceil(grid.step_x)
    else:
        backend, sharing = "attention" if where == "cpu" else "attention on a GPU", 1.0
        kept = 4 * pixels * (2 * s.radius + 1) ** 2
        working = min(kept, 256_000_000) + 8 * 16_000_000

    def step(optimiser: Optimiser) -> float:  # nanoseconds
        if backend == "fused":
            return cost.fused_step(grid, s.radius, optimiser) * sharing
        return cost.attention_step(grid, s.radius, optimiser, where, workers)

    of_signals = (signal.size is not None) + (s.segmentation != "off")
    fits = _fits(s, grid, of_signals, lr_image_of(s.lr_image, s.objective, signal.size))
    mixing = channels * pixels * neighbours * 0.12 * sharing
    stages = {
        "fit": sum(steps * step(optimiser) for optimiser, steps in fits) * 1e-9,
        "rgb": (pixels * RGB * (2.2 if s.methods == "all" else 1.0) + 2 * step(ADAM)) * 1e-9,
        "features": (pixels * FEATURES * 1e-9 + LOADING) * s.features,
        "segmentation": 0.0 if s.segmentation == "off" else pixels * SEGMENTATION * 1e-9 + LOADING,
        "signal": mixing * 1e-9,
        "panels": pixels * PNG * 1e-9 * (2.0 if s.methods == "all" else 1.0),
    }
    pictures = BYTES_PIXEL * (2 if s.methods == "all" else 1)
    size = pixels * (pictures + BYTES_FEATURES * s.features) + working + BYTES_BASE
    return Estimate(sum(stages.values()), int(size), stages, [], backend, workers)


def _fits(s: Settings, grid: Grid, of_signals: int, lr_image: str) -> list[tuple[Optimiser, float]]:
    """The fits of a run: whose steps, and how many. ``of_signals``: one that was brought, and classes."""
    of_rgb, of_auto = optimiser_of(s.optimiser, lr_image), auto.optimiser_on(grid)
    others = 2 * (1 + s.features) * s.iters if s.methods == "all" else 0
    if s.objective == "signal":
        return [(ADAM, s.iters * (1 + of_signals + FEATURES_FIT * s.features) + others)]
    if s.objective == "auto":  # it has nothing to fit features to
        return [(of_auto, auto.most_steps(s.iters) * (1 + of_signals)), (ADAM, others)]
    suited = of_signals * auto.most_steps(s.iters) if s.objective == "suited" else 0
    return [(of_rgb, s.iters), (of_auto, suited), (ADAM, others)]


def _advice(height: int, width: int, s: Settings, asked: int | None, signal: _Signal, now: Estimate) -> list[Advice]:
    """What to lower, best first; only what saves a fifth or more of a slow run's time, or of its memory."""
    if now.seconds <= SLOW and now.bytes <= LARGE:
        return []
    longest = max(height, width)
    size = min(s.resolution, longest)
    tries: dict[str, list[Any]] = {
        "iters": [v for v in (50, 20, 10) if v < s.iters],
        "resolution": [v for v in (2048, 1024, 768, 512, 384, 256) if v < size],
        "radius": [v for v in (4, 2, 1) if v < s.radius],
        "stride": [v for v in (4, 8, 16, 32) if v > s.stride and signal.size is None],
        "methods": ["pair"] if s.methods != "pair" else [],
        "features": [False] if s.features else [],
    }
    found = []
    for name, values in tries.items():
        options = [(v, _cost(height, width, replace(s, **{name: v}), asked, signal)) for v in values]
        # The mildest change that makes the run quick, or else the strongest one.
        value, then = next(((v, c) for v, c in options if c.seconds <= SLOW), options[-1] if options else (None, now))
        if value is None or (then.seconds > 0.8 * now.seconds and then.bytes > 0.8 * now.bytes):
            continue
        saved = []
        if (taken := _said(then.seconds)) != _said(now.seconds):
            saved.append(f"about {taken} instead of {_said(now.seconds)}")
        if (held := f"{then.bytes / 1e9:.1f}") != f"{now.bytes / 1e9:.1f}":
            saved.append(f"{held} GB instead of {now.bytes / 1e9:.1f} GB")
        if not saved:
            continue
        sentence = f"Set {SETTINGS[name].label.lower()} to {'off' if value is False else value}: {', '.join(saved)}."
        found.append(Advice(name, value, then.seconds, sentence))
    return sorted(found, key=lambda a: a.seconds)


def _said(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _fused_is_there() -> bool:
    from gsjbu.core.backends.dispatch import warm_up

    return warm_up.state != "failed"
