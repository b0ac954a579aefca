"""The whole run: image → LR grid → fit → render → panels and numbers. Read it once and you can draw the method.

Each stage names itself to ``progress``, is timed, and keeps what it made in ``cache`` under what it depends on,
so that changing one setting re-runs only what that setting touches.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gsjbu.core import devices
from gsjbu.core.fit import lr_image_of
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel
from gsjbu.core.threads import each
from gsjbu.core.trust import Explained, trust_of
from gsjbu.errors import ModelError
from gsjbu.io.guides import stretched
from gsjbu.io.pictures import shrink
from gsjbu.io.truths import truth_of
from gsjbu.models import catalogue, features
from gsjbu.run import metrics, panels, views
from gsjbu.run.fits import Fits
from gsjbu.run.later import Later
from gsjbu.run.measured import family_of
from gsjbu.run.methods import Method, methods
from gsjbu.run.once import Once
from gsjbu.run.panels import Panel
from gsjbu.run.result import Result
from gsjbu.run.scores import decided
from gsjbu.run.stages import Progress, Stages
from gsjbu.samples import Sample
from gsjbu.settings import Settings

if TYPE_CHECKING:
    from gsjbu.io.brought import Brought
    from gsjbu.io.signals import Signal

#: Trust in the guide below which it is not expected to help.
HALF = 0.5
UNRELATED = (
    "The image's colours hardly explain this signal, so GS-JBU is not expected to help; plain interpolation may be as "
    "good."
)


def run(image: Tensor, settings: Settings, **more: Any) -> Result:
    """Compare bilinear with GS-JBU on one image [3, H, W] in [0, 1] of any size; ``more`` as :func:`run_reduced`."""
    return run_reduced(shrink(image, settings.resolution), settings, **more)


def run_reduced(
    guide: Tensor,  # [3, H, W] in [0, 1]
    settings: Settings,
    *,
    signal: Signal | None = None,
    truth: Brought | None = None,
    sample: Sample | None = None,
    cache: MutableMapping[Any, Any] | None = None,
    progress: Callable[[Progress], object] | None = None,
    threads: int | None = None,
) -> Result:
    """Compare bilinear with GS-JBU on one image that has the size to work at; see ``Result``.

    ``signal``: an LR signal to upsample as well; the LR grid is then the signal's. ``truth``: the same at full
    resolution, against which every way is measured. ``sample``: the built-in scene
    the image is of, if it is one, whose exact labels may stand in for a segmentation. ``cache``: kept by the caller
    per image. ``progress``: called often; what it raises (``Cancelled``, say) passes through.
    """
    stages = Stages(progress, {} if cache is None else cache)
    device = devices.resolve(settings.device)
    with stages("grid"):
        image = stretched(guide)
        guide = image.pixels
        signal, grid = _on_grid(signal, guide, settings)
        how = lr_image_of(settings.lr_image, settings.objective, signal)
        lr_image = grid.low_resolution(guide, how)
    with stages("fit"):
        fits = Fits(guide, grid, settings, how, threads, stages, signal)
        about = lr_image if signal is None else signal.values
        kernel = fits.main(about)
    with stages("render"):
        ways = fits.upsamplers(lr_image, of_image=True)
        pictures = fits.pictures(lr_image, ways)
        compared = methods("rgb", ways, settings.objective, None)
    with stages("rgb"):
        first = views.rgb(fits, lr_image, {name: pictures[name] for name in ways})
        stages.show(first)
        shown: list[Panel | Later] = [*first]
        shown += panels.errors(guide, pictures["bilinear"], pictures["gsjbu"])
        measured = {"rgb": _agreement(fits, pictures)}
        status = {"backend": f"{kernel.backend}: {kernel.backend_reason}", **views.notes(kernel, settings)}
        status |= {"image": " ".join(image.notes)} if image.notes else {}
    with stages("backbone"):
        features_lr, status["features"] = _backbone_features(guide, grid, settings, device, stages)
    with stages("features"):
        more, suited, by = _features(fits, features_lr)
        shown, compared = shown + more, compared + by
    with stages("segmentation"):
        more, of_classes, status["segmentation"], by = _segmentation(fits, guide, sample, device)
        shown, measured, compared = shown + more, measured | of_classes, compared + by
    with stages("signal"):
        if signal is not None:
            more, of_signal, said, by = _brought(fits, signal, truth)
            shown, measured, compared = shown + more, measured | of_signal, compared + by
            status |= said
    with stages("panels"):
        parameters = (kernel.sigma_x, kernel.sigma_y, kernel.theta, kernel.sigma_r)
        shown += panels.kernel(*parameters)
        histograms = metrics.histograms(*parameters)
    return Result(
        settings=settings, device=kernel.device, backend=kernel.backend, backend_reason=kernel.backend_reason,
        kernel=kernel, panels=shown, metrics=measured, losses=list(kernel.losses), histograms=histograms,
        status=status, timings_ms=stages.timings_ms, features_lr=features_lr, signal=signal,
        features_kernel=fits.main(features_lr) if features_lr is not None else kernel, threads=threads,
        signal_kernel=kernel if signal is None else fits.best(signal.values), features_suited=suited,
        methods=compared,
    )  # fmt: skip


def _features(
    fits: Fits, features_lr: Tensor | None
) -> tuple[list[Panel | Later], Once[Kernel] | None, list[Method]]:
    """The backbone's features: panels, what suits them, which is made when it is looked at, and the ways compared."""
    if features_lr is None:
        return [], None, []
    suited = fits.suited_later(features_lr)
    ways = fits.upsamplers(features_lr, of_image=True)
    names = [*ways, "auto"] if suited is not None else ways
    by = methods("features", names, fits.settings.objective, "features")
    fits.main(features_lr)  # what is made later has no stage to be in, and nobody to stop it
    shown = views.features(features_lr, ways, (fits.grid.height, fits.grid.width), suited)
    if fits.settings.methods == "all":
        fits.on("signal", features_lr)
    return [*shown], suited, by


def _segmentation(
    fits: Fits, guide: Tensor, sample: Sample | None, device: torch.device
) -> tuple[list[Panel | Later], dict[str, Any], str, list[Method]]:
    """The LR segmentation: panels, figures where exact labels are known, its status, and the ways compared."""
    settings = fits.settings
    segmented = views.segmentation(guide, fits.grid, settings, sample, device, fits.stages.fetching)
    if segmented.scores_lr is None:
        return [], {}, segmented.status, []
    ways = fits.upsamplers(segmented.scores_lr)
    shown, found = views.classes(segmented, guide, ways, fits.joint(segmented.scores_lr))
    family = "labels" if settings.seg_input == "classes" else "probabilities"
    by = methods("segmentation", ways, settings.objective, family)
    return [*shown], {"segmentation": found}, segmented.status, by


def _brought(
    fits: Fits, signal: Signal, truth: Brought | None
) -> tuple[list[Panel | Later], dict[str, Any], dict[str, str], list[Method]]:
    """The signal that was brought: panels, figures where there is a truth, what is to be said, the ways compared."""
    grid = fits.grid
    true = None if truth is None else truth_of(truth, signal, grid.height, grid.width)
    shown, found = views.signal(signal, fits.signal_upsamplers(), grid, fits.joint(signal.values), true)
    best = fits.best(signal.values)
    said = {"signal": " ".join([signal.note, *best.notes])}
    if signal.kind != "features" and trust_of(Explained(signal.values, best.lr_guide)) < HALF:
        said["warning"] = UNRELATED
    if true is not None:
        decision = decided(found, true.family)
        told = [f"The truth: {true.note}.", decision["sentence"] if decision else "It is nowhere known."]
        said["truth"] = " ".join(told)
    by = methods("signal", fits.signal_upsamplers(), fits.settings.objective, family_of(signal.kind))
    return [*shown], {"signal": found}, said, by


def _on_grid(signal: Signal | None, guide: Tensor, settings: Settings) -> tuple[Signal | None, Grid]:
    """The LR grid: the signal's own, or that of the stride; and the signal as it lies on it."""
    height, width = guide.shape[1:]
    if signal is None:
        return None, Grid.from_stride(height, width, settings.stride)
    signal = signal.fitted(height, width)
    return signal, Grid.from_sizes(height, width, *signal.values.shape[1:])


def _agreement(fits: Fits, pictures: dict[str, Tensor]) -> dict[str, Any]:
    """PSNR, SSIM and L1 of each picture against the image."""

    def score(name: str) -> dict[str, float | None]:
        return fits.of_image(name, "score", lambda: metrics.compare(pictures[name], fits.guide))

    return dict(zip(pictures, each(score, pictures, fits.threads), strict=True))


def _backbone_features(
    guide: Tensor, grid: Grid, settings: Settings, device: torch.device, stages: Stages
) -> tuple[Tensor | None, str]:
    """Features [C, h, w] on the LR grid, and a sentence on where they are from; None where there are none."""
    if not settings.features:
        return None, "Off."
    of_image = (settings.resolution, device.type)
    maps: features.Maps = stages.cached("feature maps", of_image, dict)
    try:
        weights = catalogue.weights_state(settings.backbone)
        key = (*of_image, grid, settings.backbone, settings.seed, weights)
        found = stages.cached(
            "features",
            key,
            lambda: features.extract(
                guide, grid, settings.backbone, device, settings.seed, stages.fetching, maps
            ),
        )
    except ModelError as refusal:
        return None, refusal.message
    return found.values, found.status


__all__ = ["Panel", "Progress", "Result", "run", "run_reduced"]
