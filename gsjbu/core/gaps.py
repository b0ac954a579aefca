"""LR pixels without a value: left out of every mix, whose other weights are scaled up to sum to 1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Mix = Callable[[Tensor], Tensor]  # LR [C, h, w] → HR [C, H, W], linear

#: Share of known cells in a pixel's mix below which the neighbours' filling is taken instead.
ENOUGH = 0.01


def leaving_out(mix: Mix, mask: Tensor, pure: bool) -> Mix:
    """``mix`` for signals whose cells are known only where ``mask`` (bool [h, w]) holds.

    Where a pixel has hardly any known cell, the filling of its cells is mixed. A mix that is not ``pure`` (bicubic,
    back-projection) has weights below zero, which no scaling can bear: there the filling takes part as if known.
    """
    if not pure or bool(mask.all()):
        return mix
    known = mask[None].to(torch.float32)
    share = mix(known)

    def masked(values: Tensor) -> Tensor:
        return torch.where(share > ENOUGH, mix(values * known) / share.clamp_min(ENOUGH), mix(values))

    return masked
