"""The objective ``auto``: what measures best for a given signal, from one image, with nothing learnt from data sets.

1. Salt and pepper is taken out of the guide (noise.py).
2. The signal is looked at: is it the mean over each cell, a sample, or what a network says? (kind.py, sampled.py)
   White noise of its cells is taken off (denoising.py), a blur is undone, and where it lies is looked for
   (registration.py).
3. Gaussians are fitted so that the rendered signal gives back the LR signal, for a few steps only.
4. They are mixed with others (blend.py) by the recipe of the signal's kind (recipes.py). Cell means are also
   back-projected.
5. What mixing cannot do follows it (refinement/): class counts are matched, the whole image's edges followed.
6. If the guide's colours do not help to predict an LR pixel from its neighbours (trust.py), the plain
   interpolation takes over.

benchmarks/QUALITY.md has the figures behind each step, and what was tried and dropped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from gsjbu.core import denoising, noise, outliers, parameters, stray_shares
from gsjbu.core.backends.dispatch import Choice
from gsjbu.core.backends.lattices import lattices
from gsjbu.core.blend import Blend
from gsjbu.core.gaps import both, fill, is_filled, missing_nearby, without_stand_ins
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel
from gsjbu.core.kind import kind_of
from gsjbu.core.parameters import ADAM, Optimiser, Progress
from gsjbu.core.recipes import RECIPE_OF, RECIPES, STEPS, STEPS_AN_ITERATION, Recipe
from gsjbu.core.refinement.recipe import log_odds
from gsjbu.core.registration import Registration, registered
from gsjbu.core.sampled import are_samples
from gsjbu.core.shift import Shift
from gsjbu.core.smooth import is_smooth
from gsjbu.core.threads import torch_threads
from gsjbu.core.trust import Explained, trust_in
from gsjbu.core.tto import checked_signal, fit_gaussians

# Above so many pixels, where a fit would take longer than all the rest, a step looks at some of them, the next one at
# others: of small cells two along each axis, of larger ones four. It costs depth up to 1 % of RMSE at ×16, 1.5 % at ×8
# (7 % on a built-in scene) and 6 to 8 % at ×4; classes at most 0.04 points of accuracy. Of small cells more steps then
# gain nothing: depth ×4 has 4.05 RMSE after 20 and 10, ×6 5.21 and 5.22; CamVid ×4 94.39 after 14, 10 and 6. ×2 and ×3,
# where no pixel is left out, 10 would cost 7 and 6 %.
LARGE = 3_000_000
KEEP, KEEP_OF_SMALL, STEPS_OF_SMALL, SMALL_CELL = 4, 2, 10, 8

# Recipes of quantities whose cells may be noisy: samples have edges that denoising would take for noise, filled gaps
# repeat it, and a network's errors are not white.
DENOISED = ("measured", "gaps", "smooth")

# Shares that are rounded by so many pixels may be any number of them: those of 8 bits at ×16.
UNTOLD = 0.5

MIXED_ONLY = (
    "The signal is taken for a quantity averaged over each cell: it is mixed only, as it seems to lie off the image."
)
UNFITTED = (
    "Too few cells around those with a value have one, or the image tells too little of them, for a fit: the Gaussians"
    " are as they start."
)


@dataclass(frozen=True, eq=False)
class Given:
    """A signal, and what is known of it."""

    signal: Tensor | None = None  # [C, h, w]; the guide's own colours if None
    kind: str | None = None  # None: it is looked at
    mask: Tensor | None = None  # bool [h, w]: cells that have a value; None: all


def fit(
    guide: Tensor,  # [G, H, W]
    seen: Tensor | None,  # bool [H, W]: where the guide is to be followed; None: everywhere
    grid: Grid,
    given: Given,
    radius: int,
    iters: int,
    lr_image: str,  # bilinear, area, or auto: that which goes with the signal
    chosen: Choice,
    device: torch.device,
    threads: int | None,
    progress: Progress | None,
) -> Kernel:
    """A kernel with the blend that suits the signal.

    One fit, or two, of at most ``STEPS_AN_ITERATION · iters`` steps are made, one after the other; so are the losses.
    What was found is in ``Kernel.notes``. Raises ShapeError if the signal does not fit the grid or is not finite.
    """
    guide, found = noise.clean(guide)
    how = "area" if lr_image == "auto" else lr_image
    base = Gaussians.over(guide, grid, radius, parameters.start(grid), how, seen)
    signal = checked_signal(base.lr_guide if given.signal is None else given.signal, grid)
    known = without_stand_ins(signal)
    signal = signal if known is None else fill(signal, known)
    told = known if given.mask is None else given.mask
    name, signal, noise_of = _denoised(signal, given, base, told, threads)
    if name == "sampled" and lr_image == "auto":  # samples go with the guide's
        how = "bilinear"
        base = Gaussians.over(guide, grid, radius, parameters.start(grid), how, seen)
    if name == "odds":
        signal = log_odds(signal)
    missing = 0.0 if told is None else missing_nearby(told)
    told = both(base.seen_cells, told)
    is_heat = given.kind == "heat_map"
    with torch_threads(threads):
        lies = registered(
            signal, name, guide, grid, base.lr_guide, told, _is_large(grid), is_heat, noise_of.way is not None
        )
    signal, trust, gain, moved = lies.signal, lies.trust, lies.gain, lies.moved
    name, recipe = _recipe_as_it_lies(lies)
    laid = lies.laid(grid)
    if laid is not None:
        guide, seen = laid(guide), None if seen is None else laid(seen[None].float())[0] > 0
        base = Gaussians.over(guide, grid, radius, parameters.start(grid), how, seen)
        explained = Explained(signal, base.lr_guide, both(base.seen_cells, told))
        trust, gain = trust_in(name, explained), explained.gain()
    step = math.sqrt(grid.step_x * grid.step_y)
    plain_share, second_share = recipe.shares(step, trust)
    most = min(STEPS_AN_ITERATION * iters, _most_steps(recipe, grid))
    steps = recipe.steps(most if plain_share < 1 else 0, missing, gain)
    fits = _Fits(base, signal, chosen, device, threads, progress)
    first, losses, blend = _mixture(fits, recipe, plain_share, second_share, steps)
    refinement = recipe.refined(step, trust)
    did = None if refinement is None else refinement.sentence
    unfitted = UNFITTED if most and recipe.unfitted_missing and not any(steps) else None
    notes = (
        found.sentence, _on_gaps(known), noise_of.outliers, noise_of.sentence, recipe.sentence, fits.sentence,
        unfitted, did, _on_trust(trust, recipe),
    )  # fmt: skip
    return Kernel(
        first, losses, "auto", chosen.name, chosen.reason, str(device), threads, blend=blend, lr_image=how,
        refinement=refinement, offset=moved.pixels if moved is not None and moved.of_sampling else (0, 0),
        blur=lies.blur, outliers=noise_of.outliers is not None, denoised=noise_of.way, corners=lies.on_corners,
        notes=tuple(note for note in (*notes, *lies.sentences) if note),
    )  # fmt: skip


def _mixture(
    fits: _Fits, recipe: Recipe, plain_share: float, second_share: float, steps: tuple[int, int]
) -> tuple[Gaussians, list[float], Blend]:
    """The members, fitted: the first Gaussians, the losses of all fits, and what is mixed with them."""
    first, losses = fits.next(recipe.first, steps[0])
    second: Gaussians | None = None
    more: list[float] = []
    if recipe.second is not None and second_share > 0:
        second, more = fits.next(recipe.second, steps[1])
    blend = Blend(
        second=None if second is None else second.raw, second_share=0.0 if second is None else second_share,
        second_steps=len(more), plain_share=plain_share, plain=recipe.plain,
        # Of class shares counts alone give back better: foam ×16 99.5, not 99.4.
        passes=recipe.passes if plain_share < 1 else recipe.plain_passes,
    )  # fmt: skip
    return first, [*losses, *more], blend


class _Noise(NamedTuple):
    """What was taken off the signal's cells, in which way; None: nothing. ``outliers``: a sentence on them, or None."""

    way: str | None = None
    sentence: str | None = None
    outliers: str | None = None


def _denoised(
    signal: Tensor, given: Given, base: Gaussians, known: Tensor | None, threads: int | None
) -> tuple[str, Tensor, _Noise]:
    """The name of the recipe for ``signal`` [C, h, w], gaps filled; the signal without the noise of its cells, and what
    that was.

    What the guide tells, as the signal lies on it, is no noise; nor are shares that count a cell's pixels.
    """
    name, grid = _recipe_for(signal, given, base.grid, known), base.grid
    if given.signal is None or name not in (*DENOISED, "shares"):
        return name, signal, _Noise()
    if name == "shares":
        sigma = 0.0 if grid.is_whole and grid.are_counts(signal.numpy()) else stray_shares.strength(signal, known)
        if not sigma:
            return name, signal, _Noise()
        signal = stray_shares.cleared(signal, sigma)
        again = _recipe_for(signal, given, grid, known)
        name = again if again in ("samples", "sampled") else "shares" if sigma <= stray_shares.COUNTED else "soft"
        return name, signal, _Noise("shares", denoising.sentence(sigma))
    off = outliers.found(signal, base.lr_guide, known)
    said = None if off is None else outliers.sentence(off)
    if off is not None:
        signal = outliers.replaced(signal, off)
        name = _recipe_for(signal, given, grid, known)
    with torch_threads(threads):
        sigmas = denoising.strengths(signal, known)
        if not sigmas.any():
            return name, signal, _Noise(outliers=said)
        seen = both(base.seen_cells, known)
        laid = registered(signal, name, base.guide, grid, base.lr_guide, seen, _is_large(grid)).laid(grid)
        lr_guide = base.lr_guide if laid is None else grid.low_resolution(laid(base.guide), "area")
        if not denoising.is_noise(signal, sigmas, lr_guide, known):
            return name, signal, _Noise(outliers=said)
        noise_of = _Noise("waves", denoising.sentence(denoising.of_span(signal, sigmas)), said)
        signal = denoising.denoised(signal, sigmas)
        return _recipe_for(signal, given, grid, known), signal, noise_of


def _recipe_for(signal: Tensor, given: Given, grid: Grid, known: Tensor | None) -> str:
    """The name of the recipe for ``signal`` [C, h, w], gaps filled, of which ``known`` (bool [h, w]) has values."""
    if given.kind == "heat_map" and (min(grid.step_y, grid.step_x) > parameters.SIGMA_HIGH or is_smooth(signal)):
        return "smooth"
    name = RECIPE_OF.get(given.kind or "") or kind_of(signal)
    if name == "shares" and len(signal) == 1:
        name = "measured" if _is_matte(signal, grid) else "shares"
    if name != "measured":
        return "odds" if name == "scores" and len(signal) == 1 else name
    has_gaps = known is not None and not bool(known.all())
    if not has_gaps and is_filled(signal):
        return "filled"
    return "sampled" if are_samples(signal, known) else "gaps" if has_gaps else "measured"


def _is_matte(signal: Tensor, grid: Grid) -> bool:
    """Whether shares of one channel count no pixels; where that cannot be seen, whether their sharp edges tell."""
    shares = signal.numpy()
    if grid.is_whole and grid.rounded(shares).max() < UNTOLD:
        return not grid.are_counts(shares)
    return are_samples(signal)


def _recipe_as_it_lies(lies: Registration) -> tuple[str, Recipe]:
    """The recipe, and its name, for a signal of which is known how it lies on the guide."""
    name = lies.recipe
    if lies.smoother:
        name = "surface" if name == "measured" else "smooth"
    elif name == "measured" and lies.even and lies.moved is None:
        name = "even"
    return name, RECIPES[name] if lies.moved is None else _off_the_guide(name, lies.moved)


def _off_the_guide(name: str, moved: Shift) -> Recipe:
    """For a signal that lies off its guide: what gives it back would sharpen it in the wrong place.

    Where the shift is sure, the guide is moved. Where it is but likely, a quantity without gaps, which loses most by
    it, is mixed only.
    """
    recipe = RECIPES[name]
    if moved.sure or name != "measured":
        return recipe
    return replace(
        recipe, sentence=MIXED_ONLY,
        plain="bicubic", plain_share=0.5, plain_share_untrusted=1.0, plain_pixels=0.0, passes=0, refinement=None,
    )  # fmt: skip


@dataclass
class _Fits:
    """Fits on the signal, one after the other: steps are counted on, and a stop holds for all that follow."""

    base: Gaussians
    signal: Tensor  # [C, h, w]
    chosen: Choice
    device: torch.device
    threads: int | None
    progress: Progress | None
    taken: int = 0
    stopped: bool = False

    @property
    def sentence(self) -> str | None:
        """What a person should know of how it was fitted, or None."""
        grid, optimiser = self.base.grid, optimiser_on(self.base.grid)
        part = lattices(grid, optimiser.pitch, optimiser.keep)[0]
        share = part.pitch_y * part.pitch_x
        if not self.taken or share == 1:
            return None
        return f"The image has over {LARGE / 1e6:.0f} megapixels: a step of the fit looked at one in {share} of them."

    def next(self, start: tuple[float, float], steps: int) -> tuple[Gaussians, list[float]]:
        """From σ (strides) and σr (guide values), ``steps`` steps."""
        before, self.taken = self.taken, self.taken + steps

        def report(step: int, loss: float) -> object:
            assert self.progress is not None
            answer = self.progress(before + step, loss)
            self.stopped = self.stopped or answer is False
            return answer

        return fit_gaussians(
            self.base.at(parameters.start(self.base.grid, *start)), 0 if self.stopped else steps, self.signal,
            backend=self.chosen.name, device=self.device, threads=self.threads,
            optimiser=optimiser_on(self.base.grid), progress=report if self.progress is not None else None,
        )  # fmt: skip


def _is_large(grid: Grid) -> bool:
    return grid.height * grid.width > LARGE


def _has_small_cells(grid: Grid) -> bool:
    return min(grid.step_y, grid.step_x) < SMALL_CELL


def _most_steps(recipe: Recipe, grid: Grid) -> int:
    """Of a fit, for signals of this recipe."""
    if not _is_large(grid):
        return STEPS
    skips = min(grid.step_y, grid.step_x) >= 2 * KEEP_OF_SMALL  # of smaller cells a step looks at all pixels
    return STEPS_OF_SMALL if _has_small_cells(grid) and skips else recipe.steps_of_large


def optimiser_on(grid: Grid) -> Optimiser:
    """Plain Adam; of a large image each step takes some pixels of each cell."""
    if not _is_large(grid):
        return ADAM
    keep = KEEP_OF_SMALL if _has_small_cells(grid) else KEEP
    return replace(ADAM, pitch=max(grid.height, grid.width), keep=keep)


def most_steps(iters: int) -> int:
    """How many steps a fit of ``iters`` iterations takes at most, whatever the signal."""
    return 2 * min(STEPS, STEPS_AN_ITERATION * iters)


def _on_gaps(known: Tensor | None) -> str | None:
    if known is None:
        return None
    missing = int((~known).sum())
    return f"{missing} of {known.numel()} cells hold the mean of all others: they are taken for cells without a value."


def _on_trust(trust: float, recipe: Recipe) -> str | None:
    """What a person should know of the guide, or None if it is followed as usual."""
    if trust >= 0.5 or recipe.plain_share_untrusted == recipe.plain_share:
        return None
    if trust > 0:
        return f"The image explains little of the signal; {recipe.plain} interpolation has a larger share."
    if recipe.plain_share_untrusted < 1:
        return f"The image does not explain the signal; {recipe.plain} interpolation has a larger share."
    return f"The image does not explain the signal; it is not followed: this is {recipe.plain} interpolation."
