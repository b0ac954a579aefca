"""Elementary functions of 16 float32 at once: the mathematics of an LR pixel, for a row of them.

At strides of 1 and 2 there are as many Gaussians as pixels, or a quarter; a library's exp, log1p, tanh, sin and
cos for each would cost ten times what its pixels do. The series here are Taylor's, cut off below float32's rounding.
"""

from __future__ import annotations

import math

import numpy as np

from gsjbu.core.backends.adam import LOG2E
from gsjbu.core.backends.simd import larger, magnitude, scaled, splat, where_less
from gsjbu.core.compiler import BORROWS, njit

f32 = np.float32
# log 2 in two parts: whole multiples of the first are exact.
_LOG2 = (0.693359375, math.log(2) - 0.693359375)
_ROUND = 1.5 * 2.0**23  # added to a float32 and taken off again, it leaves the nearest whole number
_EXP = tuple(1 / math.factorial(k) for k in range(8))
_ATANH = tuple(1 / (2 * k + 1) for k in range(7))
_SIN = tuple((-1) ** k * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(7))
_COS = tuple((-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k) for k in range(7))


@njit(**BORROWS)
def _series(coefficients, x):
    y = splat(f32(coefficients[len(coefficients) - 1]))
    for k in range(len(coefficients) - 2, -1, -1):
        y = y * x + coefficients[k]
    return y


@njit(**BORROWS)
def _exp_of_less(x):
    """e^−|x|, of 80 at most."""
    t = larger(magnitude(x) * -1.0, splat(f32(-80)))
    whole = (t * LOG2E + _ROUND) - _ROUND
    return scaled(_series(_EXP, t - whole * _LOG2[0] - whole * _LOG2[1]), whole)


@njit(**BORROWS)
def exp(x):
    """e^x for |x| up to 80."""
    e = _exp_of_less(x)
    return where_less(x, splat(f32(0)), e, splat(f32(1)) / e)


@njit(**BORROWS)
def softplus_and_slope(x):
    """log(1 + e^x), accurate where it is small, and its slope 1 / (1 + e^−x)."""
    e, zero, one = _exp_of_less(x), splat(f32(0)), splat(f32(1))
    # log(1 + e) = 2·artanh(e / (2 + e)); both quotients from one division, which costs as much as a series.
    inverse = one / ((e + 1.0) * (e + 2.0))
    s = e * inverse * (e + 1.0)
    soft = larger(x, zero) + _series(_ATANH, s * s) * s * 2.0
    return soft, where_less(x, zero, e, one) * inverse * (e + 2.0)


@njit(**BORROWS)
def tanh(x):
    e = _exp_of_less(x * 2.0)
    t = (splat(f32(1)) - e) / (e + 1.0)
    return where_less(x, splat(f32(0)), t * -1.0, t)


@njit(**BORROWS)
def cos_sin_pi(t):
    """cos πt and sin πt for t in −1…1."""
    far = magnitude(t)
    near = where_less(far, splat(f32(0.5)), far, splat(f32(1)) - far)  # sin π(1 − t) = sin πt
    square = near * near
    cos, sin = _series(_COS, square), _series(_SIN, square) * near
    cos = where_less(far, splat(f32(0.5)), cos, cos * -1.0)  # cos π(1 − t) = −cos πt
    return cos, where_less(t, splat(f32(0)), sin * -1.0, sin)
