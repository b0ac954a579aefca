"""The render as plain tensor operations without a loop over pixels: what torch.export and ONNX can carry away.

Slower than the backends, and the same values. Everything is batched: a leading B where there is one.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gsjbu.core import parameters
from gsjbu.core.blend import NO_SHARE, Blend, back_projected, plain_lines
from gsjbu.core.corners import beside_corners
from gsjbu.core.grid import NEARLY
from gsjbu.core.parameters import SIGMA_HIGH, SIGMA_LOW, Parameters, coefficients
from gsjbu.core.shift import moved

_LEAST = 1e-300  # that a flat signal is divided by
_NOTHING = -1e30  # the log weight of what is outside the grid; ONNX runtimes differ on infinity


class Axis:
    """One axis: each pixel's cell, int64 [N], and the way from a cell's centre to the pixel, in pixels."""

    def __init__(self, cell: Tensor, cells: Any, step: Any) -> None:
        self.cell, self.cells, self.step = cell, cells, step
        self.pixel = torch.arange(cell.shape[0], dtype=torch.float64, device=cell.device) + 0.5

    @classmethod
    def between(cls, size: Any, cells: Any) -> Axis:
        """From the two sizes, which may be symbols; a pixel's cell is that of ``Grid.row_starts``."""
        at = (torch.arange(size, dtype=torch.float64) + 0.5) * cells / size
        on_border = ((at - at.round()).abs() < NEARLY).long()  # whole numbers suit ONNX
        left = on_border.cumsum(0) - 1
        right = on_border.sum() - 1 - left
        stays = on_border * ((torch.minimum(left, right) + (left > right).long()) % 2)
        cell = ((at + NEARLY).floor().long() - stays).clamp(max=cells - 1)
        return cls(cell, cells, torch.ones((), dtype=torch.float64) * size / cells)

    def beside(self, offset: int) -> tuple[Tensor, Tensor, Tensor]:
        """Cell [N] so many cells on (clamped), whether it is on the grid, and the pixel's way from its centre."""
        there = self.cell + offset
        away = (self.pixel - (there + 0.5) * self.step).to(torch.float32)
        return there.clamp(min=0).clamp(max=self.cells - 1), (there >= 0) & (there < self.cells), away

    def means(self) -> Tensor:
        """float64 [cells, N], which autocast lets alone: what takes the mean over each cell's pixels."""
        inside = (torch.arange(self.cells)[:, None] == self.cell[None]).to(torch.float64)
        return inside / inside.sum(dim=1, keepdim=True)


def taken(x: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """``x`` [..., h, w] at rows ``down`` [H] and columns ``across`` [W]: [..., H, W]."""
    return x.index_select(-2, down).index_select(-1, across)


def mixed(
    signal: Tensor,  # [..., C, h, w]
    guide: Tensor,  # [..., G, H, W]
    lr_guide: Tensor,  # [..., G, h, w]
    shape: tuple[Tensor, Tensor, Tensor, Tensor],  # see parameters.coefficients, each [h, w]
    axes: tuple[Axis, Axis],  # y, x
    radius: int,
    seen: Tensor | None = None,  # float [H, W], 0 where colours do not count
) -> Tensor:
    """The softmax over each pixel's window, applied: [..., C, H, W]."""
    reach = range(-radius, radius + 1)
    rows, cols = ([axis.beside(n) for n in reach] for axis in axes)
    window = [(row, col) for row in rows for col in cols]
    logs = []
    for (down, above, dy), (across, left, dx) in window:
        a, b, c, kappa = (taken(v, down, across) for v in shape)
        y, x = dy[:, None], dx[None, :]
        away = (guide - taken(lr_guide, down, across)).square().sum(dim=-3)
        away = away if seen is None else away * seen
        log = -(a * x * x + b * x * y + c * y * y) - kappa * away
        logs.append(torch.where(above[:, None] & left[None, :], log, _NOTHING))
    weights = torch.softmax(torch.stack(logs), dim=0)
    out = torch.zeros_like(weights[0].unsqueeze(-3))
    for weight, ((down, _, _), (across, _, _)) in zip(weights, window, strict=True):
        out = out + weight.unsqueeze(-3) * taken(signal, down, across)
    return out


class Rendering(nn.Module):
    """A fitted kernel's mixing as a module: ``signal`` [C, h, w] → [C, H, W]. Refinement is no part of it."""

    guide: Tensor
    lr_guide: Tensor
    seen: Tensor | None
    rows: Tensor
    cols: Tensor
    back_rows: Tensor | None
    back_cols: Tensor | None

    def __init__(self, kernel: Any) -> None:
        super().__init__()
        grid, blend = kernel.grid, kernel.blend or Blend()
        self.radius, self.passes, self.plain_share = kernel.radius, blend.passes, blend.plain_share
        self.means, self.offset = kernel._means, kernel.offset
        back = [beside_corners(pixels, cells) for pixels, cells, _ in grid.axes]
        for name, index in zip(("back_rows", "back_cols"), back, strict=True):
            self.register_buffer(name, index if kernel.corners else None)
        self.register_buffer("guide", kernel.guide)
        self.register_buffer("lr_guide", kernel.lr_guide)
        self.register_buffer("seen", None if kernel.seen is None else kernel.seen.to(torch.float32))
        sets = [(blend.first_share, kernel.raw)]
        if blend.second is not None:
            sets.append((blend.second_share, blend.second))
        self.shares = [share for share, _ in sets]
        self.shapes = [coefficients(parameters.from_raw(raw, parameters.highest(grid))) for _, raw in sets]
        if self.plain_share:
            for name, line in zip(("rows", "cols"), plain_lines(blend, grid), strict=True):
                self.register_buffer(name, line)
        self.axes = (
            Axis(torch.from_numpy(grid.row_of), grid.rows, grid.step_y),
            Axis(torch.from_numpy(grid.col_of), grid.cols, grid.step_x),
        )

    def forward(self, signal: Tensor) -> Tensor:
        """[C, h, w] → [C, H, W]."""
        sharp = signal if self.means is None else back_projected(signal, self.means, self.passes)
        parts = [
            share * mixed(sharp, self.guide, self.lr_guide, shape, self.axes, self.radius, self.seen)
            for share, shape in zip(self.shares, self.shapes, strict=True)
            if share > NO_SHARE
        ]
        if self.plain_share:
            parts.append(self.plain_share * (self.rows.T @ sharp @ self.cols))
        across, down = self.offset
        whole = moved(sum(parts[1:], parts[0]), -across, -down)
        return whole if self.back_rows is None else whole[:, self.back_rows][:, :, self.back_cols]


class Fixed(nn.Module):
    """The kernel of no steps at any size: ``guide`` [B, G, H, W] and ``signal`` [B, C, h, w] → [B, C, H, W].

    ``start``: σ in strides and σr in guide values; ``plain_share``: of bilinear. The guide's LR image is its mean over
    the cells. Impulses are not taken out of the guide, and every LR pixel has a value. The result has the signal's
    dtype, float32 for whole numbers.
    """

    def __init__(self, radius: int, start: tuple[float, float], plain_share: float) -> None:
        super().__init__()
        self.radius, self.start, self.plain_share = radius, start, plain_share

    def forward(self, guide: Tensor, signal: Tensor) -> Tensor:
        """[B, G, H, W] and [B, C, h, w] → [B, C, H, W]."""
        (height, width), (rows, cols) = guide.shape[-2:], signal.shape[-2:]
        axes = Axis.between(height, rows), Axis.between(width, cols)
        y, x = axes
        signal, offset, scale, dtype = _held(signal)
        # a distance over any number of bands is brought to one over three, as the library's guides are
        guide = guide * (3 / (torch.ones(()) * guide.shape[-3])).sqrt()
        lr_guide = (y.means() @ guide.to(torch.float64) @ x.means().T).to(torch.float32)
        sigma_y, sigma_x = (
            (self.start[0] * axis.step).clamp_min(SIGMA_LOW).minimum(axis.step.clamp_min(SIGMA_HIGH)).to(torch.float32)
            for axis in axes
        )
        flat = torch.zeros_like(signal[0, 0])  # [h, w]
        fixed = Parameters(flat + sigma_x, flat + sigma_y, flat, flat + self.start[1])
        out = mixed(signal, guide, lr_guide, coefficients(fixed), axes, self.radius)
        if self.plain_share:
            plain = F.interpolate(signal, size=(height, width), mode="bilinear", align_corners=False)
            out = (1 - self.plain_share) * out + self.plain_share * plain
        return (out.to(torch.float64) * scale + offset).to(dtype)


def _held(signal: Tensor) -> tuple[Tensor, Tensor, Tensor, torch.dtype]:
    """``signal`` [B, C, h, w] as float32 holds it about 0; its offset and scale [B, 1, 1, 1]; the result's dtype."""
    wide, every = signal.to(torch.float64), (1, 2, 3)
    known = wide.detach().nan_to_num(0, 0, 0)
    offset = known.mean(every, keepdim=True)
    scale = (known - offset).abs().amax(every, keepdim=True).clamp_min(_LEAST)
    dtype = signal.dtype if signal.is_floating_point() else torch.float32
    return ((wide - offset) / scale).to(torch.float32), offset, scale, dtype
