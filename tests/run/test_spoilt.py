"""Spoilt rows are wrong by what they say, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import spoilt
from benchmarks.scenes import Scene, depth_scene, label_scene

Y, X = np.mgrid[:64, :96]


@pytest.fixture(scope="module")
def ramp() -> Scene:
    return depth_scene("ramp", torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0)), X + 0.0 * Y, 8)


@pytest.mark.parametrize("how", [*spoilt.SPOILINGS, *spoilt.OFF])
def test_each_changes_either_the_signal_or_the_image(ramp, how) -> None:
    made = {**spoilt.SPOILINGS, **spoilt.OFF}[how](ramp)
    assert made.signal.shape == ramp.signal.shape and made.image.shape == ramp.image.shape
    assert made.truth is ramp.truth
    assert torch.equal(made.signal, ramp.signal) != torch.equal(made.image, ramp.image)


def test_by_how_much(ramp) -> None:
    cell = float(ramp.signal[0, 3, 5] - ramp.signal[0, 3, 4])
    off = ramp.signal - spoilt.shifted(ramp).signal
    assert off[0, 3, 4:8].tolist() == pytest.approx([cell / 2] * 4, rel=1e-4)
    corners = ramp.signal - spoilt.corners(ramp).signal
    assert corners[0, 3, 1] > 0 > corners[0, 3, -2]  # out to both sides
    assert float((spoilt.quantised(ramp).signal - ramp.signal).abs().max()) <= 0.5
    moved = spoilt.misregistered(2, ramp).image
    assert torch.equal(moved[:, 2:, 2:], ramp.image[:, :-2, :-2])
    shaded = (spoilt.shaded(ramp).image / ramp.image)[0]
    assert shaded[32, 48] > 0.99 and shaded[0, 0] == pytest.approx(1 - spoilt.FALLOFF, abs=1e-5)


def test_shares_stay_shares() -> None:
    scene = label_scene("l", torch.rand(3, 64, 96), (X > 40).astype(np.int64), 8)
    for spoil in spoilt.SPOILINGS.values():
        total = spoil(scene).signal.sum(dim=0)
        torch.testing.assert_close(total, torch.ones_like(total), atol=1e-2, rtol=0)
