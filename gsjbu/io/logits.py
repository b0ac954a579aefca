"""Logits: what a network gives before a softmax or sigmoid. −∞ among them rules a class out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from gsjbu.io import gaps, kinds
from gsjbu.io.numbers import sums_to_one


def with_finite(logits: np.ndarray) -> np.ndarray:
    """Logits [C, h, w] with −∞, which rules a class out and is no gap, as the finite number that stands for it.

    The number is so small that its probability is 0, and large enough that a few of them can be added up, as where gaps
    beside it are filled. A cell of which all classes are ruled out stays a gap.
    """
    if logits.dtype.kind != "f" or not np.isneginf(logits).any():
        return logits
    some = len(logits) == 1 or np.isfinite(logits).any(axis=0)
    least = max(np.finfo(logits.dtype).min, np.finfo(np.float32).min) / 16
    return np.where(np.isneginf(logits) & some, logits.dtype.type(least), logits)


def guess_ruled_out(planes: np.ndarray) -> kinds.Guess | None:
    """The guess "logits" where a cell of [C, h, w] has both −∞ and numbers, and the array without −∞ looks like logits;
    otherwise None."""
    if planes.dtype.kind != "f" or len(planes) == 1:
        return None
    out = np.isneginf(planes)
    if not (out.any(axis=0) & np.isfinite(planes).any(axis=0)).any():
        return None
    there = (out | np.isfinite(planes)).all(axis=0) & ~out.all(axis=0)
    values = planes[:, there]
    if values.max(initial=-np.inf) <= kinds.EXACT and sums_to_one(np.exp(values)):
        return kinds.Guess("logits", f"{len(planes)} channels, the logarithms of probabilities, 0 among them")
    least = planes[np.isfinite(planes)].min()
    shown = np.where(out & np.isfinite(planes).any(axis=0), least, planes)
    guess = kinds.guess(shown, gaps.finite(shown))
    if "logits" not in (guess.kind, guess.runner_up):
        return None
    return replace(guess, kind="logits", reason=f"{guess.reason}; −∞ rules classes out", runner_up=None)


def to_probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the channels of [C, h, w]; the sigmoid of one channel."""
    tensor = torch.from_numpy(np.ascontiguousarray(logits, dtype=np.float64))
    return (tensor.sigmoid() if len(logits) == 1 else tensor.softmax(dim=0)).numpy().astype(np.float32)
