"""Of scores that come a few at a time, the class of the largest one at each pixel: never all of them in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from gsjbu.core.interpolation import Upsampler

#: Channels rendered at a time.
BLOCK = 16


class Strongest:
    """``index``: the class with the largest score so far, int64 [H, W]; of several the first, −1 where it is NaN."""

    def __init__(self) -> None:
        self.index: Tensor | None = None
        self._best: Tensor | None = None
        self._next = 0

    def add(self, score: Tensor, classes: Tensor) -> None:
        """A score [H, W], and the class that it is of at each pixel, int64 [H, W]."""
        if self.index is None or self._best is None:
            self.index, self._best = classes.masked_fill(score.isnan(), -1), score
            return
        better = (score > self._best) | ((score == self._best) & (classes < self.index))
        self.index = torch.where(better, classes, self.index)
        self._best = torch.where(better, score, self._best)

    def add_next(self, scores: Tensor) -> None:
        """The scores of the next classes, [c, H, W]: 0, 1 … in turn."""
        score, which = scores.max(dim=0)
        self.add(score, which + self._next)
        self._next += len(scores)


def strongest(way: Upsampler, scores: Tensor, joint: bool = False) -> Tensor:
    """Per HR pixel the channel with the largest upsampled score, int64 [H, W]; ``scores`` [C, h, w], in blocks of
    channels unless they must stay together (``joint``)."""
    best = Strongest()
    for some in scores.split(len(scores) if joint else BLOCK):
        best.add_next(way(some))
    assert best.index is not None
    return best.index
