"""The plain ways to enlarge an LR signal, on the same geometry as the kernel: nearest, bilinear, two cubics."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gsjbu.core.grid import Grid

Upsampler = Callable[[Tensor], Tensor]  # any way, on one grid: an LR signal [C, h, w] to HR [C, H, W]


def nearest(lr: Tensor, grid: Grid) -> Tensor:
    """Each pixel takes its own cell's value: [..., h, w] → [..., H, W]."""
    rows = torch.from_numpy(grid.row_starts).diff()
    cols = torch.from_numpy(grid.col_starts).diff()
    return lr.repeat_interleave(rows.to(lr.device), dim=-2).repeat_interleave(cols.to(lr.device), dim=-1)


def bilinear(lr: Tensor, grid: Grid) -> Tensor:
    """Linear between cell centres, [C, h, w] → [C, H, W]; as F.interpolate(align_corners=False) on whole cells."""
    return _interpolate(lr, grid, "bilinear")


def bicubic(lr: Tensor, grid: Grid) -> Tensor:
    """Cubic between cell centres (a = −¾, as torch has it), [C, h, w] → [C, H, W]; may overshoot the LR range."""
    return _interpolate(lr, grid, "bicubic")


def catmull_rom(lr: Tensor, grid: Grid) -> Tensor:
    """Cubic between cell centres (Keys, a = −½: exact on parabolas), [C, h, w] → [C, H, W]; may overshoot too."""
    for dim, (pixels, cells, step) in enumerate(grid.axes, start=1):
        at = (torch.arange(pixels, dtype=torch.float64) + 0.5) / step - 0.5
        own = at.floor().long()
        t = (at - own).to(lr.dtype)
        taps = (  # weights of the cells from the one before to the second after
            (own - 1, ((2 - t) * t - 1) * t / 2),
            (own, ((3 * t - 5) * t * t + 2) / 2),
            (own + 1, ((4 - 3 * t) * t + 1) * t / 2),
            (own + 2, (t - 1) * t * t / 2),
        )
        shape = (-1, 1) if dim == 1 else (-1,)
        parts = [
            w.reshape(shape).to(lr.device) * lr.index_select(dim, n.clamp(0, cells - 1).to(lr.device)) for n, w in taps
        ]
        lr = torch.stack(parts).sum(dim=0)
    return lr


def _interpolate(lr: Tensor, grid: Grid, mode: str) -> Tensor:
    # scale_factor, not size: the step must stay exact where the last cells are partial; what sticks out is cut off.
    scale = (grid.step_y, grid.step_x)
    lr = lr if lr.is_floating_point() else lr.to(torch.float32)
    if all(float(s).is_integer() for s in scale):
        big = F.interpolate(lr[None], scale_factor=scale, mode=mode, align_corners=False)[0]
        return big[:, : grid.height, : grid.width].contiguous()
    return F.interpolate(lr[None], size=(grid.height, grid.width), mode=mode, align_corners=False)[0]
