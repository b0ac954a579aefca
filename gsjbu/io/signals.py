"""Low-resolution (LR) signals: what a person brought, understood, with the reason for every choice.

:func:`understand` is the one way in, for the library, the command line, the batch and the page. The words of
``words.py`` overrule what it would guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.grid import pair, size_text
from gsjbu.core.sharing import Shared, crowd
from gsjbu.errors import Remedy, SignalError
from gsjbu.io import angles, aspects, class_codes, gaps, kinds, layouts, logits, own_cells
from gsjbu.io.aspects import Size
from gsjbu.io.brought import MAX_CHANNELS, MAX_VALUES, Brought
from gsjbu.io.class_codes import OWN_CHANNEL, codes_in, colour_numbers, number_name
from gsjbu.io.gaps import Invalid
from gsjbu.io.kinds import AUTO, CLASS_KINDS, Kind
from gsjbu.io.names import Names, listed
from gsjbu.io.numbers import BEYOND, may_be_per_cent, settled, sums_to_whole, whole_of_levels
from gsjbu.io.patches import PATCHES, patches
from gsjbu.io.readers import bring
from gsjbu.settings import flag

#: More than OWN_CHANNEL classes share channels (core/sharing.py), which are laid out for windows of so many cells each
#: way: those of the test of the guide, and of the usual radius.
REACH = 2
#: A measured quantity is shifted and scaled where its largest value is more than so many times its spread (float32 has
#: seven digits), or lies outside LEAST_TOP … MOST_TOP.
OFFSET_OF_SPREADS = 8.0
LEAST_TOP, MOST_TOP = 1e-15, 1e15
#: Bounds of the largest value: a measured quantity is scaled, others are mixed as they are. Beyond them float32 has no
#: digits, or its sums overflow.
TOPS = {"depth": (1e-37, 1e37), "features": (LEAST_TOP, MOST_TOP)}
ONE_CHANNEL = ("depth", "labels", "heat_map")  # kinds of what tokens are not
UNIT_VECTORS = (
    "The signal's vectors have length 1, and those that are mixed of them have not: divide each by its length, as "
    "torch.nn.functional.normalize(x, dim=0) does."
)
DIRECTIONS = 4  # channels up to which vectors of length 1 are directions (normals, angles, …) to anybody
AS_LARGE = "The signal is as large as the image: there is nothing to upsample; refine is made to sharpen such a one."
PLACED = (
    "The signal's file says where on the ground it lies, which has no part here: it is laid over the whole image, and "
    "the result has no georeference; gsjbu raster goes by it, and keeps it."
)
PER_CENT = "255 stands for 1 in these whole numbers, and none is above 100: if they are per cent, divide them by 100."
EQUAL = "The signal has three equal channels, as a grey picture read as colours; bring one, to be taken for what it is."


@dataclass(frozen=True)
class Asked:
    """What a person said of a signal; ``auto`` where nothing."""

    kind: Kind | None = None
    invalid: str | tuple[float, ...] = AUTO
    layout: str = AUTO
    grid: Size | None = None
    names: tuple[str, ...] = ()
    fill: bool = False

    @classmethod
    def parse(
        cls,
        kind: str | None = None,
        invalid: Invalid = AUTO,
        layout: str | None = None,
        grid: Sequence[int] | None = None,
        names: Names = (),
        fill: bool = False,
    ) -> Asked:
        """From the words as the library, the command line, a batch or the page is given them. Raises SignalError."""
        axes, token_grid = layouts.parse(layout)
        if grid is not None:
            said, token_grid = token_grid, pair("grid", grid)
            if said not in (None, token_grid):
                raise SignalError(
                    "signal_layout",
                    f"layout says {size_text(*said)}, and grid {size_text(*token_grid)}; give one of them.",
                )
        return cls(kinds.parse(kind), gaps.parse(invalid), axes, token_grid, listed(names), flag("fill", fill))

    def laid(self, brought: Brought, size: Size | None) -> layouts.Laid:
        """``brought`` as planes [C, h, w] over an image of ``size`` (height, width), as said here or by its file."""
        axes = brought.layout if self.layout == AUTO else self.layout
        return layouts.lay(brought.array, size, axes, self.grid, one_channel=self.kind in ONE_CHANNEL)


@dataclass(frozen=True, eq=False)
class Signal:
    """An LR signal over a whole image.

    ``values`` is what is mixed, all finite: labels as one-hot, logits as probabilities, depth less ``offset`` and
    over ``scale``, gaps filled from their neighbours. ``mask``: False where there is no value. ``shared``: how more
    than OWN_CHANNEL classes of labels share the channels.
    """

    values: Tensor  # float32 [C, h, w]
    mask: Tensor  # bool [h, w]
    kind: Kind
    reason: str = ""
    runner_up: Kind | None = None
    hint: str = ""  # what else it may be, a sentence
    names: tuple[str, ...] = ()  # one a channel, where channels are classes
    codes: tuple[int, ...] = ()  # the numbers (or 0xRRGGBB) that stand for the classes
    colours: bool = False
    palette: bytes = b""
    dtype: str = "float32"  # of what was brought: it decides that of the result
    offset: float = 0.0
    scale: float = 1.0
    levels: float = 1.0  # of what was brought for 1 of the result: 255 where levels of 8 bits give fractions
    gap_codes: tuple[float, ...] = ()
    gaps: str = ""  # a sentence on them, or nothing
    gaps_guessed: bool = False
    layout: str = "CHW"
    layout_note: str = ""
    layout_doubt: str = ""  # what else it may be, and the word that says so
    flat: bool = False  # brought as [h, w]: the result is [H, W]
    unit_vectors: bool = False  # each cell's channels have length 1
    came: tuple[int, ...] = ()  # its rows and columns as they came, where they were brought
    enlarged: str = ""  # what was found where they are an enlargement of these, or nothing
    as_large: bool = False  # as the image over which it was laid
    shared: Shared | None = None
    source: str = "array"
    brought: Brought | None = None
    asked: Asked = Asked()

    @classmethod
    def of_features(cls, values: Tensor, reason: str = "", source: str = "array") -> Signal:
        """A network's features, or an image's own colours, [C, h, w] with a value everywhere."""
        known = torch.ones(values.shape[1:], dtype=torch.bool)
        return cls(values, known, "features", reason=reason, source=source)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        c, h, w = self.values.shape
        return c, h, w

    @property
    def classes(self) -> int:
        """How many classes there are, where channels are classes, or are shared by them."""
        return self.shape[0] if self.shared is None else len(self.codes)

    @property
    def unit(self) -> str:
        """What the numbers of a measured quantity are, as far as it is known."""
        return "level" if self.kind == "depth" and np.dtype(self.dtype).kind in "iu" else ""

    def real(self, values: np.ndarray) -> np.ndarray:
        """What is mixed, in the unit of what was brought."""
        if (self.offset, self.scale) == (0.0, 1.0):
            return values
        return self.offset + self.scale * values.astype(np.float64)

    @property
    def note(self) -> str:
        """What was understood, and why: ``16-bit grey PNG: depth on 19 rows × 28 columns; …``."""
        channels, rows, cols = self.shape
        many = f"{self.classes} classes" if self.kind in CLASS_KINDS else f"{channels} channels"
        what = f", {many}" if channels > 1 else ""
        said = [f"{self.source}: {label(self.kind)}{what} on {size_text(rows, cols)}", self.reason]
        said += [part for part in (self.layout_note, self.enlarged, self.gaps) if part]
        said += ["it is as large as the image"] if self.as_large else []
        said += ["vectors of length 1, which mixing does not keep"] if self.unit_vectors else []
        if self.runner_up is not None:
            said.append(f"it might be {label(self.runner_up)}: kind={self.runner_up} says so")
        return "; ".join(part for part in said if part) + "."

    @property
    def doubts(self) -> list[str]:
        """Sentences on choices that a person may know better."""
        said = []
        if self.runner_up is not None:
            said.append(
                f"The signal is taken for {label(self.kind)} ({self.reason}), and may be {label(self.runner_up)}; "
                "kind= says which."
            )
        said += [self.hint] if self.hint else []
        if self.layout_doubt:
            said.append(f"The signal is taken for {self.layout_note}; it may be {self.layout_doubt}.")
        if self.enlarged:
            rows, cols = self.came
            said.append(f"The signal is taken for {self.enlarged}; layout='{rows}x{cols}' takes its own as they are.")
        if self.brought is not None and self.brought.placed:
            said.append(PLACED)
        if self.as_large:
            said.append(AS_LARGE)
        if self.unit_vectors and len(self.values) <= DIRECTIONS:
            said.append(UNIT_VECTORS)
        if self.gaps_guessed:
            said.append(f"{self.gaps[:1].upper()}{self.gaps[1:]}; invalid= says otherwise.")
        return said

    def over(self, codes: tuple[int, ...]) -> Signal:
        """The same labels with a channel for each of ``codes``, whether it is there or not."""
        if self.codes == codes:
            return self
        if len(codes) > OWN_CHANNEL:
            at = np.searchsorted(np.array(codes), np.array(self.codes))
            own = self.values.argmax(dim=0).numpy() if self.shared is None else self.shared.places
            return sharing(of_classes(self, codes), at[own])
        values = torch.zeros(len(codes), *self.shape[1:], dtype=torch.float32)
        values[[codes.index(code) for code in self.codes]] = self.values
        return replace(of_classes(self, codes), values=values)

    def fitted(self, height: int, width: int) -> Signal:
        """This signal over an image of ``height`` × ``width`` pixels; otherwise raises SignalError.

        An array whose axes or tokens were taken another way without the image is taken anew.
        """
        if self.brought is None:
            aspects.check(self.shape[1:], (height, width), named=self.asked.grid is not None)
            return replace(self, as_large=self.shape[1:] == (height, width))
        laid = self.asked.laid(self.brought, (height, width))
        if laid.layout == self.layout and laid.planes.shape[1:] == self.came:
            signal = replace(self, layout_note=laid.sentence, layout_doubt=laid.doubt)
        else:
            signal = _understood(self.brought, laid, self.asked, MAX_VALUES)
        return signal._over((height, width))

    def _over(self, size: Size | None) -> Signal:
        return replace(self, as_large=self.shape[1:] == size)


def label(kind: str) -> str:
    """A kind as sentences say it."""
    return kind.replace("_", " ")


def understand(
    x: Any,
    size: Size | None = None,
    kind: str | None = None,
    invalid: Invalid = AUTO,
    layout: str | None = None,
    grid: Sequence[int] | None = None,
    names: Names = (),
    fill: bool = False,
    max_values: int = MAX_VALUES,
    as_it_is: bool = False,
) -> Signal:
    """A signal from a path, a file's bytes, an array, a tensor, a Pillow picture or a network's output.

    size: height and width of the image, where it is known: it decides between [C, h, w], [h, w, C] and tokens.
    kind: depth, labels, soft_labels, probabilities, logits, features or heat_map. invalid: auto, none, or the numbers
    that mean "no value". layout: auto, chw, hwc, tokens, or the rows and columns of tokens or of a map whose
    ratio differs per axis (``19x28``, or ``grid=(19, 28)``), which is then taken as it is: what was plainly enlarged
    from a coarser grid is brought back to it otherwise. names: of the classes, by their number. fill: whether
    pixels without a value in their window take the nearest one's. as_it_is: its cells stay those that were brought.

    Raises SignalError: every refusal says what would be right.
    """
    if isinstance(x, Signal):
        return x if size is None else x.fitted(*size)
    asked = Asked.parse(kind, invalid, layout, grid, names, fill)
    brought = bring(x, max_values)
    laid = asked.laid(brought, size)
    return _understood(brought, laid, asked, max_values, as_it_is)._over(size)


@dataclass(frozen=True, eq=False)
class Looked:
    """A signal whose axes, kind and gaps are known, and whose values are still those that were brought."""

    brought: Brought
    asked: Asked
    layout: layouts.Laid
    planes: np.ndarray  # [C, h, w]; of colours that stand for classes, their numbers 0xRRGGBB
    guess: kinds.Guess
    found: gaps.Gaps

    @property
    def empty(self) -> Signal:
        """The same as a Signal whose values are still missing: zeros that take no memory."""
        brought, guess, found = self.brought, self.guess, self.found
        return Signal(
            torch.zeros(1, dtype=torch.float32).expand(self.planes.shape),
            torch.from_numpy(found.known), guess.kind, guess.reason, guess.runner_up, guess.hint,
            colours=brought.colours and guess.kind == "labels", palette=brought.palette,
            dtype=self.planes.dtype.name, gaps=found.sentence, gaps_guessed=found.guessed,
            gap_codes=found.codes if brought.gap is None else (brought.gap, *found.codes),
            layout=self.layout.layout, layout_note=self.layout.sentence, layout_doubt=self.layout.doubt,
            flat=brought.array.ndim == 2 and self.layout.layout != "tokens", source=brought.source, brought=brought,
            asked=self.asked,
        )  # fmt: skip


def look(brought: Brought, laid: layouts.Laid, asked: Asked) -> Looked:
    """Kind and gaps of planes whose axes are settled. Raises SignalError."""
    if laid.planes.shape[0] > MAX_CHANNELS:
        raise SignalError(
            "signal_too_large", f"The signal has {laid.planes.shape[0]} channels; at most {MAX_CHANNELS} are read."
        )
    brought = _over_cells(brought, laid)
    open_ = asked.kind is None and brought.kind is None and brought.told is None
    brought, planes = _class_planes(brought, laid.planes, asked.kind, open_)
    guess = logits.guess_ruled_out(planes) if open_ else None
    if guess is not None or (asked.kind or brought.told) == "logits":
        planes = logits.with_finite(planes)
    known = brought.known
    first = _first(planes, asked, known)
    if not first.known.any():
        raise _nothing_known(planes)
    guess = guess or _guess(brought, asked, planes, first.known)
    if guess.kind == "labels":
        planes = settled(planes, first.known)
    found = gaps.find(planes, guess.kind, _invalid(brought, asked), known)
    if not guess.hint:
        hint = found.doubt or (EQUAL if _are_equal(planes) else _hint(guess.kind, planes, first.known))
        guess = replace(guess, hint=hint)
    if not found.known.any():
        raise _nothing_known(planes)
    if asked.names and guess.kind not in CLASS_KINDS:
        raise no_classes("names", guess.kind)
    return Looked(brought, asked, laid, planes, guess, found)


def _class_planes(brought: Brought, planes: np.ndarray, kind: Kind | None, is_open: bool) -> tuple[Brought, np.ndarray]:
    """Class numbers in one plane, where they came as three equal ones or as colours; other planes as they are."""
    if _are_equal(planes) and (kind == "labels" or (is_open and _are_classes(planes[:1]))):
        planes = planes[:1]  # three in other cases: a result's shape must not depend on what a picture shows
    if kind == "labels" and class_codes.may_be_colours(planes):
        brought, planes = class_codes.as_colours(brought, planes)
    if brought.colours and kind in (None, "labels"):
        planes = colour_numbers(planes)
    return brought, planes


def _first(planes: np.ndarray, asked: Asked, known: np.ndarray | None) -> gaps.Gaps:
    """Gaps of [C, h, w] before its kind is known: what is not finite, and far outliers.

    Among class numbers a far one is no outlier: of labels, gaps are the ignore indices alone.
    """
    far = gaps.find(planes, "heat_map", asked.invalid, known)
    if asked.invalid != AUTO or not far.codes or planes.dtype == bool or len(planes) > 1:
        return far
    there = gaps.finite(planes) if known is None else gaps.finite(planes) & known
    below = gaps.ignored(planes[0], there)
    near = gaps.find(planes, "heat_map", below or gaps.NONE, known)
    return near if kinds.guess(planes, near.known).kind == "labels" else far


def no_classes(word: str, kind: Kind) -> SignalError:
    """The refusal of a ``word`` about classes where the signal has none."""
    return SignalError(
        "signal_kind",
        f"{word} is of classes, and the signal is taken for {label(kind)}, which has none: leave {word} out, or "
        "say with kind= what it is.",
    )


def _nothing_known(planes: np.ndarray) -> SignalError:
    """The refusal of planes [C, h, w] of which every cell is a gap."""
    some = np.isfinite(planes)
    if ((some | np.isneginf(planes)).all(axis=0) & some.any(axis=0)).any() and not some.all():
        return SignalError(
            "signal_not_finite",
            "Every cell has a channel of −∞ or without a value, which makes it a gap.",
            [Remedy("kind", "logits", "In logits −∞ rules a class out: kind=logits says that they are.")],
        )
    empty = [n + 1 for n, channel in enumerate(some) if not channel.any()]
    if 0 < len(empty) < len(planes):
        return SignalError(
            "signal_not_finite",
            f"Channel {empty[0]} of {len(planes)} has no value in any cell, which makes every cell a gap; leave out "
            "channels that are empty.",
        )
    return SignalError("signal_not_finite", "The signal holds no value at all: every cell is a gap.")


def _understood(brought: Brought, laid: layouts.Laid, asked: Asked, max_values: int, as_it_is: bool = False) -> Signal:
    """A signal of planes whose axes are settled, on the grid that they were enlarged from."""
    came = laid.planes.shape[1:]
    stays = as_it_is or asked.grid == came or brought.known is not None
    own = None if stays else own_cells.found(laid.planes)
    seen = look(brought, laid if own is None else replace(laid, planes=own.planes), asked)
    if seen.guess.kind == "labels":
        signal = _with_classes(seen.empty, seen.planes[0], seen.found.known, max_values)
    else:
        signal = with_values(seen.empty, seen.planes, seen.found.known)
    return replace(signal, came=came, enlarged="" if own is None else own.sentence)


def _invalid(brought: Brought, asked: Asked) -> str | tuple[float, ...]:
    """What stands for "no value": as a person says, otherwise as the container does."""
    if asked.invalid != AUTO or not (brought.codes or brought.told):
        return asked.invalid
    return brought.codes or gaps.NONE


def _over_cells(brought: Brought, laid: layouts.Laid) -> Brought:
    """``brought``, its mask as bool [h, w] of what was ``laid``. Raises SignalError where it has another shape."""
    if brought.known is None:
        return brought
    known = laid.cells(brought.known)
    if known.shape == laid.planes.shape[1:]:
        return replace(brought, known=known)
    raise SignalError("signal_shape", "The mask that came with the signal has another shape than its cells.")


def _guess(brought: Brought, asked: Asked, planes: np.ndarray, known: np.ndarray) -> kinds.Guess:
    """The kind: as a person says, as the container does, or as the values look."""
    if asked.kind is not None:
        _check_asked(asked.kind, planes)
        return kinds.Guess(asked.kind, "as you said")
    if brought.kind is not None:
        return kinds.Guess(brought.kind, kinds.different(len(np.unique(planes[0][known]))))
    if brought.told is not None:
        return kinds.Guess(brought.told, "as it says itself")
    if brought.colours:
        count, equal = len(np.unique(planes[0][known])), patches(planes[0], known).equal
        unsure: Kind | None = "features" if count > kinds.FEW and equal < PATCHES else None
        return kinds.Guess("labels", f"{count} colours, {round(100 * equal)} % of neighbours equal", unsure)
    guess = kinds.guess(planes, known, brought.lossy)
    if guess.kind == "logits" and len(planes) == 1 and angles.doubt(planes[0], known):
        return kinds.Guess("depth", "values that jump between both ends as angles do", "logits")
    may_be = class_codes.may_be_colours(planes) and (len(planes) == 3 or guess.kind == "features")
    if guess.runner_up is None and may_be and class_codes.lie_in_patches(planes):
        return replace(guess, runner_up="labels")
    if brought.maybe is None:
        return guess
    if guess.kind == brought.maybe:  # its numbers are sure of it, or may be another
        return replace(guess, kind=guess.runner_up or guess.kind, runner_up=guess.runner_up and brought.maybe)
    return replace(guess, runner_up=brought.maybe)


def _are_equal(planes: np.ndarray) -> bool:
    """Whether planes are a grey picture in three equal channels, as ``cv2.imread`` gives."""
    three = planes.dtype in (np.uint8, np.uint16) and len(planes) == 3
    return three and bool(np.ptp(planes[0])) and bool((planes == planes[0]).all())


def _are_classes(plane: np.ndarray) -> bool:
    """Whether whole numbers [1, h, w] alone would be taken for labels."""
    return kinds.guess(plane, np.ones(plane.shape[1:], bool)).kind == "labels"


def _hint(kind: Kind, planes: np.ndarray, known: np.ndarray) -> str:
    """A sentence on angles and on per cent, which are taken as other numbers are; or nothing."""
    if kind == "depth" and len(planes) == 1:
        return angles.doubt(planes[0], known)
    return PER_CENT if kind in kinds.UNIT_KINDS and kind != "logits" and may_be_per_cent(planes[:, known]) else ""


def _check_asked(kind: Kind, planes: np.ndarray) -> None:
    """Refuse a kind that these planes cannot be."""
    if kind == "labels" and planes.shape[0] > 1:
        raise SignalError(
            "signal_kind",
            f"Labels are one number a cell, and this signal has {planes.shape[0]} channels; soft_labels or "
            "probabilities have one channel a class.",
        )
    if kind == "heat_map" and planes.shape[0] > 1:
        raise SignalError(
            "signal_kind",
            f"A heat map has one channel, and this signal has {planes.shape[0]}; bring each alone, or all as features.",
        )


# ------------------------------------------------------------------------------------------- labels


def _with_classes(signal: Signal, plane: np.ndarray, known: np.ndarray, max_values: int) -> Signal:
    """Labels as one-hot channels, one for each class number that occurs; gaps take the class of the nearest cell."""
    codes = codes_in(plane, known)
    places = np.zeros((1, *plane.shape), np.int64)
    if len(codes) <= OWN_CHANNEL:
        _check_channels(len(codes), len(codes), plane.shape, max_values)
    places[0][known] = np.searchsorted(codes, plane[known])
    places = gaps.fill(places, known)
    signal = of_classes(signal, codes)
    if len(codes) > OWN_CHANNEL:
        return sharing(signal, places[0], max_values)
    one_hot = np.zeros((len(codes), *plane.shape), np.float32)
    np.put_along_axis(one_hot, places, np.float32(1), axis=0)
    return replace(signal, values=torch.from_numpy(one_hot))


def of_classes(signal: Signal, codes: Iterable[int]) -> Signal:
    """``signal`` with these class numbers and their names; its values stay."""
    numbers = tuple(int(code) for code in codes)
    return replace(signal, codes=numbers, flat=True, names=class_names(signal, numbers))


def sharing(signal: Signal, places: np.ndarray, max_values: int = MAX_VALUES) -> Signal:
    """``signal`` with the values of more classes than OWN_CHANNEL, in channels that they share.

    ``places``: int64 [h, w], each cell's class by its place in ``signal.codes``.
    """
    _check_channels(len(signal.codes), crowd(places, REACH), places.shape, max_values)
    shared = Shared.over(places, REACH)
    _check_channels(len(signal.codes), int(shared.channels.max()) + 1, places.shape, max_values)
    return replace(signal, values=shared.values, shared=shared)


def _check_channels(classes: int, channels: int, cells: tuple[int, ...], max_values: int) -> None:
    if channels * cells[0] * cells[1] > max_values:
        raise SignalError(
            "signal_too_large",
            f"The signal has {classes} classes on {size_text(*cells)}, which need {channels} channels; "
            f"at most {max_values / 1e6:.3g} million values are taken: make it smaller, a signal has low resolution.",
        )


def class_names(signal: Signal, codes: Sequence[int]) -> tuple[str, ...]:
    """A name for each of ``codes``: as it was asked for, as the file has it, or its number."""
    asked, known = signal.asked.names, signal.brought.names if signal.brought else {}

    def name(code: int) -> str:
        if 0 <= code < len(asked):
            return asked[code]
        return known.get(code, number_name(code, signal.colours))

    return tuple(name(code) for code in codes)


# ------------------------------------------------------------------------------------- other kinds


def with_values(signal: Signal, planes: np.ndarray, known: np.ndarray) -> Signal:
    """``signal`` with the values [C, h, w] as they are mixed: shares in [0, 1], a measured quantity around 0 with
    spread 1 where float32 would lose digits."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = planes.astype(np.float64 if planes.shape[0] == 1 else np.float32)
    values = gaps.fill(values, known)
    _check_range(signal, values)
    if signal.kind == "logits":
        values = logits.to_probabilities(values)
    elif signal.kind in ("soft_labels", "heat_map", "probabilities"):
        signal, values = _as_shares(signal, values, known)
    elif signal.kind == "depth":
        signal, values = _around_zero(signal, values, known)
    if signal.kind in CLASS_KINDS and values.shape[0] > 1:
        codes = (signal.brought and signal.brought.classes) or tuple(range(values.shape[0]))
        signal = replace(signal, codes=codes if codes != tuple(range(len(codes))) else ())
        signal = replace(signal, names=class_names(signal, codes))
    array = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(array).all():
        raise SignalError("signal_range", "The signal holds values beyond float32's range; give it in another unit.")
    unit_vectors = signal.kind == "features" and _are_unit_vectors(array, known)
    return replace(signal, values=torch.from_numpy(array), unit_vectors=unit_vectors)


def _as_shares(signal: Signal, values: np.ndarray, known: np.ndarray) -> tuple[Signal, np.ndarray]:
    """Levels or fractions as shares in [0, 1]."""
    whole = _whole_of(signal, values, known)
    if sums_to_whole(values, whole):
        values = values * (whole / values.sum(axis=0))  # what rounding took or gave
    values = (values.astype(np.float64) / whole if whole != 1 else values).clip(0, 1)
    # Levels come back as levels where the result has their dtype; shares of several classes are fractions.
    scale = 1.0 if signal.kind == "probabilities" or len(values) > 1 else whole
    return replace(signal, scale=scale, levels=whole / scale), values


def _around_zero(signal: Signal, values: np.ndarray, known: np.ndarray) -> tuple[Signal, np.ndarray]:
    """A measured quantity less its ``offset`` and over its ``scale``, where it needs them."""
    held = values[:, known]
    offset, scale = centre_and_spread(float(held.min()), float(held.max()))
    if (offset, scale) == (0.0, 1.0):
        return signal, values
    return replace(signal, offset=offset, scale=scale), (values.astype(np.float64) - offset) / scale


def _are_unit_vectors(values: np.ndarray, known: np.ndarray) -> bool:
    """Whether the channels of each known cell have length 1, as those of normals and of normalised features."""
    lengths = np.sqrt(np.einsum("chw,chw->hw", values, values))[known]
    return len(values) > 1 and bool((np.abs(lengths - 1) <= gaps.UNIT_WITHIN).all())


def _check_range(signal: Signal, values: np.ndarray) -> None:
    """Refuse values so small or large that float32 cannot mix them."""
    top = float(np.abs(values).max(initial=0.0))
    least, most = TOPS.get(signal.kind, (0.0, np.inf))
    if top and not least <= top <= most:
        raise SignalError(
            "signal_range",
            f"The signal's largest value is {top:.3g}; {label(signal.kind)} between {least:g} and {most:g} can be "
            "mixed: give it in another unit.",
        )


def _whole_of(signal: Signal, values: np.ndarray, known: np.ndarray) -> float:
    """The number that stands for 1 in [C, h, w]. Raises SignalError beyond it."""
    low, high = float(values.min()), float(values.max())
    whole = whole_of_levels(np.dtype(signal.dtype), values[:, known])
    if low < -BEYOND * whole or high > (1 + BEYOND) * whole:
        what = "Heat maps" if signal.kind == "heat_map" else label(signal.kind).capitalize()
        raise SignalError(
            "signal_kind",
            f"{what} lie between 0 and 1, and this signal between {low:.4g} and {high:.4g}.",
            [
                Remedy("kind", "depth", "For any quantity say kind=depth."),
                Remedy("kind", "logits", "For what comes before a softmax say kind=logits."),
            ],
        )
    return whole


def centre_and_spread(low: float, high: float) -> tuple[float, float]:
    """Offset and scale so that float32 holds the differences of values from ``low`` to ``high``: 0 and 1 where it does
    anyway."""
    top, spread = max(abs(low), abs(high)), high / 2 - low / 2
    if top <= OFFSET_OF_SPREADS * spread and LEAST_TOP <= top <= MOST_TOP:
        return 0.0, 1.0
    return low + spread, spread if spread > 0 else 1.0
