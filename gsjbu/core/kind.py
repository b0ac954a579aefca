"""What a signal is, told from its values alone: a quantity, shares of classes, a network's probabilities, features."""

from __future__ import annotations

from torch import Tensor

from gsjbu.core import blur
from gsjbu.core.rounding import in_unit
from gsjbu.core.sampled import are_samples

# Up to so many channels that are not shares of a whole are taken for a measured quantity, more for features.
FEW_CHANNELS = 4
EXACT = 1e-6
# Sharpness (blur.overshoot) of shares of several classes that are means over cells: what lies below it may have been
# put through the weakest blur, whose bound it is.
SHARP = next(iter(blur.BLURS.values())).of_shares
# Masks have 0.063 to 0.14 (5 to 95 % of 304), mattes at most 0.069; mattes that were sampled 0.14 and more, but one in
# three.
SHARP_MASK, SHARP_SAMPLES = 0.07, 0.14


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
            return (_of_mask if channels == 1 else _of_classes)(signal, whole.all(dim=0))
        if channels > 1:
            return "scores"
    return "measured" if channels <= FEW_CHANNELS else "features"


def _of_classes(signal: Tensor, pure: Tensor) -> str:
    """What shares of several classes are, most of whose cells are of one class (``pure``, bool [h, w])."""
    if _meets_unmixed(signal, pure):
        return "samples"
    return "shares" if blur.overshoot(signal) >= SHARP else "soft"


def _of_mask(signal: Tensor, pure: Tensor) -> str:
    """What one channel of shares is: a mask, a matte, samples of either."""
    if _meets_unmixed(signal, pure):
        return "sampled"
    sharp = blur.overshoot(signal)
    if sharp >= SHARP_SAMPLES and are_samples(signal):
        return "sampled"
    return "shares" if sharp >= SHARP_MASK else "measured"


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
