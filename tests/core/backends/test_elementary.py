"""Elementary functions of 16 float32 at once against numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

from gsjbu.core.backends.elementary import cos_sin_pi, exp, softplus_and_slope, tanh
from gsjbu.core.backends.simd import LANES, load, magnitude, root, store


@njit
def apply_all(x, out):
    """Lines of out: softplus, its slope, tanh x, cos π·tanh x, sin π·tanh x, √|x|, e^x of x within ±8."""
    n = len(x)
    for j in range(0, n, LANES):
        v = load(x, j)
        soft, slope = softplus_and_slope(v)
        t = tanh(v)
        cos, sin = cos_sin_pi(t)
        store(out, j, soft)
        store(out, n + j, slope)
        store(out, 2 * n + j, t)
        store(out, 3 * n + j, cos)
        store(out, 4 * n + j, sin)
        store(out, 5 * n + j, root(magnitude(v)))
        store(out, 6 * n + j, exp(tanh(v) * 8.0))


def test_against_numpy():
    draw = np.random.default_rng(0)
    edges = [0, -0.0, 1e-6, -1e-6, 20, -20, 40, -40, 0.5493061, -0.5493061, 1e-3, -1e-3, 5, -5, 80, -80]
    x = np.concatenate([draw.normal(0, 5, 4000), draw.normal(0, 0.1, 4000), edges]).astype(np.float32)
    out = np.empty(7 * len(x), np.float32)
    apply_all(x, out)
    wide, t = x.astype(np.float64), out.reshape(7, -1)[2].astype(np.float64)
    right = (
        np.logaddexp(0, wide), 1 / (1 + np.exp(-wide)), np.tanh(wide), np.cos(np.pi * t), np.sin(np.pi * t),
        np.sqrt(np.abs(wide)), np.exp(8 * t),
    )  # fmt: skip
    for found, exact in zip(out.reshape(7, -1), right, strict=True):
        # Measured: 1.0e-6 of a small softplus, 1.8e-7 of sines and cosines, some of which are 0.
        np.testing.assert_allclose(found, exact, rtol=1.2e-6, atol=2.5e-7)
