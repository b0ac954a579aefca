"""ViT tokens [N, C] back to their grid: which leading ones are class and register tokens, and what grid the rest is."""

from __future__ import annotations

from dataclasses import dataclass

from gsjbu.io import aspects
from gsjbu.io.aspects import is_exact

#: How many leading tokens there may be, likeliest first, and how much less likely that makes a grid: none, a class
#: token; class and four registers; class and distillation token; four registers; eight; class and eight.
LEADING = {0: 0, 1: 0, 5: 2, 2: 3, 4: 3, 8: 4, 9: 4}
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
        return f"tokens of a grid of {aspects.text(self.rows, self.cols)}{dropped}"


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
            rank = (
                _rank(rows, cols, leading, height, width) if rows * cols == rest and cols <= width else None
            )
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
