"""Outliers: cells of a measured quantity that lie far from all their neighbours where the image shows nothing, as a
sensor's dead cells, flying pixels and lost bits do. Giving each cell's mean back would give them back.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gsjbu.core.gaps import fill

#: An outlier is farther from the nearest of its eight neighbours than FAR times what USUAL per cent of all cells are,
#: than APART of the span, and than they are from each other (but for the highest and the lowest); and one of them has
#: its colour to within ALIKE (distance in RGB).
FAR, USUAL, APART, ALIKE = 3.0, 95, 0.05, 0.05
ENDS = (1, 99)  # per cent of the values lie below the ends of the span
#: Fewer, or a smaller share of all cells, may be the scene's own.
FEWEST, LEAST = 5, 0.002
SIDES = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]

BEFORE = "Cells that lie far from all their neighbours are taken out before, where the image shows nothing there."


def found(signal: Tensor, lr_guide: Tensor, known: Tensor | None = None) -> Tensor | None:
    """bool [h, w]: the outliers of ``signal`` [C, h, w], gaps filled, of which ``known`` (bool [h, w]) has values; None
    where there are none to speak of. ``lr_guide``: the image's cell means [G, h, w]."""
    values = signal.detach().to("cpu", torch.float64)
    if min(values.shape[1:]) < 3:
        return None
    spans = np.ptp(np.percentile(values.flatten(1), ENDS, axis=1), axis=0)
    values = values - values.mean(dim=(1, 2), keepdim=True)
    values = (values / torch.from_numpy(np.maximum(spans, 1e-30))[:, None, None]).to(torch.float32)
    far = _to_the_nearest(values)
    there = torch.ones(far.shape, dtype=torch.bool) if known is None else known
    usual = float(np.percentile(far[there], USUAL)) if bool(there.any()) else 0.0
    out = there & (far > max(FAR * usual, APART))
    out &= _to_the_nearest(lr_guide.detach().to("cpu", torch.float32)) < ALIKE
    ranked = _around(values, out).sort(dim=0).values
    out[out.clone()] = far[out] > (ranked[-2] - ranked[1]).square().sum(dim=0).sqrt()
    return out if int(out.sum()) >= max(FEWEST, LEAST * int(there.sum())) else None


def replaced(signal: Tensor, outliers: Tensor) -> Tensor:
    """``signal`` [C, h, w] with the median of those of their neighbours that are none instead of ``outliers``."""
    made = signal.clone()
    made[:, outliers] = _around(torch.where(outliers, torch.nan, signal), outliers).nanmedian(dim=0).values.nan_to_num()
    return made


def without(signal: Tensor, lr_guide: Tensor, known: Tensor | None = None) -> Tensor:
    """``signal`` [..., C, h, w] without the outliers that are found in it; cells that are not ``known`` (bool [h, w])
    stay."""

    def of(one: Tensor) -> Tensor:
        whole = one if known is None else fill(one, known)
        out = found(whole, lr_guide, known)
        return one if out is None else torch.where(out, replaced(whole, out), one)

    return torch.stack([of(one) for one in signal.reshape(-1, *signal.shape[-3:])]).reshape(signal.shape)


def sentence(outliers: Tensor) -> str:
    """What a person should know of them."""
    return (
        f"{int(outliers.sum())} of {outliers.numel()} cells lie far from all their neighbours where the image shows "
        "nothing: the median of those is taken instead."
    )


def _to_the_nearest(planes: Tensor) -> Tensor:
    """Distance of each cell of [C, h, w] to that of its eight neighbours that is most like it, [h, w]."""
    each = ((near - planes).square().sum(dim=0) for near in _moved(planes))
    return reduce(torch.minimum, each).sqrt()


def _around(planes: Tensor, cells: Tensor) -> Tensor:
    """The eight neighbours of some ``cells`` (bool [h, w]) of [C, h, w], [8, C, n]."""
    return torch.stack([near[:, cells] for near in _moved(planes)])


def _moved(planes: Tensor) -> Iterator[Tensor]:
    """Each cell's neighbour, on each of its eight sides; beyond the rim the cells are mirrored."""
    wide = F.pad(planes[None], (1, 1, 1, 1), mode="reflect")[0]
    rows, cols = planes.shape[1:]
    return (wide[:, y : y + rows, x : x + cols] for y, x in SIDES)
