"""Parts of the picture that features tell apart, at full resolution: k-means segments, and a foreground map.

Both are linear in the features until the last step (the nearest centre, a threshold), so a few channels are upsampled
in the place of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gsjbu.io.colours import ColourBar, hexadecimal, palette
from gsjbu.run.later import Later
from gsjbu.run.panels import PAIR, Panel, paint

if TYPE_CHECKING:
    from gsjbu.models.pca import Basis

Upsamplers = Mapping[str, Callable[[Tensor], Tensor]]
GROUP = "segments"
COUNT = 6  # segments; what most scenes of a few things need, and few enough to tell by colour
ROUNDS = 20
SEGMENTS = (
    "Features in {} groups by k-means; each pixel is of the group whose centre its own features are nearest."
)
FOREGROUND = (
    "The strongest direction of the features, turned so that the rim is low: high is what differs from it."
)


def segments(values: Tensor, basis: Basis, upsamplers: Upsamplers, size: tuple[int, int]) -> list[Later]:
    """``segments_…`` and ``foreground_…`` for ``lr`` and each upsampler, made when they are looked at.

    values: LR features [C, h, w]; basis: their principal directions; size: (H, W) of what the upsamplers give.
    """
    nearness = _nearness(values)
    front = _foreground(basis.apply(values)[:1])
    ways: Upsamplers = {"lr": torch.clone, **upsamplers}
    sizes = {name: size if name in upsamplers else (values.shape[1], values.shape[2]) for name in ways}
    classes = [
        Later(_segments_head(name, len(nearness)), sizes[name], partial(_segments, name, nearness, way))
        for name, way in ways.items()
    ]
    return classes + [
        Later(_foreground_head(name), sizes[name], partial(_front, name, front, way))
        for name, way in ways.items()
    ]


def _nearness(values: Tensor) -> Tensor:
    """Of each LR pixel to each centre, [K, h, w]: −|f − c|² / 2 but for |f|², which all centres share."""
    from scipy.cluster.vq import kmeans2

    flat = values.detach().to("cpu", torch.float32).flatten(1).T
    count = min(COUNT, len(torch.unique(flat, dim=0)))
    centres, _ = kmeans2(flat.double().numpy(), count, iter=ROUNDS, minit="++", seed=0, missing="warn")
    by_share = torch.from_numpy(centres).float()
    near = by_share @ flat.T - by_share.square().sum(1, keepdim=True) / 2
    order = (
        near.argmax(0).bincount(minlength=count).argsort(descending=True, stable=True)
    )  # the largest first
    return near[order].reshape(count, *values.shape[1:])


def _foreground(first: Tensor) -> Tensor:
    """The first coordinate [1, h, w] in 0…1 over its 1 %–99 % span, turned so that the rim is the lower."""
    low, high = torch.quantile(first, 0.01), torch.quantile(first, 0.99)
    unit = (first - low) / (high - low).clamp_min(1e-12)
    rim = torch.ones_like(unit, dtype=torch.bool)
    rim[:, 1:-1, 1:-1] = False
    return 1 - unit if unit[rim].mean() > unit.mean() else unit


def _segments_head(name: str, count: int) -> Panel:
    colours = palette(count)
    legend = [
        {"name": f"segment {i + 1}", "colour": hexadecimal(colours[i]), "index": i} for i in range(count)
    ]
    nothing = np.empty((0, 0, 3), np.uint8)
    return Panel(
        f"segments_{name}", GROUP, f"Segments, {PAIR[name]}", SEGMENTS.format(count), nothing, torch.empty(0),
        "segment number", None, legend,
    )  # fmt: skip


def _segments(name: str, nearness: Tensor, upsampler: Callable[[Tensor], Tensor]) -> Panel:
    found = upsampler(nearness).argmax(0).cpu()
    head = _segments_head(name, len(nearness))
    picture = palette(len(nearness))[found.numpy()]
    return replace(head, picture=picture, values=found[None].float())


def _foreground_head(name: str) -> Panel:
    bar = ColourBar(0.0, 1.0, "of the span", "viridis")
    nothing = np.empty((0, 0, 3), np.uint8)
    return Panel(
        f"foreground_{name}",
        GROUP,
        f"Foreground, {PAIR[name]}",
        FOREGROUND,
        nothing,
        torch.empty(0),
        bar.unit,
        bar,
    )


def _front(name: str, front: Tensor, upsampler: Callable[[Tensor], Tensor]) -> Panel:
    head = _foreground_head(name)
    assert head.bar is not None
    found = upsampler(front).to("cpu", torch.float32)
    return replace(head, picture=paint(found, head.bar), values=found)
