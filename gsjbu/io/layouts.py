"""Which axis of an array is what: [C, h, w], [h, w, C] or tokens [N, C], decided by the image that it lies over.

Without an image the sizes alone are looked at. A signal whose shape does not go with the image's is refused, with the
turn or the step that would mend it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gsjbu.core.grid import size_text
from gsjbu.errors import Remedy, SignalError
from gsjbu.io import aspects, attention_maps, tokens
from gsjbu.io.aspects import MAX_STRETCH_OF_SQUARE, Size, is_exact, is_strided, mismatch, stretch, suits
from gsjbu.io.evenness import LEAST, is_even, roughness
from gsjbu.io.kinds import AUTO, EXACT
from gsjbu.io.numbers import sums_to_one, sums_to_whole, whole_of_levels
from gsjbu.io.padding import padding
from gsjbu.io.tokens import LEAST_COUNT, USUAL_LEADING, WIDTHS

LEAST_TOKEN_CHANNELS = 32
#: Rows of cells that are examined, and by how much channels are rougher (``evenness.roughness``) than rows or columns:
#: 0.2 and more in nine of ten features of a network on 9 × 16 cells and more, the other way round in 1 of 300.
LOOKED_AT, CLEARLY_ROUGHER = 16, 0.2
#: A map [h, w] whose cells would be so many times as wide as high is more likely tokens [N, C] of few channels.
LONG = 4.0
_SHAPES = "it must be [h, w], [C, h, w], [h, w, C], tokens [N, C], or a batch of one of those"
#: What people call them; a leading batch of one is always taken off.
_NAMES = {"chw": "CHW", "bchw": "CHW", "nchw": "CHW", "hw": "CHW", "hwc": "HWC", "bhwc": "HWC", "nhwc": "HWC",
          "tokens": "tokens", "nc": "tokens", "bnc": "tokens"}  # fmt: skip
_INSTEAD = {"CHW": "[C, h, w] (layout='chw')", "HWC": "[h, w, C] (layout='hwc')"}


@dataclass(frozen=True, eq=False)
class Laid:
    """``planes`` [C, h, w], a view where possible, of an array whose ``layout`` is CHW, HWC or tokens.

    ``sentence``: how it was understood, where that is not plain. ``doubt``: what else it may be, and the word that says
    so.
    """

    planes: np.ndarray
    layout: str
    sentence: str = ""
    doubt: str = ""

    def cells(self, known: np.ndarray) -> np.ndarray:
        """bool [h, w] of the same array's own shape, or [h, w] as it is: a cell is known where all its channels are."""
        rows, cols = self.planes.shape[1:]
        if known.shape == (rows, cols):
            return known
        if self.layout == "tokens":
            each = np.asarray(known.reshape(-1, known.shape[-1]).all(axis=1))
            return each[len(each) - rows * cols :].reshape(rows, cols)
        return np.asarray(_turned(_one_of_batch(known), self.layout).all(axis=0))


def parse(layout: str | None) -> tuple[str, Size | None]:
    """A layout, and rows and columns, from what a person wrote: ``auto``, ``chw``, ``hwc``, ``tokens``, ``19x28``."""
    text = AUTO if layout is None else str(layout).replace(" ", "").lower()
    if text == AUTO:
        return AUTO, None
    if text in _NAMES:
        return _NAMES[text], None
    rows, times, cols = text.replace("×", "x").partition("x")
    if times and rows.isdigit() and cols.isdigit() and int(rows) and int(cols):
        return AUTO, (int(rows), int(cols))
    raise SignalError(
        "signal_layout",
        f"layout is {str(layout)[:40]!r}; it must be auto, chw, hwc, tokens, or rows x columns (19x28) of tokens or "
        "of a map.",
    )


def lay(
    array: np.ndarray, size: Size | None = None, layout: str = AUTO, grid: Size | None = None, one_channel: bool = False
) -> Laid:
    """``array`` as planes over an image of ``size`` (height, width), if that is known. Raises SignalError.

    one_channel: a person says that it is of a kind with one channel, so that it cannot be tokens.
    """
    names_channels = array.ndim == 4 or one_channel  # [1, 1, h, w] says itself what it is
    batched, whole = array.ndim > 2, array
    array = _one_of_batch(array)
    ways = _ways(array, layout)
    named = next((way for way in ways if way.planes.shape[1:] == grid), None)
    if named is not None:
        if size is not None:
            aspects.check(named.planes.shape[1:], size, named=True)
        return named
    if grid is not None and any(way.planes.shape[1:] == grid[::-1] for way in ways):
        raise _swapped(grid)
    if layout == "tokens" or grid is not None:
        return _tokens(array, size, grid)
    if size is None:
        return ways[0] if layout != AUTO else _by_sizes(array, ways)
    if layout != AUTO:
        aspects.check(ways[0].planes.shape[1:], size)
        return _if_squashed(ways[0], size)
    if not one_channel and (refusal := attention_maps.refusal(array, whole.ndim > array.ndim, size)):
        raise refusal
    suiting = [way for way in ways if suits(way.planes.shape[1:], size)]
    flat = _flat(array)
    grids = [] if flat is None else tokens.grids(len(flat), *size)
    if suiting and (suiting[0].planes[0].size > 1 or flat is None or _transposed(flat, size) is None):
        if flat is None or not grids or names_channels or not _may_be_tokens(flat, grids[0], size):
            return _best(suiting, size)
        if batched or (grids[0].unlikely == 0 and not is_even(flat)):
            laid = _of_tokens(flat, grids)
            return _if_squashed(replace(laid, doubt="a map [h, w] (layout='chw')"), size)
        laid = _best(suiting, size)
        doubts = "tokens [N, C] (layout='tokens')", laid.doubt
        return replace(laid, sentence=laid.sentence or "a map [h, w]", doubt=" or ".join(filter(None, doubts)))
    may_be_tokens = None if one_channel else flat
    return _tokens_alone(may_be_tokens, grids, size, batched, _refusal(array, ways, size, names_channels))


def _tokens_alone(
    flat: np.ndarray | None, grids: list[tokens.TokenGrid], size: Size, batched: bool, refusal: SignalError
) -> Laid:
    """Tokens [N, C] of an array that fits the image as no map.

    Raises ``refusal``, that of the map, or a better one where the array cannot be tokens either.
    """
    if flat is None:
        raise refusal
    shape, transposed = flat.shape, _transposed(flat, size)
    sure = transposed if transposed is not None and transposed.sure else None
    whole = bool(grids) and grids[0].unlikely == 0
    few = len(flat) < LEAST_COUNT
    larger = not batched and refusal.code == "signal_size"
    as_map = not batched and _is_squashed(shape, size)
    even = is_even(flat)
    if even and not grids and sure is None:
        raise refusal  # nothing speaks for tokens
    if not batched and even:
        raise _or_tokens(shape, refusal, None, bool(grids))
    if is_exact(shape, size) or is_exact(shape[::-1], size):
        raise _or_tokens(shape, refusal, sure, whole and shape[1] % WIDTHS == 0)
    if as_map and not whole and shape[1] % WIDTHS:
        raise _or_tokens(shape, refusal, sure, bool(grids))
    if sure is not None and not (larger and sure.grid.unlikely):
        inside = shape[0] <= size[0] and shape[1] <= size[1]
        raise _or_tokens(shape, refusal, sure) if inside and not few else _refused_as_transposed(shape, sure)
    if grids and few and not whole:
        raise _or_tokens(shape, refusal, None, True)
    if grids:
        return _if_squashed(_doubted(_of_tokens(flat, grids), transposed, shape if as_map else None), size)
    if larger:
        raise _too_large(shape, size, refusal)
    raise _no_tokens(len(flat), size) if shape[1] % 16 == 0 else refusal


def _doubted(laid: Laid, transposed: tokens.Transposed | None, shape: tuple[int, ...] | None) -> Laid:
    """Tokens with what else they may be: transposed, or a map of ``shape``."""
    if laid.doubt or (transposed is None and shape is None):
        return laid
    map_ = "" if shape is None else f"a map [h, w] (layout='{shape[0]}x{shape[1]}')"
    return replace(laid, doubt=map_ if transposed is None else transposed.doubt)


def _refusal(array: np.ndarray, ways: list[Laid], size: Size, names_channels: bool) -> SignalError:
    """The refusal of an array that fits the image as no map, with what it looks like instead: transposed tokens
    [C, 1, N] or [C, N, 1], those of several images [B, N, C], or tokens of few channels."""
    if array.ndim == 3 and len(array) > 1 and 1 in array.shape:
        flat = _flat(array.reshape(len(array), -1))
        transposed = None if flat is None else _transposed(flat, size)
        if transposed is not None:
            return _refused_as_transposed(array.shape, transposed)
    if array.ndim == 3 and not names_channels and _is_several(array, size):
        return several(array.shape, "tokens [N, C]")
    long = not names_channels and (array.ndim == 2 or len(array) == 1) and array.shape[-2] >= LEAST_COUNT
    if long and stretch(array.shape[-2:], size) > LONG:
        grids = tokens.grids(array.shape[-2], *size)
        if grids and grids[0].leading in USUAL_LEADING:
            return _few_channels(array.shape, grids[0], size)
    return mismatch(_by_sizes(array, ways).planes.shape[1:], size)


def _few_channels(shape: tuple[int, ...], grid: tokens.TokenGrid, size: Size) -> SignalError:
    """The refusal of [N, C] that has too few channels to be taken for tokens."""
    rows, cols = shape[-2:]
    remedies = [Remedy("layout", "tokens", "If they are tokens, layout='tokens' says so.")]
    if rows <= size[0] and cols <= size[1]:
        remedies.append(Remedy("layout", f"{rows}x{cols}", f"If it is a map, layout='{rows}x{cols}' says so."))
    return SignalError("signal_tokens", f"The array is {shape_text(shape)}, which may be {grid.sentence}.", remedies)


def _transposed(flat: np.ndarray, size: Size) -> tokens.Transposed | None:
    """[N, C] as transposed tokens [C, N], where that is likelier."""
    first, last = flat.shape
    return tokens.transposed(first, last, size, shares=bool((flat >= 0).all() and flat.any()))


def _refused_as_transposed(shape: tuple[int, ...], transposed: tokens.Transposed) -> SignalError:
    said = f"The array is {shape_text(shape)}. {transposed.refusal}"
    return SignalError("signal_tokens", said, transposed.remedies)


def _flat(array: np.ndarray) -> np.ndarray | None:
    """An array as tokens [N, C], where it has floats and enough channels; otherwise None."""
    if array.dtype.kind != "f" or array.shape[-1] < LEAST_TOKEN_CHANNELS:
        return None
    return array if array.ndim == 2 else array[0] if array.shape[0] == 1 else None


def _may_be_tokens(flat: np.ndarray, grid: tokens.TokenGrid, size: Size) -> bool:
    """Whether [N, C] has a multiple of WIDTHS channels and the leading tokens that networks have, and would be squashed
    as a map."""
    rows, cols = flat.shape
    right = rows == cols or is_exact((rows, cols), size, within=0.5) or is_strided((rows, cols), size)
    return cols % WIDTHS == 0 and grid.leading in USUAL_LEADING and not right


def _is_several(array: np.ndarray, size: Size) -> bool:
    """Whether [B, N, C] are the tokens of several images."""
    one = _flat(array[:1]) if len(array) > 1 else None
    grids = [] if one is None else tokens.grids(len(one), *size)
    return one is not None and bool(grids) and _may_be_tokens(one, grids[0], size)


def _is_squashed(cells: tuple[int, ...], size: Size) -> bool:
    """Whether a map of ``cells`` (rows, columns) is no larger than the image, and its cells are less than
    MAX_STRETCH_OF_SQUARE times as long as wide."""
    limit = MAX_STRETCH_OF_SQUARE
    return cells[0] <= size[0] and cells[1] <= size[1] and 1 / limit <= stretch(cells, size) <= limit


# ----------------------------------------------------------------------------------------- the ways


def _one_of_batch(array: np.ndarray) -> np.ndarray:
    if array.ndim not in (2, 3, 4) or not array.size:
        raise SignalError("signal_shape", f"The array is {shape_text(array.shape)}; {_SHAPES}.")
    if array.ndim < 4:
        return array
    if len(array) > 1:
        raise several(array.shape)
    return array[0]


def several(shape: tuple[int, ...], of: str = "") -> SignalError:
    """The refusal of a batch."""
    return SignalError(
        "signal_shape",
        f"The array is {shape_text(shape)}, a batch of {shape[0]}{of and f' of {of}'}; one image takes one signal: "
        "give them one by one.",
    )


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as sentences say it."""
    return "[" + ", ".join(str(n)[:20] for n in shape[:8]) + (", …]" if len(shape) > 8 else "]")


def _turned(array: np.ndarray, layout: str) -> np.ndarray:
    if array.ndim == 2:
        return array[None]
    return array if layout == "CHW" else array.transpose(2, 0, 1)


def _ways(array: np.ndarray, layout: str) -> list[Laid]:
    """The maps that an array may be: that of its ``layout`` where it is named, otherwise all."""
    usual = ["CHW", "HWC"] if array.ndim == 3 else ["CHW"]
    return [Laid(_turned(array, name), name) for name in (usual if layout in (AUTO, "tokens") else [layout])]


def _by_sizes(array: np.ndarray, ways: list[Laid]) -> Laid:
    """The likelier of [C, h, w] and [h, w, C] without an image: the one that sums to 1 over its channels; otherwise the
    one whose rows and columns are more alike in number."""
    if len(ways) == 1:
        return ways[0]
    sums = [_is_probabilities(way.planes) for way in ways]
    if sums[0] != sums[1]:
        return ways[sums.index(True)]
    first, second, last = array.shape
    return ways[int(abs(math.log(first / second)) < abs(math.log(second / last)))]


def _is_probabilities(planes: np.ndarray) -> bool:
    """Whether the known cells of [C, h, w] sum to 1 over the channels, as fractions, levels or logarithms."""
    if len(planes) < 2:
        return False
    known = (planes < np.inf).all(axis=0)  # −∞ is the logarithm of 0
    if not known.any():
        return False
    values = planes[:, known]
    if planes.dtype.kind == "f" and values.max() <= EXACT:
        return sums_to_one(np.exp(values, dtype=np.float64))
    return sums_to_one(values) or sums_to_whole(values, whole_of_levels(planes.dtype, values))


def _best(suiting: list[Laid], size: Size) -> Laid:
    """The likelier of [C, h, w] and [h, w, C], both of which fit the image.

    That is the one that sums to 1 over its channels; otherwise the one whose cells are clearly more like their
    neighbours; otherwise the one whose shape is nearer to the image's, [C, h, w] where both are as near.
    """
    if len(suiting) == 1:
        return _if_squashed(suiting[0], size)
    sums = [way for way in suiting if _is_probabilities(way.planes)]
    if len(sums) == 1:
        return _if_squashed(sums[0], size)
    first, last = suiting
    rows, cols = first.planes.shape[1:]
    if rows == cols and not is_exact((rows, cols), size) and is_exact(last.planes.shape[1:], size):
        return _if_squashed(_square_or_exact(first, last, size), size)
    return _if_squashed(_first_or_last(first, last, size), size)


def _first_or_last(first: Laid, last: Laid, size: Size) -> Laid:
    """[C, h, w] or [h, w, C] by smoothness and shape, with a doubt where the other is about as likely."""
    fits = [_nearness(way.planes.shape[1:], size) for way in (first, last)]
    chosen, other = (first, last) if fits[0] <= fits[1] else (last, first)
    sure, likelier = fits[0] != fits[1], _likelier(first, last)
    if likelier is other:
        chosen, other, sure = other, chosen, False
    rows, cols = other.planes.shape[1:]
    instead = chosen is last and is_exact((rows, cols), size)  # of [C, h, w], which would do as well
    if sure and rows != cols and not (instead and likelier is None):
        return chosen
    return replace(chosen, sentence=_axes_of(chosen), doubt=_INSTEAD[other.layout])


def _axes_of(way: Laid) -> str:
    """What the axes of a map are taken for."""
    channels, rows, cols = way.planes.shape
    if way.layout == "CHW":
        return f"[C, h, w], {size_text(rows, cols)} of {channels} channels"
    return f"[h, w, C], {size_text(rows, cols)} of {channels} channels"


def _nearness(cells: tuple[int, ...], size: Size) -> tuple[int, float]:
    """How near a grid of ``cells`` (rows, columns) comes to the image's shape; less is nearer.

    In this order: its cells are square; they are but for rounding; the grid is a square; by how far it is stretched.
    """
    rows, cols = cells
    if size[0] * cols == size[1] * rows:
        return 0, 0.0
    if is_exact(cells, size):
        return 1, 0.0
    return (2, 0.0) if rows == cols else (3, abs(math.log(stretch(cells, size))))


def _likelier(first: Laid, last: Laid) -> Laid | None:
    """[C, h, w] or [h, w, C] by smoothness: values change gradually along columns, and not along channels. None where
    that is not clear."""
    channels, *_, cols = first.planes.shape
    if min(channels, cols) < LEAST:
        return None
    some = first.planes[:, :: -(-first.planes.shape[1] // LOOKED_AT)]
    more = roughness(np.moveaxis(some, 0, -1)) - roughness(some)
    return None if abs(more) <= CLEARLY_ROUGHER else first if more > 0 else last


def _square_or_exact(square: Laid, exact: Laid, size: Size) -> Laid:
    """[C, n, n], a squashed square, or [h, n, n channels] of the image's shape, by smoothness.

    Where that is not clear, the latter if the image is the same multiple of it along both axes.
    """
    likelier = _likelier(square, exact)
    if likelier is not None:
        return likelier
    rows, cols = exact.planes.shape[1:]
    if size[0] * cols != size[1] * rows:
        return replace(square, doubt=_INSTEAD["HWC"])
    return replace(exact, sentence=_axes_of(exact), doubt="[C, h, w], a square that was squashed (layout='chw')")


def _if_squashed(laid: Laid, size: Size) -> Laid:
    """``laid`` with a doubt where its shape is not the image's: a square, or a ratio that rounding does not explain.

    Raises SignalError where a square plainly has padding.
    """
    rows, cols = laid.planes.shape[1:]
    if is_exact((rows, cols), size):
        return laid
    named = f"layout='{rows}x{cols}' says that it is squashed"
    if rows != cols:
        if aspects.is_rounded((rows, cols), size):
            return laid
        return _or(laid, aspects.NOT_ROUNDED, f"{aspects.PADDED_OR_CUT}; {named}")
    seen = None if laid.layout == "tokens" else padding(laid.planes, size)
    doubt = f"of the picture padded to a square (cut the padding off first), or of a square cut out of it; {named}"
    if seen is not None:
        step = f"{seen.sentence}: cut them off, {seen.cut(laid.layout)}"
        if seen.sure:
            squashed = Remedy("layout", f"{rows}x{cols}", f"If it is squashed, layout='{rows}x{cols}' says so.")
            raise SignalError("signal_aspect", f"{aspects.both((rows, cols), size)}: {step}.", [squashed])
        doubt = f"of the picture padded to a square ({step}); {named}"
    return _or(laid, "a square signal over the whole picture, squashed", doubt)


def _or(laid: Laid, sentence: str, doubt: str) -> Laid:
    """``laid`` with a further sentence and a further doubt."""
    said = ", ".join(filter(None, (laid.sentence, sentence)))
    return replace(laid, sentence=said, doubt=" or ".join(filter(None, (laid.doubt, doubt))))


def _of_tokens(flat: np.ndarray, grids: list[tokens.TokenGrid]) -> Laid:
    """Tokens [N, C] on the first of ``grids``, with a doubt where another is about as likely."""
    best, *others = grids
    patches = flat[best.leading :].reshape(best.rows, best.cols, -1)
    near = (
        other for other in others
        if other.leading in USUAL_LEADING and best.unlikely and other.unlikely <= best.unlikely + 1
    )  # fmt: skip
    other = next(near, None)
    doubt = "" if other is None else _grid_words(other.rows, other.cols)
    return Laid(patches.transpose(2, 0, 1), "tokens", best.sentence, doubt)


def _tokens(array: np.ndarray, size: Size | None, grid: Size | None) -> Laid:
    if array.ndim == 3 and array.shape[0] != 1:
        if grid is None and size is not None and _is_several(array, size):
            raise several(array.shape, "tokens [N, C]")
        rows_and_columns = f"; as a map it has not {size_text(*grid)}" if grid else ""
        raise SignalError(
            "signal_shape",
            f"Tokens are [N, C] or [1, N, C]; this array is {shape_text(array.shape)}{rows_and_columns}.",
        )
    flat = array[0] if array.ndim == 3 else array
    if grid is not None:
        named = tokens.given(len(flat), *grid)
        if named is None:
            raise _not_named(flat.shape, grid)
        laid = _of_tokens(flat, [named])
        return replace(laid, doubt=_grid_words(*grid[::-1])) if size and _is_turned(grid, size) else laid
    if size is None:
        side = math.isqrt(len(flat))
        size = (16 * side, 16 * side)
    found = tokens.grids(len(flat), *size)
    transposed = None if found else _transposed(flat, size)
    if transposed is not None:
        raise _refused_as_transposed(flat.shape, transposed)
    if not found:
        raise _no_tokens(len(flat), size)
    return _if_squashed(_of_tokens(flat, found), size)


def _swapped(grid: Size) -> SignalError:
    """The refusal of rows and columns that a person named the wrong way round."""
    return SignalError(
        "signal_layout",
        f"The signal has {size_text(*grid[::-1])}, and {size_text(*grid)} were named: rows come first.",
        [Remedy("layout", f"{grid[1]}x{grid[0]}", f"Say layout='{grid[1]}x{grid[0]}'.")],
    )


def _not_named(shape: tuple[int, ...], grid: Size) -> SignalError:
    """The refusal of [N, C] that does not have the grid that a person named, or is transposed."""
    across = tokens.given(shape[1], *grid)
    if across is not None:
        return _refused_as_transposed(shape, tokens.Transposed(shape[0], across))
    return SignalError(
        "signal_tokens",
        f"{size_text(*grid)} were named: as a map the signal has {size_text(*shape)}, as tokens {shape[0]}, where such "
        f"a grid has {grid[0] * grid[1]} (with class and register tokens in front a few more).",
    )


def _grid_words(rows: int, cols: int) -> str:
    """Another grid of tokens, and the word that says it."""
    return f"one of {size_text(rows, cols)} (layout='{rows}x{cols}')"


def _is_turned(grid: Size, size: Size) -> bool:
    """Whether rows and columns that a person named go better with the image the other way round."""
    here, there = (abs(math.log(stretch(cells, size))) for cells in (grid, grid[::-1]))
    return there < here and not is_exact(grid, size)


def _or_tokens(
    shape: tuple[int, ...], refusal: SignalError, transposed: tokens.Transposed | None, grids: bool = False
) -> SignalError:
    """The ``refusal`` of [h, w] that may be tokens [C, N], or, with ``grids``, [N, C] as well."""
    if transposed is not None:
        return SignalError(
            refusal.code, f"{refusal.what} {transposed.refusal}", (*refusal.remedies, *transposed.remedies)
        )
    if not grids:
        return refusal
    said = f"Were it {shape[0]} tokens of {shape[1]} channels, layout='tokens' would say so."
    return refusal.also(Remedy("layout", "tokens", said))


def _too_large(shape: tuple[int, ...], size: Size, refusal: SignalError) -> SignalError:
    """The refusal of a map [h, w] of the image's shape that is larger than it; it might be tokens [N, C]."""
    said = f"Were it {shape[0]} tokens of {shape[1]} channels, layout='ROWSxCOLS' would name their grid"
    return refusal.also(*_grids_named(said, shape[0], size))


def _no_tokens(count: int, size: Size) -> SignalError:
    return SignalError(
        "signal_tokens",
        f"{count} tokens are no grid over an image of {size_text(*size)}, with or without class and register tokens.",
        _grids_named("Say which: layout='ROWSxCOLS'", count, size),
    )


def _grids_named(said: str, count: int, size: Size) -> list[Remedy]:
    """``said``, with the grids nearest to the image's shape and no larger for a person to choose from."""
    rows = round(math.sqrt(count * size[0] / size[1]))
    near = [(r, count // r) for r in (rows - 1, rows, rows + 1) if 0 < r <= min(count, size[0])]
    some = [(r, c) for r, c in near if c <= size[1] and tokens.given(count, r, c)]
    likely = f" ({', '.join(f'{r}x{c} has {r * c}' for r, c in some)})" if some else ""
    first, *others = [f"{r}x{c}" for r, c in some] or [""]
    return [Remedy("layout", first, f"{said}{likely}."), *(Remedy("layout", other) for other in others)]
