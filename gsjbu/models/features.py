"""Backbone features on the low-resolution (LR) grid, and the three colours to show them in.

A network's feature map has a stride and a centre of its own: feature ``i`` of a strided convolution looks at pixel
``i·S`` (its centre lies at ``i·S + ½``), a patch's at the middle of the patch. Both are carried here, so features
land on the cells they were computed from rather than up to half a stride beside them.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.grid import Grid, size_text
from gsjbu.errors import ModelError, ShapeError
from gsjbu.models import catalogue
from gsjbu.models.feature_map import FeatureMap

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Features:
    """``values`` float32 [C, h, w] on the LR grid, on the CPU; ``status`` is a sentence on where they are from."""

    values: Tensor
    name: str
    status: str
    pretrained: bool
    stage: str
    as_named: bool = True  # False: something stands in for the backbone that was named


# The last map, the network that made it, and a sentence if that was not done where it was asked for.
Maps = MutableMapping[str, tuple[weakref.ref[Any], FeatureMap, str]]


def extract(
    image: Tensor,
    grid: Grid,
    backbone: str = "auto",
    device: torch.device | str = "cpu",
    seed: int = 0,
    progress: catalogue.Progress | None = None,
    maps: Maps | None = None,
) -> Features:
    """Features of ``image`` [3, H, W] in [0, 1] on the cells of ``grid``.

    The stage whose stride is nearest the grid's is taken; cells larger than its stride get the mean over their
    pixels, smaller ones a bilinear reading. ``backbone`` is one of the list or ``timm:NAME``. One whose weights are not
    to be had is replaced by ``auto`` (see ``catalogue.backbone``), a failing accelerator by the CPU; ``status`` says so
    each time, and ``as_named`` whether it is the network that was named. ``progress`` hears of downloads and may raise
    to give up. ``maps``: kept by the caller for this image and device; the network does not run again for a grid that
    its last map serves as well.
    """
    if tuple(image.shape[-2:]) != (grid.height, grid.width):
        raise ShapeError(
            f"The image is {size_text(*image.shape[-2:])}, the grid is over {size_text(grid.height, grid.width)}."
        )
    stride = math.sqrt(grid.step_y * grid.step_x)
    picture = three_channels(image)

    def run(name: str) -> Features:
        loaded = catalogue.backbone(name, seed, progress)
        held = maps.get("last") if maps is not None else None
        if held is not None and held[0]() is loaded.network and held[1].serves[0] <= stride <= held[1].serves[1]:
            found, fallback = held[1:]
        else:
            found, fallback = on_device(lambda d: loaded.features(picture, stride, d), device)
            if maps is not None:
                maps["last"] = weakref.ref(loaded.network), found, fallback
        status, as_named = loaded.status + fallback, name == "auto" or loaded.pretrained
        return Features(to_grid(found, grid), loaded.label, status, loaded.pretrained, found.stage, as_named)

    try:
        return run(backbone)
    except ModelError as error:
        if backbone in ("auto", "resnet18"):
            raise
        instead = run("auto")
        return replace(instead, status=f"{error.message} Shown instead: {instead.status}", as_named=False)


def check_named(backbone: str, seed: int) -> None:
    """Refuse a backbone that is named and that something would stand in for. Raises ModelError."""
    if backbone != "auto" and not (made := catalogue.backbone(backbone, seed)).pretrained:
        raise ModelError("model_unavailable", made.status)


def on_device(work: Callable[[torch.device], T], device: torch.device | str) -> tuple[T, str]:
    """``work`` on ``device``, or on the CPU if that fails there; and a sentence that says so, or nothing."""
    chosen = torch.device(device)
    try:
        return work(chosen), ""
    except Exception as error:  # out of memory, an operator the device lacks, a driver that is gone
        if chosen.type == "cpu":
            raise
        return work(torch.device("cpu")), f" {chosen.type.upper()} failed ({type(error).__name__}); the CPU did it."


def three_channels(image: Tensor) -> Tensor:
    """An RGB view of a guide with any number of channels: grey repeated, extra channels dropped."""
    channels = image.shape[0]
    return image if channels == 3 else image[:3] if channels > 3 else image[:1].expand(3, -1, -1)


def to_grid(found: FeatureMap, grid: Grid) -> Tensor:
    """A feature map read bilinearly at every image pixel and averaged over each cell, [C, h, w] on the CPU."""
    values = found.values.detach().to("cpu", torch.float32)
    rows = _readings(grid.row_starts, values.shape[1], found.step[0], found.first[0])
    cols = _readings(grid.col_starts, values.shape[2], found.step[1], found.first[1])
    return torch.matmul(torch.matmul(rows, values), cols.T).contiguous()


def _readings(starts: np.ndarray, count: int, step: float, first: float) -> Tensor:
    """float32 [cells, count]: the weights of a linear reading at each pixel, averaged over each cell's pixels."""
    centres = np.arange(starts[-1]) + 0.5
    at = np.clip((centres - first) / step, 0, count - 1)
    below = np.minimum(at.astype(np.int64), max(count - 2, 0))
    part = at - below
    weights = np.zeros((len(centres), count))
    pixels = np.arange(len(centres))
    weights[pixels, below] = 1 - part
    weights[pixels, np.minimum(below + 1, count - 1)] += part
    sizes = np.diff(starts)[:, None]
    return torch.from_numpy((np.add.reduceat(weights, starts[:-1], axis=0) / sizes).astype(np.float32))
