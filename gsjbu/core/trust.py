"""How far the guide is followed: whether its colours help to predict an LR pixel from its neighbours."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.refinement.recipe import SUREST
from gsjbu.core.tto import standardised

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


def trust_of(signal: Tensor, lr_guide: Tensor, seen: Tensor | None = None) -> float:
    """0…1: how far a guide is followed for ``signal`` [C, h, w], whose gaps are filled; 0: they are unrelated.

    seen: bool [h, w], the cells in which there is a guide; None: all.
    """
    return _between(guide_gain(standardised(signal)[0], lr_guide, seen), GAIN_UNRELATED, GAIN_TRUSTED)


def trust_of_scores(scores: Tensor, lr_guide: Tensor, seen: Tensor | None) -> float:
    """The same for a network's probabilities."""
    logs = scores.clamp_min(SUREST).log()
    gains = [guide_gain(standardised(x)[0], lr_guide, seen) for x in (scores, logs)]
    return _between(gains[0] + 2 * gains[1], SCORES_UNRELATED, SCORES_TRUSTED)


def _between(gain: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on."""
    return min(1.0, max(0.0, (gain - low) / (high - low)))


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
