"""Kinds of signals are told apart by their values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import bilinear
from gsjbu.core.kind import kind_of
from tests.quarters import quarter


def test_kinds_are_told_apart() -> None:
    scene = quarter("paper", "labels", 8)
    shares = scene.signal
    assert kind_of(shares) == "shares"
    assert kind_of(shares[:1]) == "shares"  # one mask
    classes = F.one_hot(shares.argmax(0)).permute(2, 0, 1).float()
    assert kind_of(classes) == "samples"
    scores = torch.softmax(6 * bilinear(shares, Grid.from_stride(256, 256, 8))[:, ::4, ::4] - 3, 0)
    assert kind_of(scores) == "scores"
    assert kind_of(quarter("paper", "depth", 8).signal) == "measured"
    assert kind_of(torch.rand(1, 9, 9)) == "measured"  # between 0 and 1, but no mask
    assert kind_of(torch.randn(64, 9, 9)) == "features"


def test_a_matte_is_a_measured_quantity_and_a_mask_is_not() -> None:
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    off = 80 - ((x - 128) ** 2 + (y - 128) ** 2).sqrt()
    grid = Grid.from_stride(256, 256, 8)
    assert kind_of(grid.cell_means((off > 0).float()[None])) == "shares"
    assert kind_of(grid.cell_means((off / 60 + 0.5).clamp(0, 1)[None])) == "measured"


def test_threads_thinner_than_a_cell_are_a_mask() -> None:
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    thread = ((y - 128 - 40 * (x / 40).sin()).abs() < 2).float()
    assert kind_of(Grid.from_stride(256, 256, 16).cell_means(thread[None])) == "shares"


@pytest.mark.parametrize("slant", [0.0, 0.3, 1.0])
def test_shares_of_cells_that_overlap_are_soft(slant) -> None:
    """As F.interpolate(antialias=True) makes them of one-hot classes: counts are no cell's own."""
    y, x = np.mgrid[:256, :320]
    discs = np.hypot(y - 120, x - 100) < 70
    labels = np.where(discs, 2, (x - slant * y > 170).astype(int))
    classes = torch.from_numpy(np.eye(3)[labels]).permute(2, 0, 1).float()
    own = torch.nn.functional.avg_pool2d(classes, 8)
    wide = torch.nn.functional.interpolate(classes[None], (32, 40), mode="bilinear", antialias=True)[0]
    assert kind_of(own) == "shares" and kind_of(wide) == "soft"
    assert kind_of(own[2:]) == "shares" and kind_of(wide[2:]) == "measured"


@pytest.mark.parametrize("soft", [0, 2])  # pixels; a cell has 8
@pytest.mark.parametrize("way", [{"mode": "nearest"}, {"mode": "bilinear"}])
def test_a_mask_or_a_matte_that_was_sampled_is_no_share_of_cells(soft, way) -> None:
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(320.0), indexing="ij")
    off = 7 * (y / 9).sin() + 5 * (x / 7).cos() + 60 - ((x - 150) ** 2 + (y - 120) ** 2).sqrt()
    whole = (off / max(soft, 1e-3) + 0.5).clamp(0, 1)[None]
    assert kind_of(F.interpolate(whole[None], (32, 40), **way)[0]) == "sampled"
    assert kind_of(F.avg_pool2d(whole, 8)) == "shares"


def test_shares_that_rounding_took_beyond_1_are_shares() -> None:
    mask = quarter("paper", "labels", 8).signal[:1]
    assert kind_of(mask * (1 + 5e-6)) == "shares"
