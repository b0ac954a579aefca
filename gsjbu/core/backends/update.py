"""The chain rule and Adam for a row of LR pixels, 16 at a time.

*Lines* are rows of float32, ``pitch`` apart: an LR row has 16 lines of state (coordinates, Adam's moments, gradient)
and lines of shapes, which is what the row form reads; see rows.py.
"""

from __future__ import annotations

import math

import numpy as np

from gsjbu.core.backends.adam import COEFFICIENTS, LEAST, LOG2E, RANGE, UX, UY, VX, VY
from gsjbu.core.backends.elementary import cos_sin_pi, exp, softplus_and_slope, tanh
from gsjbu.core.backends.simd import LANES, larger, load, root, smaller, splat, store, where_less
from gsjbu.core.compiler import BORROWS, njit
from gsjbu.core.parameters import ADAM_EPS, EPS, SIGMA_LOW, SIGMA_R_HIGH, SIGMA_R_LOW, THETA

f32 = np.float32
# Lines of an LR row's state: coordinates of σx, σy, θ, σr, their two moments, and the gradient.
AT, MEAN, SQUARE, GRADIENT, STATE = 0, 4, 8, 12, 16
# Lines of its shapes: one a coefficient, then one a guide channel.
FIRST_LINE = COEFFICIENTS


@njit(**BORROWS)
def _clamped(x, low, high):
    return smaller(larger(x, splat(f32(low))), splat(f32(high)))


@njit(**BORROWS)
def _inside(x, low, high, inner):
    """``inner`` where x is within its bounds, 0 elsewhere: on a bound a clamp passes the gradient, as torch's does."""
    zero = splat(f32(0))
    return where_less(x, splat(f32(low)), zero, where_less(splat(f32(high)), x, zero, inner))


@njit(**BORROWS)
def _spread_and_slope(x, in_logs):
    """σ of a coordinate before its clamp, and ∂σ/∂(coordinate)."""
    if in_logs:
        sigma = exp(x)
        return sigma, sigma
    soft, slope = softplus_and_slope(x)
    return soft + EPS, slope


@njit(**BORROWS)
def set_lines(n, state, in_logs, high, t, lines, pitch):
    """The shapes of 16 LR pixels, from place t of ``lines``, from their coordinates, from place n of ``state``."""
    sx = _clamped(_spread_and_slope(load(state, n), in_logs)[0], SIGMA_LOW, high[0])
    sy = _clamped(_spread_and_slope(load(state, n + pitch), in_logs)[0], SIGMA_LOW, high[1])
    sr = _clamped(_spread_and_slope(load(state, n + 3 * pitch), in_logs)[0], SIGMA_R_LOW, SIGMA_R_HIGH)
    cos, sin = cos_sin_pi(tanh(load(state, n + 2 * pitch) * (THETA if in_logs else 1.0)))
    half = splat(f32(math.sqrt(0.5 * LOG2E)))
    slope_x, slope_y = half / sx, half / sy
    least = smaller(slope_x, slope_y)
    store(lines, t + UX * pitch, cos * slope_x)
    store(lines, t + UY * pitch, sin * slope_x)
    store(lines, t + VX * pitch, sin * slope_y * -1.0)
    store(lines, t + VY * pitch, cos * slope_y)
    store(lines, t + RANGE * pitch, splat(f32(0.5 * LOG2E)) / (sr * sr))
    store(lines, t + LEAST * pitch, least * least)


@njit(**BORROWS)
def gradient_of(n, state, in_logs, high, s, sums, pitch):
    """∂L/∂(coordinates) of 16 LR pixels from their sums Σδu², Σδv², Σδuv (base 2) and Σδd², four lines from place s."""
    plain_x, slope_x = _spread_and_slope(load(state, n), in_logs)
    plain_y, slope_y = _spread_and_slope(load(state, n + pitch), in_logs)
    plain_r, slope_r = _spread_and_slope(load(state, n + 3 * pitch), in_logs)
    sx, sy = _clamped(plain_x, SIGMA_LOW, high[0]), _clamped(plain_y, SIGMA_LOW, high[1])
    sr, share = _clamped(plain_r, SIGMA_R_LOW, SIGMA_R_HIGH), THETA if in_logs else 1.0
    t = tanh(load(state, n + 2 * pitch) * share)
    su, sv = load(sums, s) * (2 / LOG2E), load(sums, s + pitch) * (2 / LOG2E)
    inverse = splat(f32(1)) / (sx * sy)
    turned = (sx - sy) * (sx + sy) * inverse  # σx/σy − σy/σx
    by_theta = load(sums, s + 2 * pitch) * turned * (splat(f32(1)) - t * t) * (2 / LOG2E * math.pi * share)
    if in_logs:  # a logarithm stays within its bounds, where σ is its own slope
        return su, sv, by_theta, load(sums, s + 3 * pitch) / (sr * sr)
    by_x, by_y = su * inverse * sy * slope_x, sv * inverse * sx * slope_y
    by_r = load(sums, s + 3 * pitch) / (sr * sr * sr) * slope_r
    return (
        _inside(plain_x, SIGMA_LOW, high[0], by_x),
        _inside(plain_y, SIGMA_LOW, high[1], by_y),
        by_theta,
        _inside(plain_r, SIGMA_R_LOW, SIGMA_R_HIGH, by_r),
    )


@njit(**BORROWS)
def update_row(state, start, lanes, job, sums, s, lines, t, pitch, step):
    """Chain rule, Adam's step number ``step`` (from 0) and the new shapes of one LR row; ``job``: forms.Job.

    Where its lines begin: ``start``, ``s``, ``t``.
    """
    in_logs, high, rate, betas = job.in_logs, job.high, job.rates[step], job.betas
    rate1, share2 = rate / (1.0 - betas[0] ** (step + 1)), 1 / (1.0 - betas[2] ** (step + 1))
    for j in range(0, lanes, LANES):
        gradient = gradient_of(start + j, state, in_logs, high, s + j, sums, pitch)
        for c in range(4):
            n, g = start + c * pitch + j, gradient[c]
            store(state, n + GRADIENT * pitch, g)
            if job.move:
                m = load(state, n + MEAN * pitch) * betas[0] + g * betas[1]
                q = load(state, n + SQUARE * pitch) * betas[2] + g * g * betas[3]
                store(state, n + MEAN * pitch, m)
                store(state, n + SQUARE * pitch, q)
                moved = load(state, n) - m * rate1 / (root(q * share2) + ADAM_EPS)
                if in_logs and c != 2:
                    low, top = (SIGMA_R_LOW, SIGMA_R_HIGH) if c == 3 else (SIGMA_LOW, high[min(c, 1)])
                    moved = _clamped(moved, math.log(low), math.log(top))
                store(state, n, moved)
        if job.move:
            set_lines(start + j, state, in_logs, high, t + j, lines, pitch)
