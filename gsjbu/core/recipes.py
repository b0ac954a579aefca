"""How the objective ``auto`` upsamples a signal of each kind: the table of its recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gsjbu.core.refinement.recipe import Refinement

STEPS = 20  # of a fit at most: fitting longer follows the signal's own errors
# They are plain Adam's, on all pixels: fewer ones on logarithms measured worse on signals. An iteration, which is a
# step of a fit on RGB, is worth so many.
STEPS_AN_ITERATION = 2
# Shares of classes then need fewer steps: ×16, of some pixels, CamVid 83.69 → 83.67, Cityscapes 68.08 → 68.15, DAVIS
# 98.96 → 99.03, VOC 97.16 → 97.16; of a measured quantity it would be 1 % of RMSE.
STEPS_OF_LARGE_SHARES = 14


@dataclass(frozen=True)
class Recipe:
    """How signals of one kind are upsampled: members of the mixture, and passes of back-projection.

    A set of Gaussians is given by its start: σ in strides, σr in guide values. ``second_share`` is that of what
    the plain interpolation leaves, which has a larger share where the guide is not trusted.
    """

    sentence: str
    first: tuple[float, float]
    first_steps: int
    plain: str
    plain_share: float
    plain_share_untrusted: float
    passes: int
    second: tuple[float, float] | None = None  # None: no second set, whatever its steps and its share
    second_steps: int = 0
    second_share: float = 0.0
    plain_passes: int = 0  # where the plain interpolation has all of it
    # Where these are not 0, a share depends on the stride s (px) instead: pixels / (pixels + s), more at finer ones.
    plain_pixels: float = 0.0
    second_pixels: float = 0.0
    refinement: Refinement | None = None  # as a fully trusted guide has it
    steps_of_large: int = STEPS  # of a fit at most, of an image of more than LARGE pixels
    # Where it is not 0, at strides s (px) below it strengths are × (s / it)², and below half of it the graph × 2s / it.
    full_stride: float = 0.0
    # Where it is not 0, strengths are × (pixels / s)², below the full stride as there, × (s / full stride)² once more.
    strength_pixels: float = 0.0
    # Where these are not 0, steps are the fewer the more cells around those with a value have none (none at all where
    # this share has none), and the fewer the less than this the colours tell (trust.Explained.gain).
    unfitted_missing: float = 0.0
    fitted_gain: float = 0.0

    def shares(self, step: float, trust: float) -> tuple[float, float]:
        """Of the plain interpolation and of the second set, at a stride of ``step`` px, for a guide trusted 0…1."""
        trusted = self.plain_pixels / (self.plain_pixels + step) if self.plain_pixels else self.plain_share
        plain = self.plain_share_untrusted + trust * (trusted - self.plain_share_untrusted)
        second = self.second_pixels / (self.second_pixels + step) if self.second_pixels else self.second_share
        return plain, second * (1 - plain)

    def steps(self, most: int, missing: float, gain: float) -> tuple[int, int]:
        """Of the first and of the second fit, ``most`` at most, where this share of cells around those with a value has
        none, and colours tell so much."""
        if self.unfitted_missing:
            told = min(1.0, max(0.0, gain / self.fitted_gain))
            most = round(most * told * max(0.0, 1 - missing / self.unfitted_missing))
        return min(self.first_steps, most), min(self.second_steps, most)

    def refined(self, step: float, trust: float) -> Refinement | None:
        """The refinement at a stride of ``step`` px, for a guide trusted 0…1; None if there is nothing to do."""
        if self.refinement is None:
            return None
        fine = min(1.0, step / self.full_stride) if self.full_stride else 1.0
        wide = (fine * self.strength_pixels / max(step, self.full_stride)) ** 2 if self.strength_pixels else 1.0
        scale = trust * fine**2 * wide
        strengths = tuple(scale * s for s in self.refinement.strengths) if trust > 0 else ()
        graph = trust * min(1.0, 2 * fine) * self.refinement.graph
        made = replace(self.refinement, graph=graph, strengths=strengths)
        return made if made.graph or made.counts or made.strengths else None


# Means over cells are given back. Wide starts fit best, as back-projection sharpens again; two fits from different
# starts err differently, and their mean errs less.
_MEASURED = Recipe(
    "The signal is taken for a quantity averaged over each cell: it is given back (not pure mixing).",
    first=(0.6, 0.2), first_steps=STEPS, second=(0.9, 0.1), second_steps=STEPS, second_share=0.5,
    plain="bicubic", plain_share=0.0, plain_share_untrusted=0.5, passes=3,
    # The finer, the more do means alone say, and the more does a texture mislead: with half of the graph at ×4 and a
    # quarter at ×2 depth has 3.74 and 2.91 RMSE, not 3.79 and 3.03; drawn scenes of 20 kinds 2 and 8 % less.
    full_stride=16.0, refinement=Refinement(graph=0.5, steps=80),
)  # fmt: skip
# What a network says is not a mean over the cell, and its errors should not be sharpened: pure mixing only. The
# second set is not fitted: at coarse strides, where its Gaussians are wide, it follows texture, and has a small share.
_SCORES = Recipe(
    "The signal is taken for a network's own probabilities: it is mixed only.",
    first=(0.5, 0.2), first_steps=STEPS, second=(0.6, 0.12), second_pixels=10.0,
    plain="bilinear", plain_share=0.1, plain_share_untrusted=1.0, passes=0,
    # The coarser the stride, the wider the mixture spreads by itself: strengths of 600 at ×8, of 67 at ×24. The finer
    # below ×8, the fewer pixels do a network's errors reach over: of 38 at ×4, of 2 at ×2 (QUALITY.md: outputs ×4, ×2).
    refinement=Refinement(
        graph=0.25, steps=60, strengths=(2.0, 1.0, 0.5), turns=1, lines=0.9, tolerance=0.0055, logs=True
    ), strength_pixels=196.0, full_stride=8.0,
)  # fmt: skip
# Samples say nothing of what lies between them: there is nothing to fit to.
_SAMPLES = Recipe(
    "The signal is one class a cell, without shares: it is mixed, and there is nothing to fit.",
    first=(0.6, 0.12), first_steps=0,
    plain="bilinear", plain_share=0.5, plain_share_untrusted=1.0, passes=0,
)  # fmt: skip

RECIPES: dict[str, Recipe] = {
    "measured": _MEASURED,
    # A fit learns how colours tell the signal; where it rises evenly instead, chance. Ground in perspective ×16 2.65,
    # where fits have 2.93 (bicubic 3.01); under Gaussian noise 2.74, not 3.25; ×8 1.52 and 2.02, not 1.53 and 2.06.
    "even": replace(
        _MEASURED,
        sentence="The signal is taken for a quantity that rises evenly: wide Gaussians give it back, without a fit.",
        first=(0.9, 0.3), first_steps=0, second=None,
    ),
    "surface": replace(
        _MEASURED,
        sentence="The signal is smoother than the image tells: it is interpolated (Catmull–Rom) and given back.",
        first_steps=0, second=None,
        plain="Catmull–Rom", plain_share=1.0, plain_share_untrusted=1.0, plain_passes=1, refinement=None,
    ),
    # Back-projection would sharpen what is sharp: of depth ×4 to ×16, sampled at the cells' centres and between four
    # pixels, the error is 0.83 of the better interpolation's, of drawn quantities 0.75; given back 0.95 and 1.04.
    "sampled": replace(
        _SAMPLES,
        sentence="The signal is taken for samples, as its edges are sharp: it is mixed only.",
        first=(0.6, 0.1), full_stride=16.0, plain_share=0.25,
        refinement=Refinement(strengths=(100.0,), lines=0.8, tolerance=0.02),
    ),
    "shares": replace(
        _MEASURED,
        sentence="The signal is taken for each class's share of the cell: it is given back (not pure mixing).",
        second=None, plain_share_untrusted=1.0, steps_of_large=STEPS_OF_LARGE_SHARES,
        plain_pixels=16.0,  # borders of labels follow the image's only to within some pixels
        # Smoothed less, too, at finer strides: Cityscapes ×4 95.6 → 96.2 mIoU, ×8 88.2 → 89.6, COCO-Stuff ×4 96.8 →
        # 97.4; but half of the graph at ×8 costs threads 0.4.
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
        second=None, plain_share=0.5, plain_share_untrusted=0.75, passes=1,
        refinement=None,
    ),
    # Among gaps a sharpened neighbour has nobody to answer it: of drawn scans 2.5 and 3.7, where the recipe for whole
    # signals has 2.8 and 3.9. And a fit follows what is known beside them: with fewer steps 2.40 and 3.55; depth ×8 and
    # ×16 with half of the cells missing at random 8.35 and 12.7, not 8.9 and 13.3; with one half missing as it was.
    "gaps": replace(
        _MEASURED, plain="bilinear", plain_share_untrusted=0.75, passes=1, unfitted_missing=0.35, fitted_gain=0.2,
    ),
    # Steps between cells that repeat each other are no edges, and a fit would follow them: 2.57 and 3.64 with fits.
    "filled": replace(
        _MEASURED,
        sentence="Many cells repeat a neighbour, as filled gaps do: it is mostly interpolated. Better leave gaps NaN.",
        first=(1.0, 0.35), first_steps=0, second=None,
        plain="bilinear", plain_share=0.6, plain_share_untrusted=0.6, passes=1, refinement=None,
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
        ), strength_pixels=196.0, full_stride=8.0,
    ),
    # What follows took maps of five data sets ×4 to ×16 from 82.3 to 83.3 mIoU and drawn ones from 80.1 to 82.7;
    # smoothing alone 82.9 and 81.6. The graph holds a cell to its one class, so it has less than half.
    "samples": replace(
        _SAMPLES,
        first=(0.6, 0.1), full_stride=16.0,
        refinement=Refinement(graph=0.4, steps=30, strengths=(200.0,), turns=1, lines=0.8, tolerance=0.02),
    ),
    "smooth": replace(
        _SAMPLES,
        sentence="The signal is smooth, or too coarse to have edges: it is interpolated (Catmull–Rom) and given back.",
        # Given back, a drawn heat map ×8 has 0.91 RMSE instead of 1.32 (bicubic 1.25); if it holds samples 1.12 instead
        # of 0.96 (1.26).
        plain="Catmull–Rom", plain_share=1.0, plain_passes=1,
    ),
    # Colours predict features badly even where they help a reader of the features: the guide is not put to the test.
    "features": replace(
        _SAMPLES,
        sentence="The signal is taken for features: it is mixed only, and there is nothing to fit.",
        first=(0.65, 0.12),  # linear probe 35.18 → 35.29
        plain_share_untrusted=0.5,
    ),
}  # fmt: skip

#: The recipe of a kind of signal, where a person or a file says what it is; others are looked at.
RECIPE_OF = {"depth": "measured", "probabilities": "scores", "logits": "scores"}
