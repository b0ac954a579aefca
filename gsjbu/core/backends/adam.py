"""One LR pixel's part of a compiled step: what its coordinates mean, the chain rule to them, and Adam.

The coordinates ``at [4, h, w]`` are the raw values, or, ``in_logs``, (log σx, log σy, raw θ / THETA, log σr). A
logarithm never leaves its parameter's bounds, so it always has a gradient; a raw value outside the clamps has none.
"""

from __future__ import annotations

import math

import numpy as np

from gsjbu.core.compiler import BORROWS, FAST, njit
from gsjbu.core.parameters import ADAM_EPS, EPS, SIGMA_LOW, SIGMA_R_HIGH, SIGMA_R_LOW, THETA

f32 = np.float32
LOG2E = math.log2(math.e)
# Per LR pixel: u's and v's slopes, κ, and the least factor of a squared distance in any direction (base 2).
UX, UY, VX, VY, RANGE, LEAST, COEFFICIENTS = range(7)


@njit(**BORROWS)
def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@njit(**BORROWS)
def _sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


@njit(**BORROWS)
def _clamped(x, low, high):
    return min(max(x, low), high)


@njit(**BORROWS)
def _spread(x, in_logs):
    """σ of a coordinate, before its clamp."""
    return math.exp(x) if in_logs else _softplus(x) + EPS


@njit(**BORROWS)
def set_coefficients(at, i, j, in_logs, high, pitch, coefficients):
    """The coefficients of LR pixel (i, j) from its coordinates, in float64; parameters.py says the same in torch.

    ``high``: the largest σx and σy. ``pitch`` (y, x): pixels from one place to the next, in whose units the
    coefficients are given.
    """
    sx = _clamped(_spread(at[0, i, j], in_logs), SIGMA_LOW, high[0])
    sy = _clamped(_spread(at[1, i, j], in_logs), SIGMA_LOW, high[1])
    sr = _clamped(_spread(at[3, i, j], in_logs), SIGMA_R_LOW, SIGMA_R_HIGH)
    theta = math.pi * math.tanh(at[2, i, j] * f32(THETA if in_logs else 1.0))
    cos, sin, root = math.cos(theta), math.sin(theta), math.sqrt(0.5 * LOG2E)
    coefficients[i, j, UX] = root * cos / sx * pitch[1]
    coefficients[i, j, UY] = root * sin / sx * pitch[0]
    coefficients[i, j, VX] = -root * sin / sy * pitch[1]
    coefficients[i, j, VY] = root * cos / sy * pitch[0]
    coefficients[i, j, RANGE] = 0.5 * LOG2E / (sr * sr)
    coefficients[i, j, LEAST] = 0.5 * LOG2E / max(sx, sy) ** 2 * min(pitch[0], pitch[1]) ** 2


@njit(**FAST)
def set_all_coefficients(at, in_logs, high, pitch, coefficients):
    """Fill coefficients [h, w, COEFFICIENTS] from at [4, h, w]."""
    for i in range(at.shape[1]):
        for j in range(at.shape[2]):
            set_coefficients(at, i, j, in_logs, high, pitch, coefficients)


@njit(**BORROWS)
def set_gradient(at, i, j, in_logs, high, su, sv, suv, sd, gradient):
    """∂L/∂(coordinates) of LR pixel (i, j) from its sums Σδu², Σδv², Σδuv (base 2) and Σδd²."""
    plain_x, plain_y = _spread(at[0, i, j], in_logs), _spread(at[1, i, j], in_logs)
    plain_r = _spread(at[3, i, j], in_logs)
    sx, sy = _clamped(plain_x, SIGMA_LOW, high[0]), _clamped(plain_y, SIGMA_LOW, high[1])
    sr = _clamped(plain_r, SIGMA_R_LOW, SIGMA_R_HIGH)
    share = THETA if in_logs else 1.0
    t2 = math.tanh(at[2, i, j] * f32(share))
    gradient[2, i, j] = -2 * suv / LOG2E * (sy / sx - sx / sy) * math.pi * (1 - t2 * t2) * share
    if in_logs:
        gradient[0, i, j] = 2 * su / LOG2E
        gradient[1, i, j] = 2 * sv / LOG2E
        gradient[3, i, j] = sd / (sr * sr)
        return
    # A clamp passes the gradient on its bounds and inside, as torch.clamp does.
    inside_x, inside_y = SIGMA_LOW <= plain_x <= high[0], SIGMA_LOW <= plain_y <= high[1]
    inside_r = SIGMA_R_LOW <= plain_r <= SIGMA_R_HIGH
    gradient[0, i, j] = 2 * su / LOG2E / sx * _sigmoid(at[0, i, j]) if inside_x else 0.0
    gradient[1, i, j] = 2 * sv / LOG2E / sy * _sigmoid(at[1, i, j]) if inside_y else 0.0
    gradient[3, i, j] = sd / (sr * sr * sr) * _sigmoid(at[3, i, j]) if inside_r else 0.0


@njit(**BORROWS)
def take_step(at, i, j, job, gradient, first, second, step):
    """Move LR pixel (i, j) by Adam's step number ``step`` (from 0); ``job``: forms.Job."""
    betas, high = job.betas, job.high
    correction1, correction2 = 1.0 - betas[0] ** (step + 1), 1.0 - betas[2] ** (step + 1)
    for c in range(4):
        g = np.float64(gradient[c, i, j])
        m = betas[0] * first[c, i, j] + betas[1] * g
        s2 = betas[2] * second[c, i, j] + betas[3] * g * g
        first[c, i, j] = m
        second[c, i, j] = s2
        at[c, i, j] -= job.rates[step] * (m / correction1) / (math.sqrt(s2 / correction2) + ADAM_EPS)
    if job.in_logs:
        at[0, i, j] = _clamped(at[0, i, j], math.log(SIGMA_LOW), math.log(high[0]))
        at[1, i, j] = _clamped(at[1, i, j], math.log(SIGMA_LOW), math.log(high[1]))
        at[3, i, j] = _clamped(at[3, i, j], math.log(SIGMA_R_LOW), math.log(SIGMA_R_HIGH))
