"""Drawn families: their truth, their gaps, their scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import families
from benchmarks.quality import Figures
from gsjbu.core.gaps import is_filled, without_stand_ins


def test_a_picture_is_the_same_each_time() -> None:
    (one, labels), (same, again) = (families.foam(np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, same) and np.array_equal(labels, again)
    assert one.shape == (3, families.HEIGHT, families.WIDTH) and one.min() >= 0 and one.max() <= 1
    assert set(np.unique(labels)) == {0, 1} and labels.shape == one.shape[1:]


def test_a_scan_leaves_most_cells_without_a_value() -> None:
    row = next(r for r in families.ROWS if r.name == "sparse ×8")
    scene = next(iter(row.load()))
    known = without_stand_ins(scene.signal)
    assert known is not None and 0.3 < float(known.float().mean()) < 0.9 and scene.valid.mean() < 0.1
    filled = next(iter(next(r for r in families.ROWS if r.name == "sparse, filled ×8").load()))
    assert is_filled(filled.signal) and not is_filled(scene.signal)
    assert torch.equal(filled.signal[:, known], scene.signal[:, known])


def test_a_matte_of_0_to_1_is_scored_as_one_of_0_to_255() -> None:
    scene = next(iter(next(r for r in families.ROWS if r.name == "matte 0…1 ×16").load()))
    figures = Figures()
    figures.add(scene, torch.from_numpy(scene.truth).float()[None] + 0.1, 0.0)
    assert float(scene.signal.max()) <= 1 and figures.overall[0] == pytest.approx(25.5, rel=1e-3)
