"""How far the guide is followed: whether its colours help to predict an LR pixel from its neighbours."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from itertools import product

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.refinement.recipe import SUREST
from gsjbu.core.smooth import errors_left_out, is_even, is_smooth
from gsjbu.core.threads import bands, each
from gsjbu.core.tto import standardised

# Of the test of the guide: spread over neighbours (LR pixels), tolerances tried (guide values), reach (LR pixels).
GAIN_SIGMA = 0.8
GAIN_TOLERANCES = (0.05, 0.1, 0.2)
GAIN_REACH = 2
GAIN_CHANNELS = 8  # more are projected to so many
BAND = 40_000  # values that are looked at together: what is made of them stays in the cache
# Of more cells, bands of this many rows are looked at, spread over the image: so many cells tell as much as all.
MOST_CELLS, STRIPE = 1 << 17, 16
# Gains (log error) up to which the guide is not trusted at all, and from which it is trusted fully. Guides of other
# scenes reach about 0.04, a scene's own guide rarely stays below 0.1.
GAIN_UNRELATED, GAIN_TRUSTED = 0.02, 0.06
# Beside its neighbours' mean a cell is predicted by a plane through them, for a quantity that rises evenly, as ground
# in perspective does: a mean over neighbours of one colour then loses what lies on the other side. Steps of the plane
# are held back by RIDGE (LR pixels²). The fewer cells, the more of that gain is chance: the bounds are so much over the
# root of their number, and at least LEAST_RAMP. With a guide of another scene over 1,000 cells and more it is at most
# 0.2; of nearness ×8 it is 0.40 to 1.17, where that of means is −0.23 to 0.35.
RIDGE = 0.1
RAMP_UNRELATED, RAMP_TRUSTED, LEAST_RAMP = 10.0, 16.0, 0.2
# A quantity is smoother than the guide tells where the log error of a smooth surface is less by so much: fog, smoke,
# waves, terrain, heat maps of 15 kinds, 1 to 17 (but a third of their scenes, which are too coarse to tell); depth of
# rooms and streets, and mattes, at most 0.64; ground in perspective 0.75; two ramps with an edge between them 0.93,
# where the image is better (×16 3.5 RMSE, not 5.1).
SMOOTHER = 0.95
# Where no border stands out (smooth.py) colours tell as much by chance, and mixing sharpens what has no edges: smoke
# ×8, 0.65 to 0.68, has a fifth to two fifths less RMSE. Terrain whose colours tell its height has 0.04.
SMOOTHER_EVEN = 0.1
# And where it bends little, as steep depth does, but more than planes, which wide Gaussians give back, and colours tell
# next to nothing (gain UNTOLD): corridors ×4 and ×8 have 0.80 to 0.96 of the error. Of what bends more, as crowds with
# another scene's image, up to 1.1.
SMOOTHER_UNTOLD, UNTOLD, PLANES, STEEP = 0.7, 0.09, 0.3, 0.6
# Heat maps that bend so little, where by so much: spots of a cell's width, as of saliency ×16, 0.4 to 0.7 and 1.1, have
# two fifths of the error; mattes, which the image tells, −2.9 to 0, and a mask's probabilities 0.5 to 1 and 1.2 to 1.3.
SMOOTHER_HEAT, BENT_HEAT = 0.1, 1.18
# Features where by so much and smooth by themselves (smooth.py): heat maps of several keypoints ×4 and ×8, 2.7 to 5.6;
# EfficientNet's and random weights' at strides 8 to 32 at most 2.4.
SMOOTHER_FEATURES = 2.5
# Shares of classes are trusted from the gain SURE on. Below, what counts is whether it shows in most cells (log of the
# mean error, not of its square) and all over the image (in units of its standard error over PARTS × PARTS parts): the
# product is 0.36 and more where following the image helps, 0.19 and less on foam and mucosa, where it does not.
SURE, PARTS = 0.1, 4
SPREAD_UNRELATED, SPREAD_TRUSTED = 0.2, 0.35
# Of probabilities the gain and twice that of their logarithms, which cannot be won in a corner where one class jumps:
# with another scene's guide outputs of CamVid ×8 have 56.42 mIoU instead of 54.91 (bilinear 56.56). With their own one
# ×24 loses 0.16.
SCORES_UNRELATED, SCORES_TRUSTED = 0.06, 0.12
# Or where the gain shows in most cells and all over the image, as of shares: for 934 pairs with another scene's image
# by at most 0.37, for probabilities ×4 to ×24 with their own by 0.4 to 2.5 where it helps, but for one in eight.
SCORES_SPREAD_UNRELATED, SCORES_SPREAD_TRUSTED = 0.38, 0.5


class Explained:
    """A signal and the cell means of a guide: what its colours explain, each figure asked once."""

    def __init__(
        self,
        signal: Tensor,  # [C, h, w], gaps filled
        lr_guide: Tensor,  # [G, h, w]
        seen: Tensor | None = None,  # bool [h, w]: cells where there are a value and a guide; None: all
    ) -> None:
        self.signal, self.lr_guide, self.seen = signal, lr_guide, seen
        self.values = standardised(signal)[0]
        self._errors: dict[bool, np.ndarray] = {}

    @property
    def cells(self) -> int:
        """How many are seen."""
        return self.values[0].numel() if self.seen is None else int(self.seen.sum())

    @cached_property
    def few(self) -> np.ndarray:
        """float32 [K, h, w]: its values in few channels."""
        return few_channels(self.values)

    @cached_property
    def logs(self) -> Explained:
        """The same of the logarithms of probabilities."""
        return Explained(self.signal.clamp_min(SUREST).log(), self.lr_guide, self.seen)

    def gain(self, ramps: bool = False) -> float:
        """By how much (in log error) colours help to predict a cell from its neighbours; about 0 if unrelated.

        Each cell is estimated from those around it, itself left out, once by distance alone and once by distance
        and colour, at a few tolerances of which the best one counts. ramps: by a plane through them, not by their mean.
        """
        error = self.errors(ramps).mean(axis=(1, 2), dtype=np.float64)
        if error[0] <= 1e-12 * float(self.values.double().square().mean()):
            return 0.0  # a flat signal: nothing to explain
        return float(np.log(error[0] / max(error[1:].min(), 1e-12 * error[0])))

    def errors(self, ramps: bool = False) -> np.ndarray:
        """Squared error of each cell by distance alone, and at each tolerance, [1 + n, h, w]; of more than MOST_CELLS
        cells those of fewer rows."""
        if ramps not in self._errors:
            self._errors[ramps] = _errors(self.few, self.lr_guide, self.seen, ramps)
        return self._errors[ramps]

    def over(self, lr_guide: Tensor) -> Explained:
        """The same signal over another guide's cell means [G, h, w]."""
        other = copy(self)
        other.lr_guide, other._errors = lr_guide, {}
        other.__dict__.pop("logs", None)
        return other

    def more(self, there: Explained, ramps: bool = False) -> float:
        """By how much more (log error) the guide helps as it lies ``there``."""
        return there.gain(ramps) - self.gain(ramps)


def trust_in(recipe: str, explained: Explained) -> float:
    """0…1: how far the guide is followed for a signal of the recipe of this name; 0: they are unrelated."""
    by = {"scores": trust_of_scores, "shares": trust_of_shares, "sampled": trust_of_samples}
    return by.get(recipe, trust_of)(explained)


def trust_of(explained: Explained) -> float:
    """0…1, for any signal but those below."""
    trust = trust_of_samples(explained)
    if trust == 1:
        return trust
    unrelated = max(LEAST_RAMP, RAMP_UNRELATED / max(explained.cells, 1) ** 0.5)
    by_planes = _between(explained.gain(ramps=True), unrelated, unrelated * RAMP_TRUSTED / RAMP_UNRELATED)
    return max(trust, by_planes)


def trust_of_samples(explained: Explained) -> float:
    """The same for samples, which are mixed only: what planes tell of a slope, no mixture can follow."""
    return _between(explained.gain(), GAIN_UNRELATED, GAIN_TRUSTED)


def rises_evenly(explained: Explained) -> bool:
    """Whether neighbours of one colour tell nothing of the signal by their mean, and something by a plane."""
    return explained.gain() <= GAIN_UNRELATED and explained.gain(ramps=True) >= LEAST_RAMP


def is_smoother(explained: Explained, by: float | None = None) -> bool:
    """Whether a smooth surface through a cell's neighbours tells it ``by`` so much (log error) better than they do by
    the guide's colours; None: by what it takes for a quantity that looks as it does."""
    if explained.seen is not None and not bool(explained.seen.all()):
        return False
    by_surface = errors_left_out(explained.few)
    if by_surface is None:
        return False
    inner = (slice(None), slice(2, -2), slice(2, -2))
    by_colours = min(float(explained.errors(ramps)[1:][inner].mean(axis=(1, 2)).min()) for ramps in (False, True))
    by = _enough(explained, by_surface) if by is None else by
    return float(by_surface.mean()) < by_colours * np.exp(-by)


def _enough(explained: Explained, by_surface: np.ndarray) -> float:
    """How much better a surface must tell a quantity."""
    if is_even(explained.signal, by_surface):
        return SMOOTHER_EVEN
    steep = is_smooth(explained.signal, STEEP) and not is_smooth(explained.signal, PLANES)
    return SMOOTHER_UNTOLD if steep and explained.gain() <= UNTOLD else SMOOTHER


def trust_of_shares(explained: Explained) -> float:
    """The same for each class's share of the cell."""
    gain = explained.gain()
    if not GAIN_UNRELATED < gain < SURE:
        return float(gain >= SURE)
    return _between(_spread(explained), SPREAD_UNRELATED, SPREAD_TRUSTED)


def trust_of_scores(explained: Explained) -> float:
    """The same for a network's probabilities."""
    trust = _between(explained.gain() + 2 * explained.logs.gain(), SCORES_UNRELATED, SCORES_TRUSTED)
    if trust == 1:
        return trust
    return max(trust, _between(_spread(explained), SCORES_SPREAD_UNRELATED, SCORES_SPREAD_TRUSTED))


def _between(gain: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on."""
    return min(1.0, max(0.0, (gain - low) / (high - low)))


def _spread(explained: Explained) -> float:
    """How large the gain is in most cells, times how evenly it is spread over the image; by planes."""
    errors = explained.errors(ramps=True)
    plain, best = errors[0], errors[1 + int(errors[1:].mean(axis=(1, 2)).argmin())]
    parts = np.array(
        [part.sum() for rows in np.array_split(plain - best, PARTS) for part in np.array_split(rows, PARTS, axis=1)]
    )
    error = float(parts.std(ddof=1)) / PARTS
    if error == 0:
        return 0.0
    return float(np.log(np.sqrt(plain).mean() / np.sqrt(best).mean())) * float(parts.mean()) / error


def few_channels(signal: Tensor) -> np.ndarray:
    """float32 [K, h, w] of ``signal`` [C, h, w], K at most GAIN_CHANNELS."""
    shown = signal.detach().to("cpu", torch.float32)
    if len(shown) > GAIN_CHANNELS:  # a random projection keeps distances, on the whole
        mixer = torch.randn(GAIN_CHANNELS, len(shown), generator=torch.Generator().manual_seed(0), dtype=torch.float32)
        shown = torch.einsum("kc,chw->khw", mixer, shown - shown.mean(dim=(1, 2), keepdim=True))
    return shown.numpy()


def _errors(values: np.ndarray, lr_guide: Tensor, seen: Tensor | None, ramps: bool) -> np.ndarray:
    """``Explained.errors`` of ``values`` [K, h, w]; 0 where nothing is seen."""
    guide = lr_guide.detach().to("cpu", torch.float32).numpy()
    rows, cols, r = values.shape[1], values.shape[2], GAIN_REACH
    near_values, near_guide = (np.pad(t, ((0, 0), (r, r), (r, r))) for t in (values, guide))
    there = np.ones((rows, cols), np.float32) if seen is None else seen.numpy().astype(np.float32)
    inside = np.pad(there, r)
    band = max(1, BAND // (cols * len(values)))

    def of(rows: slice) -> np.ndarray:
        around = slice(rows.start, rows.stop + 2 * r)
        return _errors_of_band(near_values[:, around], near_guide[:, around], inside[around], ramps)

    looked_at, workers = _stripes(rows, cols, band), torch.get_num_threads()

    def some(part: slice) -> list[np.ndarray]:
        return [of(rows) for rows in looked_at[part]]

    # One part a thread: threads of which more wait for the interpreter take a third longer.
    found = each(some, bands(len(looked_at), workers), workers)
    return np.concatenate([errors for part in found for errors in part], axis=1)


def _stripes(rows: int, cols: int, tallest: int) -> list[slice]:
    """Rows that are looked at together, ``tallest`` at most: all, or so many as have MOST_CELLS, spread evenly."""
    if rows * cols <= MOST_CELLS:
        return [slice(top, min(top + tallest, rows)) for top in range(0, rows, tallest)]
    height = min(STRIPE, tallest)
    number = max(1, MOST_CELLS // (cols * height))
    return [slice(rows * k // number, rows * k // number + height) for k in range(number)]


def _errors_of_band(
    near_values: np.ndarray,  # [K, h + 2R, w + 2R]
    near_guide: np.ndarray,  # [G, h + 2R, w + 2R]
    inside: np.ndarray,  # [h + 2R, w + 2R] 1 where there is something
    ramps: bool,
) -> np.ndarray:
    """``_errors`` of some rows, with what is around them."""
    # numpy, not torch: on so small arrays torch's threads wait for each other longer than they work.
    r = GAIN_REACH
    values, guide = near_values[:, r:-r, r:-r], near_guide[:, r:-r, r:-r]
    rows, cols = values.shape[1:]
    kappas = np.array([0.0, *(0.5 / t**2 for t in GAIN_TOLERANCES)], np.float32)[:, None, None]
    total = np.zeros((len(kappas), rows, cols), np.float32)
    sums = np.zeros((len(kappas), *values.shape), np.float32)
    moments = np.zeros((5, *total.shape), np.float32) if ramps else None  # Σw·x, Σw·y, Σw·x², Σw·xy, Σw·y²
    leans = np.zeros((2, *sums.shape), np.float32) if ramps else None  # Σw·x·v, Σw·y·v
    for y, x in product(range(-r, r + 1), repeat=2):
        if y == x == 0:
            continue
        down, across = slice(y + r, y + r + rows), slice(x + r, x + r + cols)
        spatial = -(y**2 + x**2) / (2 * GAIN_SIGMA**2)
        distance = np.square(near_guide[:, down, across] - guide).sum(axis=0)
        # The floor keeps a pixel unlike all its neighbours from having no estimate.
        likeness = np.exp(np.float32(spatial) - kappas * distance) + np.float32(1e-9)
        weight = likeness * inside[down, across]
        weighted = weight[:, None] * near_values[:, down, across]
        total += weight
        sums += weighted
        if moments is not None and leans is not None:
            moments += np.array((x, y, x * x, x * y, y * y), np.float32)[:, None, None, None] * weight
            leans += np.array((x, y), np.float32)[:, None, None, None, None] * weighted
    alone = (total[0] <= 0) | (inside[r:-r, r:-r] == 0)
    whole = np.where(total > 0, total, 1)
    estimate = sums / whole[:, None]
    if moments is not None and leans is not None:
        estimate -= _lean(moments / whole, leans / whole[:, None], estimate)
    off = np.where(alone, 0, estimate - values)
    error: np.ndarray = np.square(off).sum(axis=1)
    return error


def _lean(moments: np.ndarray, leans: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """What a plane through the neighbours, whose means these are, adds at their centre of gravity: least squares with
    a ridge."""
    x, y, xx, xy, yy = (m[:, None] for m in moments)
    across, down = leans[0] - x * mean, leans[1] - y * mean
    a, b, c = xx - x * x + np.float32(RIDGE), xy - x * y, yy - y * y + np.float32(RIDGE)
    determinant = a * c - b * b
    return (x * (c * across - b * down) + y * (a * down - b * across)) / determinant
