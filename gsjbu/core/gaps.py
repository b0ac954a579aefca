"""LR pixels without a value: left out of every mix, whose other weights are scaled up to sum to 1.

Only weights of one sign can bear that: among gaps a bicubic member gives way to the bilinear one, and back-projection
asks for the means of known cells only. A pixel that has no known LR pixel in its window is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Mix = Callable[[Tensor], Tensor]  # LR [C, h, w] → HR [C, H, W], linear, no weight below zero

#: Known share of a pixel's weights below which there is nothing to scale up: float32 holds no more.
ENOUGH = 1e-6


def leaving_out(mix: Mix, mask: Tensor) -> Mix:
    """``mix`` for signals whose cells are known only where ``mask`` (bool [h, w]) holds."""
    if bool(mask.all()):
        return mix
    share = mix(mask[None].to(torch.float32))

    def masked(values: Tensor) -> Tensor:
        mixed = mix(only(values, mask))
        known = share.to(mixed)
        return torch.where(known > ENOUGH, mixed / known.clamp_min(ENOUGH), torch.nan)

    return masked


def back_projected(
    signal: Tensor,  # [C, h, w]
    mask: Tensor,  # bool [h, w]
    means: Mix,  # cell means of what a signal is upsampled to, on the LR grid
    passes: int,
) -> Tensor:
    """The signal sharpened so that its known cells' means give it back, from known cells alone; 0 elsewhere."""
    values = only(signal, mask)
    share = means(mask[None].to(values)).clamp_min(ENOUGH)
    sharp = values
    for _ in range(passes):
        sharp = sharp + only(values - means(sharp) / share, mask)
    return sharp


def only(values: Tensor, mask: Tensor) -> Tensor:
    """``values`` [C, h, w] where ``mask`` holds, 0 elsewhere; what they were there does not matter, NaN included."""
    return torch.where(mask.to(values.device), values, torch.zeros_like(values))
