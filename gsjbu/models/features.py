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

from gsjbu.core.grid import Grid
from gsjbu.errors import ModelError, ShapeError
from gsjbu.models import catalogue

T = TypeVar("T")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Features:
    """``values`` float32 [C, h, w] on the LR grid, on the CPU; ``status`` is a sentence on where they are from."""

    values: Tensor
    name: str
    status: str
    pretrained: bool
    stage: str


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """What a network gives: [C, rows, cols]; feature (i, j)'s centre is (first + i·step) in image pixels (y, x)."""

    values: Tensor
    step: tuple[float, float]
    first: tuple[float, float]
    stage: str
    # The first and the last stride for which the network would give this same map.
    serves: tuple[float, float] = (0.0, math.inf)


# The last map, who made it, and a sentence if that was not done where it was asked for.
Maps = MutableMapping[str, tuple[weakref.ref[Any], FeatureMap, str]]


def extract(
    image: Tensor,
    grid: Grid,
    backbone: str = "resnet18",
    device: torch.device | str = "cpu",
    seed: int = 0,
    progress: catalogue.Progress | None = None,
    maps: Maps | None = None,
) -> Features:
    """Features of ``image`` [3, H, W] in [0, 1] on the cells of ``grid``.

    The stage whose stride is nearest the grid's is taken; cells larger than its stride get the mean over their
    pixels, smaller ones a bilinear reading. A backbone whose weights are not to be had is replaced by ResNet-18,
    ResNet-18 without pretrained weights by random ones from ``seed``, a failing accelerator by the CPU; ``status``
    says so each time. ``progress`` hears of downloads and may raise to give up. ``maps``: kept by the caller for this
    image and device; the network does not run again for a grid that its last map serves as well.
    """
    if tuple(image.shape[-2:]) != (grid.height, grid.width):
        raise ShapeError(
            f"The image is {image.shape[-1]}×{image.shape[-2]} pixels, the grid is over {grid.width}×{grid.height}."
        )
    stride = math.sqrt(grid.step_y * grid.step_x)
    picture = three_channels(image)

    def run(name: str) -> Features:
        loaded = catalogue.backbone(name, seed, progress)
        held = maps.get("last") if maps is not None else None
        if held is not None and held[0]() is loaded and held[1].serves[0] <= stride <= held[1].serves[1]:
            found, fallback = held[1:]
        else:
            found, fallback = on_device(lambda d: loaded.features(picture, stride, d), device)
            if maps is not None:
                maps["last"] = weakref.ref(loaded), found, fallback
        return Features(
            to_grid(found, grid), loaded.label, loaded.status + fallback, loaded.pretrained, found.stage
        )

    try:
        return run(backbone)
    except ModelError as error:
        if backbone == "resnet18":
            raise
        instead = run("resnet18")
        weights = "pretrained" if instead.pretrained else f"random weights from seed {seed}"
        return replace(instead, status=f"{error.message} Shown instead: {instead.name}, {weights}.")


def on_device(work: Callable[[torch.device], T], device: torch.device | str) -> tuple[T, str]:
    """``work`` on ``device``, or on the CPU if that fails there; and a sentence that says so, or nothing."""
    chosen = torch.device(device)
    try:
        return work(chosen), ""
    except Exception as error:  # out of memory, an operator the device lacks, a driver that is gone
        if chosen.type == "cpu":
            raise
        return work(
            torch.device("cpu")
        ), f" {chosen.type.upper()} failed ({type(error).__name__}); the CPU did it."


def three_channels(image: Tensor) -> Tensor:
    """An RGB view of a guide with any number of channels: grey repeated, extra channels dropped."""
    channels = image.shape[0]
    return image if channels == 3 else image[:3] if channels > 3 else image[:1].expand(3, -1, -1)


def normalised(
    image: Tensor, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
) -> Tensor:
    """[3, H, W] in [0, 1] → the same with each channel's mean and deviation as in training."""
    m, s = (torch.tensor(v, dtype=image.dtype, device=image.device)[:, None, None] for v in (mean, std))
    return (image - m) / s


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


# --------------------------------------------------------------------------------------------- PCA


@dataclass(frozen=True, eq=False)
class Basis:
    """Three directions in feature space, and the span of their coordinates: ``mean`` [C], ``components`` [3, C]."""

    mean: Tensor
    components: Tensor
    low: Tensor
    high: Tensor

    @property
    def channels(self) -> int:
        """Number of feature channels."""
        return int(self.mean.shape[0])

    def apply(self, features: Tensor) -> Tensor:
        """[C, h, w] → coordinates [3, h, w]. Linear, so it may be done before or after mixing."""
        flat = features.detach().to("cpu", torch.float32).flatten(1)
        out = self.components @ flat - (self.components @ self.mean)[:, None]
        return out.reshape(3, *features.shape[1:])

    def colours(self, coordinates: Tensor) -> Tensor:
        """Coordinates [3, h, w] → RGB in [0, 1]."""
        x = coordinates.detach().to("cpu", torch.float32)
        low, high = self.low[:, None, None], self.high[:, None, None]
        return ((x - low) / (high - low)).clamp(0, 1)


def pca3(features: Tensor, quantile: float = 0.01) -> Basis:
    """The three strongest directions of LR features [C, h, w]; colours span their 1 %–99 % range.

    Subspace iteration on the features themselves: a few small matrix products, where the full decomposition of a
    768-channel covariance takes longer than the whole fit. Signs are fixed by the largest loading, so the same
    features always get the same colours.
    """
    x = features.detach().to("cpu", torch.float32).flatten(1)
    channels = x.shape[0]
    mean = x.mean(1)
    x = x - mean[:, None]
    width = min(channels, 12)
    start = torch.randn(channels, width, generator=torch.Generator().manual_seed(0))
    q = torch.linalg.qr(start).Q
    for _ in range(24):
        q = torch.linalg.qr(x @ (x.T @ q)).Q
    _, turn = torch.linalg.eigh((q.T @ x) @ (x.T @ q))
    components = (q @ turn.flip(1))[:, :3].T
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    components = components * torch.where(largest < 0, -1.0, 1.0)
    if channels == 1:
        components = components.expand(3, 1)  # one channel is shown as grey
    elif channels == 2:
        components = torch.cat([components, torch.zeros(1, 2)])
    coordinates = components @ x
    order = coordinates.sort(dim=1).values
    last = order.shape[1] - 1
    low, high = order[:, round(quantile * last)], order[:, round((1 - quantile) * last)]
    flat = high - low < 1e-6 * (1 + high.abs())  # nothing varies: the middle of the colour range
    low, high = torch.where(flat, low - 0.5, low), torch.where(flat, low + 0.5, high)
    return Basis(mean, components.contiguous(), low, high)
