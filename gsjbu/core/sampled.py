"""Whether an LR signal holds samples (a sensor's, a network's, every n-th pixel) or means over its cells.

A cell that an edge crosses is a mixture of both sides if it is a mean; a sample lies on one side or on the other.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

#: A cell on an edge is mixed if it lies so far from both sides, in parts of their difference.
MIXED = 0.15


class Bounds(NamedTuple):
    """An edge is where the cells before and after one differ by ``least`` of the channel's span, and each of them from
    the next one beyond by less than ``flat`` of that: of a slope every cell lies between its neighbours. Samples are
    where less than ``mixed`` of the cells on edges are mixed."""

    least: float
    flat: float
    mixed: float


#: Of depth and drawn quantities ×4 to ×16 (213 signals) 45 % and more of the cells on edges were mixed in means (but
#: for 1 in 40). Of samples, at the cells' centres or bilinear between four pixels, three in four had 38 % and less.
WHOLE = Bounds(0.05, 0.15, 0.4)
#: Cells without a value often are the ones on edges: of means among a depth camera's gaps 26 to 39 % were mixed. Of all
#: large edges, slopes too, 27 to 61 % of means were, and 3 to 18 % of samples.
AMONG_GAPS = Bounds(0.25, math.inf, 0.2)
FEWEST_EDGES = 24
#: A number is a stand-in if no other is held by so many cells, in parts of its own.
REPEATED = 10
#: Lone outliers of a sensor do not stretch the span.
OUTLYING = 0.02


def are_samples(signal: Tensor, known: Tensor | None = None) -> bool:
    """Whether ``signal`` [C, h, w] holds samples; False where too few edges tell. ``known``: bool [h, w]."""
    known = torch.ones(signal.shape[1:], dtype=torch.bool) if known is None else known
    planes = [(plane, known & ~_stand_in(plane, known)) for plane in signal.detach().to("cpu", torch.float64)]
    bounds = WHOLE if all(bool(own.all()) for _, own in planes) else AMONG_GAPS
    edges = mixed = 0
    for plane, own in planes:
        values = plane[own].sort().values
        if not len(values):
            continue
        low, high = (float(values[round(at * (len(values) - 1))]) for at in (OUTLYING, 1 - OUTLYING))
        for lines, there in ((plane, own), (plane.T, own.T)):
            found, between = _edges(lines, there, bounds.least * (high - low), bounds.flat)
            edges, mixed = edges + found, mixed + between
    return edges >= FEWEST_EDGES and mixed < bounds.mixed * edges


def _stand_in(plane: Tensor, known: Tensor) -> Tensor:
    """Cells that hold one number far more often than any other is held: a stand-in for none, whose rim is sharp."""
    numbers, counts = plane[known].unique(return_counts=True)
    if len(counts) < 2:
        return torch.zeros_like(known)
    often, next_often = counts.topk(2).values.tolist()
    return (plane == numbers[counts.argmax()]) & (often >= REPEATED * next_often)


def _edges(plane: Tensor, known: Tensor, least: float, flat: float) -> tuple[int, int]:
    """In how many rows of five in [h, w] an edge of ``least`` or more is in the middle; and is mixed there."""
    n = len(plane) - 4
    if n < 1:
        return 0, 0
    beyond, first, middle, last, after = (plane[k : k + n] for k in range(5))
    jump = (last - first).abs()
    level = ((first - beyond).abs() < flat * jump) & ((after - last).abs() < flat * jump)
    looked_at = range(5) if math.isfinite(flat) else range(1, 4)
    edge = torch.stack([known[k : k + n] for k in looked_at]).all(dim=0) & level & (jump > least)
    part = ((middle - first) / (last - first))[edge]
    return len(part), int(((part > MIXED) & (part < 1 - MIXED)).sum())
