"""Raw values ↔ (σx, σy, θ, σr): the unconstrained numbers that Adam moves, and what they mean.

σx = clamp(softplus(raw[0]) + EPS, 1, max(64, step_x))   HR pixels, along the Gaussian's own first axis
σy = clamp(softplus(raw[1]) + EPS, 1, max(64, step_y))   HR pixels, along its second
θ  = π · tanh(raw[2])                                    radians, from the image's x axis towards its y axis
σr = clamp(softplus(raw[3]) + EPS, 0.01, 1)              distance in guide values (RGB in [0, 1])
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gsjbu.core.grid import Grid

EPS = 1e-6
SIGMA_LOW, SIGMA_HIGH = 1.0, 64.0
SIGMA_R_LOW, SIGMA_R_HIGH = 0.01, 1.0

Highest = tuple[float, float]  # of σx and of σy
USUAL: Highest = (SIGMA_HIGH, SIGMA_HIGH)


def highest(grid: Grid) -> Highest:
    """The bounds of σx and σy on a grid: 64 pixels, and a stride where that is more.

    A Gaussian that cannot reach across its own cell leaves the cell's far pixels to whatever is least unlike them.
    """
    return max(SIGMA_HIGH, float(grid.step_x)), max(SIGMA_HIGH, float(grid.step_y))


def highest_note(grid: Grid) -> tuple[str, ...]:
    """A sentence where the bounds are not the usual ones."""
    high = highest(grid)
    if high == USUAL:
        return ()
    return (
        f"Cells {grid.step_x:.4g} pixels wide and {grid.step_y:.4g} high are larger than 64: σx may be {high[0]:.4g} "
        f"pixels and σy {high[1]:.4g}, so that a Gaussian reaches across its own cell.",
    )


# The fixed kernel, of no steps at all: σ = half a stride, σr = 0.2.
FIXED = (0.5, 0.2)


class Parameters(NamedTuple):
    """One Gaussian per LR pixel, each ``[h, w]``."""

    sigma_x: Tensor
    sigma_y: Tensor
    theta: Tensor
    sigma_r: Tensor


def from_raw(raw: Tensor, high: Highest) -> Parameters:
    """``raw [4, h, w]`` to the parameters; differentiable, zero gradient outside the clamps."""
    return Parameters(
        _clamped(F.softplus(raw[0]) + EPS, SIGMA_LOW, high[0]),
        _clamped(F.softplus(raw[1]) + EPS, SIGMA_LOW, high[1]),
        math.pi * torch.tanh(raw[2]),
        _clamped(F.softplus(raw[3]) + EPS, SIGMA_R_LOW, SIGMA_R_HIGH),
    )


def _clamped(x: Tensor, low: float, high: float) -> Tensor:
    """``x`` held in [low, high], with a gradient on the bounds themselves, or a fit that starts there never leaves.

    torch's own has one in 2.13 and none in 2.15.
    """
    return torch.where((x >= low) & (x <= high), x, x.detach().clamp(low, high))


def to_raw(p: Parameters) -> Tensor:
    """The raw values ``[4, h, w]`` float32 that give ``p``; computed in float64."""
    sx, sy, theta, sr = (v.detach().to("cpu", torch.float64) for v in p)
    raw = torch.stack([_inverse_softplus(sx), _inverse_softplus(sy), _inverse_tanh(theta), _inverse_softplus(sr)])
    return raw.to(torch.float32)


def start(grid: Grid, sigma: float = FIXED[0], sigma_r: float = FIXED[1]) -> Tensor:
    """Raw values ``[4, h, w]``, the same everywhere: σ = ``sigma`` strides along each axis, θ = 0."""
    shape, high = (grid.rows, grid.cols), highest(grid)
    sx = min(max(sigma * grid.step_x, SIGMA_LOW), high[0])
    sy = min(max(sigma * grid.step_y, SIGMA_LOW), high[1])
    sr = min(max(sigma_r, SIGMA_R_LOW), SIGMA_R_HIGH)
    return to_raw(Parameters(*(torch.full(shape, value, dtype=torch.float32) for value in (sx, sy, 0.0, sr))))


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


def log_bounds(high: Highest) -> dict[int, tuple[float, float]]:
    """Least and largest logarithm of σx, σy and σr, by their place among the coordinates."""
    return {
        0: (math.log(SIGMA_LOW), math.log(high[0])),
        1: (math.log(SIGMA_LOW), math.log(high[1])),
        3: (math.log(SIGMA_R_LOW), math.log(SIGMA_R_HIGH)),
    }


#: Called with each step of a fit and the loss before it; False stops the fit.
Progress = Callable[[int, float], object]


@dataclass(frozen=True)
class Optimiser:
    """Adam: the coordinates it moves, how far, and how much of the image a step looks at."""

    in_logs: bool  # moves log σx, log σy, raw θ / THETA, log σr instead of the raw values
    start: tuple[float, float]  # σ in strides and σr of a fit on RGB
    rate: float
    falling: bool  # the rate falls linearly over the fit, to 0 after its last step
    beta1: float
    beta2: float
    pitch: int  # a step looks at every pitch-th row and column at most, the next one at others
    keep: int = 2  # pixels that every cell keeps along each axis

    def rates(self, iters: int, rate: float | None = None) -> np.ndarray:
        """float64 [iters]: the rate of each step; ``rate``: instead of its own."""
        rates = np.full(iters, self.rate if rate is None else rate)
        return rates * (1 - np.arange(iters) / iters) if self.falling and iters else rates

    @property
    def betas(self) -> tuple[float, float, float, float]:
        """β1, 1 − β1, β2, 1 − β2, each the float nearest to its decimals."""
        return self.beta1, round(1 - self.beta1, 12), self.beta2, round(1 - self.beta2, 12)

    def coordinates(self, raw: Tensor, high: Highest) -> Tensor:
        """Where ``raw [4, h, w]`` is in what is moved, [4, h, w]."""
        if not self.in_logs:
            return raw
        p = from_raw(raw.double(), high)
        return torch.stack([p.sigma_x.log(), p.sigma_y.log(), raw[2] / THETA, p.sigma_r.log()]).to(raw.dtype)

    def parameters(self, at: Tensor, high: Highest) -> Parameters:
        """The parameters at coordinates ``at [4, h, w]``; differentiable."""
        if not self.in_logs:
            return from_raw(at, high)
        sx, sy, sr = (_clamped(at[c], *bounds).exp() for c, bounds in log_bounds(high).items())
        return Parameters(sx, sy, math.pi * torch.tanh(THETA * at[2]), sr)

    def raw(self, at: Tensor) -> Tensor:
        """The raw values at coordinates ``at [4, h, w]``."""
        if not self.in_logs:
            return at
        sx, sy, sr = (_inverse_softplus(at[c].double().exp()) for c in (0, 1, 3))
        return torch.stack([sx, sy, THETA * at[2].double(), sr]).to(at.dtype)


# Adam adds it to the root of the second moment.
ADAM_EPS = 1e-8
# A step of log σ is worth this much of one of raw θ.
THETA = 0.6
# The paper's, on the raw values.
ADAM = Optimiser(
    in_logs=False, start=FIXED, rate=0.1, falling=False, beta1=0.9, beta2=0.999, pitch=1
)  # fmt: skip
# A step of log σ means the same at every stride and every σ. It starts near where fits end, with a falling rate, and so
# needs few steps; a long memory of few steps would only hold it up.
LOG_ADAM = Optimiser(
    in_logs=True, start=(0.75, 0.055), rate=0.1, falling=True, beta1=0.5, beta2=0.99, pitch=2
)  # fmt: skip
# The same for an LR image that is sampled, not averaged over each cell: its colours reach wider, and steps may too.
LOG_ADAM_SAMPLED = replace(LOG_ADAM, start=(1.2, 0.1), rate=0.25)
OPTIMISERS = {"log-adam": LOG_ADAM, "adam": ADAM}


def optimiser_of(name: str, lr_image: str) -> Optimiser:
    """The optimiser ``name`` for an LR image sampled as ``lr_image`` says."""
    return LOG_ADAM_SAMPLED if name == "log-adam" and lr_image == "bilinear" else OPTIMISERS[name]
