"""The objective ``auto``: what measures best for a given signal, from one image, with nothing learnt from data sets.

1. Salt and pepper is taken out of the guide (noise.py).
2. The signal is looked at: is it the mean over each cell, a sample, or what a network says? (``kind_of``, sampled.py)
3. Gaussians are fitted so that the rendered signal gives back the LR signal, for a few steps only.
4. They are mixed with others (blend.py) by the recipe of the signal's kind. Cell means are also back-projected.
5. What mixing cannot do follows it (refinement/): class counts are matched, the whole image's edges followed.
6. If the guide's colours do not help to predict an LR pixel from its neighbours (``guide_gain``), the plain
   interpolation takes over.

benchmarks/QUALITY.md has the figures behind each step, and what was tried and dropped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import compiler, noise, parameters, shift
from gsjbu.core.backends.dispatch import Choice, Progress
from gsjbu.core.backends.lattices import lattices
from gsjbu.core.blend import Blend
from gsjbu.core.gaps import fill, is_filled, without_stand_ins
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel
from gsjbu.core.parameters import ADAM, Optimiser
from gsjbu.core.refinement.recipe import SUREST, Refinement, log_odds
from gsjbu.core.sampled import are_samples
from gsjbu.core.smooth import is_smooth
from gsjbu.core.tto import checked_signal, fit_gaussians, standardised

STEPS = 20  # of a fit at most: fitting longer follows the signal's own errors
# They are plain Adam's, on all pixels: fewer ones on logarithms measured worse on signals. An iteration, which is a
# step of a fit on RGB, is worth so many.
STEPS_AN_ITERATION = 2
# Above so many pixels, where a fit would take longer than all the rest, a step looks at some of them, the next one at
# others: of small cells two along each axis, of larger ones four. It costs depth up to 1 % of RMSE at ×16, 1.5 % at ×8
# (7 % on a built-in scene) and 6 to 8 % at ×4; classes at most 0.04 points of accuracy.
LARGE = 3_000_000
# Shares of classes then need fewer steps: ×16, of some pixels, CamVid 83.69 → 83.67, Cityscapes 68.08 → 68.15, DAVIS
# 98.96 → 99.03, VOC 97.16 → 97.16; of a measured quantity it would be 1 % of RMSE.
STEPS_OF_LARGE_SHARES = 14
KEEP, KEEP_OF_SMALL, SMALL_CELL = 4, 2, 8

# Up to so many channels that are not shares of a whole are taken for a measured quantity, more for features.
FEW_CHANNELS = 4
EXACT = 1e-6
# Borders are soft if more than SOFT of the mixed cells lie among mixed ones, and if cells on both sides of a mixed
# one differ by less than SQUARE (their STEEPEST quantile). Labels up to ×16 have 0.0 to 0.4 of the former and 0.9 to 1,
# or 0.08 and less for threads; blurred ones 0.3 and more, and at most 0.75; mattes 0.1 to 0.4, and 0.65 to 0.88.
SOFT, STEEPEST, SQUARE, SQUARE_OF_MASK = 0.09, 0.9, 0.8, 0.9

# Of the test of the guide: spread over neighbours (LR pixels), tolerances tried (guide values), reach (LR pixels).
GAIN_SIGMA = 0.8
GAIN_TOLERANCES = (0.05, 0.1, 0.2)
GAIN_REACH = 2
GAIN_CHANNELS = 8  # more are projected to so many
# Gains (log error) up to which the guide is not trusted at all, and from which it is trusted fully. Guides of other
# scenes reach about 0.04, a scene's own guide rarely stays below 0.1.
GAIN_UNRELATED, GAIN_TRUSTED = 0.02, 0.06
# Of probabilities the gain and twice that of their logarithms, which cannot be won in a corner where one class jumps:
# with another scene's guide outputs of CamVid ×8 have 56.42 mIoU instead of 54.91 (bilinear 56.56). With their own one
# ×24 loses 0.16.
SCORES_UNRELATED, SCORES_TRUSTED = 0.06, 0.12


@dataclass(frozen=True)
class Recipe:
    """How signals of one kind are upsampled: members of the mixture, and passes of back-projection.

    A set of Gaussians is given by its start: σ in strides, σr in guide values. ``second_share`` is that of what
    the plain interpolation leaves, which has a larger share where the guide is not trusted.
    """

    sentence: str
    first: tuple[float, float]
    first_steps: int
    second: tuple[float, float] | None
    second_steps: int
    second_share: float
    plain: str
    plain_share: float
    plain_share_untrusted: float
    passes: int
    # Where these are not 0, a share depends on the stride s (px) instead: pixels / (pixels + s), more at finer ones.
    plain_pixels: float = 0.0
    second_pixels: float = 0.0
    refinement: Refinement | None = None  # as a fully trusted guide has it
    steps_of_large: int = STEPS  # of a fit at most, of an image of more than LARGE pixels
    strength_pixels: float = 0.0  # where it is not 0, strengths of smoothing are × (pixels / s)²

    def shares(self, step: float, trust: float) -> tuple[float, float]:
        """Of the plain interpolation and of the second set, at a stride of ``step`` px, for a guide trusted 0…1."""
        trusted = self.plain_pixels / (self.plain_pixels + step) if self.plain_pixels else self.plain_share
        plain = self.plain_share_untrusted + trust * (trusted - self.plain_share_untrusted)
        second = self.second_pixels / (self.second_pixels + step) if self.second_pixels else self.second_share
        return plain, second * (1 - plain)

    def refined(self, step: float, trust: float) -> Refinement | None:
        """The refinement at a stride of ``step`` px, for a guide trusted 0…1; None if there is nothing to do."""
        if self.refinement is None:
            return None
        scale = trust * ((self.strength_pixels / step) ** 2 if self.strength_pixels else 1.0)
        strengths = tuple(scale * s for s in self.refinement.strengths) if trust > 0 else ()
        made = replace(self.refinement, graph=trust * self.refinement.graph, strengths=strengths)
        return made if made.graph or made.counts or made.strengths else None


# Means over cells are given back. Wide starts fit best, as back-projection sharpens again; two fits from different
# starts err differently, and their mean errs less.
_MEASURED = Recipe(
    "The signal is taken for a quantity averaged over each cell: it is given back (not pure mixing).",
    first=(0.6, 0.2), first_steps=STEPS, second=(0.9, 0.1), second_steps=STEPS, second_share=0.5,
    plain="bicubic", plain_share=0.0, plain_share_untrusted=0.5, passes=3,
    refinement=Refinement(graph=0.5, steps=80),
)  # fmt: skip
# What a network says is not a mean over the cell, and its errors should not be sharpened: pure mixing only. The
# second set is not fitted: at coarse strides, where its Gaussians are wide, it follows texture, and has a small share.
_SCORES = Recipe(
    "The signal is taken for a network's own probabilities: it is mixed only.",
    first=(0.5, 0.2), first_steps=STEPS, second=(0.6, 0.12), second_steps=0, second_share=0.0,
    plain="bilinear", plain_share=0.1, plain_share_untrusted=1.0, passes=0, second_pixels=10.0,
    # The coarser the stride, the wider the mixture spreads by itself: strengths of 600 at ×8, of 67 at ×24.
    refinement=Refinement(
        graph=0.2, strengths=(2.0, 1.0, 0.5), turns=1, lines=0.9, tolerance=0.0055, logs=True
    ), strength_pixels=196.0,
)  # fmt: skip
# Samples say nothing of what lies between them: there is nothing to fit to.
_SAMPLES = Recipe(
    "The signal is one class a cell, without shares: it is mixed only, and there is nothing to fit.",
    first=(0.6, 0.12), first_steps=0, second=None, second_steps=0, second_share=0.0,
    plain="bilinear", plain_share=0.5, plain_share_untrusted=1.0, passes=0,
)  # fmt: skip

RECIPES: dict[str, Recipe] = {
    "measured": _MEASURED,
    # At ×8 and ×16 of depth an error of 8.84 and 13.14, where back-projection of samples has 9.91 and 14.65.
    "sampled": replace(
        _SAMPLES,
        sentence="The signal is taken for samples, as its edges are sharp: it is mixed only.",
        plain_share=0.25, plain_share_untrusted=0.5,
        refinement=Refinement(strengths=(100.0,), lines=0.8, tolerance=0.02),
    ),
    "shares": replace(
        _MEASURED,
        sentence="The signal is taken for each class's share of the cell: it is given back (not pure mixing).",
        second=None, second_steps=0, second_share=0.0, plain_share_untrusted=1.0, steps_of_large=STEPS_OF_LARGE_SHARES,
        plain_pixels=16.0,  # borders of labels follow the image's only to within some pixels
        # From wide to narrow: the first round undoes what the mixture got wrong, the others what that left ragged.
        refinement=Refinement(
            graph=0.5, steps=60, counts=True, turns=1, lines=0.7, tolerance=0.04,
            strengths=(400.0, 400.0, 300.0, 300.0, 200.0, 200.0, 100.0, 100.0),
        ),
    ),
    # Counts of what was blurred are not the cells' own. With three passes 69.2 and 97.8, with counts 62.8.
    "soft": replace(
        _MEASURED,
        sentence="The signal is taken for shares with soft borders: it is given back (not pure mixing).",
        second=None, second_steps=0, second_share=0.0, plain_share=0.5, plain_share_untrusted=0.75, passes=1,
        refinement=None,
    ),
    # Among gaps a sharpened neighbour has nobody to answer it. Of drawn scans 2.5 and 3.7, where the recipe for whole
    # signals has 2.8 and 3.9, and lost up to 17 % in a scene to interpolation of what was filled.
    "gaps": replace(_MEASURED, plain="bilinear", plain_share_untrusted=0.75, passes=1),
    # Steps between cells that repeat each other are no edges.
    "filled": replace(
        _MEASURED,
        sentence="Many cells repeat a neighbour, as filled gaps do: it is mostly interpolated. Better leave gaps NaN.",
        plain="bilinear", plain_share=0.75, plain_share_untrusted=0.75, passes=1, refinement=None,
    ),
    "scores": _SCORES,
    # Unlike shares of classes, a mask's log odds change as smoothly as a depth does, and are given back as one. Masks
    # of street scenes at ×8, ×8 and ×24: 74.17, 73.29, 70.29 mean IoU, where the recipe for scores had 74.19, 72.63 and
    # 67.34.
    "odds": replace(
        _MEASURED,
        sentence="The signal is taken for a network's mask: its log odds are given back (not pure mixing).",
        refinement=Refinement(
            graph=0.5, steps=80, strengths=(0.5,), turns=1, lines=0.9, tolerance=0.0055, odds=True
        ), strength_pixels=196.0,
    ),
    "samples": _SAMPLES,
    "smooth": replace(
        _SAMPLES,
        sentence="The heat map is smooth, or too coarse to have edges: it is interpolated without the image.",
        plain_share=1.0,
    ),
    # Colours predict features badly even where they help a reader of the features: the guide is not put to the test.
    "features": replace(
        _SAMPLES,
        sentence="The signal is taken for features: it is mixed only, and there is nothing to fit.",
        plain_share_untrusted=0.5,
    ),
}  # fmt: skip

#: The recipe of a kind of signal, where a person or a file says what it is; others are looked at.
RECIPE_OF = {"depth": "measured", "probabilities": "scores", "logits": "scores"}


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
    name = _recipe_for(signal, given, grid, told)
    if name == "sampled" and lr_image == "auto":  # samples go with the guide's
        how = "bilinear"
        base = Gaussians.over(guide, grid, radius, parameters.start(grid), how, seen)
    if name == "odds":
        signal = log_odds(signal)
    told = _both(base.seen_cells, told)
    trust = (_trust_of_scores if name == "scores" else trust_of)(signal, base.lr_guide, told)
    moved = shift.found(signal, guide, grid, told) if trust > 0 else None
    recipe = RECIPES[name] if moved is None else _off_the_guide(name, moved)
    step = math.sqrt(grid.step_x * grid.step_y)
    plain_share, second_share = recipe.shares(step, trust)
    steps = _shared_out(iters if plain_share < 1 else 0, recipe, _is_large(grid))
    fits = _Fits(base, signal, chosen, device, threads, progress)

    first, losses = fits.next(recipe.first, steps[0])
    second: Gaussians | None = None
    more: list[float] = []
    if recipe.second is not None and second_share > 0:
        second, more = fits.next(recipe.second, steps[1])
    blend = Blend(
        second=None if second is None else second.raw, second_share=0.0 if second is None else second_share,
        second_steps=len(more), plain_share=plain_share, plain=recipe.plain,
        passes=recipe.passes if plain_share < 1 else 0,  # counts alone give back better: foam ×16 99.5, not 99.4
    )  # fmt: skip
    refinement, did = _refinement(recipe, step, trust)
    notes = (found.sentence, _on_gaps(known), recipe.sentence, fits.sentence, did, _on_trust(trust, recipe))
    return Kernel(
        first, [*losses, *more], "auto", chosen.name, chosen.reason, device.type, threads, blend, how, refinement,
        tuple(note for note in (*notes, shift.sentence(moved)) if note),
    )  # fmt: skip


def _recipe_for(signal: Tensor, given: Given, grid: Grid, known: Tensor | None) -> str:
    """The name of the recipe for ``signal`` [C, h, w], gaps filled, of which ``known`` (bool [h, w]) has values."""
    if given.kind == "heat_map" and (
        min(grid.step_y, grid.step_x) > parameters.SIGMA_HIGH or is_smooth(signal)
    ):
        return "smooth"
    name = RECIPE_OF.get(given.kind or "") or kind_of(signal)
    if name != "measured":
        return "odds" if name == "scores" and len(signal) == 1 else name
    has_gaps = known is not None and not bool(known.all())
    if not has_gaps and is_filled(signal):
        return "filled"
    return "sampled" if are_samples(signal, known) else "gaps" if has_gaps else "measured"


def _off_the_guide(name: str, moved: shift.Shift) -> Recipe:
    """For a signal that lies off its guide: what gives it back would sharpen it in the wrong place.

    Where the shift is but likely, this holds for a quantity without gaps alone, which loses most by it.
    """
    recipe = RECIPES[name]
    if not recipe.passes or not (moved.sure or name == "measured"):
        return recipe
    return replace(
        recipe, sentence=recipe.sentence.split(":")[0] + ": it is mixed only, as it seems to lie off the image.",
        plain="bilinear" if moved.sure else "bicubic", plain_share=0.5, plain_share_untrusted=1.0, plain_pixels=0.0,
        passes=0, refinement=None,
    )  # fmt: skip


def _refinement(recipe: Recipe, step: float, trust: float) -> tuple[Refinement | None, str | None]:
    """What follows mixing, and a sentence on it."""
    refinement = recipe.refined(step, trust)
    if refinement is not None and (why := compiler.unavailable_reason()):
        return None, f"What follows mixing is left out: it is compiled, and numba does not work here ({why})."
    return refinement, None if refinement is None else refinement.sentence


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
    def optimiser(self) -> Optimiser:
        """Plain Adam; of a large image each step takes some pixels of each cell."""
        grid = self.base.grid
        if not _is_large(grid):
            return ADAM
        keep = KEEP_OF_SMALL if min(grid.step_y, grid.step_x) < SMALL_CELL else KEEP
        return replace(ADAM, pitch=max(grid.height, grid.width), keep=keep)

    @property
    def sentence(self) -> str | None:
        """What a person should know of how it was fitted, or None."""
        part = lattices(self.base.grid, self.optimiser.pitch, self.optimiser.keep)[0]
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
            self.base.at(parameters.start(self.base.grid, *start)), 0 if self.stopped else steps, "signal",
            self.signal, backend=self.chosen.name, device=self.device, threads=self.threads, optimiser=self.optimiser,
            progress=report if self.progress is not None else None,
        )  # fmt: skip


def trust_of(signal: Tensor, lr_guide: Tensor, seen: Tensor | None = None) -> float:
    """0…1: how far a guide is followed for ``signal`` [C, h, w], whose gaps are filled; 0: they are unrelated.

    seen: bool [h, w], the cells in which there is a guide; None: all.
    """
    return _between(guide_gain(standardised(signal)[0], lr_guide, seen), GAIN_UNRELATED, GAIN_TRUSTED)


def _trust_of_scores(scores: Tensor, lr_guide: Tensor, seen: Tensor | None) -> float:
    """The same for a network's probabilities."""
    logs = scores.clamp_min(SUREST).log()
    gains = [guide_gain(standardised(x)[0], lr_guide, seen) for x in (scores, logs)]
    return _between(gains[0] + 2 * gains[1], SCORES_UNRELATED, SCORES_TRUSTED)


def _between(gain: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on."""
    return min(1.0, max(0.0, (gain - low) / (high - low)))


def _both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """bool [h, w]: where both hold, of which None holds everywhere."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _is_large(grid: Grid) -> bool:
    return grid.height * grid.width > LARGE


def _shared_out(iters: int, recipe: Recipe, large: bool) -> tuple[int, int]:
    """Steps of the first and of the second fit."""
    most = min(STEPS_AN_ITERATION * iters, recipe.steps_of_large if large else STEPS)
    return min(recipe.first_steps, most), min(recipe.second_steps, most)


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


def kind_of(signal: Tensor) -> str:
    """The name of the recipe for ``signal`` [C, h, w].

    Shares of a whole (0…1, together at most 1) are told apart by what lies at the borders between classes: cells
    that are means of labels are exactly pure but for those that a border crosses; class maps have no mixed cells;
    a network is never quite sure of anything.
    """
    channels = signal.shape[0]
    total = signal.sum(dim=0)
    shares = bool((signal >= -EXACT).all() and (signal <= 1 + EXACT).all())
    if channels > 1:
        shares = shares and bool((total <= 1.01).all() and (total >= 0.99).double().mean() >= 0.5)
    if shares:
        whole = (signal <= EXACT) | (signal >= 1 - EXACT)
        if float(whole.double().mean()) >= 0.25:
            if _is_soft(signal):
                return "measured" if channels == 1 else "soft"
            return "samples" if _meets_unmixed(signal, whole.all(dim=0)) else "shares"
        if channels > 1:
            return "scores"
    return "measured" if channels <= FEW_CHANNELS else "features"


def _is_soft(signal: Tensor) -> bool:
    """True if borders in ``signal`` [C, h, w] are wider than its cells: a matte's, or of shares that were blurred.

    A border of labels crosses a cell or two: cells among none but mixed ones are few, and where it crosses one squarely
    the cells on both sides of that are pure.
    """
    mixed = (signal > EXACT) & (signal < 1 - EXACT)
    if not bool(mixed.any()):
        return False
    some = mixed.any(dim=0)[None, None].float()
    inside = -torch.nn.functional.max_pool2d(-some, 3, stride=1, padding=1)
    if float(inside.sum()) <= SOFT * float(some.sum()):
        return False
    padded = torch.nn.functional.pad(signal[None], (1, 1, 1, 1), mode="replicate")[0]
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]).abs()
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]).abs()
    steps = torch.maximum(down, across)[mixed].numpy()
    return float(np.quantile(steps, STEEPEST)) < (SQUARE if len(signal) > 2 else SQUARE_OF_MASK)


def _meets_unmixed(signal: Tensor, pure: Tensor) -> bool:
    """True if most borders between classes lie between two pure cells."""
    label = signal.argmax(dim=0) if signal.shape[0] > 1 else (signal[0] > 0.5).long()
    borders = unmixed = 0
    for dim in (0, 1):
        n = label.shape[dim] - 1
        a, b = label.narrow(dim, 0, n), label.narrow(dim, 1, n)
        border = a != b
        borders += int(border.sum())
        unmixed += int((border & pure.narrow(dim, 0, n) & pure.narrow(dim, 1, n)).sum())
    return unmixed > borders / 2


def guide_gain(signal: Tensor, lr_guide: Tensor, seen: Tensor | None = None) -> float:
    """By how much (in log error) colours help to predict an LR pixel from its neighbours; about 0 if unrelated.

    Each LR pixel is estimated from those around it, itself left out, once by distance alone and once by distance
    and colour, at a few tolerances of which the best one counts.
    """
    values = signal.detach().to("cpu", torch.float32)
    if values.shape[0] > GAIN_CHANNELS:  # a random projection keeps distances, on the whole
        mixer = torch.randn(GAIN_CHANNELS, values.shape[0], generator=torch.Generator().manual_seed(0))
        values = torch.einsum("kc,chw->khw", mixer, values - values.mean(dim=(1, 2), keepdim=True))
    told = None if seen is None else seen.numpy()
    return _gain(values.numpy(), lr_guide.detach().to("cpu", torch.float32).numpy(), told)


def _gain(values: np.ndarray, guide: np.ndarray, seen: np.ndarray | None = None) -> float:
    # numpy, not torch: on so small arrays torch's threads wait for each other longer than they work.
    rows, cols, r = values.shape[1], values.shape[2], GAIN_REACH
    near_values, near_guide = (np.pad(t, ((0, 0), (r, r), (r, r))) for t in (values, guide))
    inside = np.pad(np.ones((rows, cols), np.float32) if seen is None else seen.astype(np.float32), r)
    kappas = np.array([0.0, *(0.5 / t**2 for t in GAIN_TOLERANCES)], np.float32)[:, None, None]
    total = np.zeros((len(kappas), rows, cols), np.float32)
    estimate = np.zeros((len(kappas), *values.shape), np.float32)
    for dy in range(2 * r + 1):
        for dx in range(2 * r + 1):
            if dy == r and dx == r:
                continue
            down, across = slice(dy, dy + rows), slice(dx, dx + cols)
            spatial = -((dy - r) ** 2 + (dx - r) ** 2) / (2 * GAIN_SIGMA**2)
            distance = np.square(near_guide[:, down, across] - guide).sum(axis=0)
            # The floor keeps a pixel unlike all its neighbours from having no estimate.
            likeness = np.exp(np.float32(spatial) - kappas * distance) + np.float32(1e-9)
            weight = likeness * inside[down, across]
            total += weight
            estimate += weight[:, None] * near_values[:, down, across]
    alone = total[0] <= 0
    if seen is not None:
        alone |= ~seen
    off = np.where(alone, 0, estimate / np.where(total > 0, total, 1)[:, None] - values)
    error = np.square(off).sum(axis=1).mean(axis=(1, 2), dtype=np.float64)
    if error[0] <= 1e-12 * np.square(values).mean(dtype=np.float64):
        return 0.0  # a flat signal: nothing to explain
    return float(np.log(error[0] / max(error[1:].min(), 1e-12 * error[0])))
