"""Raw values ↔ (σx, σy, θ, σr): the unconstrained numbers that Adam moves, and what they mean.

σx = clamp(softplus(raw[0]) + EPS, 1, 64)       HR pixels, along the Gaussian's own first axis
σy = clamp(softplus(raw[1]) + EPS, 1, 64)       HR pixels, along its second
θ  = π · tanh(raw[2])                           radians, from the image's x axis towards its y axis
σr = clamp(softplus(raw[3]) + EPS, 0.01, 1)     distance in guide values (RGB in [0, 1])
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gsjbu.core.grid import Grid

EPS = 1e-6
SIGMA_LOW, SIGMA_HIGH = 1.0, 64.0
SIGMA_R_LOW, SIGMA_R_HIGH = 0.01, 1.0

RATE = 0.1  # Adam's step on the raw values

# Where a fit starts, measured best among what the paper leaves open: σ = half a stride, σr = 0.2.
START_SIGMA = 0.5  # in strides
START_SIGMA_R = 0.2


class Parameters(NamedTuple):
    """One Gaussian per LR pixel, each ``[h, w]``."""

    sigma_x: Tensor
    sigma_y: Tensor
    theta: Tensor
    sigma_r: Tensor


def from_raw(raw: Tensor) -> Parameters:
    """``raw [4, h, w]`` to the parameters; differentiable, zero gradient outside the clamps."""
    return Parameters(
        (F.softplus(raw[0]) + EPS).clamp(SIGMA_LOW, SIGMA_HIGH),
        (F.softplus(raw[1]) + EPS).clamp(SIGMA_LOW, SIGMA_HIGH),
        math.pi * torch.tanh(raw[2]),
        (F.softplus(raw[3]) + EPS).clamp(SIGMA_R_LOW, SIGMA_R_HIGH),
    )


def to_raw(p: Parameters) -> Tensor:
    """The raw values ``[4, h, w]`` float32 that give ``p``; computed in float64."""
    sx, sy, theta, sr = (v.detach().to("cpu", torch.float64) for v in p)
    raw = torch.stack(
        [_inverse_softplus(sx), _inverse_softplus(sy), _inverse_tanh(theta), _inverse_softplus(sr)]
    )
    return raw.to(torch.float32)


def start(grid: Grid, sigma: float = START_SIGMA, sigma_r: float = START_SIGMA_R) -> Tensor:
    """Raw values ``[4, h, w]`` of the fixed kernel: σ = ``sigma`` strides along each axis, θ = 0."""
    shape = (grid.rows, grid.cols)
    sx = min(max(sigma * grid.step_x, SIGMA_LOW), SIGMA_HIGH)
    sy = min(max(sigma * grid.step_y, SIGMA_LOW), SIGMA_HIGH)
    sr = min(max(sigma_r, SIGMA_R_LOW), SIGMA_R_HIGH)
    return to_raw(
        Parameters(torch.full(shape, sx), torch.full(shape, sy), torch.zeros(shape), torch.full(shape, sr))
    )


def coefficients(p: Parameters) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``a, b, c, κ`` of log w = −(a·Δx² + b·Δx·Δy + c·Δy²) − κ·‖I_p − I_q‖², each ``[h, w]``."""
    cos, sin = torch.cos(p.theta), torch.sin(p.theta)
    fx, fy = p.sigma_x.square().reciprocal(), p.sigma_y.square().reciprocal()
    a = 0.5 * (cos * cos * fx + sin * sin * fy)
    b = cos * sin * (fx - fy)
    c = 0.5 * (sin * sin * fx + cos * cos * fy)
    return a, b, c, 0.5 * p.sigma_r.square().reciprocal()


def _inverse_softplus(y: Tensor) -> Tensor:
    y = (y - EPS).clamp_min(1e-12)
    return y + torch.log(-torch.expm1(-y))


def _inverse_tanh(theta: Tensor) -> Tensor:
    # θ = ±π is out of tanh's reach; the nearest float32 below 1 stands in.
    return torch.atanh((theta / math.pi).clamp(-1 + 1e-7, 1 - 1e-7))
