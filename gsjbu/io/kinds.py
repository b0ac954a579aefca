"""What kind of signal an array is: stated rules, each with its reason in words, and what else it might be.

One channel of whole numbers is *labels* where equal numbers lie in patches and neighbours have no order, otherwise
*depth*. One channel of fractions in [0, 1] is *soft labels* (mostly exactly 0 or 1), *probabilities* (mostly near 0 or
1) or a *heat map*, unless nothing is near its 0 (no depth there); with both signs and two plateaus it is the *logits*
of a mask; anything else is *depth*, which stands for any measured quantity. Several channels that sum to 1 are *soft
labels* where most shares are exactly 0 or 1 and none is tiny, otherwise *probabilities*; channels whose softmax is sure
of itself, in patches, are *logits*; all others are *features*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from gsjbu.core.pieces import pieces
from gsjbu.core.rounding import ROUNDING, in_unit
from gsjbu.errors import SignalError
from gsjbu.io import ends

Kind = Literal["depth", "labels", "soft_labels", "probabilities", "logits", "features", "heat_map"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Those whose values are shares of a whole, and stay in [0, 1]; of labels the shares that were asked for.
UNIT_KINDS: tuple[Kind, ...] = ("soft_labels", "probabilities", "logits", "heat_map")
SHARES: tuple[Kind, ...] = ("labels", *UNIT_KINDS)
#: Those whose channels are classes.
CLASS_KINDS: tuple[Kind, ...] = ("labels", "soft_labels", "probabilities", "logits")
#: Of each word on a signal: look yourself.
AUTO = "auto"
#: What the signal of ``gsjbu raster`` may be said to be.
RASTER_KINDS = (AUTO, "depth", "labels", "features")
_ALSO = {"heatmap": "heat_map", "alpha": "soft_labels", "mask": "labels", "softlabels": "soft_labels"}

#: Whole numbers so few are labels even where no two neighbours are equal.
FEW = 8
#: Up to so many different whole numbers, labels need no more than half of all neighbours to be equal.
SOME = 40
#: Class numbers of everyday data sets lie below; numbers of instances are larger, beside some that are not. No sensor's
#: 16 bits hold what lies above the second.
TOP_CLASS, TOP_LEVEL = 255, 65535
PATCHES, CLEAR_PATCHES = 0.5, 0.75
#: Labels have no order: those beside each other are as far apart, in rank, as any two (1): 0.65 and more in data sets
#: and maps of ids; and hardly more of them than by chance come next to each other in rank. Of quantities, enlarged or
#: posterised ones too, the former is 0 to 0.58, and where large steps make it more, many come next all the same.
UNORDERED, ORDERED, BY_CHANCE = 0.6, 0.5, 2.5
#: Ids: each is one piece (1 to 1.4 on average), few are of one cell, and small ones have 25 % of neighbours equal; with
#: fewer it is asked.
ONE_PIECE, FEW_ALONE, ID_PATCHES, SOME_PATCHES = 1.5, 1 / 3, 0.25, 0.15
#: Ids that were counted from one corner on have an order. Each is one piece all the same, and their numbers have no
#: holes: values that fall anywhere would hit some levels twice before half of them are there. Those of a ramp do, too,
#: but beside each other they come next in rank; of ids at most half do.
COUNTED_PIECES, DENSE, NEXT = 1.2, 0.5, 0.6
#: So large a part in the middle is looked at.
PIECES_SIDE = 1024
#: A share of a cell is at least one pixel of 64²; softmax has many values below.
TINY = 2e-4
EXACT = 1e-6
#: Shares may lie so far beyond [0, 1]: a thousandth, and what rounding adds.
BEYOND = 1e-3 + ROUNDING
#: Shares of a whole that are all smaller are a quantity in a large unit.
LEAST_SHARE = 0.01
#: A network is never further from sure than this in the cells that show a mask's sigmoid for what it is.
NEAR = 0.1
#: Fractions that touch neither 0 nor 1: 0 to 0.28 of shares of cells where few are 1 or nothing is near 0, 0.38 to 0.97
#: of quantities, 0.27 and more of heat maps whose largest is 1.
INSIDE, INSIDE_HEAT = 1 / 3, 1 / 4
#: A 0 is no fraction where what lies beside it is this far off, in medians of all that is seen: 0.38 to 0.86 of depth
#: with holes or without a sky. Of heat maps that were cut off at a tenth it is 0.1 to 0.37, and so it is asked.
HOLES, MAYBE_HOLES = 0.35, 0.1
MOST_HOLES = 2 / 3
#: Shares of cells are 1 in more than this part of those that are not 0, a heat map at its peaks alone.
FEW_ONES = 0.05
#: A quantity is taken for standardised if its mean and its spread are no further from 0 and 1.
STANDARD = 0.05
#: Logits are no larger than this, and of few classes hardly as large as that; a measured quantity often is. Those of a
#: mask that reach ±SURE may have more near 0.
#: Segment Anything holds its own at ±32.
LOGITS_TOP, MASK_TOP, SURE = 100.0, 32.0, 4.0
#: Of few classes (or as many channels as features have) a softmax is surer in most cells: outputs of two networks, put
#: together to two to seven classes, are so by 0.75 and more, normals, chroma and latents of both signs by 0.67 at most.
SURE_OF_FEW = 0.75
#: Logits of few classes vary against each other: of all their variance so much at most is common (1: uncorrelated). Of
#: those outputs it is 0 to 0.63, as they are and as logarithms of probabilities; of vectors 0.7 to 3, chroma 0.1 to 2.
FEW_CLASSES, MOST_COMMON = 8, 0.7
MOST_CLASSES = 1024
OVERLAPPING = (
    "Each channel keeps away from 0, as the logits of a mask do: masks that overlap are brought one by one (x[0], …); "
    "gsjbu.hf.masks does it for Segment Anything's."
)
#: Sums of shares are so near to 1.
SUM = 0.02
#: Rounding takes or gives up to a level a channel, and of all of them no more than this part.
MOST_ROUNDED = 0.6
#: Of mixed levels of 8 bits so many are 1 in a network's shares (0.21 and more, as measured), fewer in those of cells
#: (0.15 and less).
LOWEST_LEVELS = 0.18
#: Values of several channels that are looked at: of larger signals every second, third, … cell.
MOST_LOOKED_AT = 1 << 22


@dataclass(frozen=True)
class Guess:
    """``kind``, why in words, and the kind that is about as likely, if there is one; ``hint``: what else it may be."""

    kind: Kind
    reason: str
    runner_up: Kind | None = None
    hint: str = ""


def parse(kind: str | None) -> Kind | None:
    """A kind from what a person wrote (``soft-labels``, ``heatmap``); None for ``auto``. Raises SignalError."""
    if kind is None or str(kind).lower() == AUTO:
        return None
    plain = str(kind).strip().lower().replace(" ", "_").replace("-", "_")
    plain = _ALSO.get(plain, plain)
    for known in KINDS:
        if plain == known:
            return known
    raise SignalError(
        "signal_kind",
        f"There is no kind of signal {str(kind)[:40]!r}; it is auto, {', '.join(KINDS[:-1])} or {KINDS[-1]}.",
    )


def guess(
    planes: np.ndarray,  # [C, h, w], real numbers or booleans
    known: np.ndarray,  # bool [h, w], False where there is no value
    lossy: bool = False,
) -> Guess:
    """The kind of an array. ``lossy``: it comes from a JPEG, whose levels are not exact."""
    if planes.dtype == bool:
        return _boolean(planes)
    if planes.shape[0] > 1:
        return _several(planes, known)
    plane = planes[0]
    if plane.dtype.kind in "iu":
        return _whole(plane, known, lossy)
    plane = settled(plane, known)
    values = plane[known].astype(np.float64)
    if values.size == 0:
        return Guess("depth", "no finite value")
    if may_be_classes(values):
        found = _whole(plane, known, lossy)
        if "labels" in (found.kind, found.runner_up):
            return found
    return _fractions(plane, known)


def settled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``values`` [..., h, w] that are ``known``, of [0, 1] but for rounding, without it; all others as they are.

    As far as they lie beyond an end, they lie short of it, too.
    """
    if values.dtype.kind != "f":
        return values
    some = values[..., known]
    low, high = float(some.min(initial=0.0)), float(some.max(initial=0.0))
    if (low >= 0 and high <= 1) or not in_unit(low, high, float(np.finfo(values.dtype).eps)):
        return values
    none, all_ = values <= -low, values >= 2 - high
    return np.where(known & none, values.dtype.type(0), np.where(known & all_, values.dtype.type(1), values))


def _boolean(planes: np.ndarray) -> Guess:
    if planes.shape[0] == 1:
        return Guess("labels", "booleans: a mask")
    return Guess("soft_labels", f"{planes.shape[0]} channels of booleans: one a class")


# ------------------------------------------------------------------------------------- one channel


@dataclass(frozen=True)
class Patches:
    """How the values of a plane lie beside each other; shares of pairs of neighbours, 0–1.

    ``equal``: pairs of one value. ``alone``: different values that have no equal neighbour anywhere, of all different
    values. ``count`` of these.
    """

    equal: float
    alone: float
    count: int


def patches(plane: np.ndarray, known: np.ndarray) -> Patches:
    """The :class:`Patches` of [h, w], over neighbours that are both known."""
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


def _neighbours(plane: np.ndarray, known: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of neighbours of [h, w] along an axis: one, the other, and whether both are known."""
    a, b = (np.swapaxes(plane, 0, axis)[s] for s in (np.s_[:-1], np.s_[1:]))
    ka, kb = (np.swapaxes(known, 0, axis)[s] for s in (np.s_[:-1], np.s_[1:]))
    return a, b, ka & kb


@dataclass(frozen=True)
class Order:
    """What the numbers of a plane have to do with where they lie.

    ``pieces``: connected ones of each number, on average. ``apart``: how far neighbours that differ are apart in rank
    among all numbers, in parts of what two numbers by chance are. ``next``: the share of those neighbours whose numbers
    come next to each other, of ``count`` numbers. ``dense``: how many there are of the numbers that lie evenly from
    the least to the largest, 0–1.
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


def order(plane: np.ndarray, known: np.ndarray) -> Order:
    """The :class:`Order` of [h, w] of whole numbers, some of them known."""
    middle = tuple(slice(max(0, (n - PIECES_SIDE) // 2), (n + PIECES_SIDE) // 2) for n in plane.shape)
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


def may_be_classes(values: np.ndarray) -> bool:
    """Whether all are whole numbers that integers of 64 bits hold."""
    if values.dtype.kind != "f":
        return True
    return bool((values == np.rint(values)).all()) and float(np.abs(values).max(initial=0)) < 2.0**63


def different(count: int, what: str = "numbers") -> str:
    """How many there are, in words."""
    return f"{count} different {what}" if count > 1 else "one number"


def _whole(plane: np.ndarray, known: np.ndarray, lossy: bool) -> Guess:
    """One channel of whole numbers."""
    values = plane[known]
    if values.size == 0:
        return Guess("depth", "no value at all")
    lie = patches(plane, known)
    bits = f"{8 * plane.dtype.itemsize}-bit whole numbers" if plane.dtype.kind in "iu" else "whole numbers"
    if lossy:
        return Guess("depth", f"grey levels of a JPEG ({lie.count} different)", "heat_map")
    levels = different(lie.count, bits)
    if lie.count == 2 and (values.max() <= TOP_CLASS or _are_ends(plane.dtype, values)):
        low, high = (int(v) for v in np.unique(values))
        return Guess("labels", f"two levels, {low} and {high}: a mask")
    if _is_matte(plane, values):
        apart = ends.inside(plane, known, 255) >= INSIDE and ends.off_zero(plane, known) >= HOLES
        if apart:
            return Guess("depth", f"{bits}, many of them 0 and nothing near it", "soft_labels")
        return Guess("soft_labels", f"{bits}, mostly 0 or 255: an alpha matte")
    if lie.count <= FEW:
        return _few(values, lie, levels, plane.dtype)
    return _many(plane, known, lie, levels)


def _many(plane: np.ndarray, known: np.ndarray, lie: Patches, levels: str) -> Guess:
    """More than FEW whole numbers."""
    values = plane[known]
    flat = f"{levels} in patches: {round(100 * lie.equal)} % of neighbours are equal"
    sparse = Guess("depth", f"{levels}, {round(100 * lie.equal)} % of neighbours equal")
    if lie.equal < SOME_PATCHES or lie.alone >= PATCHES:
        return sparse
    lies = order(plane, known)
    if lies.ids and lie.equal >= ID_PATCHES and lie.alone < FEW_ALONE:
        no_class = lie.count <= SOME and _has_no_class_number(values) and values.max() <= TOP_LEVEL
        unsure = no_class or (not lies.counted and lies.apart < UNORDERED)
        return Guess("labels", f"{flat}, each number mostly one piece", "depth" if unsure else None)
    if lies.ids:
        return replace(sparse, runner_up="labels")
    if lie.equal < (PATCHES if lie.count <= SOME else CLEAR_PATCHES):
        return sparse
    if lie.count <= SOME and _has_no_class_number(values):
        return Guess("depth", f"{levels}, none of them from 1 to {TOP_CLASS} as class numbers are", "labels")
    if lies.by_chance:
        return Guess("labels", flat)
    said = f"{flat}, and those that differ are near each other in order"
    if lie.count <= SOME and (lies.apart >= ORDERED or _are_an_argmax(plane.dtype, values, lie.count)):
        return Guess("labels", said, "depth")
    return Guess("depth", said, "labels" if lie.count <= SOME or lies.apart >= ORDERED else None)


def _few(values: np.ndarray, lie: Patches, levels: str, dtype: np.dtype) -> Guess:
    """So few whole numbers that they are labels, unless they are none that classes have."""
    in_patches = lie.equal >= PATCHES and lie.alone < PATCHES
    flat = f"{levels} in patches: {round(100 * lie.equal)} % of neighbours are equal"
    if _has_no_class_number(values) and (values.max() <= TOP_LEVEL or lie.count == 1):
        if _is_wide(dtype) and in_patches and lie.count > 2:
            return Guess("labels", f"{flat}, ids by their size", "depth")
        return Guess("depth", f"{levels}, none of them from 1 to {TOP_CLASS} as class numbers are", "labels")
    if not in_patches:
        return Guess("labels", f"only {levels}", "depth")
    return Guess("labels", flat, "depth" if _has_no_class_number(values) else None)


def _is_wide(dtype: np.dtype) -> bool:
    """Whether whole numbers have more bits than any sensor's."""
    return dtype.kind in "iu" and dtype.itemsize > 2


def _are_an_argmax(dtype: np.dtype, values: np.ndarray, count: int) -> bool:
    """Whether they look like the places of channels: each number from 0 on, in wide integers. Classes within classes,
    as organs in a body, are near each other in order, too."""
    return _is_wide(dtype) and values.min() == 0 and int(values.max()) == count - 1


def _has_no_class_number(values: np.ndarray) -> bool:
    """Whether some are larger than the class numbers of everyday data sets, and none is one, but for 0."""
    return bool(values.max() > TOP_CLASS) and not bool(((values > 0) & (values <= TOP_CLASS)).any())


def _are_ends(dtype: np.dtype, values: np.ndarray) -> bool:
    """Whether whole numbers are nothing but 0 and the largest that 16 bits hold."""
    top = np.iinfo(dtype).max if dtype.kind in "iu" and dtype.itemsize == 2 else 65535
    return bool(values.min() == 0 and values.max() == top)


def _is_matte(plane: np.ndarray, values: np.ndarray) -> bool:
    """8 bits, both ends often, and between them many levels."""
    if plane.dtype != np.uint8:
        return False
    none, all_ = float((values == 0).mean()), float((values == 255).mean())
    return min(none, all_) >= 0.05 and none + all_ >= 0.5 and len(np.unique(values)) > FEW


def _fractions(plane: np.ndarray, known: np.ndarray) -> Guess:
    """One channel of floats [h, w] that are not labels."""
    values = plane[known].astype(np.float64)
    low, high = float(values.min()), float(values.max())
    said = f"values from {low:.4g} to {high:.4g}"
    if low >= 0 and LEAST_SHARE <= high <= 1:
        return _in_unit(plane, known, said)
    if low < -1 and high > 1 and max(-low, high) <= LOGITS_TOP:
        if abs(values.mean()) < STANDARD and abs(values.std() - 1) < STANDARD:
            return Guess("depth", f"{said}, of mean 0 and spread 1: a quantity that was standardised", "logits")
        if max(-low, high) <= MASK_TOP and _two_plateaus(values):
            return Guess("logits", f"{said}, few near 0: the logits of a mask", "depth")
        return Guess("depth", said, "logits")
    if low >= -BEYOND * high and LEAST_SHARE <= high <= 1 + BEYOND:
        return _nearly_fractions(said, _in_unit(plane.clip(0, 1), known, said))
    return Guess("depth", said)


def _in_unit(plane: np.ndarray, known: np.ndarray, said: str) -> Guess:
    """One channel of fractions in [0, 1]; a 0 that nothing is near is none of them, but says that nothing was seen."""
    values, inside = plane[known].astype(np.float64), ends.inside(plane, known)
    found = _shares_or_heat(values, inside, said)
    off = ends.off_zero(plane, known) if inside >= INSIDE and found.kind != "depth" else 0.0
    none = float((values == 0).mean())
    if off >= HOLES and none <= MOST_HOLES:
        why = f"{round(100 * none)} % exactly 0 and nothing near it, as where there is no depth"
        return Guess("depth", f"{said}, {why}", found.kind)
    return replace(found, runner_up="depth") if off >= MAYBE_HOLES else found


def _shares_or_heat(values: np.ndarray, inside: float, said: str) -> Guess:
    """The guess of fractions, ``inside`` of which touch neither 0 nor 1, whose 0 is one of them."""
    low, high = float(values.min()), float(values.max())
    none, all_ = (float((values == end).mean()) for end in (0.0, 1.0))
    if all_ > 0 and none + all_ >= 0.4 and (none > 0 or low > 0):
        if not none and inside >= INSIDE:
            why = f"{round(100 * all_)} % exactly 1, as far as it reaches, and none 0"
            return Guess("depth", f"{said}, {why}", "soft_labels")
        if all_ >= FEW_ONES * (1 - none) or inside < INSIDE_HEAT:
            mostly = f"{said}, {round(100 * (none + all_))} % exactly 0 or 1"
            return Guess("soft_labels", mostly, "depth" if low > NEAR else None)
        return _sigmoid_or_heat(values, said, "soft_labels")
    return _sigmoid_or_heat(values, said, _besides_heat(low, high))


def _sigmoid_or_heat(values: np.ndarray, said: str, besides: Kind | None) -> Guess:
    """The guess of fractions that are no shares; ``besides``: what a heat map of them may be."""
    low, high = float(values.min()), float(values.max())
    if _is_sigmoid(values):
        return Guess("probabilities", f"{said}, mostly near 0 or 1: a mask's sigmoid", "heat_map")
    if low > NEAR * high:
        return Guess("depth", f"{said}, none of them near 0 as most of a heat map is", "heat_map")
    return Guess("heat_map", f"{said}, most of them between", besides)


def _nearly_fractions(said: str, inside: Guess) -> Guess:
    """The guess of values a little beyond [0, 1] that would be ``inside`` there: two ends tell of shares still."""
    said = f"{said}, by a thousandth beyond 0 or 1"
    if inside.kind in ("soft_labels", "probabilities"):
        return Guess(inside.kind, said, "depth")
    return Guess("depth", said, "heat_map")


def _is_sigmoid(values: np.ndarray) -> bool:
    """Whether fractions are sure of most cells: of a small object, too, more are inside it than on its border, where a
    heat map's peak is all slope."""
    low, high = float((values < NEAR).mean()), float((values > 1 - NEAR).mean())
    return high > 0 and low + high >= 0.7 and high > (1 - low - high) / 2 and float(values.max()) > 0.95


def _besides_heat(low: float, high: float) -> Kind | None:
    """What fractions from ``low`` to ``high`` are about as likely, if not a heat map."""
    if high < 0.5 or (low == 0 and high == 1):
        return "depth"
    return "probabilities" if low < 0.01 and high > 0.9 else None


def _two_plateaus(values: np.ndarray) -> bool:
    """Whether values keep away from 0, where a mask's logits change sign."""
    middle = np.abs(values) <= 0.1 * np.abs(values).max()
    sides = (values > 0).mean(), (values < 0).mean()
    most = 0.25 if min(values.max(), -values.min()) >= SURE else 0.15
    return bool(middle.mean() < most and min(sides) > 0.01)


# --------------------------------------------------------------------------------- several channels


def _several(planes: np.ndarray, known: np.ndarray) -> Guess:
    step = max(1, planes.size // MOST_LOOKED_AT)
    values = planes[:, known][:, ::step].astype(np.float64)  # [C, cells]
    if values.size == 0:
        return Guess("features", "no finite value")
    found = _classes_or_features(planes, known, values)
    return replace(found, hint=OVERLAPPING) if found.kind == "features" and _are_masks(values) else found


def _are_masks(values: np.ndarray) -> bool:
    """Whether most channels of [C, cells], taken alone, are the logits of a mask; no backbone has so few channels."""
    count = len(values)
    signed = (values.min(axis=1) < -1) & (values.max(axis=1) > 1) & (np.abs(values).max(axis=1) <= MASK_TOP)
    if (count > 32 and count % 32 == 0) or 2 * np.count_nonzero(signed) <= count:
        return False
    return 2 * sum(map(_two_plateaus, values[signed])) > count


def _classes_or_features(planes: np.ndarray, known: np.ndarray, values: np.ndarray) -> Guess:
    """The guess of [C, h, w], of which ``values`` [C, cells] are looked at."""
    channels = len(planes)
    said = f"{channels} channels"
    low, high = float(values.min()), float(values.max())
    if sums_to_one(values):
        if _are_shares(values):
            return Guess("soft_labels", f"{said} that sum to 1, mostly exactly 0 or 1")
        return Guess("probabilities", f"{said} that sum to 1")
    if sums_to_whole(values, whole := whole_of_levels(planes.dtype, values)):
        return _levels_of_shares(values, whole, said)
    if whole > TOP_CLASS and sums_to_one(values / whole):
        return Guess(
            "features", f"{said} that sum to {whole:g} within 2 %, and not as rounded shares do", "probabilities"
        )
    if low >= 0 and high <= 1 and may_be_classes(values):
        return Guess("soft_labels", f"{said} of 0 and 1: one a class")
    if planes.dtype.kind == "f" and low < -ROUNDING * abs(high) and channels <= MOST_CLASSES:
        peak = np.exp(values - values.max(axis=0))
        total = np.log(peak.sum(axis=0)) + values.max(axis=0)
        if high <= EXACT and np.abs(total).max() < 0.02:
            return Guess("logits", f"{said}, the logarithms of probabilities")
        sure = float(np.median(1 / peak.sum(axis=0)))
        if _look_like_logits(planes, known, sure):
            if channels < FEW_CLASSES and (max(-low, high) > MASK_TOP or _common(values) > MOST_COMMON):
                return Guess("features", f"{said} from {low:.3g} to {high:.3g}", "logits")
            reason = f"{said} of both signs, their softmax mostly {100 * sure:.0f} % sure and in patches"
            if channels % 32 == 0 and channels > 32:
                return Guess("features", f"{said} of both signs, as many as backbones have", "logits")
            return Guess("logits", reason, "features" if channels < FEW_CLASSES or channels % 8 == 0 else None)
    return Guess("features", f"{said} from {low:.3g} to {high:.3g}")


def _common(values: np.ndarray) -> float:
    """How much of the variance of [C, cells] all channels share: 0: they add up to a constant, 1: none, C: all."""
    apart = values - values.mean(axis=1, keepdims=True)
    total = float(np.square(apart).mean())
    return len(values) * float(np.square(apart.mean(axis=0)).mean()) / total if total else 0.0


def sums_to_one(values: np.ndarray) -> bool:
    """Whether [C, …] is nothing negative, and 1 in all over the channels."""
    if values.shape[0] < 2 or values.size == 0 or not values.min() >= -1e-4:
        return False
    return bool(np.abs(values.sum(axis=0, dtype=np.float64) - 1).max() <= SUM)


def whole_of_levels(dtype: np.dtype, values: np.ndarray) -> float:
    """The number that stands for 1 among shares of ``dtype``: 255 of 8 bits, which more bits or floats may hold, 65535
    of 16; 1 of fractions, and of 0 and 1. ``values``: the known ones, in any dtype."""
    top, whole = float(values.max(initial=0)), dtype.kind in "iu"
    if top <= 1 or not (whole or may_be_classes(values)):
        return 1.0
    return 255.0 if top <= 255 and not (whole and dtype.itemsize == 2) else 65535.0


def may_be_per_cent(values: np.ndarray) -> bool:
    """Whether shares in levels, of which 255 is all, may be per cent: none is above 100, of levels of 8 bits the most
    is just that."""
    top = float(values.max(initial=0))
    levels = whole_of_levels(values.dtype, values) == 255
    return levels and top <= 100 and (top == 100 or values.dtype.itemsize > 1)


def sums_to_whole(values: np.ndarray, whole: float) -> bool:
    """Whether whole numbers [C, …] are levels of which ``whole`` stands for 1, and 1 in all over the channels, but for
    what each lost or gained as it was rounded, or lost as it was cut off."""
    if whole == 1 or values.shape[0] < 2 or values.size == 0 or values.min() < 0:
        return False
    more = values.sum(axis=0, dtype=np.float64) - whole
    # Of 16 bits, 2 % are many levels: colours, points and motion around the middle sum to as much.
    slack, unit = (SUM * whole, 1.0) if whole <= TOP_CLASS else (0.0, _unit(values, whole))
    least, most = (min(max(slack, n * unit), MOST_ROUNDED * whole) for n in (len(values), len(values) / 2))
    return bool(-least <= more.min() and more.max() <= most)


def _unit(values: np.ndarray, whole: float) -> float:
    """What levels are multiples of, where ``whole`` is: 257 of those of 8 bits that 16 bits hold."""
    some = values.ravel()
    unit = np.gcd.reduce(some[:: max(1, some.size // 4096)].astype(np.int64))
    unit = np.gcd.reduce(some.astype(np.int64)) if unit > 1 else unit
    return float(unit) if unit and whole % unit == 0 else 1.0


def _levels_of_shares(values: np.ndarray, whole: float, said: str) -> Guess:
    """Of 8 bits, which hold no tiny share, many of level 1 tell of a network."""
    said = f"{said} of whole numbers that sum to {whole:g}, but for rounding"
    if np.abs(values.sum(axis=0) - whole).mean() > SUM * whole:
        return Guess("probabilities", said, "features")
    mixed = values[(values > 0) & (values < whole)]
    if not mixed.size:
        return Guess("soft_labels", said)
    fine = whole > TOP_CLASS
    if _are_shares(values / whole) and (fine or float((mixed == 1).mean()) < LOWEST_LEVELS):
        return Guess("soft_labels", said, "probabilities")
    return Guess("probabilities", said, None if fine else "soft_labels")


def _are_shares(values: np.ndarray) -> bool:
    """Whether probabilities [C, cells] are shares of cells: pure where no border is, and never tiny."""
    none = values <= 0
    some = ~none & (values < 1)
    tiny = float((some & (values < TINY)).sum()) / max(1, int(some.sum()))
    pure, absent = float((values.max(axis=0) >= 1 - EXACT).mean()), float(none.mean())
    if tiny < 0.01:
        return pure >= 0.1 or (values.shape[0] > 3 and absent >= 0.3)
    return tiny < 0.2 and pure >= 0.3 and absent >= 0.4  # some cells were filled with the mean of others


def _look_like_logits(planes: np.ndarray, known: np.ndarray, sure: float) -> bool:
    """Whether the softmax of [C, h, w] has classes: sure ones, more than one, in patches."""
    channels = planes.shape[0]
    least = 0.5 if channels > FEW_CLASSES and channels % 8 else SURE_OF_FEW
    if planes.max() <= 0 or sure < least or np.abs(planes[:, known]).max() > LOGITS_TOP:
        return False
    best = planes.argmax(axis=0)
    lie = patches(best, known)
    largest = np.bincount(best[known]).max() / known.sum()
    return lie.equal >= PATCHES and lie.count > 1 and largest < 0.98
