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

from gsjbu.core.rounding import ROUNDING
from gsjbu.errors import SignalError
from gsjbu.io import ends
from gsjbu.io.numbers import BEYOND, SUM, may_be_classes, settled, sums_to_one, sums_to_whole, whole_of_levels
from gsjbu.io.patches import ORDERED, PATCHES, UNORDERED, Patches, order, patches

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

#: With at most so many different whole numbers a map is labels even where no two neighbours are equal.
FEW = 8
#: With at most so many, labels need half of all neighbours to be equal (PATCHES), with more CLEAR_PATCHES of them.
SOME, CLEAR_PATCHES = 40, 0.75
#: Largest class number of everyday data sets; ids (numbers of instances) are larger, beside some that are not. Largest
#: number of 16 bits, the most that sensors have.
TOP_CLASS, TOP_LEVEL = 255, 65535
#: Of ids at most FEW_ALONE have no equal neighbour, and ID_PATCHES of all neighbours are equal; from SOME_PATCHES on
#: ids are a runner-up.
FEW_ALONE, ID_PATCHES, SOME_PATCHES = 1 / 3, 0.25, 0.15
#: Smallest share that a class may have in a cell, about one pixel of 64²; a softmax has many values below.
TINY = 2e-4
#: Rounding of float32 near 1.
EXACT = 1e-6
#: Fractions whose largest is below are a measured quantity in a large unit.
LEAST_SHARE = 0.01
#: A mask's sigmoid is within this of 0 or 1 in most cells.
NEAR = 0.1
#: Share of fractions that touch neither 0 nor 1 (``ends.inside``). Soft labels of which few are 1 or none is near 0:
#: 0 to 0.28; measured quantities: 0.38 to 0.97; heat maps whose largest value is 1: 0.27 and more.
INSIDE, INSIDE_HEAT = 1 / 3, 1 / 4
#: A 0 means "no depth" where the values beside it are this far from 0, in medians of all values (``ends.off_zero``).
#: Depth with holes or without a sky: 0.38 to 0.86. Heat maps cut off at a tenth: 0.1 to 0.37, so that it is asked.
HOLES, MAYBE_HOLES = 0.35, 0.1
MOST_HOLES = 2 / 3
#: Of the values above 0, more than this part are 1 in soft labels; in a heat map only its peaks are.
FEW_ONES = 0.05
#: A quantity is taken for standardised if its mean is this near to 0 and its standard deviation to 1.
STANDARD = 0.05
#: Logits do not exceed LOGITS_TOP, and those of few classes hardly MASK_TOP, to which Segment Anything clips its own; a
#: measured quantity often does. A mask whose logits reach ±SURE may have more of them near 0.
LOGITS_TOP, MASK_TOP, SURE = 100.0, 32.0, 4.0
#: Median of the largest probability of a cell, where classes are few or as many as features have channels: outputs of
#: two networks, put together to two to seven classes, have 0.75 and more; normals, chroma and latents at most 0.67.
SURE_OF_FEW = 0.75
#: Share of the variance that is common to all channels (1: they are uncorrelated), where classes are few: those
#: outputs have 0 to 0.63, as logits or logarithms of probabilities; vectors 0.7 to 3, chroma 0.1 to 2.
FEW_CLASSES, MOST_COMMON = 8, 0.7
#: More channels are no logits.
MOST_CLASSES = 1024
OVERLAPPING = (
    "Each channel keeps away from 0, as the logits of a mask do: masks that overlap are brought one by one (x[0], …); "
    "gsjbu.hf.masks does it for Segment Anything's."
)
#: Of the levels of 8 bits between 0 and 255, the share that is 1: 0.21 and more in a network's probabilities, 0.15 and
#: less in shares of cells.
LOWEST_LEVELS = 0.18
#: Of larger signals of several channels only every second, third, … cell is looked at.
MOST_LOOKED_AT = 1 << 22


@dataclass(frozen=True)
class Guess:
    """``kind``, and why, in words. ``runner_up``: a kind that is about as likely, if there is one. ``hint``: a sentence
    on what else it may be."""

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


def _boolean(planes: np.ndarray) -> Guess:
    if planes.shape[0] == 1:
        return Guess("labels", "booleans: a mask")
    return Guess("soft_labels", f"{planes.shape[0]} channels of booleans: one a class")


# ------------------------------------------------------------------------------------- one channel


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
    """One channel of more than FEW different whole numbers."""
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
    """One channel of at most FEW different whole numbers: labels, unless no class has such numbers."""
    flat = f"{levels} in patches: {round(100 * lie.equal)} % of neighbours are equal"
    if _has_no_class_number(values) and (values.max() <= TOP_LEVEL or lie.count == 1):
        if _is_wide(dtype) and lie.lie_in_patches and lie.count > 2:
            return Guess("labels", f"{flat}, ids by their size", "depth")
        return Guess("depth", f"{levels}, none of them from 1 to {TOP_CLASS} as class numbers are", "labels")
    if not lie.lie_in_patches:
        return Guess("labels", f"only {levels}", "depth")
    return Guess("labels", flat, "depth" if _has_no_class_number(values) else None)


def _is_wide(dtype: np.dtype) -> bool:
    """Whether these are integers of more than 16 bits, which sensors do not have."""
    return dtype.kind in "iu" and dtype.itemsize > 2


def _are_an_argmax(dtype: np.dtype, values: np.ndarray, count: int) -> bool:
    """Whether they look like an argmax over channels: wide integers, every number from 0 on.

    Classes may lie in order without being a quantity, as organs within a body do.
    """
    return _is_wide(dtype) and values.min() == 0 and int(values.max()) == count - 1


def _has_no_class_number(values: np.ndarray) -> bool:
    """Whether some are larger than TOP_CLASS, and none lies from 1 to TOP_CLASS."""
    return bool(values.max() > TOP_CLASS) and not bool(((values > 0) & (values <= TOP_CLASS)).any())


def _are_ends(dtype: np.dtype, values: np.ndarray) -> bool:
    """Whether a mask's two levels are 0 and the largest number of 16 bits."""
    top = np.iinfo(dtype).max if dtype.kind in "iu" and dtype.itemsize == 2 else 65535
    return bool(values.min() == 0 and values.max() == top)


def _is_matte(plane: np.ndarray, values: np.ndarray) -> bool:
    """Whether this is an alpha matte: 8 bits, mostly 0 and 255, and many levels between."""
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
    """One channel of fractions in [0, 1]. A 0 that no other value is near means that nothing was measured there."""
    values, inside = plane[known].astype(np.float64), ends.inside(plane, known)
    found = _shares_or_heat(values, inside, said)
    off = ends.off_zero(plane, known) if inside >= INSIDE and found.kind != "depth" else 0.0
    none = float((values == 0).mean())
    if off >= HOLES and none <= MOST_HOLES:
        why = f"{round(100 * none)} % exactly 0 and nothing near it, as where there is no depth"
        return Guess("depth", f"{said}, {why}", found.kind)
    return replace(found, runner_up="depth") if off >= MAYBE_HOLES else found


def _shares_or_heat(values: np.ndarray, inside: float, said: str) -> Guess:
    """The guess of fractions whose 0 is a value. ``inside``: the share that touches neither 0 nor 1."""
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
    """The guess of fractions that are no soft labels. ``besides``: the runner-up if they are a heat map."""
    low, high = float(values.min()), float(values.max())
    if _is_sigmoid(values):
        return Guess("probabilities", f"{said}, mostly near 0 or 1: a mask's sigmoid", "heat_map")
    if low > NEAR * high:
        return Guess("depth", f"{said}, none of them near 0 as most of a heat map is", "heat_map")
    return Guess("heat_map", f"{said}, most of them between", besides)


def _nearly_fractions(said: str, inside: Guess) -> Guess:
    """The guess of values a little beyond [0, 1], of which ``inside`` is the guess once they are clipped."""
    said = f"{said}, by a thousandth beyond 0 or 1"
    if inside.kind in ("soft_labels", "probabilities"):
        return Guess(inside.kind, said, "depth")
    return Guess("depth", said, "heat_map")


def _is_sigmoid(values: np.ndarray) -> bool:
    """Whether most fractions are near 0 or 1.

    A small object, too, has more cells inside than on its border, where a heat map's peak is all slope.
    """
    low, high = float((values < NEAR).mean()), float((values > 1 - NEAR).mean())
    return high > 0 and low + high >= 0.7 and high > (1 - low - high) / 2 and float(values.max()) > 0.95


def _besides_heat(low: float, high: float) -> Kind | None:
    """The runner-up of a heat map with values from ``low`` to ``high``."""
    if high < 0.5 or (low == 0 and high == 1):
        return "depth"
    return "probabilities" if low < 0.01 and high > 0.9 else None


def _two_plateaus(values: np.ndarray) -> bool:
    """Whether few values are near 0, as in the logits of a mask, which change sign at its border."""
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
    """Whether most channels of [C, cells] look like the logits of one mask each.

    A multiple of 32 channels, more than 32, is what backbones have.
    """
    count = len(values)
    signed = (values.min(axis=1) < -1) & (values.max(axis=1) > 1) & (np.abs(values).max(axis=1) <= MASK_TOP)
    if (count > 32 and count % 32 == 0) or 2 * np.count_nonzero(signed) <= count:
        return False
    return 2 * sum(map(_two_plateaus, values[signed])) > count


def _classes_or_features(planes: np.ndarray, known: np.ndarray, values: np.ndarray) -> Guess:
    """The guess of [C, h, w] by some of its ``values`` [C, cells]."""
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
    """The variance of the channels' sum over the sum of their variances, of [C, cells].

    0: they add up to a constant; 1: they are uncorrelated; C: they are equal.
    """
    apart = values - values.mean(axis=1, keepdims=True)
    total = float(np.square(apart).mean())
    return len(values) * float(np.square(apart.mean(axis=0)).mean()) / total if total else 0.0


def _levels_of_shares(values: np.ndarray, whole: float, said: str) -> Guess:
    """The guess of levels [C, cells] that sum to ``whole``. Of 8 bits, which hold no tiny share, many levels that are 1
    tell of a network."""
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
    """Whether probabilities [C, cells] are shares of cells: 0 or 1 where no border is, and never tiny."""
    none = values <= 0
    some = ~none & (values < 1)
    tiny = float((some & (values < TINY)).sum()) / max(1, int(some.sum()))
    pure, absent = float((values.max(axis=0) >= 1 - EXACT).mean()), float(none.mean())
    if tiny < 0.01:
        return pure >= 0.1 or (values.shape[0] > 3 and absent >= 0.3)
    return tiny < 0.2 and pure >= 0.3 and absent >= 0.4  # some cells were filled with the mean of others


def _look_like_logits(planes: np.ndarray, known: np.ndarray, sure: float) -> bool:
    """Whether the argmax of [C, h, w] has several classes that lie in patches, and the softmax is ``sure`` of them: the
    median of its largest probability."""
    channels = planes.shape[0]
    least = 0.5 if channels > FEW_CLASSES and channels % 8 else SURE_OF_FEW
    if planes.max() <= 0 or sure < least or np.abs(planes[:, known]).max() > LOGITS_TOP:
        return False
    best = planes.argmax(axis=0)
    lie = patches(best, known)
    largest = np.bincount(best[known]).max() / known.sum()
    return lie.equal >= PATCHES and lie.count > 1 and largest < 0.98
