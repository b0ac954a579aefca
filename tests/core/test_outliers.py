"""Outliers of a measured quantity are found where the image shows nothing, and their neighbours' median is taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import gsjbu
from gsjbu.core import outliers
from gsjbu.samples import SAMPLES

SCENE, STRIDE = SAMPLES["spheres"], 8
TRUTH = SCENE.depth.reshape(1, *SCENE.image.shape[1:])
DEPTH, LR_GUIDE = F.avg_pool2d(TRUTH, STRIDE), F.avg_pool2d(SCENE.image, STRIDE)
WHERE = torch.from_numpy(np.random.default_rng(0).random(DEPTH.shape[1:]) < 0.01)
LOW, HIGH = float(DEPTH.min()), float(DEPTH.max())


def spoilt(signal: torch.Tensor = DEPTH) -> torch.Tensor:
    draw = np.random.default_rng(1).uniform(LOW, HIGH, tuple(signal.shape)).astype("f4")
    return torch.where(WHERE, torch.from_numpy(draw), signal)


def rmse(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).square().mean().sqrt())


def test_most_are_found_and_hardly_any_other():
    found = outliers.found(spoilt(), LR_GUIDE)
    assert found is not None
    far = WHERE & ((spoilt() - DEPTH).abs()[0] > 0.2 * (HIGH - LOW))
    assert float((found & far).sum()) > 0.7 * float(far.sum())
    assert float((found & WHERE).sum()) > 0.95 * float(found.sum())


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("stride", [4, 8, 16])
def test_a_clean_scene_has_none(name, stride):
    scene = SAMPLES[name]
    depth = F.avg_pool2d(scene.depth.reshape(1, *scene.image.shape[1:]), stride)
    assert outliers.found(depth, F.avg_pool2d(scene.image, stride)) is None
    assert torch.equal(outliers.without(depth, F.avg_pool2d(scene.image, stride)), depth)


def test_what_the_image_shows_is_none():
    """Stars: each is a cell, in the signal and in the image."""
    guide = torch.where(WHERE, torch.ones(3, 1, 1), LR_GUIDE)
    assert outliers.found(spoilt(), guide) is None


def test_few_may_be_the_scenes_own():
    few = DEPTH.clone()
    few[0, 20, 20::12] = HIGH + 1
    assert (few != DEPTH).sum() < outliers.FEWEST
    assert outliers.found(few, LR_GUIDE) is None
    assert outliers.found(DEPTH[:, :2], LR_GUIDE[:, :2]) is None, "no cell has eight neighbours"


def test_the_median_of_neighbours_is_taken_that_are_none_themselves():
    plane = torch.arange(25.0).reshape(1, 5, 5)
    out = torch.zeros(5, 5, dtype=torch.bool)
    out[2, 2] = out[2, 3] = True
    found = outliers.replaced(plane, out)
    by_hand = np.median([plane[0, y, x] for y in (1, 2, 3) for x in (1, 2, 3) if not out[y, x]])
    assert found[0, 2, 2] in (by_hand, *plane.flatten()) and abs(float(found[0, 2, 2]) - 12) <= 1
    assert torch.equal(found[0][~out], plane[0][~out])


def test_cells_without_a_value_say_nothing_and_stay():
    known = torch.ones(DEPTH.shape[1:], dtype=torch.bool)
    known[:9] = False
    holes = torch.where(known, spoilt(), torch.nan)
    made = outliers.without(holes, LR_GUIDE, known)
    assert torch.isnan(made[0][~known]).all() and not torch.equal(made[0][known], holes[0][known])
    other = outliers.without(torch.where(known, spoilt(), 1e6), LR_GUIDE, known)
    assert torch.equal(other[0][known], made[0][known])


def test_auto_leaves_them_out_and_says_so(tmp_path):
    kernel = gsjbu.fit(SCENE.image, STRIDE, objective="auto", signal=spoilt(), kind="depth")
    assert kernel.outliers and not kernel.is_pure
    assert any("lie far from all their neighbours" in note for note in kernel.notes)
    size = TRUTH.shape[1:]
    plain = F.interpolate(spoilt()[None], size=size, mode="bilinear", align_corners=False)[0]
    clean = gsjbu.fit(SCENE.image, STRIDE, objective="auto", signal=DEPTH, kind="depth").render(DEPTH)
    made = kernel.render(spoilt())
    assert rmse(made, TRUTH) < 0.6 * rmse(plain, TRUTH) and rmse(made, TRUTH) < 1.5 * rmse(clean, TRUTH)
    kernel.save(tmp_path / "k.safetensors")
    assert torch.equal(gsjbu.load(tmp_path / "k.safetensors").render(spoilt()), made)
    pair = torch.stack([spoilt(), spoilt()])
    assert torch.equal(kernel.render(pair)[1], kernel.render(pair)[0])


def test_clean_signals_and_other_objectives_are_left_alone():
    assert not gsjbu.fit(SCENE.image, STRIDE, objective="auto", signal=DEPTH, kind="depth").outliers
    assert not gsjbu.fit(SCENE.image, STRIDE, objective="signal", signal=spoilt(), iters=2).outliers
