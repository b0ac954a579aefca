"""Parts of the picture that features tell apart, at full resolution: k-means segments, and a foreground map.

Both are linear in the features until the last step (the nearest centre, a threshold), so a few channels are upsampled
in the place of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from gsjbu.core.interpolation import Upsampler
from gsjbu.io.colours import ColourBar, hexadecimal, palette
from gsjbu.run.later import Later
from gsjbu.run.once import Once
from gsjbu.run.panels import NO_PICTURE, WAYS, Panel, paint

GROUP = "segments"
COUNT = 6  # segments; what most scenes of a few things need, and few enough to tell by colour
ROUNDS = 20
SEGMENTS = "Features in {} groups by k-means; each pixel is of the group whose centre its own features are nearest."
FOREGROUND = "The strongest direction of the features, turned so that the rim is low: high is what differs from it."


def segments(
    values: Tensor, projected: Once[Tensor], upsamplers: Mapping[str, Upsampler], size: tuple[int, int]
) -> list[Later]:
    """``segments_…`` and ``foreground_…`` for ``lr`` and each upsampler, made when they are looked at.

    values: LR features [C, h, w]; projected: their coordinates in three principal directions [3, h, w]; size: (H, W)
    of what the upsamplers give.
    """
    count, nearness = _count(values), Once(partial(_nearness, values))
    front = Once(lambda: _foreground(projected.value[:1]))
    ways: dict[str, Upsampler] = {"lr": torch.clone, **upsamplers}
    sizes = {name: size if name in upsamplers else (values.shape[1], values.shape[2]) for name in ways}
    classes = [
        Later(_segments_head(name, count), sizes[name], partial(_segments, name, nearness, way))
        for name, way in ways.items()
    ]
    return classes + [
        Later(_foreground_head(name), sizes[name], partial(_front, name, front, way)) for name, way in ways.items()
    ]


def _flat(values: Tensor) -> Tensor:
    """LR features [C, h, w] as [h·w, C]."""
    return values.detach().to("cpu", torch.float32).flatten(1).T


def _count(values: Tensor) -> int:
    """How many groups there are to find: COUNT, or fewer where fewer cells differ."""
    flat = _flat(values)
    for some in (flat[:: max(1, len(flat) // 64)], flat):  # most often a few tell already
        found = len(torch.unique(some, dim=0))
        if found >= COUNT:
            break
    return min(COUNT, found)


def _nearness(values: Tensor) -> Tensor:
    """Of each LR pixel to each centre, [K, h, w]: −|f − c|² / 2 but for |f|², which all centres share."""
    from scipy.cluster.vq import kmeans2

    flat, count = _flat(values), _count(values)
    centres, _ = kmeans2(flat.double().numpy(), count, iter=ROUNDS, minit="++", seed=0, missing="warn")
    by_share = torch.from_numpy(centres).float()
    near = by_share @ flat.T - by_share.square().sum(1, keepdim=True) / 2
    largest_first = near.argmax(0).bincount(minlength=count).argsort(descending=True, stable=True)
    return near[largest_first].reshape(count, *values.shape[1:])


def _foreground(first: Tensor) -> Tensor:
    """The first coordinate [1, h, w] in 0…1 over its 1 %–99 % span, turned so that the rim is the lower."""
    low, high = torch.quantile(first, 0.01), torch.quantile(first, 0.99)
    unit = (first - low) / (high - low).clamp_min(1e-12)
    rim = torch.ones_like(unit, dtype=torch.bool)
    rim[:, 1:-1, 1:-1] = False
    return 1 - unit if unit[rim].mean() > unit.mean() else unit


def _segments_head(name: str, count: int) -> Panel:
    colours = palette(count)
    legend = [{"name": f"segment {i + 1}", "colour": hexadecimal(colours[i]), "index": i} for i in range(count)]
    return Panel(
        f"segments_{name}", GROUP, f"Segments, {WAYS[name]}", SEGMENTS.format(count), NO_PICTURE, torch.empty(0),
        "segment number", None, legend,
    )  # fmt: skip


def _segments(name: str, nearness: Once[Tensor], upsampler: Upsampler) -> Panel:
    found = upsampler(nearness.value).argmax(0).cpu()
    head = _segments_head(name, len(nearness.value))
    picture = palette(len(nearness.value))[found.numpy()]
    return replace(head, picture=picture, values=found[None].float())


def _foreground_head(name: str) -> Panel:
    bar = ColourBar(0.0, 1.0, "of the span", "viridis")
    return Panel(
        f"foreground_{name}", GROUP, f"Foreground, {WAYS[name]}", FOREGROUND, NO_PICTURE, torch.empty(0), bar.unit, bar
    )


def _front(name: str, front: Once[Tensor], upsampler: Upsampler) -> Panel:
    head = _foreground_head(name)
    assert head.bar is not None
    found = upsampler(front.value).to("cpu", torch.float32)
    return replace(head, picture=paint(found, head.bar), values=found)
