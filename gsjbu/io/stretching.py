"""The bands of an image to [0, 1], each by itself: by percentiles, or by the numbers that are to become 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gsjbu.errors import ImageError

if TYPE_CHECKING:  # a batch that is refused for what was typed needs no torch
    from torch import Tensor

PERCENTILES = "percentiles"
#: Per cent of a band's values that become 0 and 1.
ENDS = (2.0, 98.0)
Stretch = str | Sequence[float] | Sequence[Sequence[float]]

_RIGHT = f"{PERCENTILES!r}, or the numbers that become 0 and 1: (low, high), or one such pair for each band"


def parse(text: str) -> Stretch:
    """What is typed: ``percentiles``, ``0,3000``, or ``0,3000;0,4000`` for two bands. Raises ImageError."""
    if text == PERCENTILES:
        return text
    try:
        pairs = [[float(n) for n in pair.split(",")] for pair in text.split(";")]
    except ValueError:
        pairs = [[]]
    if not all(len(pair) == 2 and -np.inf < pair[0] < pair[1] < np.inf for pair in pairs):
        raise ImageError(
            "image_stretch",
            f"stretch is {text!r}; it must be {PERCENTILES}, or LOW,HIGH (or one such pair for each band, with ; "
            "between them), LOW below HIGH.",
        )
    return pairs


def stretched(planes: Tensor, stretch: Stretch, seen: Tensor | None) -> tuple[Tensor, str]:
    """Finite ``planes`` [C, H, W] as float32 in [0, 1], and a sentence; percentiles are of pixels that are ``seen``."""
    import torch

    bands = planes.to(torch.float64).numpy()
    if not np.isfinite(bands).all():
        raise ImageError(
            "image_not_finite",
            "The image holds NaN or infinite values; guide_mask says where there is nothing to follow.",
        )
    if isinstance(stretch, str):
        if stretch != PERCENTILES:
            raise ImageError("image_stretch", f"stretch is {stretch!r}; it must be {_RIGHT}.")
        told = bands.reshape(len(bands), -1) if seen is None else bands[:, seen.numpy()]
        ends = np.percentile(told, ENDS, axis=1).T
        ends[:, 1] = np.where(ends[:, 1] > ends[:, 0], ends[:, 1], ends[:, 0] + 1)  # a flat band is 0
        said = f"Each band is stretched: its {ENDS[0]:g}nd and {ENDS[1]:g}th percentile become 0 and 1."
    else:
        ends = _given(stretch, len(bands))
        said = "Each band is stretched by the numbers that were given for 0 and 1."
    low, high = ends[:, 0, None, None], ends[:, 1, None, None]
    return torch.from_numpy(np.clip((bands - low) / (high - low), 0, 1).astype(np.float32)), said


def _given(stretch: Sequence[float] | Sequence[Sequence[float]], bands: int) -> np.ndarray:
    """[bands, 2] low and high."""
    try:
        ends = np.asarray(stretch, np.float64)
        ends = np.broadcast_to(ends, (bands, 2))
    except (ValueError, TypeError) as error:
        raise ImageError("image_stretch", f"stretch must be {_RIGHT}; the image has {bands}.") from error
    if not np.isfinite(ends).all() or (ends[:, 0] >= ends[:, 1]).any():
        raise ImageError("image_stretch", "Each pair of stretch must be finite and rising: (low, high).")
    return ends
