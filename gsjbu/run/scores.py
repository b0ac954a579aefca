"""How near each way of upsampling a signal comes to its truth, by the measures of the signal's family.

depth: RMSE, MAE (the signal's unit), δ1 (share within a factor of 1.25), RMSE near edges. classes: mIoU, accuracy,
mIoU near borders, and each class's IoU. alpha: MSE, SAD (thousands of pixels). features: mean cosine (but of one
channel, where it is 1 or −1), PSNR (the peak is the truth's span). All ways are measured over the same pixels: those
that are known and that every way has a value for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import nearest
from gsjbu.io.signals import Signal
from gsjbu.io.truths import Truth
from gsjbu.measures import MORE_IS_BETTER
from gsjbu.run import metrics

BAND = 5  # pixels to either side of an edge that count as near it
DEPTH_STEP = 8 / 255  # of the depth's span, from one pixel to the next: a depth edge
DELTA = 1.25
#: Which measure says who is closest: the first that there is.
DECISIVE = {"depth": ("rmse",), "classes": ("miou",), "alpha": ("mse",), "features": ("cosine", "psnr")}

Scores = dict[str, dict[str, Any]]


def scores(truth: Truth, results: Mapping[str, Tensor]) -> Scores:
    """Method → measure → figure. ``results``: float [C, H, W] in the signal's unit, NaN where there is no value; of
    classes int64 [H, W], −1 where there is none."""
    known = truth.known.numpy() & np.logical_and.reduce([_has_value(x).numpy() for x in results.values()])
    if not known.any():
        return {name: {} for name in results}
    measure = _MEASURES[truth.family]
    near = edges(truth) & known
    return {name: measure(x.numpy(), truth, known, near) for name, x in results.items()}


def _has_value(x: Tensor) -> Tensor:
    """bool [H, W]: neither NaN in [C, H, W] nor −1 in a class map [H, W]."""
    return x >= 0 if x.ndim == 2 else torch.isfinite(x).all(dim=0)


def agreement(signal: Signal, grid: Grid, results: Mapping[str, Tensor]) -> Scores:
    """Method → ``{"agrees"}``, at most 1: how well the result, reduced again, gives back what was brought.

    One less the mean difference of the cell means from the LR values, in parts of those values' mean deviation; of
    classes one less the share of pixels in a cell that would have to change class. It is no truth: a way that is made
    to give the cell means back does, right or wrong. ``results`` [C, H, W] as they were mixed; class maps [H, W].
    """
    known, values = signal.mask, signal.values
    if signal.shared is not None:  # nothing but whole cells of one class were brought
        own = nearest(torch.from_numpy(signal.shared.places)[None], grid)
        same = {name: grid.cell_means((x == own[0])[None].float())[0] for name, x in results.items()}
        return {name: {"agrees": float(means[known].double().mean())} for name, means in same.items()}
    return {name: {"agrees": _agreement(x, values, known, grid)} for name, x in results.items()}


def _agreement(x: Tensor, values: Tensor, known: Tensor, grid: Grid) -> float | None:
    if x.ndim == 2:
        shares = values / values.sum(dim=0).clamp_min(1e-12)
        off = (torch.from_numpy(grid.shares(x.numpy(), len(values))) - shares).abs().sum(dim=0) / 2
        return 1 - float(off[known].double().mean())
    back = grid.cell_means(x.nan_to_num(0.0))
    here = known & torch.isfinite(grid.cell_means(x)).all(dim=0)
    brought = values[:, here].double()
    spread = float((brought - brought.mean(dim=1, keepdim=True)).abs().mean()) if brought.numel() else 0.0
    return 1 - float((back[:, here].double() - brought).abs().mean()) / spread if spread > 0 else None


def edges(truth: Truth) -> np.ndarray:
    """bool [H, W]: known pixels near an edge of the truth (depth) or a border between its classes."""
    values, known = truth.values.numpy(), truth.known.numpy()
    if truth.family == "classes":
        return metrics.dilate(metrics.boundaries(np.where(known, values[0], -1)), BAND) & known
    if truth.family != "depth" or not known.any():
        return np.zeros_like(known)
    step = DEPTH_STEP * max(float(np.ptp(plane[known])) for plane in values)
    found = np.zeros_like(known)
    for axis in (0, 1):
        both = metrics.neighbours(known, axis)[0] & metrics.neighbours(known, axis)[1]
        jump = np.abs(np.diff(values.astype(np.float64), axis=axis + 1)).max(axis=0) > step
        metrics.neighbours(found, axis)[0][...] |= both & jump
    return metrics.dilate(found, BAND) & known


def errors(truth: Truth, results: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Method → float32 [1, H, W]: how far off each pixel is, NaN where the truth is not known or there is no value.

    depth and alpha: the absolute difference; classes: 1 where the class is another; features: 1 − cosine,
    of one channel the difference.
    """
    return {
        name: _error(x, truth).masked_fill(~(truth.known & _has_value(x)), torch.nan)[None]
        for name, x in results.items()
    }


def _error(x: Tensor, truth: Truth) -> Tensor:
    if truth.family == "classes":
        return (x != truth.values[0]).to(torch.float32)
    if truth.family == "features" and len(truth.values) > 1:
        return (1 - torch.nn.functional.cosine_similarity(x.float(), truth.values, dim=0)).to(torch.float32)
    return (x - truth.values).abs().amax(dim=0).to(torch.float32)


def decided(found: Scores, family: str) -> dict[str, Any] | None:
    """Who is closest by the family's decisive measure, and how far each is: ``{"metric", "winner", "sentence"}``.

    ``winner`` is None where several are equally close, to the digits of the sentence.
    """
    name = next((name for name in DECISIVE[family] if any(name in one for one in found.values())), "")
    all_figures = {method: _figure(name, one.get(name)) for method, one in found.items()}
    figures = {method: figure for method, figure in all_figures.items() if figure is not None}
    if not figures:
        return None
    winner = (max if MORE_IS_BETTER[name] else min)(figures, key=lambda method: figures[method])
    shown = {method: f"{figure:.4g}" for method, figure in figures.items()}
    best = [method for method in shown if shown[method] == shown[winner]]
    others = ", ".join(f"{shown[m]} ({m})" for m in shown if m not in best)
    far = f"{shown[winner]} against {others}" if others else shown[winner]
    alone = len(best) == 1
    who = f"{winner} is closest" if alone else f"{', '.join(best[:-1])} and {best[-1]} are equally close"
    return {
        "metric": name, "winner": winner if alone else None,
        "sentence": f"{who} to the truth: {name} {far}.",
    }  # fmt: skip


def _figure(name: str, value: float | None) -> float | None:
    """A figure as a number, if there is one: the PSNR of what has no error is beyond all."""
    return math.inf if name == "psnr" and value is None else value


# ------------------------------------------------------------------------------------- by family


def _depth(x: np.ndarray, truth: Truth, known: np.ndarray, near: np.ndarray) -> dict[str, Any]:
    here, there = x[:, known].astype(np.float64), truth.values.numpy()[:, known].astype(np.float64)
    off = here - there
    squared = np.square(x.astype(np.float64) - truth.values.numpy()).mean(axis=0)
    above = there > 0
    ratio = np.full(there.shape, np.inf)
    np.divide(np.maximum(here, there), np.minimum(here, there), out=ratio, where=above & (here > 0))
    return {
        "rmse": float(np.sqrt(np.mean(np.square(off)))), "mae": float(np.mean(np.abs(off))),
        "delta1": float(np.mean(ratio[above] < DELTA)) if above.any() else None,
        "edge_rmse": math.sqrt(float(squared[near].mean())) if near.any() else None,
    }  # fmt: skip


def _classes(x: np.ndarray, truth: Truth, known: np.ndarray, near: np.ndarray) -> dict[str, Any]:
    there, count = truth.values[0].numpy(), len(truth.names)
    each = metrics.class_ious(x[known], there[known], count)
    return {
        "miou": _mean(each), "accuracy": float((x[known] == there[known]).mean()),
        "boundary_miou": _mean(metrics.class_ious(x[near], there[near], count)),
        "classes": {truth.names[n]: float(iou) for n, iou in enumerate(each) if not math.isnan(iou)},
    }  # fmt: skip


def _alpha(x: np.ndarray, truth: Truth, known: np.ndarray, _: np.ndarray) -> dict[str, Any]:
    off = (x - truth.values.numpy())[:, known].astype(np.float64)
    return {"sad": float(np.abs(off).sum() / 1000), "mse": float(np.mean(np.square(off)))}


def _features(x: np.ndarray, truth: Truth, known: np.ndarray, _: np.ndarray) -> dict[str, Any]:
    here, there = x[:, known].astype(np.float64), truth.values.numpy()[:, known].astype(np.float64)
    figures: dict[str, Any] = {}
    if len(there) > 1:
        lengths = np.linalg.norm(here, axis=0) * np.linalg.norm(there, axis=0)
        figures["cosine"] = float(np.mean((here * there).sum(axis=0) / np.maximum(lengths, 1e-12)))
    squared = float(np.mean(np.square(here - there)))
    peak = float(np.ptp(there)) or float(np.abs(there).max()) or 1.0  # a flat truth has no span
    # None: there is no error.
    figures["psnr"] = 10 * math.log10(peak * peak / squared) if squared > 0 else None
    return figures


_MEASURES: dict[str, Callable[[np.ndarray, Truth, np.ndarray, np.ndarray], dict[str, Any]]] = {
    "depth": _depth, "classes": _classes, "alpha": _alpha, "features": _features,
}  # fmt: skip


def _mean(ious: np.ndarray) -> float | None:
    return None if np.isnan(ious).all() else float(np.nanmean(ious))
