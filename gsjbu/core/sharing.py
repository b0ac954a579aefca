"""Many classes in few channels, as a map is coloured: those that never meet in one window share a channel.

A class has a score only where a cell of it lies in the pixel's window. Where no two classes of a window share a
channel, each channel there is the score of one class, the same bits as if it had a channel of its own; which class that
is, the window says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import Upsampler
from gsjbu.core.strongest import BLOCK, Strongest


@dataclass(frozen=True, eq=False)
class Shared:
    """Classes 0 … n − 1 of the cells, and the channel of each: no two of them are in one window of ``reach``."""

    places: np.ndarray  # int64 [h, w], the class of each cell
    channels: np.ndarray  # int64 [n], the channel of each class
    reach: int  # cells from a pixel's own that it may take from

    @classmethod
    def over(cls, places: np.ndarray, reach: int) -> Shared:
        """Channels for the classes of ``places``, few of them: each class in turn, those first that meet the most
        others, takes the first channel that none it meets has."""
        count = int(places.max()) + 1
        one, other = _meetings(places, reach, count)
        order = np.argsort(one, kind="stable")
        starts = np.searchsorted(one[order], np.arange(count + 1))
        others, channels = other[order], np.full(count, -1)
        for this in np.argsort(-np.diff(starts), kind="stable"):
            taken = channels[others[starts[this] : starts[this + 1]]]
            free = np.ones(len(taken) + 1, bool)
            free[taken[(taken >= 0) & (taken < len(free))]] = False
            channels[this] = free.argmax()
        return cls(places, channels, reach)

    def reaching(self, reach: int) -> Shared:
        """The same classes for windows of ``reach``."""
        return self if reach <= self.reach else Shared.over(self.places, reach)

    @cached_property
    def values(self) -> Tensor:
        """float32 [C, h, w]: 1 where a cell's class is one of the channel's."""
        mine = self.channels[self.places]
        return torch.from_numpy((mine == np.arange(self.channels.max() + 1)[:, None, None]).astype(np.float32))

    def strongest(self, way: Upsampler, grid: Grid, together: bool = False) -> Tensor:
        """The class with the largest upsampled score at each pixel, int64 [H, W]; of several the first, −1 of none.

        ``together``: all channels must be upsampled at once.
        """
        rows, cols = torch.from_numpy(grid.row_of), torch.from_numpy(grid.col_of)
        none, best = len(self.channels), Strongest()
        block = len(self.values) if together else BLOCK
        for first in range(0, len(self.values), block):
            scores = way(self.values[first : first + block])
            for score, near in zip(scores, self._near(first, len(scores)), strict=True):
                here = torch.from_numpy(near)[rows][:, cols]
                best.add(score.masked_fill(here == none, -torch.inf), here)
        assert best.index is not None
        return best.index.masked_fill_(best.index == none, -1)

    def _near(self, first: int, count: int) -> Iterator[np.ndarray]:
        """For each of some channels its class in the window of every cell, int64 [h, w]; n where it has none."""
        from scipy.ndimage import minimum_filter

        mine, none = self.channels[self.places], len(self.channels)
        for channel in range(first, first + count):
            there = np.where(mine == channel, self.places, none)
            yield minimum_filter(there, 2 * self.reach + 1, mode="constant", cval=none)


def crowd(places: np.ndarray, reach: int) -> int:
    """How many channels classes need at least: the most that some windows of ``reach``, side by side, have."""
    tall, wide = (min(2 * reach + 1, n) for n in places.shape)
    rows, cols = (n // size for n, size in zip(places.shape, (tall, wide), strict=True))
    windows = places[: rows * tall, : cols * wide].reshape(rows, tall, cols, wide).swapaxes(1, 2)
    inside = np.sort(windows.reshape(-1, tall * wide), axis=1)
    return int((np.diff(inside, axis=1) != 0).sum(axis=1).max()) + 1


def _meetings(places: np.ndarray, reach: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of classes of [h, w] that some window of ``reach`` has both of, each once in either order."""
    far = 2 * reach
    rows, cols = places.shape
    keys = [np.empty(0, np.int64)]
    for down, across in product(range(far + 1), range(-far, far + 1)):
        if (down == 0 and across <= 0) or down >= rows or abs(across) >= cols:
            continue
        a = places[: rows - down, max(0, -across) : cols - max(0, across)]
        b = places[down:, max(0, across) : cols - max(0, -across)]
        unlike = a != b
        low, high = np.minimum(a[unlike], b[unlike]), np.maximum(a[unlike], b[unlike])
        keys.append(np.unique(low * count + high))
    low, high = np.divmod(np.unique(np.concatenate(keys)), count)
    return np.concatenate([low, high]), np.concatenate([high, low])
