"""ViT tokens [N, C] back to their grid: which leading ones are class and register tokens, and what grid the rest is."""

from __future__ import annotations

from dataclasses import dataclass

from gsjbu.core.grid import size_text
from gsjbu.errors import Remedy
from gsjbu.io.aspects import Size, is_exact

#: How many leading tokens there may be, likeliest first, and how much less likely that makes a grid: none, a class
#: token; class and four registers; class and distillation token; four registers; eight; class and eight.
LEADING = {0: 0, 1: 0, 5: 2, 2: 3, 4: 3, 8: 4, 9: 4}
USUAL_LEADING = (0, 1, 5)  # networks' tokens have none, a class token, or that and four registers in front
WIDTHS = 64  # and a multiple of so many channels
LEAST_COUNT = 32  # fewer along an axis are heads or channels rather than tokens
PATCH_SIZES = (14, 16, 8, 32, 4)
#: A square network input squashes a picture, up to so far; its grid has an even side, or one of these.
MOST_SQUASHED = 2.0
ODD_SIDES = (7, 27, 37, 43)


@dataclass(frozen=True)
class TokenGrid:
    """``rows`` × ``cols`` tokens after ``leading`` others; how ``unlikely`` they are, 0: they are whole patches."""

    leading: int
    rows: int
    cols: int
    unlikely: int = 0

    @property
    def sentence(self) -> str:
        """What was understood."""
        dropped = {0: "", 1: ", the class token dropped"}.get(
            self.leading, f", {self.leading} leading tokens (class, registers) dropped"
        )
        return f"tokens of a grid of {size_text(self.rows, self.cols)}{dropped}"


def grids(count: int, height: int, width: int) -> list[TokenGrid]:
    """The grids that ``count`` tokens of an image of ``height`` × ``width`` pixels may have, likeliest first.

    A grid of whole patches goes before one of the image's aspect, that before a square one, and those without other
    tokens or with a class token alone before those with more.
    """
    found = []
    for order, leading in enumerate(LEADING):
        rest = count - leading
        for rows in range(1, min(rest, height) + 1):
            cols = rest // rows
            whole = rows * cols == rest and cols <= width
            rank = _rank(rows, cols, leading, height, width) if whole else None
            if rank is not None:
                found.append((order, TokenGrid(leading, rows, cols, rank)))
    return [grid for _, grid in sorted(found, key=lambda entry: (entry[1].unlikely, entry[0]))]


def _rank(rows: int, cols: int, leading: int, height: int, width: int) -> int | None:
    """How likely a grid is, 0 most; None: it is none of this image."""
    if any(rows == height // p and cols == width // p for p in PATCH_SIZES):
        return 0
    later = LEADING[leading]
    if min(rows, cols) > 1 and is_exact((rows, cols), (height, width), within=0.5):
        return 1 + later
    usual = rows == cols and (rows % 2 == 0 or rows in ODD_SIDES)
    return 2 + later if usual and max(height / width, width / height) <= MOST_SQUASHED else None


def given(count: int, rows: int, cols: int) -> TokenGrid | None:
    """The grid that a person named, if ``count`` tokens hold it and no more than a few leading ones."""
    leading = count - rows * cols
    return TokenGrid(leading, rows, cols) if 0 <= leading <= max(LEADING) + 8 else None


_TRANSPOSED = "[C, N], transposed features or one attention map a head"


@dataclass(frozen=True)
class Transposed:
    """An array [C, N] whose last axis has a ``grid`` of the image, and so may the first, its ``other`` one.

    ``sure``: it is taken for tokens [N, C] only if somebody says so.
    """

    count: int
    grid: TokenGrid
    other: TokenGrid | None = None
    sure: bool = True

    @property
    def refusal(self) -> str:
        """What it looks like, and how to bring it."""
        grid = self.grid
        last = grid.leading + grid.rows * grid.cols
        brought = f"x.reshape({self.count}, {grid.rows}, {grid.cols})"
        if grid.leading:
            brought = f"x.reshape({self.count}, {last})[:, {grid.leading}:]{brought[1:]}"
        or_turned = ", or transpose it to tokens [N, C]" if self.count >= LEAST_COUNT else ""
        return (
            f"Its last axis, {last}, fits the image: {grid.sentence}. So it looks like {_TRANSPOSED}: bring {brought}"
            f"{or_turned}."
        )

    @property
    def remedies(self) -> list[Remedy]:
        """What says that it is not what it looks like."""
        said = "If its first axis is that of the tokens, layout='tokens' says so."
        return [Remedy("layout", "tokens", said)] if self.other else []

    @property
    def doubt(self) -> str:
        """What else it may be."""
        return f"{_TRANSPOSED} (the last axis fits {self.grid.sentence}): transpose it, or reshape it to [C, h, w]"


def transposed(count: int, last: int, size: Size, shares: bool) -> Transposed | None:
    """[count, last], read as tokens, if it is rather [C, N]: the last axis fits the image as well, or better.

    shares: no value is negative, as in attention and not in features.
    """
    here = grids(count, *size)
    there = [grid for grid in grids(last, *size) if grid.leading in USUAL_LEADING]
    if not there or (here and here[0].unlikely < there[0].unlikely):
        return None
    found, other = there[0], here[0] if here else None
    whole = other is not None and other.unlikely == 0
    if count < LEAST_COUNT and (shares or not whole):
        return Transposed(count, found, other)
    by_chance = count % WIDTHS > 0 and last % WIDTHS == 0  # a network's width, which fits as 768 does 4:3
    if found.unlikely and (other is not None or by_chance):
        return None
    squashed = other is not None and other.rows == other.cols and by_chance  # as by a network of square input
    no_width = found.leading > 0 and last % WIDTHS > 0  # a class token more than a grid
    return Transposed(count, found, other, sure=shares or no_width or not (whole or squashed))
