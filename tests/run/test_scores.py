"""Figures against a truth: each by hand, on small arrays, and what is left out of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.maps import cells
from gsjbu.core import interpolation
from gsjbu.core.grid import Grid
from gsjbu.io import signals
from gsjbu.io.signals import understand
from gsjbu.io.truths import Truth
from gsjbu.run import metrics, scores

KNOWN = torch.ones(8, 8, dtype=torch.bool)


def depth(values: torch.Tensor, known: torch.Tensor = KNOWN) -> Truth:
    return Truth("depth", values[None], known)


def test_depth_by_hand_and_near_its_edge():
    there = torch.ones(8, 40)
    there[:, 20:] = 2.0
    result = there.clone()
    result[:, 19] = 1.5  # beside the edge, by 0.5
    result[:, 0] = 1.1  # far from it
    truth = depth(there, torch.ones(8, 40, dtype=torch.bool))
    found = scores.scores(truth, {"way": result[None]})["way"]
    assert found["rmse"] == pytest.approx(math.sqrt((0.25 + 0.01) / 40), rel=1e-6)
    assert found["mae"] == pytest.approx(0.6 / 40, rel=1e-6)
    assert found["delta1"] == pytest.approx(39 / 40)
    near = scores.edges(truth)
    assert near[4].tolist() == [14 <= x <= 24 for x in range(40)]
    assert found["edge_rmse"] == pytest.approx(math.sqrt(0.25 / 11), rel=1e-6)


def test_all_ways_are_measured_over_the_same_pixels():
    there = torch.full((8, 8), 3.0)
    known = KNOWN.clone()
    known[0] = False
    one, other = there.clone()[None], there.clone()[None] + 1
    one[0, 0], one[0, 1], other[0, 1] = 99.0, torch.nan, 50.0
    found = scores.scores(depth(there, known), {"one": one, "other": other})
    assert (found["one"]["rmse"], found["other"]["rmse"]) == (0.0, pytest.approx(1.0))


def test_classes_are_those_of_the_metrics():
    draw = torch.Generator().manual_seed(0)
    there, result = (torch.randint(0, 3, (8, 8), generator=draw) for _ in range(2))
    truth = Truth("classes", there[None], KNOWN, ("a", "b", "c"))
    found = scores.scores(truth, {"way": result})["way"]
    assert found["miou"] == pytest.approx(metrics.miou(result.numpy(), there.numpy()))
    assert found["accuracy"] == pytest.approx(float((result == there).double().mean()))
    assert found["classes"]["a"] == pytest.approx(
        float(((result == 0) & (there == 0)).sum() / ((result == 0) | (there == 0)).sum())
    )
    assert found["miou"] == pytest.approx(np.mean(list(found["classes"].values())))


def test_alpha_and_features_by_hand():
    there = torch.zeros(1, 8, 8)
    found = scores.scores(Truth("alpha", there, KNOWN), {"way": there + 0.5})["way"]
    assert found == {"sad": pytest.approx(0.032), "mse": pytest.approx(0.25)}
    features = torch.stack([torch.ones(8, 8), torch.zeros(8, 8)])
    turned = features.flip(0)
    truth = Truth("features", features, KNOWN)
    same, other = scores.scores(truth, {"same": 2 * features, "other": turned}).values()
    assert (same["cosine"], other["cosine"]) == (pytest.approx(1), pytest.approx(0))
    assert other["psnr"] == pytest.approx(0)
    assert scores.errors(truth, {"other": turned})["other"].unique().tolist() == pytest.approx([1.0])


def test_who_is_closest_is_said_by_the_familys_own_measure():
    found = {"bilinear": {"rmse": 2.0}, "auto": {"rmse": 1.0}}
    assert scores.decided(found, "depth") == {
        "metric": "rmse", "winner": "auto",
        "sentence": "auto is closest to the truth: rmse 1 against 2 (bilinear).",
    }  # fmt: skip
    assert scores.decided({"auto": {}}, "depth") is None


def test_features_of_one_channel_are_measured_by_psnr():
    there = torch.linspace(0, 4, 64).reshape(1, 8, 8)
    truth = Truth("features", there, KNOWN)
    found = scores.scores(truth, {"near": there + 0.04, "far": there - 0.4, "same": there})
    assert found["near"] == {"psnr": pytest.approx(40, abs=1e-3)} and found["same"] == {"psnr": None}
    decision = scores.decided(found, "features")
    assert decision is not None and decision["winner"] == "same"
    assert "psnr inf against 40 (near), 20 (far)" in decision["sentence"]
    assert scores.errors(truth, {"far": there - 0.4})["far"].numpy() == pytest.approx(0.4, abs=1e-6)
    flat = scores.scores(Truth("features", torch.full((1, 8, 8), 3.0), KNOWN), {"off": torch.ones(1, 8, 8)})
    assert flat["off"]["psnr"] == pytest.approx(20 * math.log10(3 / 2))


def test_a_tie_is_said_to_the_digits_shown():
    found = {"bilinear": {"rmse": 1.00001}, "gsjbu": {"rmse": 2.0}, "auto": {"rmse": 1.0}}
    assert scores.decided(found, "depth") == {
        "metric": "rmse", "winner": None,
        "sentence": "bilinear and auto are equally close to the truth: rmse 1 against 2 (gsjbu).",
    }  # fmt: skip
    found["gsjbu"]["rmse"] = 1.0
    decision = scores.decided(found, "depth")
    assert decision is not None
    assert decision["sentence"] == "bilinear, gsjbu and auto are equally close to the truth: rmse 1."


def test_pixels_without_a_class_or_a_value_are_not_measured():
    there = torch.zeros(1, 8, 8, dtype=torch.int64)
    there[:, :, 4:] = 1
    truth = Truth("classes", there, KNOWN, names=("a", "b"))
    gap = there[0].clone()
    gap[:, 3:5] = -1
    wrong = there[0].clone()
    wrong[:, 0] = 1
    found = scores.scores(truth, {"gap": gap, "wrong": wrong})
    assert found["gap"]["accuracy"] == 1 and found["wrong"]["accuracy"] == pytest.approx(40 / 48)
    off = scores.errors(truth, {"gap": gap})["gap"][0]
    assert torch.equal(off.isnan(), gap < 0) and off.nansum() == 0


def test_agreement_is_one_where_the_cell_means_are_given_back():
    grid = Grid.from_stride(32, 48, 8)
    signal = understand(np.random.default_rng(0).random((4, 6)).astype(np.float32), kind="depth")
    results = {
        "nearest": interpolation.nearest(signal.values, grid),
        "bilinear": interpolation.bilinear(signal.values, grid),
    }
    found = scores.agreement(signal, grid, results)
    assert found["nearest"]["agrees"] == pytest.approx(1)
    assert found["bilinear"]["agrees"] < 0.9


def test_agreement_of_classes_that_share_channels_counts_the_same(monkeypatch):
    ids = np.random.default_rng(0).permutation(300)[cells(32, 48, 300)]
    grid = Grid.from_stride(64, 96, 2)
    own = torch.from_numpy(np.unique(ids, return_inverse=True)[1].reshape(ids.shape)).repeat_interleave(2, 0)
    wrong = own.repeat_interleave(2, 1).roll(1, dims=1)
    shared = scores.agreement(understand(ids), grid, {"way": wrong})["way"]["agrees"]
    monkeypatch.setattr(signals, "OWN_CHANNEL", 1000)
    assert shared == pytest.approx(scores.agreement(understand(ids), grid, {"way": wrong})["way"]["agrees"])
    assert 0.3 < shared < 0.9


def test_agreement_of_classes_counts_the_pixels_that_would_have_to_change():
    grid = Grid.from_stride(16, 16, 8)
    shares = np.array([[[0.75, 1], [0, 0]], [[0.25, 0], [1, 1]]], np.float32)
    signal = understand(shares, kind="soft_labels", layout="chw")
    labels = torch.zeros(16, 16, dtype=torch.int64)
    labels[8:] = 1
    assert scores.agreement(signal, grid, {"way": labels})["way"]["agrees"] == pytest.approx(1 - 0.25 / 4)
    labels[:8, :2] = 1
    assert scores.agreement(signal, grid, {"way": labels})["way"]["agrees"] == pytest.approx(1)
