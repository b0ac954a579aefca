"""Whether an LR signal holds samples (a sensor's, a network's, every n-th pixel) or means over its cells.

A cell that an edge crosses is a mixture of both sides if it is a mean; a sample lies on one side or on the other.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: An edge is where the cells on both sides differ by this share of the channel's span.
EDGE = 0.25
#: A cell on an edge is mixed if it lies so far from both sides, in parts of their difference.
MIXED = 0.15
#: Of means 27 to 61 % of the cells on edges were mixed, of samples 3 to 18 %, of depth at ratios 4 to 16.
MOST_MIXED = 0.2
FEWEST_EDGES = 24
#: A number is a stand-in if no other is held by so many cells, in parts of its own.
REPEATED = 10
#: Lone outliers of a sensor do not stretch the span.
OUTLYING = 0.02


def are_samples(signal: Tensor, known: Tensor | None = None) -> bool:
    """Whether ``signal`` [C, h, w] holds samples; False where too few edges tell. ``known``: bool [h, w]."""
    known = torch.ones(signal.shape[1:], dtype=torch.bool) if known is None else known
    edges = mixed = 0
    for plane in signal.detach().to("cpu", torch.float64):
        own = known & ~_stand_in(plane, known)
        values = plane[own].sort().values
        if not len(values):
            continue
        least, most = (float(values[round(at * (len(values) - 1))]) for at in (OUTLYING, 1 - OUTLYING))
        for lines, there in ((plane, own), (plane.T, own.T)):
            found, between = _edges(lines, there, EDGE * (most - least))
            edges, mixed = edges + found, mixed + between
    return edges >= FEWEST_EDGES and mixed < MOST_MIXED * edges


def _stand_in(plane: Tensor, known: Tensor) -> Tensor:
    """Cells that hold one number far more often than any other is held: a stand-in for none, whose rim is sharp."""
    numbers, counts = plane[known].unique(return_counts=True)
    if len(counts) < 2:
        return torch.zeros_like(known)
    often, next_often = counts.topk(2).values.tolist()
    return (plane == numbers[counts.argmax()]) & (often >= REPEATED * next_often)


def _edges(plane: Tensor, known: Tensor, least: float) -> tuple[int, int]:
    """How many rows of three in [h, w] differ by more than ``least`` at their ends, and how many of those are mixed."""
    first, middle, last = plane[:-2], plane[1:-1], plane[2:]
    edge = known[:-2] & known[1:-1] & known[2:] & ((last - first).abs() > least)
    part = ((middle - first) / (last - first))[edge]
    return len(part), int(((part > MIXED) & (part < 1 - MIXED)).sum())
