"""How a signal lies on its guide: as it should, off it by a shift or half a cell, on its corners; blurred or not.

Each is believed where the guide, laid or blurred as much, explains more of the signal than it does as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from gsjbu.core import blur, corners, shift
from gsjbu.core.grid import Grid
from gsjbu.core.shift import Shift
from gsjbu.core.smooth import is_smooth
from gsjbu.core.trust import (
    BENT_HEAT,
    GAIN_UNRELATED,
    SMOOTHER_FEATURES,
    SMOOTHER_HEAT,
    Explained,
    is_smoother,
    rises_evenly,
    trust_in,
    trust_of,
)  # fmt: skip

# A shift is believed where the gain of the guide (log error) is less by no more than this when the guide is moved: of
# signals that were moved it is 0.007 less to 0.8 more, of a rectangle 0.012 less, of the drawn grounds 0.3 to 0.7 less.
# So are corners: of 94 signals that lie on them but one by at most 0.003 less; of 14 that do not and were taken for
# such nine by 0.009 to 0.24 (Cityscapes ×3 has 98.3 mIoU, not 92.6; a tiled floor 0.7 of bicubic's error, not 1.2).
SLIGHT = 0.008
# Half a cell right and down, the convention, also where the guide's gains are larger by this when it is moved so: of 17
# signals that lie so by 0.1 to 0.8 (but one, of class shares), of others by 0.06 at most.
# The fewer cells, the more of that is chance: so much over the root of their number (masks of CamVid ×24, 300 cells).
HALF, BY_CHANCE = 0.08, 2.4
# And larger by this than moved half a cell in the other three directions: such signals by 0.1 to 2 (but one in 40); a
# depth ×20 with gaps, which lies where it should, by 0.06, ground in perspective with another scene's by 0.09 at most.
ELSEWHERE = 0.095
# The guide's gain grows by so much at least, where it is blurred as a quantity was: 0.1 to 0.8 by 1 2 1 and more. Of
# the blurs by which it grows nearly (ENOUGH) as much as by the best it is the strongest.
BLURRED, ENOUGH = 0.02, 0.6
# Where the guide, as it is, is not fully trusted, the blur's gain is at least so many times that of the weakest one: of
# 95 such signals but two 1.3 times and more; of ground in perspective ×4 to ×6 with another scene's image, where it is
# chance, 1.2 times at most.
GROWS = 1.25
# And the guide is trusted so far for what is undone: for 167 quantities that were blurred by 0.68 to 1; for smooth ones
# that have nothing to do with it, and where another blur than theirs was found, by 0.
AGREES = 0.5
# And its gain grows by so much: by 0.08 and more for 103 of 104 that were blurred; for smoke, fog and shading, which
# are smooth by themselves, by at most 0.04.
SHARPER = 0.06
# And a smooth surface tells what was blurred better than colours do, by so much (log error): of 185 such quantities by
# 1.8 and more; of a corridor's depth with another's image, where undoing a blur that never was has three to seven times
# bilinear's error, by 1.4 and 1.5. What the weakest blurs (σ in LR pixels) left by 0.2 and more; the light on a scene,
# whose shadows are softer than its things, by −0.1 at most: undone it has half to twice more error than bicubic.
SMEARED, LITTLE_SMEARED, WEAK = 1.65, 0.05, 0.6
# An edge of the scene may itself be so soft (σ in pixels): a blur that is no wider cannot be told from it.
SOFTEST = 2.5
ON_CORNERS = ("measured", "shares")  # recipes of signals that are asked for it
# Half a cell explains a signal that lies so by at most 0.053 less than what explains it best.
AS_MUCH = 0.06
# Cameras lie off each other by so many pixels: along one axis so little is theirs, and no convention of the grid. A
# depth ×2 that lies 1 px off its image had 4.45 RMSE, moved back; it has 2.37.
CAMERAS = 3.0


class Movable(NamedTuple):
    """A guide [G, H, W] that may be moved over the grid."""

    guide: Tensor
    grid: Grid
    roughly: bool = False  # moved cell means are taken of a view of it, as it is large (shift.means_of_moved)

    def explains(self, explained: Explained, across: int, down: int) -> Explained:
        """The same signal over this guide, moved to the right and down by so many pixels."""
        means = shift.means_of_moved(self.guide, self.grid, across, down, roughly=self.roughly)
        return explained.over(means)


@dataclass(frozen=True, eq=False)
class Registration:
    """A signal before its blur, and where it lies."""

    signal: Tensor  # [C, h, w]
    recipe: str  # its name in recipes.RECIPES
    trust: float  # 0…1: how far the guide, as it lies, is followed
    gain: float  # what its colours tell of the signal (trust.Explained.gain)
    even: bool  # it rises evenly: planes through neighbours tell more of it than their colours do
    smoother: bool  # a surface through a cell's neighbours tells it far better than the guide does
    blur: str | None = None  # its name in blur.BLURS
    moved: Shift | None = None
    on_corners: bool = False

    def laid(self, grid: Grid) -> Callable[[Tensor], Tensor] | None:
        """How the guide is laid where the signal is; None: it stays."""
        if self.on_corners:
            return partial(corners.onto_corners, grid=grid)
        if self.moved is None or not self.moved.sure:
            return None
        across, down = self.moved.pixels
        return partial(shift.moved, across=across, down=down)

    @property
    def sentences(self) -> tuple[str | None, ...]:
        """What a person should know of it."""
        return (
            shift.sentence(self.moved), corners.sentence(self.on_corners), blur.sentence(self.blur),
        )  # fmt: skip


def registered(
    signal: Tensor,  # [C, h, w], gaps filled
    recipe: str,
    guide: Tensor,  # [G, H, W]
    grid: Grid,
    lr_guide: Tensor,  # [G, h, w]
    known: Tensor | None,  # bool [h, w]: cells where there are a value and a guide; None: all
    roughly: bool,  # see Movable
    is_heat: bool = False,  # a heat map or matte, as a person or its file says
    was_noisy: bool = False,  # so it has been denoised: no blur came after the noise
) -> Registration:
    """``signal`` without the blur that was put on it, and where it lies on ``guide``."""
    explained, movable = Explained(signal, lr_guide, known), Movable(guide, grid, roughly)
    trust, moved = _place(explained, recipe, movable)
    # A heat map may well be soft: undone, blobs as wide as a cell have two to seven times bicubic's error.
    is_soft = is_heat and is_smooth(signal, BENT_HEAT)
    surface = is_soft and _is_smoother(explained, recipe, movable, moved, SMOOTHER_HEAT)
    name = None
    if (moved is None or not moved.sure) and _may_be_blurred(recipe, known) and not (surface or was_noisy):
        softest = 0.0 if recipe != "measured" else SOFTEST / min(grid.step_y, grid.step_x)
        name = blur_of(explained, recipe != "measured", softest)
    if name is not None:
        undone = blur.undone(signal, name, recipe != "measured")
        sharp = Explained(undone, lr_guide, known)
        # What is smooth by itself turns into waves that no image explains; a quantity that was blurred, into itself.
        if recipe != "measured" or _explains_what_was(explained, sharp, blur.BLURS[name]):
            signal, explained, recipe = undone, sharp, "measured" if recipe == "measured" else "shares"
            trust, moved = _place(explained, recipe, movable)
        else:
            name = None
    on_corners = (
        moved is None and trust > 0.5 and recipe in ON_CORNERS
        and corners.found(explained.few, guide, grid, explained.seen) and _as_much_on_corners(explained, movable)
    )  # fmt: skip
    # What was blurred and is sharp again is no smooth quantity.
    surface = surface or (name is None and not is_soft and _is_smoother(explained, recipe, movable, moved))
    if surface and moved is not None and not moved.of_sampling:
        moved = None  # the guide is not followed, wherever it lies
    return Registration(
        signal, recipe, trust, explained.gain(), rises_evenly(explained), surface, name, moved, on_corners
    )


def _as_much_on_corners(explained: Explained, movable: Movable) -> bool:
    """Whether the guide, stretched onto its corners, explains no less, by means or by planes."""
    means = movable.grid.cell_means(corners.onto_corners(movable.guide, movable.grid))
    there = explained.over(means.to(torch.float32))
    return any(explained.more(there, ramps) > -SLIGHT for ramps in (False, True))


def _is_smoother(
    explained: Explained, recipe: str, movable: Movable, moved: Shift | None, by: float | None = None
) -> bool:
    """``trust.is_smoother`` of a quantity, where the guide lies as it is laid, or of features."""
    if recipe == "features":
        return is_smooth(explained.signal) and is_smoother(explained, SMOOTHER_FEATURES)
    if recipe != "measured":
        return False
    if moved is not None and moved.of_sampling:
        explained = movable.explains(explained, *moved.pixels)
    return is_smoother(explained, by)


def _explains_what_was(blurred: Explained, sharp: Explained, by: blur.Blur) -> bool:
    """Whether the guide explains a quantity without its blur, and better than with it; and it is as smooth as that."""
    return (
        trust_of(sharp) >= AGREES
        and blurred.gain() + SHARPER <= sharp.gain()
        and is_smoother(blurred, LITTLE_SMEARED if by.sigma <= WEAK else SMEARED)
    )


def _place(explained: Explained, recipe: str, movable: Movable) -> tuple[float, Shift | None]:
    """How far the guide is followed; and how far the signal lies off it, where it explains it better moved as far."""
    trust = trust_in(recipe, explained)
    if trust == 0:
        return trust, None
    moved = moved_as(explained, movable)
    if recipe == "scores" and (moved is None or not moved.sure):
        # Logarithms change where a network is not sure, too: of four outputs that are half a cell off, probabilities
        # tell two, and logarithms one more.
        moved = moved_as(explained.logs, movable)
    if moved is None or not moved.sure:
        moved = _half_a_cell(explained, movable) or moved
    if moved is not None and moved.sure:
        there = movable.explains(explained, *moved.pixels)
        if trust_in(recipe, there) == 0:  # edges agree there, and colours tell nothing: it lies where it is
            moved = None
    return trust, moved


def _half_a_cell(explained: Explained, movable: Movable) -> Shift | None:
    """Half a cell right and down, where the guide, moved so, explains more than as it is and in any other direction."""
    half = Shift(movable.grid.step_x / 2, movable.grid.step_y / 2, sure=True, of_sampling=True)
    across, down = half.pixels
    if min(across, down) <= 0:
        return None

    there, least = movable.explains(explained, across, down), _beyond_chance(explained, HALF)
    if explained.more(there) < least or _least_more(explained, there) < least:  # planes take longer: asked last
        return None
    by = _beyond_chance(explained, ELSEWHERE)
    for x, y in ((across, -down), (-across, down), (-across, -down)):
        other = movable.explains(explained, x, y)
        if max(there.more(other, ramps) for ramps in (False, True)) > -by:
            return None
    return half


def moved_as(explained: Explained, movable: Movable) -> Shift | None:
    """The shift that the edges of the signal show, where the guide, moved as far, does not explain less.

    A body that stands on even ground has no edge at its foot, and looks moved up: by half a cell or more, over all of
    the drawn grounds.
    """
    likely = shift.found(explained.signal, movable.guide, movable.grid, explained.seen)
    if likely is None:
        return None

    @cache
    def more_at(across: int, down: int) -> float:
        return explained.more(movable.explains(explained, across, down), ramps=True)

    def more(moved: Shift) -> float:
        return more_at(*moved.pixels)

    if more(likely) <= -SLIGHT:
        return None
    return _exactly(likely, movable.grid, more) if likely.sure else likely


def _exactly(likely: Shift, grid: Grid, more: Callable[[Shift], float]) -> Shift | None:
    """A shift that was looked for by quarters of a cell, to the pixel; or half a cell, where that explains as much.

    None if it is less than a pixel.
    """
    reach_x, reach_y = (round(size / (2 * shift.FINE)) for size in (grid.step_x, grid.step_y))
    best, jump = (0, 0), max(reach_x, reach_y)

    def at(x: int, y: int) -> Shift:
        return Shift(likely.across + x, likely.down + y, True)

    while jump >= 1:  # pixels: half as far each time
        near = product(*(range(n - jump, n + jump + 1, jump) for n in best))
        best = max(((x, y) for x, y in near if abs(x) <= reach_x and abs(y) <= reach_y), key=lambda p: more(at(*p)))
        jump //= 2
    exact = at(*best)
    ways = [(grid.step_x / 2, grid.step_y / 2)]
    if min(ways[0]) > CAMERAS:
        ways += [(ways[0][0], 0), (0, ways[0][1])]
    halves = [
        Shift(x, y, True, of_sampling=True)
        for x, y in ways
        if abs(x - likely.across) <= grid.step_x / shift.FINE and abs(y - likely.down) <= grid.step_y / shift.FINE
    ]
    half = max(halves, key=more, default=exact)
    found = half if more(half) > more(exact) - AS_MUCH else exact
    return found if any(found.pixels) else None


def _beyond_chance(explained: Explained, by: float) -> float:
    """``by``, or what may be chance in so few cells."""
    return max(by, BY_CHANCE / max(explained.cells, 1) ** 0.5)


def _least_more(explained: Explained, there: Explained) -> float:
    """How much more the guide as it lies ``there`` explains, by means and by planes: the less; −∞: unrelated."""
    if there.gain() < GAIN_UNRELATED:
        return -math.inf
    return min(explained.more(there), explained.more(there, ramps=True))


def _may_be_blurred(recipe: str, known: Tensor | None) -> bool:
    """Whether a blur is looked for: in measured quantities and class shares without gaps."""
    return recipe in ("measured", "shares", "soft") and (known is None or bool(known.all()))


def blur_of(explained: Explained, shares: bool, softest: float = 0.0) -> str | None:
    """The name of the blur, wider than ``softest`` (σ in LR pixels), that the signal, without gaps, was put through on
    its grid; None if none was.

    Class shares (``shares``) tell by themselves. The guide, blurred as much, must explain a quantity better than it
    does as it is.
    """
    names = [n for n in blur.likely(explained.values, shares) if blur.BLURS[n].sigma >= softest]
    if not names or shares:
        return names[-1] if names else None
    more = {name: _least_more(explained, _blurred(explained, name)) for name in names}
    enough = max(BLURRED, ENOUGH * max(more.values()))
    found = next((name for name in reversed(names) if more[name] >= enough), None)
    if found is None or trust_of(explained) == 1:
        return found
    weakest = next(name for name, one in blur.BLURS.items() if one.of_quantities)
    little = more.get(weakest) or _least_more(explained, _blurred(explained, weakest))
    return found if found != weakest and more[found] >= GROWS * little else None


def _blurred(explained: Explained, name: str) -> Explained:
    """The same signal under the guide blurred so."""
    return explained.over(blur.blurred(explained.lr_guide, name))
