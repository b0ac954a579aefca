"""Results held in the range of each pixel's window; and which pixels have a known LR pixel in theirs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from gsjbu.core.blend import REACH
from gsjbu.core.grid import Grid
from gsjbu.core.plain import is_followed
from gsjbu.core.refinement.recipe import SLACK


def clip_(
    high: Tensor,  # [C, H, W]
    low: Tensor,  # [C, h, w], the LR signal
    grid: Grid,
    radius: int,
    known: Tensor | None = None,  # bool [h, w]
) -> Tensor:
    """``high`` held, in place where it has no gradient, between the least and the greatest value of each window."""
    reach = max(radius, *REACH.values())  # a plain interpolation may look further
    rows, cols = _cells(grid)
    least, most = _extremes(low.detach(), reach, known)
    if is_followed(high):
        return torch.minimum(torch.maximum(high, least[:, rows][:, :, cols]), most[:, rows][:, :, cols])
    for plane, under, over in zip(high, least, most, strict=True):  # one channel's bounds at a time
        torch.minimum(plane, over[rows][:, cols].to(plane), out=plane)
        torch.maximum(plane, under[rows][:, cols].to(plane), out=plane)
    return high


def is_whole(low: Tensor, known: Tensor | None = None) -> bool:
    """Whether the channels of an LR signal [C, h, w] are shares of a whole where they are ``known`` (bool [h, w])."""
    total = low.sum(dim=0)
    held = total if known is None else total[known]
    return len(low) > 1 and bool(low.min() >= -SLACK) and bool(((held - 1).abs() <= SLACK).all())


def whole_(high: Tensor) -> Tensor:
    """Clipped shares of a whole [C, H, W], in place where they have no gradient, summing to 1 in each pixel again:
    clipping each by itself adds or takes some of it."""
    total = high.sum(dim=0).clamp_min(SLACK)
    return high / total if is_followed(high) else high.div_(total)


def within_reach(known: Tensor, grid: Grid, radius: int) -> Tensor:
    """bool [H, W]: the pixels that have a known LR pixel of ``known`` [h, w] in their window."""
    rows, cols = _cells(grid)
    near = _grown(known[None].to(torch.float32), radius)[0] > 0
    return near[rows][:, cols]


def _extremes(low: Tensor, reach: int, known: Tensor | None) -> tuple[Tensor, Tensor]:
    """Least and greatest value of the window of each LR pixel, [C, h, w] each; of known ones where there are any."""
    if known is None or bool(known.all()):
        return -_grown(-low, reach), _grown(low, reach)
    known, far = known.to(low.device), torch.tensor(float("inf"), dtype=low.dtype)
    return -_grown(torch.where(known, -low, -far), reach), _grown(torch.where(known, low, -far), reach)


def _grown(x: Tensor, reach: int) -> Tensor:
    return max_pool2d(x[None], 2 * reach + 1, stride=1, padding=reach)[0]


def _cells(grid: Grid) -> tuple[Tensor, Tensor]:
    """Row and column of the cell of each pixel row [H] and column [W]."""
    return torch.from_numpy(grid.row_of), torch.from_numpy(grid.col_of)
