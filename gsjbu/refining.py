"""The third verb: refine what is already as large as its image, and yet follows it badly.

Masks and depth of networks are computed on a coarse grid and enlarged: soft, jagged or grown borders are what is left
of it. That grid is found, the signal brought back to it, and up again along the image.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Unpack, cast, overload

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.eager import eager
from gsjbu.core.grid import Grid, Size, one_of, pair, size_text
from gsjbu.errors import SignalError, SignalWarning
from gsjbu.io import borders, kinds, resolution, restoring
from gsjbu.io.class_codes import OWN_CHANNEL
from gsjbu.io.enlarging import LINEAR, middles
from gsjbu.io.gaps import Invalid
from gsjbu.io.guides import Guide, Numbers, to_guide
from gsjbu.io.kinds import AUTO, CLASS_KINDS, UNIT_KINDS
from gsjbu.io.names import Names
from gsjbu.io.readers import bring
from gsjbu.io.reducing import MEANS, PIXELS, SAMPLES, reduced
from gsjbu.io.signals import Asked, Looked, Signal, look, no_classes, of_classes
from gsjbu.io.stretching import Stretch
from gsjbu.settings import SETTINGS, default, flag
from gsjbu.verbs import RefineOptions, check_options, fit

MAX_VALUES = 400_000_000  # 21 classes over 12 megapixels, and more
#: How the grid was told says how to come back to it.
WAYS = {"blocks": PIXELS, "kinks": SAMPLES, "samples": SAMPLES, "smooth": SAMPLES}
#: Pixels to a cell of a mask whose border was moved: it is right to within so much.
MOVED_STRIDE = 4


class Refined(np.ndarray):
    """An array, and how it came about: ``grid``, which it was brought back to (None: it comes back as it was), and
    ``notes``, sentences on what was found and done. ``signal`` is what it was understood as."""

    grid: Grid | None
    notes: tuple[str, ...]
    signal: Signal

    def __array_finalize__(self, whole: Any) -> None:
        """What is cut out of the array says the same."""
        self.grid = getattr(whole, "grid", None)
        self.notes = getattr(whole, "notes", ())
        if hasattr(whole, "signal"):
            self.signal = whole.signal

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """What is reduced to one number is that number."""
        if return_scalar or array.ndim == 0:
            return array[()]
        return super().__array_wrap__(array, context)

    def __reduce__(self) -> Any:
        """What is pickled says the same, too."""
        make, args, state = cast(tuple[Any, ...], super().__reduce__())
        return make, args, (state, self.__dict__)

    def __setstate__(self, state: Any) -> None:
        array, own = state
        super().__setstate__(array)
        self.__dict__.update(own)


class Words(RefineOptions, total=False):
    """The keywords of refine."""

    soft: bool | None
    kind: str
    invalid: Invalid
    layout: str
    names: Names
    fill: bool
    clip: bool
    mean: Numbers | None
    std: Numbers | None
    guide_mask: Any
    stretch: Stretch | None


@overload
def refine(
    image: Any, signal: Tensor, stride: int | None = None, grid: Size | None = None, **words: Unpack[Words]
) -> Tensor: ...


@overload
def refine(
    image: Any, signal: Any, stride: int | None = None, grid: Size | None = None, **words: Unpack[Words]
) -> Refined: ...


@eager
def refine(
    image: Any,
    signal: Any,
    stride: int | None = None,
    grid: Size | None = None,
    *,
    soft: bool | None = None,
    kind: str = AUTO,
    invalid: Invalid = AUTO,
    layout: str = AUTO,
    names: Names = (),
    fill: bool = False,
    clip: bool = True,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    guide_mask: Any = None,
    stretch: Stretch | None = None,
    **options: Unpack[RefineOptions],
) -> Refined | Tensor:
    """What is as large as ``image``, along the image's edges.

    Args:
        image: what :func:`gsjbu.fit` takes.
        signal: a mask, class map, probabilities, logits, depth or anything else that :func:`gsjbu.upsample` takes, as
            large as the image.
        stride: pixels of the grid that it is brought back to, ``grid`` its rows and columns; estimated if neither is
            given.
        soft: True: shares in [0, 1] of a mask or class map. False: a mask of what is soft. None: as it came; logits
            become probabilities.
        kind, invalid, layout, names, fill, clip, mean, std, guide_mask, stretch: as for :func:`gsjbu.upsample`. Pixels
            without a value stay without one, unless they are filled.
        options: ``iters``, ``radius``, ``device``, ``threads`` of :func:`gsjbu.fit`.

    Returns:
        [H, W] or [C, H, W], in the unit that came, class numbers and other integers in their dtype, all else in float32
        or float64: a :class:`Refined` array, which has ``grid`` and ``notes``; a tensor where a tensor came. It is what
        came where no coarser grid is found.

    Raises:
        SignalError, ImageError, SettingError: with a sentence on what would be right.

    Example:
        >>> import numpy as np, gsjbu
        >>> from gsjbu.samples import SAMPLES
        >>> scene = SAMPLES["paper"]
        >>> jagged = (scene.labels.numpy()[::4, ::4] == 1).repeat(4, axis=0).repeat(4, axis=1)
        >>> mask = gsjbu.refine(scene.image, jagged)
        >>> mask.dtype, mask.grid.step_x
        (dtype('bool'), 4.0)
    """
    check_options("refine", options, RefineOptions)
    soft, clip = None if soft is None else flag("soft", soft), flag("clip", clip)
    guide = to_guide(image, mean, std, guide_mask, stretch)
    words: dict[str, Any] = {"kind": kind, "invalid": invalid, "layout": layout, "names": names, "fill": fill}
    out = refined(guide, signal, stride, grid, soft=soft, clip=clip, **words, **options)
    for doubt in (*guide.notes, *out.signal.doubts):
        warnings.warn(doubt, SignalWarning, stacklevel=3)  # of the caller, beyond eager()
    return torch.from_numpy(np.asarray(out)) if isinstance(signal, Tensor) else out


def refined(
    guide: Guide,
    signal: Any,
    stride: int | None = None,
    grid: Size | None = None,
    *,
    soft: bool | None = None,
    clip: bool = True,
    iters: int = default("iters"),
    radius: int = default("radius"),
    device: str | torch.device = default("device"),
    threads: int | None = None,
    **words: Any,
) -> Refined:
    """:func:`refine` of a guide that is ready: doubts are in ``signal.doubts``, not warned of."""
    size = guide.size
    seen = _seen(signal, size, Asked.parse(**words))
    found = resolution.resolved(seen.planes, seen.found.known, seen.guess.kind == "labels")
    if soft is None:
        seen = _as_its_blocks(seen, found)
    if soft is not None and seen.guess.kind not in ("labels", *UNIT_KINDS):
        raise no_classes("soft", seen.guess.kind)
    low, grid_found, said = _low(seen, found, guide, _asked_grid(size, stride, grid))
    if low is None or grid_found is None:
        (high, low), notes = _as_it_came(seen, bool(soft)), tuple[str, ...]()
    else:
        if soft and low.kind == "labels":
            restoring.check_shares(low)
        kernel = fit(
            guide, grid=grid_found, objective="auto", signal=low.values, kind=low.kind, mask=low.mask,
            iters=iters, radius=radius, device=device, threads=threads,
        )  # fmt: skip
        high, notes = restoring.restored(low, kernel, probabilities=bool(soft), clip=clip), kernel.notes
    high = _hardened(low, high, soft)
    out = (high if seen.asked.fill else _with_gaps(high, seen, low)).view(Refined)
    out.grid, out.signal = grid_found, low
    out.notes = (*guide.notes, said, *notes)
    return out


def _seen(signal: Any, size: tuple[int, int], asked: Asked) -> Looked:
    brought = bring(signal, MAX_VALUES)
    laid = asked.laid(brought, size)
    if laid.planes.shape[1:] != size:
        rows, cols = laid.planes.shape[1:]
        raise SignalError(
            "signal_size",
            f"The signal is {size_text(rows, cols)} and the image {size_text(*size)}: refine takes what is as large as "
            "the image; upsample takes what is smaller.",
        )
    return look(brought, laid, asked)


def _asked_grid(size: tuple[int, int], stride: int | None, grid: Size | None) -> Grid | None:
    one_of(stride=stride, grid=grid)
    if grid is not None:
        return Grid.from_sizes(*size, *pair("grid", grid))
    return None if stride is None else Grid.from_stride(*size, int(SETTINGS["stride"].parse(stride)))


def _as_its_blocks(seen: Looked, found: resolution.Resolved | None) -> Looked:
    """Enlarging makes patches of any numbers: what consists of blocks is what one pixel of each is taken for, where
    nobody says."""
    brought, asked = seen.brought, seen.asked
    said = asked.kind or asked.names or brought.kind or brought.told or brought.colours
    if said or found is None or found.how != "blocks":
        return seen
    known = None if brought.known is None else middles(brought.known, found.grid)
    laid = replace(seen.layout, planes=middles(seen.layout.planes, found.grid))
    small = look(replace(brought, known=known), laid, asked)
    if small.guess.kind == seen.guess.kind:
        return replace(seen, guess=small.guess)
    again = look(brought, seen.layout, replace(asked, kind=small.guess.kind))
    return replace(again, asked=asked, guess=small.guess)


def _low(
    seen: Looked, found: resolution.Resolved | None, guide: Guide, asked: Grid | None
) -> tuple[Signal | None, Grid | None, str]:
    """The signal on the grid that it resolves, that grid, and a sentence; None: there is no coarser one."""
    whole = seen.guess.kind == "labels"
    if asked is not None:
        same = found is not None and (asked.rows, asked.cols) == (found.grid.rows, found.grid.cols)
        how = WAYS[found.how] if found is not None and same else MEANS
        way = None if whole or how != MEANS else resolution.way_on(seen.planes, seen.found.known, asked)
        how = how if way is None else SAMPLES
        low = reduced(seen, asked, how, way or (found.way if found is not None and same else LINEAR))
        return low, asked, f"Brought to {resolution.text(asked)}, as you said.{_left_out(low, how)}"
    if found is not None:
        low = reduced(seen, found.grid, WAYS[found.how], found.way)
        return _looked_at_again(seen, low), found.grid, f"{found.sentence}."
    by, moved = _moved(seen, guide) if whole else (0.0, seen)
    if by:
        height, width = seen.planes.shape[1:]
        grid = Grid.from_stride(height, width, MOVED_STRIDE * borders.shrunk_by(height, width))
        said = (
            f"Its border lies beside the image's edges, which run {abs(by):g} px {'inside' if by < 0 else 'outside'}: "
            f"moved there, and brought to {resolution.text(grid)}."
        )
        low = reduced(moved, grid, MEANS)
        return low, grid, f"{said}{_left_out(low, MEANS)}"
    said = "It resolves every pixel of the image, as far as can be told, and comes back as it is"
    return None, None, f"{said}; stride= says otherwise."


def _left_out(low: Signal, how: str) -> str:
    """What is not done for so many classes, where ``how`` would do it for fewer; or nothing."""
    if low.shared is None or how == PIXELS:
        return ""
    return (
        f" Of {low.classes} classes, more than {OWN_CHANNEL}, each cell's shares are left out, and counts and edges of "
        "the whole image, which need them: each cell takes the class in its middle."
    )


def _looked_at_again(seen: Looked, low: Signal) -> Signal:
    """Enlarging makes exact shares inexact: on its own grid a mask shows whether it is of shares or of a network."""
    if seen.asked.kind is not None or low.kind not in ("soft_labels", "probabilities", "heat_map"):
        return low
    values = low.values.numpy()
    near = np.rint(values)
    exact = np.where(np.abs(values - near) < kinds.EXACT, near, values)
    guess = kinds.guess(exact, low.mask.numpy())
    if guess.kind not in ("soft_labels", "probabilities"):
        return low
    return replace(low, values=torch.from_numpy(exact), kind=guess.kind, reason=guess.reason)


def _moved(seen: Looked, guide: Guide) -> tuple[float, Looked]:
    """Labels with the border of all but the commonest class moved to where the image's edges run; by how much."""
    numbers, known = seen.planes[0], seen.found.known
    codes, counts = np.unique(numbers[known], return_counts=True)
    if len(codes) < 2:
        return 0.0, seen
    ground = codes[0] if len(codes) == 2 else codes[counts.argmax()]
    by = borders.offset(guide.pixels.numpy(), (numbers != ground) & known)
    return by, replace(seen, planes=borders.moved(numbers, ground, by)[None]) if by else seen


def _as_it_came(seen: Looked, shares: bool) -> tuple[np.ndarray, Signal]:
    """What came, [H, W] or [C, H, W], and what it is; the classes of a map are named, a channel each is not made."""
    height, width = seen.planes.shape[1:]
    if seen.guess.kind == "labels" and not shares:
        numbers = np.array(seen.planes[0])
        codes = np.unique(numbers[seen.found.known])
        none = torch.zeros(1, dtype=torch.float32).expand(len(codes), height, width)
        return numbers, replace(of_classes(seen.empty, codes), values=none)
    signal = reduced(seen, Grid.from_sizes(height, width, height, width), PIXELS)
    if seen.guess.kind == "labels":
        restoring.check_shares(signal)
    return restoring.in_unit(signal, signal.values.numpy(), signal.kind == "labels"), signal


def _hardened(signal: Signal, high: np.ndarray, soft: bool | None) -> np.ndarray:
    """A mask of what is soft, if that was asked for; the one share of a mask of two levels, or of one."""
    if soft and signal.kind == "labels" and len(high) <= 2:
        # Of a mask that is nowhere, its only level is no mask's.
        return cast(np.ndarray, high[0] * 0 if signal.codes == (0,) else high[-1])
    if soft is not False or signal.kind not in UNIT_KINDS:
        return high
    if high.ndim == 3 and len(high) > 1:
        return high.argmax(axis=0).astype(np.uint8 if len(high) < 256 else np.int32)
    whole = 1 if high.dtype.kind == "f" else 255 if high.dtype == np.uint8 else 65535
    return np.where(high >= whole / 2, whole, 0).astype(high.dtype)


def _with_gaps(high: np.ndarray, seen: Looked, low: Signal) -> np.ndarray:
    """What had no value before has none now."""
    known = seen.found.known
    if known.all():
        return high
    is_map = high.ndim == 2 and (low.kind == "labels" or low.shape[0] > 1)
    if low.kind in CLASS_KINDS and is_map:
        high = high.astype(np.uint8) if high.dtype == bool else high
        low = restoring.as_classes(low)
        none = restoring.no_class(low, high.dtype, low.codes or range(low.shape[0]))
        return high if none is None else np.where(known, high, high.dtype.type(none))
    gap = np.nan if high.dtype.kind == "f" else restoring.gap_number(seen.empty)
    return np.where(known, high, np.asarray(gap, high.dtype))
