"""Maps are even along both axes; tokens, noise and what is flat are not."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.io.evenness import is_even, roughness
from gsjbu.samples import SAMPLES


def ramp(rows: int, cols: int) -> np.ndarray:
    return np.add.outer(np.arange(rows) * 3.0, np.arange(cols) * 2.0).astype(np.float32) + 900


@pytest.mark.parametrize("shape", [(36, 64), (12, 64), (196, 768)])
def test_a_ramp_is_even_and_with_its_channels_mixed_it_is_not(shape):
    mixed = np.random.default_rng(0).permutation(shape[1])
    assert is_even(ramp(*shape)) and not is_even(ramp(*shape)[:, mixed])
    assert not is_even(np.random.default_rng(1).normal(size=shape))


@pytest.mark.parametrize("name", ["spheres", "paper", "still_life"])
def test_depth_is_even(name):
    assert is_even(SAMPLES[name].depth.numpy().squeeze()[::8, ::8])


def test_gaps_are_passed_over_and_what_is_flat_or_tiny_says_nothing():
    holed = ramp(36, 64)
    holed[3:5, 7:20] = np.nan
    assert is_even(holed)
    assert not is_even(np.ones((36, 64))) and not is_even(ramp(4, 64)) and not is_even(np.full((9, 9), np.nan))


def test_roughness_is_0_of_what_is_flat_and_1_of_noise():
    assert roughness(np.ones((4, 16))) == 0 and roughness(ramp(8, 16)) < 0.2
    assert abs(roughness(np.random.default_rng(0).normal(size=(64, 64))) - 1) < 0.05
    assert roughness(np.where(np.arange(16) % 2, 5.0, np.nan)[None]) == 0  # of gaps nothing is known
