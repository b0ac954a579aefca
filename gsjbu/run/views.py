"""What a run shows: each signal by every upsampler that is to be compared, as panels with their numbers.

An upsampler is a function from an LR signal ``[C, h, w]`` to HR ``[C, H, W]``; bilinear, gsjbu and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import Upsampler
from gsjbu.core.kernel import Kernel
from gsjbu.core.strongest import strongest
from gsjbu.errors import ModelError
from gsjbu.io.kinds import CLASS_KINDS
from gsjbu.io.restoring import classes_at, classes_by, in_numbers
from gsjbu.run import metrics, panels
from gsjbu.run import scores as scoring
from gsjbu.run.later import Later
from gsjbu.run.once import Once
from gsjbu.run.panels import Panel
from gsjbu.run.scores import Scores
from gsjbu.run.segments import segments
from gsjbu.samples import Sample
from gsjbu.settings import Settings

if TYPE_CHECKING:
    from gsjbu.io.signals import Signal
    from gsjbu.io.truths import Truth
    from gsjbu.models.pca import Basis
    from gsjbu.run.fits import Fits

Upsamplers = Mapping[str, Upsampler]
CONFIDENT = ("bilinear", "gsjbu", "auto")  # whose share of the strongest class is shown as well


def notes(kernel: Kernel, settings: Settings) -> dict[str, str]:
    """Sentences on the fit itself."""
    found = {"objective": " ".join(kernel.notes)} if kernel.notes else {}
    if settings.iters == 0:
        return {**found, "fit": "No optimisation: the fixed kernel (iterations = 0)."}
    if not kernel.losses:
        return found
    first, last = kernel.losses[0], kernel.losses[-1]
    steps = " + ".join(str(steps) for steps in kernel.fits)
    taken = f"{steps} {'step' if kernel.fits == [1] else 'steps'} on the objective '{kernel.objective}'"
    return {**found, "fit": f"{taken}: loss {first:.4g} → {last:.4g}."}


def rgb(fits: Fits, lr: Tensor, pictures: Mapping[str, Tensor]) -> list[Panel]:
    """Original, LR, and one picture an upsampler."""

    kernels = fits.kernels(lr, of_image=True)

    def shown(way: str, name: str, picture: Tensor) -> Panel:
        def made() -> Panel:
            unmoved = way in kernels and way != "fixed" and not kernels[way]().losses
            said = panels.UNFITTED if unmoved else ""
            return replace(panels.rgb(name, picture, said), shared=way in fits.unfitted)

        return fits.of_image(way, "panel", made)

    small = panels.rgb("lr", lr, panels.LR_SENTENCES[fits.lr_image])
    high = [shown(way, f"{way}_rgb", picture) for way, picture in pictures.items()]
    return [shown("original", "original", fits.guide), small, *high]


def features(
    values: Tensor, upsamplers: Upsamplers, size: tuple[int, int], suited: Once[Kernel] | None = None
) -> list[Later]:
    """Backbone features [C, h, w] as three PCA colours, one projection for all panels, and the parts they tell apart;
    all of it is made when it is looked at. ``size``: (H, W) of what the upsamplers give."""
    basis = Once(partial(_basis, values))
    projected = Once(lambda: basis.value.apply(values))
    ways: dict[str, Upsampler] = {**upsamplers}
    if suited is not None:
        ways["auto"] = partial(_rendered, suited)
    order = sorted({"lr": torch.clone, **ways}.items(), key=lambda way: list(panels.WAYS).index(way[0]))
    shown = [
        Later(
            panels.features_head(name, len(values)), (values.shape[1], values.shape[2]) if name == "lr" else size,
            partial(_features, name, basis, projected, way),
        )
        for name, way in order
    ]  # fmt: skip
    return shown + segments(values, projected, {name: ways[name] for name in CONFIDENT if name in ways}, size)


def _basis(values: Tensor) -> Basis:
    from gsjbu.models.pca import pca3

    return pca3(values)


def _features(name: str, basis: Once[Basis], projected: Once[Tensor], way: Upsampler) -> Panel:
    return panels.features(basis.value, {name: way(projected.value)})[0]


def _rendered(suited: Once[Kernel], x: Tensor) -> Tensor:
    return suited.value.render(x, clip=True)


# --- segmentation ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Segmented:
    """Class scores on the LR grid [C, h, w] (None where there are none), their names, and where they are from."""

    scores_lr: Tensor | None
    names: tuple[str, ...]
    status: str
    exact: Tensor | None = None  # int64 [H, W], the true classes where they are known


def segmentation(
    guide: Tensor, grid: Grid, settings: Settings, sample: Sample | None, device: torch.device,
    progress: Callable[..., object],
) -> Segmented:  # fmt: skip
    """The segmentation to upsample: a model's, or a built-in scene's exact labels; refusals become the status."""
    if settings.segmentation == "off":
        return Segmented(None, (), "Off.")
    exact = _labels_at(sample, grid) if sample is not None else None
    if settings.segmentation == "labels":
        if sample is None or exact is None:
            return Segmented(None, (), "Exact labels exist for the built-in scenes only; choose one, or a model.")
        scores = one_hot(exact, len(sample.label_names)).permute(2, 0, 1).to(torch.float32)
        status = "The built-in scene's exact labels, reduced to the LR grid. This is not a model."
        return Segmented(_onto_grid(scores, grid, settings.seg_input), sample.label_names, status, exact)
    from gsjbu.models.segmentation import segment

    try:
        found = segment(guide, settings.segmentation, settings.seg_resolution, device, progress)
    except ModelError as refusal:
        return Segmented(None, (), refusal.message)
    return Segmented(_onto_grid(found.probabilities, grid, settings.seg_input), tuple(found.names), found.status)


def classes(
    segmented: Segmented, guide: Tensor, upsamplers: Upsamplers, joint: Collection[str] = ()
) -> tuple[list[Panel], dict[str, Any]]:
    """The class maps of every upsampler, and how they compare."""
    assert segmented.scores_lr is not None
    maps = {name: strongest(upsampler, segmented.scores_lr, name in joint) for name, upsampler in upsamplers.items()}
    numbers: dict[str, Any] = {"changed": metrics.changed(maps["bilinear"].numpy(), maps["gsjbu"].numpy())}
    for name, labels in maps.items():
        entry = {"edge_alignment": metrics.edge_alignment(labels.numpy(), guide)}
        if segmented.exact is not None:
            truth = segmented.exact.numpy()
            entry["miou"] = metrics.miou(labels.numpy(), truth)
            entry["boundary_f"] = metrics.boundary_f(labels.numpy(), truth)
        numbers[name] = entry
    maps = {"lr": segmented.scores_lr.argmax(dim=0), **maps}
    return panels.classes({name: x.numpy() for name, x in maps.items()}, segmented.names), numbers


def _labels_at(sample: Sample, grid: Grid) -> Tensor:
    """The scene's exact labels at the run's size: the label under each pixel's centre."""
    height, width = sample.labels.shape
    y, x = (_under(torch.arange(grid.height), grid.height, height), _under(torch.arange(grid.width), grid.width, width))
    return sample.labels[y][:, x]


def _onto_grid(scores: Tensor, grid: Grid, how: str) -> Tensor:
    """Scores over the whole image [C, a, b] onto the LR grid [C, h, w]: the class at each cell's centre as one-hot,
    or the mean probability over each cell."""
    a, b = scores.shape[1:]
    if how == "classes":
        y = _under(torch.arange(grid.rows), grid.height, a, grid.step_y)
        x = _under(torch.arange(grid.cols), grid.width, b, grid.step_x)
        return one_hot(scores.argmax(dim=0)[y][:, x], scores.shape[0]).permute(2, 0, 1).to(torch.float32)
    if (a, b) == (grid.height, grid.width):
        return grid.cell_means(scores)
    from gsjbu.models.feature_map import FeatureMap
    from gsjbu.models.features import to_grid

    step = grid.height / a, grid.width / b
    return to_grid(FeatureMap(scores, step, (step[0] / 2, step[1] / 2), ""), grid)


def _under(places: Tensor, size: int, count: int, step: float = 1.0) -> Tensor:
    """Which of ``count`` values over ``size`` pixels lies under the centre of each place, ``step`` pixels long."""
    centres = (places.to(torch.float32) + 0.5) * step
    return (centres * count / size).long().clamp_max(count - 1)


# --- a signal that a person brought --------------------------------------------------------------------------------


def _once(upsampler: Upsampler, values: Tensor) -> Upsampler:
    """``upsampler`` that answers for ``values``, all of them, and works it out once."""
    high = Once(lambda: upsampler(values))
    return lambda _: high.value


def signal(
    brought: Signal,
    upsamplers: Upsamplers,
    grid: Grid,
    joint: Collection[str] = (),
    truth: Truth | None = None,
    reach: int = 0,
) -> tuple[list[Panel], Scores]:
    """Panels that suit the kind: depth and heat maps with a bar, labels with a legend, probabilities as classes and
    confidence, features as PCA colours; with a ``truth`` it as well, and how far off each way is. The figures: how each
    way agrees with the truth, and with what was brought.
    ``joint``: those that need all channels at once. ``reach``: LR pixels from its own that a pixel may take from."""
    if brought.shared is not None:
        shared = brought.shared.reaching(reach)
        brought = replace(brought, shared=shared, values=shared.values)
    channels = brought.shape[0]
    if brought.kind == "labels" or (brought.kind in CLASS_KINDS and channels > 1):
        return _class_maps(brought, upsamplers, grid, joint, truth, reach)
    if channels == 1:
        return _one_channel(brought, upsamplers, grid, truth)
    return _by_directions(brought, upsamplers, grid, truth)


def _class_maps(
    brought: Signal, upsamplers: Upsamplers, grid: Grid, joint: Collection[str], truth: Truth | None, reach: int
) -> tuple[list[Panel], Scores]:
    """Classes with a legend, and of probabilities the share of the strongest."""
    values = brought.values
    ways = {name: _once(upsampler, values) if name in joint else upsampler for name, upsampler in upsamplers.items()}
    results = {name: classes_by(way, brought, grid, reach, name in joint) for name, way in ways.items()}
    true = {} if truth is None else {"truth": torch.where(truth.known, truth.values[0], -1)}
    maps = {"lr": classes_at(brought), **true, **results}
    told = brought if truth is None else truth
    shown = panels.classes({name: x.numpy() for name, x in maps.items()}, told.names, group="signal", codes=told.codes)
    if brought.kind != "labels":
        scores = {name: ways[name](values) for name in CONFIDENT if name in ways}
        shown += panels.confidence({"lr": values, **scores})
    return _measured(shown, truth, results, scoring.agreement(brought, grid, results))


def _one_channel(
    brought: Signal, upsamplers: Upsamplers, grid: Grid, truth: Truth | None
) -> tuple[list[Panel], Scores]:
    """Values with a bar."""
    mixed = {name: upsampler(brought.values) for name, upsampler in upsamplers.items()}
    results = {name: _in_unit(brought, x) for name, x in mixed.items()}
    true = {} if truth is None else {"truth": truth.values.masked_fill(~truth.known, torch.nan)}
    lr = _held(brought, torch.where(brought.mask, brought.values, torch.nan))
    held = {name: _held(brought, x) for name, x in mixed.items()}
    shown = panels.depth({"lr": lr, **true, **held}, brought.unit)
    return _measured(shown, truth, results, scoring.agreement(brought, grid, mixed))


def _in_unit(brought: Signal, values: Tensor) -> Tensor:
    return torch.from_numpy(brought.real(values.detach().numpy()))


def _held(brought: Signal, values: Tensor) -> Tensor:
    return torch.from_numpy(in_numbers(brought, values.detach().numpy()))


def _by_directions(
    brought: Signal, upsamplers: Upsamplers, grid: Grid, truth: Truth | None
) -> tuple[list[Panel], Scores]:
    """Many channels as three PCA colours; against a truth they are rendered whole, one way after another."""
    from gsjbu.models.pca import pca3

    basis = pca3(brought.values)
    projected = basis.apply(brought.values)
    results = {name: upsampler(projected) for name, upsampler in upsamplers.items()}
    shown = panels.features(basis, {"lr": projected, **results}, group="signal")
    found = scoring.agreement(replace(brought, values=projected), grid, results)
    if truth is None:
        return shown, found
    off: dict[str, Tensor] = {}
    for name, upsampler in upsamplers.items():
        one = {name: _in_unit(brought, upsampler(brought.values))}
        found[name] = scoring.scores(truth, one)[name] | found[name]
        off |= scoring.errors(truth, one)
    return shown + _off(off, truth), found


def _measured(
    shown: list[Panel], truth: Truth | None, results: Mapping[str, Tensor], agreeing: Scores
) -> tuple[list[Panel], Scores]:
    if truth is None:
        return shown, agreeing
    found = scoring.scores(truth, results)
    off = scoring.errors(truth, results)
    return shown + _off(off, truth), {name: found[name] | agreeing[name] for name in results}


def _off(errors: Mapping[str, Tensor], truth: Truth) -> list[Panel]:
    if truth.family == "classes":
        return panels.off(errors, "wrong class", most=1.0)
    by_cosine = truth.family == "features" and len(truth.values) > 1
    return panels.off(errors, "1 − cosine" if by_cosine else "")
