"""What a signal is, told from its values alone: a quantity, shares of classes, a network's probabilities, features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.rounding import in_unit

# Up to so many channels that are not shares of a whole are taken for a measured quantity, more for features.
FEW_CHANNELS = 4
EXACT = 1e-6
# Borders are soft if more than SOFT of the mixed cells lie among mixed ones, and if cells on both sides of a mixed
# one differ by less than SQUARE (their STEEPEST quantile). Labels up to ×16 have 0.0 to 0.4 of the former and 0.9 to 1,
# or 0.08 and less for threads; blurred ones 0.3 and more, and at most 0.75; mattes 0.1 to 0.4, and 0.65 to 0.88.
SOFT, STEEPEST, SQUARE, SQUARE_OF_MASK = 0.09, 0.9, 0.8, 0.9
# Of borders between pure cells of two classes the share with one mixed cell across them, not two; how few tell.
ALONE, FEWEST_BORDERS = 1 / 3, 12
OVERLAPPING = 1e-3  # what a cell has so little of, it has none of


def kind_of(signal: Tensor) -> str:
    """The name of the recipe for ``signal`` [C, h, w].

    Shares of a whole (0…1, together at most 1) are told apart by what lies at the borders between classes: cells
    that are means of labels are exactly pure but for those that a border crosses; class maps have no mixed cells;
    a network is never quite sure of anything.
    """
    channels = signal.shape[0]
    total = signal.sum(dim=0)
    shares = in_unit(*(float(v) for v in signal.aminmax()))
    if channels > 1:
        shares = shares and bool((total <= 1.01).all() and (total >= 0.99).double().mean() >= 0.5)
    if shares:
        whole = (signal <= EXACT) | (signal >= 1 - EXACT)
        if float(whole.double().mean()) >= 0.25:
            if _is_soft(signal) or _overlaps(signal):
                return "measured" if channels == 1 else "soft"
            return "samples" if _meets_unmixed(signal, whole.all(dim=0)) else "shares"
        if channels > 1:
            return "scores"
    return "measured" if channels <= FEW_CHANNELS else "features"


def _is_soft(signal: Tensor) -> bool:
    """True if borders in ``signal`` [C, h, w] are wider than its cells: a matte's, or of shares that were blurred.

    A border of labels crosses a cell or two: cells among none but mixed ones are few, and where it crosses one squarely
    the cells on both sides of that are pure.
    """
    mixed = (signal > EXACT) & (signal < 1 - EXACT)
    if not bool(mixed.any()):
        return False
    some = mixed.any(dim=0)[None, None].float()
    inside = -torch.nn.functional.max_pool2d(-some, 3, stride=1, padding=1)
    if float(inside.sum()) <= SOFT * float(some.sum()):
        return False
    padded = torch.nn.functional.pad(signal[None], (1, 1, 1, 1), mode="replicate")[0]
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]).abs()
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]).abs()
    steps = torch.maximum(down, across)[mixed].numpy()
    return float(np.quantile(steps, STEEPEST)) < (SQUARE if len(signal) > 2 else SQUARE_OF_MASK)


def _overlaps(signal: Tensor) -> bool:
    """True if the cells of ``signal`` [C, h, w] were averaged over more than themselves, as antialiased resizing does.

    A border that runs straight between two classes leaves one mixed cell across it, and two where it is slanted: of
    borders from pure to pure 0.39 to 1 have one mixed cell of means over cells, and at most 0.25 of antialiased ones.
    """
    pure = [signal <= OVERLAPPING, signal >= 1 - OVERLAPPING]
    alone = paired = 0
    for low, high in (pure, [t.mT for t in pure]):
        mixed = ~(low | high)
        alone += int((mixed[:, 1:-1] & _between(low, high, 2)).sum())
        paired += int((mixed[:, 1:-2] & mixed[:, 2:-1] & _between(low, high, 3)).sum())
    return alone + paired >= FEWEST_BORDERS and alone < ALONE * (alone + paired)


def _between(low: Tensor, high: Tensor, apart: int) -> Tensor:
    """True where, down the columns of [C, h, w], two cells so far apart are pure and of different classes."""
    return (low[:, :-apart] & high[:, apart:]) | (high[:, :-apart] & low[:, apart:])


def _meets_unmixed(signal: Tensor, pure: Tensor) -> bool:
    """True if most borders between classes lie between two pure cells."""
    label = signal.argmax(dim=0) if signal.shape[0] > 1 else (signal[0] > 0.5).long()
    borders = unmixed = 0
    for dim in (0, 1):
        n = label.shape[dim] - 1
        a, b = label.narrow(dim, 0, n), label.narrow(dim, 1, n)
        border = a != b
        borders += int(border.sum())
        unmixed += int((border & pure.narrow(dim, 0, n) & pure.narrow(dim, 1, n)).sum())
    return unmixed > borders / 2
