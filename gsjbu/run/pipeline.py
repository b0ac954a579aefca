"""The whole run: image → LR grid → fit → render → panels and numbers. Read it once and you can draw the method.

Each stage names itself to ``progress``, is timed, and keeps what it made in ``cache`` under what it depends on,
so that changing one setting re-runs only what that setting touches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gsjbu.core import devices
from gsjbu.core.fit import lr_image_of
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel
from gsjbu.core.kind import kind_of
from gsjbu.core.recipes import RECIPE_OF
from gsjbu.core.threads import each
from gsjbu.core.trust import Explained, trust_in
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
    from gsjbu.models.features import Features

#: Trust in the guide below which it is not expected to help.
HALF = 0.5
UNRELATED = (
    "The image's colours hardly explain this signal, so GS-JBU is not expected to help; plain interpolation may be as "
    "good."
)
ONE_CELL = "The whole picture is one low-resolution pixel, so that there is nothing to mix: lower Stride."
ONE_VALUE = "The signal has one value for the whole picture, so that there is nothing to mix."


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
    notes: Sequence[str] = (),
    cache: MutableMapping[Any, Any] | None = None,
    progress: Callable[[Progress], object] | None = None,
    threads: int | None = None,
) -> Result:
    """Compare bilinear with GS-JBU on one image that has the size to work at; see ``Result``.

    ``signal``: an LR signal to upsample as well; the LR grid is then the signal's. ``truth``: the same at full
    resolution, against which every way is measured. ``sample``: the built-in scene
    the image is of, if it is one, whose exact labels may stand in for a segmentation. ``notes``: what was done to the
    image before. ``cache``: kept by the caller per image. ``progress``: called often; what it raises (``Cancelled``,
    say) passes through.
    """
    stages = Stages(progress, {} if cache is None else cache)
    device = devices.resolve(settings.device)
    with stages("grid"):
        image = stretched(guide)
        guide = image.pixels
        signal, grid = _on_grid(signal, guide, settings)
        notes = [*notes, *image.notes, *_on_one_cell(grid, signal)]
        how = lr_image_of(settings.lr_image, settings.objective, signal)
        lr_image = grid.low_resolution(guide, how)
    with stages("fit"):
        fits = Fits(guide, grid, settings, how, threads, stages, signal)
        about = lr_image if signal is None else signal.values
        kernel = fits.main(about)
    with stages("render"):
        ways = fits.upsamplers(lr_image, of_image=True)
        pictures = fits.pictures(lr_image, ways)
    with stages("rgb"):
        first = views.rgb(fits, lr_image, {name: pictures[name] for name in ways})
        stages.show(first)
        parts = [Part(first), _rgb(fits, lr_image, ways, pictures, notes)]
    with stages("backbone"):
        found, said = _backbone_features(guide, grid, settings, device, stages)
        features_lr = None if found is None else found.values
        parts.append(Part(status={"features": said}))
    with stages("features"):
        parts.append(_features(fits, found))
    with stages("segmentation"):
        parts.append(_segmentation(fits, guide, sample, device))
    with stages("signal"):
        parts.append(_brought(fits, signal, truth))
    with stages("panels"):
        parts.append(Part(panels.kernel(kernel.sigma_x, kernel.sigma_y, kernel.theta, kernel.sigma_r)))
    return Result(
        settings=settings, kernel=kernel, timings_ms=stages.timings_ms, signal=signal,
        panels=[panel for part in parts for panel in part.panels],
        metrics={name: figures for part in parts for name, figures in part.metrics.items()},
        status={name: said for part in parts for name, said in part.status.items()},
        methods=[method for part in parts for method in part.methods],
        measured={group: family for part in parts for group, family in part.measured.items()},
        fitted_to="signal" if signal is not None and settings.objective in ("signal", "auto") else "image",
        features_lr=features_lr, pretrained=None if found is None else found.pretrained,
        features_kernel=kernel if features_lr is None else fits.main(features_lr),
        signal_kernel=kernel if signal is None else fits.best(signal.values),
    )  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What a stage adds to the result: panels, figures, sentences, which ways were compared by what, and the family of
    whose measurements hold for a group."""

    panels: Sequence[Panel | Later] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, str] = field(default_factory=dict)
    methods: Sequence[Method] = ()
    measured: Mapping[str, str] = field(default_factory=dict)


def _rgb(fits: Fits, lr_image: Tensor, ways: Iterable[str], pictures: dict[str, Tensor], notes: Sequence[str]) -> Part:
    """The image from its own LR, beside the pictures themselves: errors and figures."""
    kernels = fits.fitted(lr_image, of_image=True)
    kernel = kernels["gsjbu"]
    shown = panels.errors(fits.guide, pictures["bilinear"], pictures["gsjbu"])
    said = {"backend": f"{kernel.backend}: {kernel.backend_reason}", **views.notes(kernel, fits.settings)}
    said |= {"image": " ".join(notes)} if notes else {}
    by = methods("rgb", [*ways], fits.settings.objective, None, kernels)
    return Part(shown, {"rgb": _agreement(fits, pictures)}, said, by)


def _features(fits: Fits, found: Features | None) -> Part:
    """The backbone's features; what suits them is made when it is looked at."""
    if found is None:
        return Part()
    ways = fits.upsamplers(found.values, of_image=True)
    kernels: dict[str, Kernel | Once[Kernel]] = {**fits.fitted(found.values, of_image=True)}
    # What is made later has no stage to be in, and nobody to stop it.
    suited = fits.suited_later(found.values)
    if suited is not None:
        kernels["auto"] = suited
    shown = views.features(found.values, ways, (fits.grid.height, fits.grid.width), suited)
    names = [*ways, "auto"] if suited is not None else [*ways]
    by = methods("features", names, fits.settings.objective, "features", kernels)
    return Part(shown, methods=by, measured=_measured(by, found.pretrained))


def _measured(by: Sequence[Method], holds: bool = True) -> dict[str, str]:
    """The group of ``by`` and the family of its signals, where what was measured of it ``holds`` for what is here."""
    best = next((one for one in by if one.follows), None) if holds else None
    return {} if best is None or best.family is None else {best.group: best.family}


def _segmentation(fits: Fits, guide: Tensor, sample: Sample | None, device: torch.device) -> Part:
    """The LR segmentation, with figures where exact labels are known."""
    settings = fits.settings
    segmented = views.segmentation(guide, fits.grid, settings, sample, device, fits.stages.fetching)
    said = {"segmentation": segmented.status}
    if segmented.scores_lr is None:
        return Part(status=said)
    ways = fits.upsamplers(segmented.scores_lr)
    shown, found = views.classes(segmented, guide, ways, fits.joint(segmented.scores_lr))
    family = "labels" if settings.seg_input == "classes" else "probabilities"
    by = methods("segmentation", [*ways], settings.objective, family, fits.fitted(segmented.scores_lr))
    return Part(shown, {"segmentation": found}, said, by, _measured(by))


def _brought(fits: Fits, signal: Signal | None, truth: Brought | None) -> Part:
    """The signal that was brought, with figures where there is a truth."""
    if signal is None:
        return Part()
    grid, ways = fits.grid, fits.signal_upsamplers()
    true = None if truth is None else truth_of(truth, signal, grid.height, grid.width)
    shown, found = views.signal(signal, ways, grid, fits.joint(signal.values), true, fits.reach(signal.values))
    best = fits.best(signal.values)
    said = {"signal": " ".join([signal.note, *best.notes])}
    recipe = RECIPE_OF.get(signal.kind) or kind_of(signal.values)
    explained = Explained(signal.values, best.lr_guide)
    # Of features the guide is not put to the test (see recipes.py).
    holds = recipe == "features" or trust_in(recipe, explained) >= HALF
    if signal.kind != "features" and not holds:
        said["warning"] = UNRELATED
    if true is not None:
        decision = decided(found, true.family)
        told = [f"The truth: {true.note}.", decision["sentence"] if decision else "It is nowhere known."]
        said["truth"] = " ".join(told)
    kernels = fits.fitted(signal.values)
    by = methods("signal", [*ways], fits.settings.objective, family_of(signal.kind), kernels)
    return Part(shown, {"signal": found}, said, by, _measured(by, holds))


def _on_grid(signal: Signal | None, guide: Tensor, settings: Settings) -> tuple[Signal | None, Grid]:
    """The LR grid: the signal's own, or that of the stride; and the signal as it lies on it."""
    height, width = guide.shape[1:]
    if signal is None:
        return None, Grid.from_stride(height, width, settings.stride)
    signal = signal.fitted(height, width)
    return signal, Grid.from_sizes(height, width, *signal.values.shape[1:])


def _on_one_cell(grid: Grid, signal: Signal | None) -> list[str]:
    """A sentence where there is but one LR pixel."""
    if grid.rows * grid.cols > 1:
        return []
    return [ONE_CELL if signal is None else ONE_VALUE]


def _agreement(fits: Fits, pictures: dict[str, Tensor]) -> dict[str, Any]:
    """PSNR, SSIM and L1 of each picture against the image."""

    def score(name: str) -> dict[str, float | None]:
        return fits.of_image(name, "score", lambda: metrics.compare(pictures[name], fits.guide))

    return dict(zip(pictures, each(score, pictures, fits.threads), strict=True))


def _backbone_features(
    guide: Tensor, grid: Grid, settings: Settings, device: torch.device, stages: Stages
) -> tuple[Features | None, str]:
    """Features on the LR grid, and a sentence on where they are from; None where there are none."""
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
            lambda: features.extract(guide, grid, settings.backbone, device, settings.seed, stages.fetching, maps),
        )
    except ModelError as refusal:
        return None, refusal.message
    return found, found.status


__all__ = ["Panel", "Progress", "Result", "run", "run_reduced"]
