"""Which axis of an array is what: [C, h, w], [h, w, C] or tokens [N, C], decided by the image that it lies over.

Without an image the sizes alone are looked at. A signal whose shape does not go with the image's is refused, with the
turn or the step that would mend it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gsjbu.errors import SignalError
from gsjbu.io import tokens
from gsjbu.io.kinds import sums_to_one

AUTO = "auto"
#: Pixels per cell across over those down: a signal may be squashed, as square network outputs are, but not turned.
MAX_STRETCH = 1.25
MAX_STRETCH_OF_SQUARE = 2.0
LEAST_TOKEN_CHANNELS = 32
WIDTHS = 64  # networks' tokens have a multiple of so many channels,
USUAL_LEADING = (0, 1, 5)  # and none, a class token, or that and four registers in front
_SHAPES = "it must be [h, w], [C, h, w], [h, w, C], tokens [N, C], or a batch of one of those"
#: What people call them; a leading batch of one is always taken off.
_NAMES = {"chw": "CHW", "bchw": "CHW", "hw": "CHW", "hwc": "HWC", "bhwc": "HWC",
          "tokens": "tokens", "nc": "tokens", "bnc": "tokens"}  # fmt: skip

Size = tuple[int, int]  # rows (or height), columns (or width)


@dataclass(frozen=True, eq=False)
class Laid:
    """``planes`` [C, h, w], a view where it can be; ``layout``: CHW, HWC or tokens; a ``sentence`` if one is due."""

    planes: np.ndarray
    layout: str
    sentence: str = ""


def parse(layout: str | None) -> tuple[str, Size | None]:
    """A layout, and the grid of tokens, from what a person wrote: ``auto``, ``chw``, ``hwc``, ``tokens``, ``19x28``."""
    text = AUTO if layout is None else str(layout).strip().lower()
    if text == AUTO:
        return AUTO, None
    if text in _NAMES:
        return _NAMES[text], None
    rows, times, cols = text.replace("×", "x").partition("x")
    if times and rows.isdigit() and cols.isdigit() and int(rows) and int(cols):
        return "tokens", (int(rows), int(cols))
    raise SignalError(
        "signal_layout",
        f"layout is {str(layout)[:40]!r}; it must be auto, chw, hwc, tokens, or the tokens' grid as rows x columns "
        "(19x28).",
    )


def lay(array: np.ndarray, size: Size | None = None, layout: str = AUTO, grid: Size | None = None) -> Laid:
    """``array`` as planes over an image of ``size`` (height, width), if that is known. Raises SignalError."""
    batched = array.ndim == 3
    array = _one_of_batch(array)
    if layout == "tokens" or grid is not None:
        return _tokens(array, size, grid)
    if layout != AUTO:
        laid = Laid(_turned(array, layout), layout)
        if size is not None and not suits(laid.planes.shape[1:], *size):
            raise mismatch(laid.planes.shape[1:], *size)
        return laid
    ways = list(_ways(array))
    if size is None:
        return _by_sizes(array, ways)
    suiting = [way for way in ways if suits(way.planes.shape[1:], *size)]
    if suiting and batched and _are_batched_tokens(array, size):
        grids = [grid for grid in tokens.grids(array.shape[1], *size) if grid.leading in USUAL_LEADING]
        if grids:
            laid = _of_tokens(array[0], grids[0])
            return replace(laid, sentence=f"{laid.sentence}; layout='chw' takes it for a map [1, h, w]")
    if suiting:
        return _best(suiting, size)
    if _may_be_tokens(array, size):
        found = _token_ways(array, size)
        if found:
            return found[0]
        if array.shape[-1] % 16 == 0:
            raise _no_tokens(array.shape[-2], size)
    raise mismatch(_by_sizes(array, ways).planes.shape[1:], *size)


def _are_batched_tokens(array: np.ndarray, size: Size) -> bool:
    """Whether [1, N, C] has as many channels as networks' tokens have, and would be squashed as a map [1, h, w]."""
    one, rows, cols = array.shape
    right = abs(rows - cols * size[0] / size[1]) <= 0.5 or abs(cols - rows * size[1] / size[0]) <= 0.5
    return one == 1 and array.dtype.kind == "f" and cols % WIDTHS == 0 and rows != cols and not right


def _may_be_tokens(array: np.ndarray, size: Size) -> bool:
    """Whether [N, C] or [1, N, C] has as many channels as tokens have, and is no map that is turned or too large."""
    if array.ndim == 3 and array.shape[0] != 1:
        return False
    count, channels = array.shape[-2:]
    is_map = any(is_exact(cells, *size) for cells in ((count, channels), (channels, count)))
    return array.dtype.kind == "f" and channels >= LEAST_TOKEN_CHANNELS and not is_map


def suits(cells: tuple[int, ...], height: int, width: int) -> bool:
    """Whether a grid of ``cells`` (rows, columns) can lie over the whole image."""
    rows, cols = cells
    if rows > height or cols > width:
        return False
    if is_exact(cells, height, width):
        return True
    limit = MAX_STRETCH_OF_SQUARE if rows == cols else MAX_STRETCH
    return 1 / limit <= stretch(cells, height, width) <= limit


def is_exact(cells: tuple[int, ...], height: int, width: int) -> bool:
    """Whether the grid has the image's shape but for rounding."""
    rows, cols = cells
    return abs(rows - cols * height / width) <= 1 or abs(cols - rows * width / height) <= 1


def stretch(cells: tuple[int, ...], height: int, width: int) -> float:
    """Pixels per cell across over pixels per cell down."""
    return (width / cells[1]) / (height / cells[0])


def mismatch(cells: tuple[int, ...], height: int, width: int) -> SignalError:
    """The refusal of a grid that does not go with the image: the likeliest cause, and the step that mends it."""
    rows, cols = cells
    said = f"The signal is {cols}×{rows} and the image {width}×{height}"
    turned = max(rows, cols) > 1 and rows != cols
    if turned and (suits((cols, rows), height, width) or is_exact((cols, rows), height, width)):
        return SignalError(
            "signal_aspect",
            f"{said}: it would fit turned by 90°. The picture may be turned by its EXIF orientation, and the signal "
            "made from its unturned pixels; or the array is transposed. Turn one of the two.",
        )
    same = is_exact(cells, height, width) or 1 / MAX_STRETCH <= stretch(cells, height, width) <= MAX_STRETCH
    if (rows > height or cols > width) and same:
        return SignalError(
            "signal_size",
            f"{said}: it is larger than the image and must be smaller. Give the image at its full size (raise the "
            "resolution), or sharpen the signal with refine.",
        )
    if rows == cols:
        return SignalError(
            "signal_aspect",
            f"{said}: a square signal over so long a picture was padded or cropped; cut it to the picture first.",
        )
    return SignalError(
        "signal_aspect",
        f"{said}: their shapes differ too much. {cols}×{max(1, round(cols * height / width))} would fit; if the "
        "signal was padded to a square or cropped, cut it to the picture's part first.",
    )


# ----------------------------------------------------------------------------------------- the ways


def _one_of_batch(array: np.ndarray) -> np.ndarray:
    shape = list(array.shape)
    if array.ndim not in (2, 3, 4) or min(shape, default=0) < 1:
        raise SignalError("signal_shape", f"The array is {shape_text(array.shape)}; {_SHAPES}.")
    if array.ndim == 4:
        if shape[0] != 1:
            raise SignalError(
                "signal_shape",
                f"The array is {shape_text(array.shape)}, a batch of {shape[0]}; one image takes one signal: give them "
                "one by one.",
            )
        array = array[0]
    return array


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as sentences say it."""
    return "[" + ", ".join(str(n)[:20] for n in shape[:8]) + (", …]" if len(shape) > 8 else "]")


def _turned(array: np.ndarray, layout: str) -> np.ndarray:
    if array.ndim == 2:
        return array[None]
    return array if layout == "CHW" else array.transpose(2, 0, 1)


def _ways(array: np.ndarray) -> Iterator[Laid]:
    yield Laid(_turned(array, "CHW"), "CHW")
    if array.ndim == 3:
        yield Laid(_turned(array, "HWC"), "HWC")


def _by_sizes(array: np.ndarray, ways: list[Laid]) -> Laid:
    """Rows and columns are nearer to each other than either is to the number of channels, mostly; probabilities say
    themselves which way they lie."""
    if len(ways) == 1:
        return ways[0]
    sums = [_is_probabilities(way.planes) for way in ways]
    if sums[0] != sums[1]:
        return ways[sums.index(True)]
    first, second, last = array.shape
    return ways[int(abs(math.log(first / second)) < abs(math.log(second / last)))]


def _is_probabilities(planes: np.ndarray) -> bool:
    if planes.dtype.kind not in "f":
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        sums = planes.sum(axis=0, dtype=np.float64)
    known = np.isfinite(sums)
    return bool(known.any()) and sums_to_one(planes[:, known])


def _best(suiting: list[Laid], size: Size) -> Laid:
    """Probabilities say themselves which way they lie. Otherwise, in this order: [C, h, w] of the image's shape, or
    square; [h, w, C] of the image's shape; whichever is stretched least."""
    chosen = min(suiting, key=lambda way: abs(math.log(stretch(way.planes.shape[1:], *size))))
    first = suiting[0]
    cells = first.planes.shape[1:]
    sums = [way for way in suiting if _is_probabilities(way.planes)]
    if len(sums) == 1:
        chosen = sums[0]
    elif first.layout == "CHW" and (is_exact(cells, *size) or cells[0] == cells[1]):
        chosen = first
    elif is_exact(suiting[-1].planes.shape[1:], *size):
        chosen = suiting[-1]
    rows, cols = chosen.planes.shape[1:]
    if rows == cols and not is_exact((rows, cols), *size):
        sentence = (
            "a square signal over the whole picture, squashed; if it was padded, cut the padding off first"
        )
        return Laid(chosen.planes, chosen.layout, sentence)
    return chosen


def _token_ways(array: np.ndarray, size: Size) -> list[Laid]:
    flat = array[0] if array.ndim == 3 else array
    return [_of_tokens(flat, grid) for grid in tokens.grids(len(flat), *size)]


def _of_tokens(flat: np.ndarray, grid: tokens.TokenGrid) -> Laid:
    patches = flat[grid.leading :].reshape(grid.rows, grid.cols, -1)
    return Laid(patches.transpose(2, 0, 1), "tokens", grid.sentence)


def _tokens(array: np.ndarray, size: Size | None, grid: Size | None) -> Laid:
    if array.ndim == 3 and array.shape[0] != 1:
        raise SignalError(
            "signal_shape", f"Tokens are [N, C] or [1, N, C]; this array is {shape_text(array.shape)}."
        )
    flat = array[0] if array.ndim == 3 else array
    if grid is not None:
        named = tokens.given(len(flat), *grid)
        if named is None:
            raise SignalError(
                "signal_tokens",
                f"There are {len(flat)} tokens, and a grid of {grid[1]}×{grid[0]} has {grid[0] * grid[1]}; with class "
                "and register tokens in front there may be a few more.",
            )
        return _of_tokens(flat, named)
    if size is None:
        side = math.isqrt(len(flat))
        size = (16 * side, 16 * side)
    found = _token_ways(array, size)
    if not found:
        raise _no_tokens(len(flat), size)
    return found[0]


def _no_tokens(count: int, size: Size) -> SignalError:
    return SignalError(
        "signal_tokens",
        f"{count} tokens are no grid over an image of {size[1]}×{size[0]} pixels, with or without class and register "
        f"tokens; say which: layout='ROWSxCOLS' ({_likely(count, size)}).",
    )


def _likely(count: int, size: Size) -> str:
    """The grids nearest to the image's shape, for a person to choose from."""
    rows = max(1, round(math.sqrt(count * size[0] / size[1])))
    near = [(r, count // r) for r in (rows - 1, rows, rows + 1) if r > 0 and count // r]
    return ", ".join(f"{r}x{c} has {r * c}" for r, c in near)
