"""How the shape of a grid of cells goes with that of an image; a grid that does not is refused with what mends it."""

from __future__ import annotations

from gsjbu.core.grid import size_text
from gsjbu.errors import Remedy, SignalError

#: Pixels per cell across over those down: a signal may be squashed, as square network outputs are, but not turned.
MAX_STRETCH = 1.25
MAX_STRETCH_OF_SQUARE = 2.0
#: Networks' inputs are multiples of so many pixels, and their outputs as large or so many times smaller.
PATCHES, REDUCED = range(8, 33), (1, 2, 4)
#: Their shorter side at least, where the output is as large and where it is smaller; how far rounding moves a shape.
LEAST_WHOLE, LEAST_REDUCED, MAX_ROUNDED = 224, 384, 1 / 24

Size = tuple[int, int]  # rows (or height), columns (or width)


def is_exact(cells: tuple[int, ...], size: Size, within: float = 1.0) -> bool:
    """Whether a grid of ``cells`` (rows, columns) has the image's shape but for ``within`` a cell."""
    rows, cols = cells
    height, width = size
    return abs(rows - cols * height / width) <= within or abs(cols - rows * width / height) <= within


def is_strided(cells: tuple[int, ...], size: Size) -> bool:
    """Whether a whole stride, the same along both axes, makes such a grid of the image, rounded up."""
    rows, cols = cells
    height, width = size
    strides = range(max(1, height // rows), -(-height // rows) + 1)
    return any((-(-height // n), -(-width // n)) == (rows, cols) for n in strides)


def is_rounded(cells: tuple[int, ...], size: Size) -> bool:
    """Whether rounding explains that a grid of ``cells`` has not quite the image's shape: that of both its sides, or of
    a network's input to whole patches (the rest of one is then padded, or left out, or squashed)."""
    if is_exact(cells, size):
        return True
    if abs(stretch(cells, size) - 1) > MAX_ROUNDED:
        return False
    return any(
        patch % part == 0
        and min(cells) * part >= (LEAST_WHOLE if part == 1 else LEAST_REDUCED)
        and cells[0] % (patch // part) == cells[1] % (patch // part) == 0
        and _has_one_ratio((cells[0] * part // patch, cells[1] * part // patch), size)
        for patch in PATCHES
        for part in REDUCED
    )


def _has_one_ratio(cells: Size, size: Size) -> bool:
    """Whether both sides of ``cells`` are the image's by one ratio, both rounded down, up or to the nearest."""
    for below in (0.0, 0.5, 1.0):
        low = max((n - below) / side for n, side in zip(cells, size, strict=True))
        high = min((n - below + 1) / side for n, side in zip(cells, size, strict=True))
        if low < high:
            return True
    return False


NOT_ROUNDED = "a signal over the whole picture, whose shape is another by more than rounding"
PADDED_OR_CUT = (
    "of the picture with padding (right and below, or all around: cut it off first), or of a part of the picture (cut "
    "the picture to it)"
)


def suits(cells: tuple[int, ...], size: Size) -> bool:
    """Whether a grid of ``cells`` (rows, columns) can lie over the whole image."""
    rows, cols = cells
    if rows > size[0] or cols > size[1]:
        return False
    if is_exact(cells, size):
        return True
    limit = MAX_STRETCH_OF_SQUARE if rows == cols else MAX_STRETCH
    return 1 / limit <= stretch(cells, size) <= limit


def stretch(cells: tuple[int, ...], size: Size) -> float:
    """Pixels per cell across over pixels per cell down."""
    return (size[1] / cells[1]) / (size[0] / cells[0])


def check(cells: tuple[int, ...], size: Size, named: bool = False) -> None:
    """Refuse a grid of ``cells`` that cannot lie over the image; one that a person ``named`` need not have its shape.

    Raises SignalError.
    """
    fits = cells[0] <= size[0] and cells[1] <= size[1]
    if not (fits if named else suits(cells, size)):
        raise mismatch(cells, size) if fits or not named else _larger(cells, size)


def _larger(cells: tuple[int, ...], size: Size) -> SignalError:
    return SignalError(
        "signal_size",
        f"{both(cells, size)}: it is larger than the image and must be smaller. Give the image at its full size "
        "(raise the resolution); refine sharpens a signal that is as large as that.",
    )


def both(cells: tuple[int, ...], size: Size) -> str:
    """What a refusal begins with."""
    return f"The signal is {size_text(*cells)} and the image {size_text(*size)}"


def mismatch(cells: tuple[int, ...], size: Size) -> SignalError:
    """The refusal of a grid that does not go with the image: the likeliest cause, and the step that mends it."""
    rows, cols = cells
    height, width = size
    larger = rows > height or cols > width
    alike = is_exact(cells, size) or 1 / MAX_STRETCH <= stretch(cells, size) <= MAX_STRETCH
    if larger and alike and not _is_turned(cells, size):
        return _larger(cells, size)
    meant = Remedy(
        "layout", f"{rows}x{cols}",
        f"If it covers the picture with cells {height / rows:.3g} pixels high and {width / cols:.3g} wide, "
        f"layout='{rows}x{cols}' says so.",
    )  # fmt: skip
    return SignalError("signal_aspect", apart(cells, size), [] if larger else [meant])


def apart(cells: tuple[int, ...], size: Size) -> str:
    """How a grid that does not go with the image may have come about, and the step that mends it."""
    if _is_turned(cells, size):
        why = (
            "it would fit turned by 90°. The picture may be turned by its EXIF orientation, and the signal made from "
            "its unturned pixels; or the array is transposed. Turn one of the two"
        )
        fits = cells[1] <= size[0] and cells[0] <= size[1]
        why += "." if fits else ", and make the signal smaller than the image."
    elif cells[0] == cells[1]:
        why = "a square signal over so long a picture was padded or cropped; cut it to the picture first."
    else:
        fitting = _fitting(cells, size)
        would = f". {size_text(*fitting)} would fit" if fitting else ""
        why = (
            f"their shapes differ too much{would}; if the signal was padded to a square or cropped, cut it to the "
            "picture's part first."
        )
    return f"{both(cells, size)}: {why}"


def _is_turned(cells: tuple[int, ...], size: Size) -> bool:
    turned = cells[1], cells[0]
    return max(cells) > 1 and cells[0] != cells[1] and (suits(turned, size) or is_exact(turned, size))


def _fitting(cells: tuple[int, ...], size: Size) -> Size | None:
    """A grid of as many columns, or of as many rows, that would go with the image; None if none is no larger."""
    (rows, cols), (height, width) = cells, size
    some = (max(1, round(cols * height / width)), cols), (rows, max(1, round(rows * width / height)))
    return next((grid for grid in some if max(grid) > 1 and suits(grid, size)), None)
