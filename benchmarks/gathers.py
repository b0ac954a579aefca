"""The yardstick: the method's formulas in vectorised torch, as one would first write them.

Every pixel gathers the parameters, place and colour of its (2R+1)² neighbours and works out the logits from
sin, cos and squares; autograd does the backward. Same maths as the oracle, float32, masked borders.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gsjbu.core import parameters
from gsjbu.core.grid import Grid


class Gathers:
    """One image's windows, gathered: index [H·W, N], distances [H·W, N] in pixels."""

    def __init__(self, guide: Tensor, lr_guide: Tensor, grid: Grid, radius: int) -> None:
        self.guide, self.grid = guide, grid
        height, width = grid.height, grid.width
        cell_y = ((torch.arange(height) + 0.5) / grid.step_y).long().clamp_max(grid.rows - 1)
        cell_x = ((torch.arange(width) + 0.5) / grid.step_x).long().clamp_max(grid.cols - 1)
        r = torch.arange(-radius, radius + 1)
        qy = cell_y[:, None, None, None] + r[None, None, :, None]
        qx = cell_x[None, :, None, None] + r[None, None, None, :]
        shape = (height, width, len(r), len(r))
        qy, qx = qy.expand(shape).reshape(height * width, -1), qx.expand(shape).reshape(height * width, -1)
        self.outside = (qy < 0) | (qy >= grid.rows) | (qx < 0) | (qx >= grid.cols)
        qy, qx = qy.clamp(0, grid.rows - 1), qx.clamp(0, grid.cols - 1)
        self.index = qy * grid.cols + qx
        py = (torch.arange(height) + 0.5)[:, None].expand(height, width).reshape(-1, 1)
        px = (torch.arange(width) + 0.5)[None, :].expand(height, width).reshape(-1, 1)
        self.dx, self.dy = px - (qx + 0.5) * grid.step_x, py - (qy + 0.5) * grid.step_y
        self.pixels = guide.flatten(1).T.contiguous()  # [H·W, G]
        self.lr = lr_guide.flatten(1).T.contiguous()  # [h·w, G]

    def weights(self, raw: Tensor) -> Tensor:
        """[H·W, N]"""
        p = parameters.from_raw(raw, parameters.USUAL)
        sx, sy, theta, sr = (v.flatten()[self.index] for v in p)
        cos, sin = torch.cos(theta), torch.sin(theta)
        along_x = cos * self.dx + sin * self.dy
        along_y = -sin * self.dx + cos * self.dy
        colour = (self.pixels[:, None, :] - self.lr[self.index]).square().sum(dim=-1)
        logits = -0.5 * ((along_x / sx) ** 2 + (along_y / sy) ** 2) - colour / (2 * sr**2)
        return torch.softmax(logits.masked_fill(self.outside, -math.inf), dim=-1)

    def loss(self, raw: Tensor) -> Tensor:
        """mean|Î − I|"""
        mixed = (self.weights(raw)[:, :, None] * self.lr[self.index]).sum(dim=1)
        return (mixed - self.pixels).abs().mean()

    def fit(self, raw: Tensor, iters: int, rate: float = 0.1) -> Tensor:
        """``iters`` steps of Adam."""
        raw = raw.clone().requires_grad_(True)
        optimiser = torch.optim.Adam([raw], lr=rate)
        for _ in range(iters):
            optimiser.zero_grad()
            self.loss(raw).backward()
            optimiser.step()
        return raw.detach()

    def render(self, raw: Tensor, signal: Tensor) -> Tensor:
        """[C, h, w] → [C, H, W]"""
        values = signal.flatten(1).T
        with torch.no_grad():
            mixed = (self.weights(raw)[:, :, None] * values[self.index]).sum(dim=1)
        return mixed.T.reshape(-1, self.grid.height, self.grid.width)
