"""Noise in the guide: how much there is, and the repair of the one kind that can be told from the picture.

Salt and pepper sits at the ends of the scale and agrees with none of its neighbours; such pixels are replaced by
the median of their sound neighbours. Gaussian noise is measured only: mixing over cells averages it away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.rounding import in_unit

# A value is at an end of the scale within half a grey level of 8 bits …
AT_END = 0.5 / 255
# … and an impulse if it is this far from the median around it.
STEP = 0.1
# Fewer than this share of impulses are highlights, print and thin lines, not noise.
FEW = 0.02
# Gaussian noise from here on is worth a word; clean photographs measure up to 0.02, grainy ones 0.047.
GAUSSIAN = 0.05
# Median of the absolute value of a normal variable of σ 1.
NORMAL = 0.6745
# Where there is Gaussian noise, this many values may have been pushed to the ends of the scale by it alone.
CUT_OFF = 0.06


@dataclass(frozen=True)
class Noise:
    """``impulses``: share of values that are salt or pepper; ``sigma``: standard deviation of the rest."""

    impulses: float
    sigma: float

    @property
    def sentence(self) -> str | None:
        """What a person should know, or None if the guide is clean."""
        if self.impulses >= FEW:
            return f"The image has salt-and-pepper noise ({self.impulses:.0%} of its values); it was repaired first."
        if self.sigma >= GAUSSIAN:
            return f"The image is noisy (σ ≈ {self.sigma:.2f} of full scale); its fine edges cannot be relied on."
        return None


def clean(guide: Tensor) -> tuple[Tensor, Noise]:
    """The guide [G, H, W] without salt and pepper, and what was found; the same tensor if there is little of it."""
    values = guide.detach().numpy()
    repaired, impulses = _without_impulses(values)
    share, sigma = impulses / values.size, _gaussian(repaired)
    if share < (FEW if sigma < GAUSSIAN else CUT_OFF):
        return guide, Noise(0.0, sigma)
    return torch.from_numpy(repaired), Noise(share, sigma)


def _without_impulses(values: np.ndarray) -> tuple[np.ndarray, int]:
    low, high = float(values.min()), float(values.max())
    low, high = (0.0, 1.0) if in_unit(low, high) else (low, high)
    margin, step = AT_END * (high - low), STEP * (high - low)
    out, count = values, 0
    for g, plane in enumerate(values):
        suspect = (plane <= low + margin) | (plane >= high - margin)
        if suspect.mean() < FEW:
            continue
        y, x = np.nonzero(suspect)
        padded, doubtful = np.pad(plane, 1, mode="reflect"), np.pad(suspect, 1, mode="reflect")
        places = [(y + dy, x + dx) for dy in range(3) for dx in range(3)]
        around = np.stack([padded[p] for p in places])
        median = np.median(around, axis=0)
        bad = np.abs(plane[y, x] - median) > step
        sound = np.sort(np.where(np.stack([doubtful[p] for p in places]), np.inf, around)[:, bad], axis=0)
        number = np.isfinite(sound).sum(axis=0)
        middle = np.take_along_axis(sound, np.maximum(number - 1, 0)[None] // 2, axis=0)[0]
        if out is values:
            out = values.copy()
        out[g, y[bad], x[bad]] = np.where(number > 0, middle, median[bad])
        count += int(bad.sum())
    return out, count


def _gaussian(values: np.ndarray) -> float:
    """From the median of diagonal differences, which edges hardly touch (Donoho and Johnstone 1994)."""
    h, w = values.shape[1] // 2 * 2, values.shape[2] // 2 * 2
    if h < 2 or w < 2:
        return 0.0
    a = values[:, :h, :w]
    diagonal = (a[:, ::2, ::2] - a[:, 1::2, ::2] - a[:, ::2, 1::2] + a[:, 1::2, 1::2]) / 2
    return robust_sigma(diagonal)


def robust_sigma(x: np.ndarray) -> float:
    """σ of normal values around 0, of which fewer than half may be anything."""
    return float(np.median(np.abs(x)) / NORMAL)
