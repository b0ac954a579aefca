"""The whole run: image → LR grid → fit → render → panels and numbers. Read it once and you can draw the method.

Each stage names itself to ``progress``, is timed, and keeps what it made in ``cache`` under what it depends on,
so that changing one setting re-runs only what that setting touches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from gsjbu.core import devices, interpolation
from gsjbu.core.fit import fit_kernel
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel
from gsjbu.core.threads import each
from gsjbu.errors import ModelError
from gsjbu.io.pictures import shrink
from gsjbu.models import catalogue, features
from gsjbu.run import metrics, panels, views
from gsjbu.run.panels import Panel
from gsjbu.run.result import Result
from gsjbu.samples import Sample
from gsjbu.settings import Settings

if TYPE_CHECKING:
    from gsjbu.io.signals import Signal

T = TypeVar("T")

# How much of a run each stage is, roughly, for a bar that moves evenly.
SHARES = {
    "grid": 0.02,
    "fit": 0.45,
    "render": 0.05,
    "rgb": 0.08,
    "backbone": 0.15,
    "features": 0.05,
    "segmentation": 0.1,
    "signal": 0.05,
    "panels": 0.05,
}


@dataclass(frozen=True)
class Progress:
    """Where a run is. ``loss`` is the objective before the step, during the fit; ``share`` 0–1 of the whole run."""

    stage: str
    step: int
    steps: int
    loss: float | None
    share: float


def run(image: Tensor, settings: Settings, **more: Any) -> Result:
    """Compare bilinear with GS-JBU on one image [3, H, W] in [0, 1] of any size; ``more`` as :func:`run_reduced`."""
    return run_reduced(shrink(image, settings.resolution), settings, **more)


def run_reduced(
    guide: Tensor,  # [3, H, W] in [0, 1]
    settings: Settings,
    *,
    signal: Signal | None = None,
    sample: Sample | None = None,
    cache: MutableMapping[Any, Any] | None = None,
    progress: Callable[[Progress], object] | None = None,
    threads: int | None = None,
) -> Result:
    """Compare bilinear with GS-JBU on one image that has the size to work at; see ``Result``.

    ``signal``: an LR signal to upsample as well; the LR grid is then the signal's. ``sample``: the built-in scene
    the image is of, if it is one, whose exact labels may stand in for a segmentation. ``cache``: kept by the caller
    per image. ``progress``: called often; what it raises (``Cancelled``, say) passes through.
    """
    stages = _Stages(progress, {} if cache is None else cache)
    device = devices.resolve(settings.device)

    with stages("grid"):
        height, width = guide.shape[1:]
        if signal is not None:
            signal = signal.fitted(height, width)
            grid = Grid.from_sizes(height, width, *signal.values.shape[1:])
        else:
            grid = Grid.from_stride(height, width, settings.stride)
        lr_image = grid.cell_means(guide)

    with stages("fit"):
        fits = _Fits(guide, grid, settings, threads, stages)
        about = signal.values if signal is not None else lr_image
        kernel = fits.main(about)

    with stages("render"):
        pictures = {name: way(lr_image) for name, way in _ways(grid, fits, lr_image, settings).items()}
        fixed = pictures.get("fixed", fits.fixed().render(lr_image, threads=threads))

    with stages("rgb"):
        shown = views.rgb(guide, lr_image, pictures)
        compared = {**pictures, "fixed": fixed}
        agreement = each(lambda x: metrics.compare(x, guide), compared.values(), threads)
        scores = dict(zip(compared, agreement, strict=True))

    status: dict[str, str] = {
        "backend": f"{kernel.backend}: {kernel.backend_reason}",
        **views.notes(kernel, settings),
    }
    measured: dict[str, Any] = {"rgb": scores}
    features_lr: Tensor | None = None

    with stages("backbone"):
        if settings.features:
            of_image = (settings.resolution, device.type)
            maps: features.Maps = stages.kept("feature maps", of_image, dict)
            try:
                weights = catalogue.weights_state(settings.backbone)
                key = (*of_image, grid, settings.backbone, settings.seed, weights)
                found = stages.kept(
                    "features",
                    key,
                    lambda: features.extract(
                        guide, grid, settings.backbone, device, settings.seed, stages.fetching, maps
                    ),
                )
            except ModelError as refusal:
                status["features"] = refusal.message
            else:
                features_lr, status["features"] = found.values, found.status
        else:
            status["features"] = "Off."

    with stages("features"):
        if features_lr is not None:
            shown += views.features(features_lr, _ways(grid, fits, features_lr, settings))

    with stages("segmentation"):
        segmented = views.segmentation(guide, grid, settings, sample, device, stages.fetching)
        status["segmentation"] = segmented.status
        if segmented.scores_lr is not None:
            more, numbers = views.classes(segmented, guide, _ways(grid, fits, segmented.scores_lr, settings))
            shown += more
            measured["segmentation"] = numbers

    with stages("signal"):
        if signal is not None:
            status["signal"] = signal.note
            impure = {"bicubic"} if kernel.is_pure else {"bicubic", "gsjbu"}
            shown += views.signal(signal, _ways(grid, fits, about, settings), impure)

    with stages("panels"):
        shown += panels.kernel(kernel.sigma_x, kernel.sigma_y, kernel.theta, kernel.sigma_r)
        histograms = metrics.histograms(kernel.sigma_x, kernel.sigma_y, kernel.theta, kernel.sigma_r)

    return Result(
        settings=settings, device=kernel.device, backend=kernel.backend, backend_reason=kernel.backend_reason,
        kernel=kernel, panels=shown, metrics=measured, losses=list(kernel.losses), histograms=histograms,
        status=status, timings_ms=stages.timings_ms, features_lr=features_lr, signal=signal,
        features_kernel=fits.main(features_lr) if features_lr is not None else kernel, threads=threads,
    )  # fmt: skip


Way = Callable[[Tensor], Tensor]  # an LR signal [C, h, w] to HR [C, H, W]


def _ways(grid: Grid, fits: _Fits, lr: Tensor, settings: Settings) -> dict[str, Way]:
    """The ways of upsampling to compare, by name, for the signal ``lr`` (a fit on the signal needs to know it)."""
    ways: dict[str, Way] = {
        "bilinear": lambda x: interpolation.bilinear(x, grid),
        "gsjbu": lambda x: fits.main(lr).render(x),
    }
    if settings.methods == "all":
        ways["bicubic"] = lambda x: interpolation.bicubic(x, grid)
        ways["fixed"] = lambda x: fits.fixed().render(x)
        ways["tto_rgb"] = lambda x: fits.on("rgb", lr).render(x)
        ways["tto_signal"] = lambda x: fits.on("signal", lr).render(x)
    return ways


@dataclass
class _Fits:
    """The kernels of a run, each made once: the chosen objective's, the fixed one, and others to compare with."""

    guide: Tensor
    grid: Grid
    settings: Settings
    threads: int | None
    stages: _Stages
    made: dict[Any, Kernel] = field(default_factory=dict)

    def main(self, lr: Tensor) -> Kernel:
        """The kernel of the chosen objective; on RGB it is one for all signals."""
        return self.on(self.settings.objective, lr)

    def fixed(self) -> Kernel:
        """The kernel that every fit starts from."""
        return self.on("rgb", None, iters=0)

    def on(self, objective: str, lr: Tensor | None, iters: int | None = None) -> Kernel:
        """The kernel fitted by ``objective``, for ``lr`` where it depends on the signal."""
        s = self.settings
        iters = s.iters if iters is None else iters
        about = None if objective == "rgb" else lr
        name = (objective, iters, id(about))
        if name not in self.made:
            if about is None:
                key = (s.resolution, self.grid, s.radius, s.device, iters, self.threads)
                what = "kernel, fixed" if iters == 0 else "kernel"
                self.made[name] = self.stages.kept(what, key, lambda: self._fit(objective, iters, None))
            else:
                self.made[name] = self._fit(objective, iters, about)
        return self.made[name]

    def _fit(self, objective: str, iters: int, about: Tensor | None) -> Kernel:
        s = self.settings
        return fit_kernel(
            self.guide, self.grid, radius=s.radius, iters=iters, objective=objective, device=s.device,
            threads=self.threads, signal=about,
            progress=lambda step, loss: self.stages.report(step + 1, iters, loss),
        )  # fmt: skip


class _Stages:
    """Names, times and reports the stages, and keeps their results in the caller's cache."""

    def __init__(
        self, progress: Callable[[Progress], object] | None, cache: MutableMapping[Any, Any]
    ) -> None:
        self.progress, self.cache = progress, cache
        self.timings_ms: dict[str, float] = {}
        self.stage, self.done = "", 0.0

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self.stage = stage
        self.report(0, 0)
        began = time.perf_counter()
        yield
        self.timings_ms[stage] = 1000 * (time.perf_counter() - began)
        self.done += SHARES[stage]

    def report(self, step: int, steps: int, loss: float | None = None) -> None:
        """Tell where the stage is; what ``progress`` raises ends the run."""
        if self.progress is not None:
            within = step / steps if steps else 0.0
            self.progress(
                Progress(self.stage, step, steps, loss, min(1.0, self.done + SHARES[self.stage] * within))
            )

    def fetching(self, done: int, total: int, _: str) -> None:
        """How far the download of a model's weights is, in MB; it ends where ``progress`` raises."""
        if self.progress is not None:
            megabytes = done // 1_000_000, total // 1_000_000
            self.progress(Progress("fetching weights", *megabytes, None, min(1.0, self.done)))

    def kept(self, what: str, key: Any, make: Callable[[], T]) -> T:
        """The cached ``what`` if it was made under the same ``key``; otherwise made now. One of each is kept."""
        held = self.cache.get(what)
        if held is not None and held[0] == key:
            return held[1]
        made = make()
        self.cache[what] = (key, made)
        return made


__all__ = ["Panel", "Progress", "Result", "run", "run_reduced"]
