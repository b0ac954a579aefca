"""How the numbers of a one-channel map lie: in patches of equal ones, and in order or not.

Class numbers lie in patches, and those of neighbouring classes are as if by chance. Of a measured quantity, neighbours
have similar values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsjbu.core.pieces import pieces

#: Values lie in patches where half of all neighbours are equal, and of less than half of the values none are.
PATCHES = 0.5
#: ``Order.apart``: 0.65 and more in data sets of labels and maps of ids, 0 to 0.58 in measured quantities, enlarged or
#: posterised ones too. ``Order.next`` of labels is hardly more than by chance; of quantities with large steps it is.
UNORDERED, ORDERED, BY_CHANCE = 0.6, 0.5, 2.5
#: ``Order.pieces`` of ids (numbers of instances): 1 to 1.4.
ONE_PIECE = 1.5
#: Ids that were counted from one corner on have an order. Each is one piece all the same, and few numbers between the
#: least and the largest are missing (``Order.dense``), where values that fall anywhere would hit some twice before half
#: of them are there. A ramp is as dense, but its neighbours come next to each other in rank; of ids at most half do.
COUNTED_PIECES, DENSE, NEXT = 1.2, 0.5, 0.6
#: Sides of the middle part in which order is looked for.
MIDDLE = 1024


@dataclass(frozen=True)
class Patches:
    """How many neighbours are equal.

    ``equal``: the share of pairs of neighbours, 0–1. ``count``: how many different values there are. ``alone``: the
    share of those that have no equal neighbour anywhere, 0–1.
    """

    equal: float
    alone: float
    count: int

    @property
    def lie_in_patches(self) -> bool:
        """Whether values lie in patches, as those of classes do."""
        return self.equal >= PATCHES and self.alone < PATCHES


def patches(
    plane: np.ndarray,  # [h, w]
    known: np.ndarray,  # bool [h, w]
) -> Patches:
    """The :class:`Patches` of a map, over neighbours that are both known."""
    values = np.unique(plane[known])
    pairs = equal = 0
    beside = []  # values that have an equal neighbour
    for axis in (0, 1):
        a, b, both = _neighbours(plane, known, axis)
        same = (a == b) & both
        beside.append(np.unique(a[same]))
        pairs, equal = pairs + int(np.count_nonzero(both)), equal + int(np.count_nonzero(same))
    if not pairs:
        return Patches(1.0, 0.0, len(values))
    alone = 1 - len(np.unique(np.concatenate(beside))) / max(1, len(values))
    return Patches(equal / pairs, alone, len(values))


@dataclass(frozen=True)
class Order:
    """What the ``count`` different whole numbers of a map have to do with where they lie.

    ``pieces``: connected pieces of each number, on average. ``apart``: the mean difference in rank of neighbours that
    are not equal; 1 is that of two numbers drawn by chance. ``next``: the share of those neighbours whose numbers come
    next to each other in rank, 0–1. ``dense``: how many of the evenly spaced numbers from the least to the largest
    there are, 0–1.
    """

    pieces: float
    apart: float
    next: float
    count: int
    dense: float

    @property
    def counted(self) -> bool:
        """Whether they are ids that were counted from one corner on."""
        return self.pieces < COUNTED_PIECES and self.dense >= DENSE and self.next <= NEXT

    @property
    def by_chance(self) -> bool:
        """Whether neighbours have numbers as if by chance, as classes have."""
        return self.apart >= UNORDERED and self.next < BY_CHANCE * 2 / self.count

    @property
    def ids(self) -> bool:
        """Whether they look like ids."""
        return self.counted or (self.pieces < ONE_PIECE and self.apart >= ORDERED)


def order(
    plane: np.ndarray,  # [h, w] whole numbers
    known: np.ndarray,  # bool [h, w]
) -> Order:
    """The :class:`Order` of a map, of a large one that of its middle."""
    middle = tuple(slice(max(0, (n - MIDDLE) // 2), (n + MIDDLE) // 2) for n in plane.shape)
    plane, known = plane[middle], known[middle]
    numbers = np.unique(plane[known])
    count = len(numbers)
    ranks = np.searchsorted(numbers, np.where(known, plane, numbers[:1])) if count else np.zeros(plane.shape)
    steps, links = [], []
    for axis in (0, 1):
        a, b, both = _neighbours(ranks, known, axis)
        step = np.abs(a - b)
        steps.append(step[both & (step > 0)])
        links.append(both & (step == 0))
    parts = len(np.unique(pieces(links[0], links[1].T)[known]))
    step = np.concatenate(steps)
    unit = float(np.gcd.reduce(np.diff(numbers).astype(np.int64))) if count > 1 else 1.0
    span = (float(numbers[-1]) - float(numbers[0])) / unit + 1 if count else 1.0
    by_chance = (count + 1) / 3
    apart, next_ = (float(step.mean()) / by_chance, float((step == 1).mean())) if step.size else (0.0, 0.0)
    return Order(parts / max(1, count), apart, next_, count, count / span)


def _neighbours(plane: np.ndarray, known: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of neighbours of [h, w] along an axis: one, the other, and whether both are known."""
    a, b = (np.swapaxes(plane, 0, axis)[s] for s in (np.s_[:-1], np.s_[1:]))
    ka, kb = (np.swapaxes(known, 0, axis)[s] for s in (np.s_[:-1], np.s_[1:]))
    return a, b, ka & kb
