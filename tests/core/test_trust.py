"""A guide is followed as far as its colours help to predict the signal."""

from __future__ import annotations

import pytest
import torch

from gsjbu.core.trust import GAIN_TRUSTED, guide_gain, trust_of_scores
from tests.quarters import quarter


def test_the_guide_is_trusted_where_its_colours_foretell_the_signal() -> None:
    scene = quarter("spheres", "labels", 8)
    own = scene.grid.cell_means(scene.image)
    gain = guide_gain(scene.signal, own)
    assert gain > GAIN_TRUSTED
    assert guide_gain(scene.signal, own.flip(1, 2)) < gain / 2
    many = scene.signal.repeat(20, 1, 1)  # the projection to a few channels changes little
    assert guide_gain(many, own) == pytest.approx(gain, rel=0.3)
    assert guide_gain(torch.ones(2, 5, 5), torch.rand(3, 5, 5)) == 0
    assert guide_gain(torch.rand(2, 1, 1), torch.rand(3, 1, 1)) == 0


def test_scores_are_put_to_the_test_with_their_logarithms() -> None:
    scene = quarter("spheres", "labels", 16)
    guide = scene.grid.cell_means(scene.image)
    off = torch.randn(scene.signal.shape, generator=torch.Generator().manual_seed(0))
    own = torch.softmax(6 * scene.signal + 0.3 * off, 0)
    assert trust_of_scores(own, guide, None) == 1
    for name in ("paper", "still_life"):
        foreign = scene.grid.cell_means(quarter(name, "labels", 16).image)
        assert trust_of_scores(own, foreign, None) == 0
