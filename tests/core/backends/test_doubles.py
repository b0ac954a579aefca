"""Eight float64 at once against numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

from gsjbu.core.backends.doubles import (
    WIDE,
    cos_sin_pi,
    exp,
    fill,
    higher_of,
    lower_of,
    narrow,
    root,
    size_of,
    softplus_and_slope,
    tanh,
    widen,
)


@njit
def apply_all(x, out):
    """Lines of out: softplus, its slope, tanh x, cos π·tanh x, sin π·tanh x, √|x|, e^−|x|, x within ±1."""
    n = len(x)
    for j in range(0, n, WIDE):
        v = widen(x, j)
        soft, slope = softplus_and_slope(v)
        t = tanh(v)
        cos, sin = cos_sin_pi(t)
        narrow(out, j, soft)
        narrow(out, n + j, slope)
        narrow(out, 2 * n + j, t)
        narrow(out, 3 * n + j, cos)
        narrow(out, 4 * n + j, sin)
        narrow(out, 5 * n + j, root(size_of(v)))
        narrow(out, 6 * n + j, exp(fill(0.0) - size_of(v)))
        narrow(out, 7 * n + j, lower_of(higher_of(v, fill(-1.0)), fill(1.0)))


def test_against_numpy_to_the_last_bit_of_float32():
    draw = np.random.default_rng(0)
    edges = [0, -0.0, 1e-6, -1e-6, 20, -20, 85, -85]
    x = np.concatenate([draw.normal(0, 5, 4000), draw.normal(0, 0.1, 4000), edges]).astype(np.float32)
    out = np.empty(8 * len(x), np.float32)
    apply_all(x, out)
    wide = x.astype(np.float64)
    t = np.tanh(wide)
    right = (
        np.logaddexp(0, wide), 1 / (1 + np.exp(-wide)), t, np.cos(np.pi * t), np.sin(np.pi * t),
        np.sqrt(np.abs(wide)), np.exp(-np.abs(wide)), np.clip(wide, -1, 1),
    )  # fmt: skip
    for found, exact in zip(out.reshape(8, -1), right, strict=True):
        # float32 rounds to 6e-8 of a value; the series are good to 1e-8 of 1.
        np.testing.assert_allclose(found, exact, rtol=8e-8, atol=1.5e-8)
