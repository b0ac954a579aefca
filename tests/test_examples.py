"""The example scripts say what their texts say: upsampling along the image helps, and by how much."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from examples import make_inputs, make_rasters, modality_guide, point_similarity, probability_upsampling
from gsjbu.core.grid import Grid
from gsjbu.samples import SAMPLES
from tests import zygote


def test_point_similarity_finds_the_points_class_better_than_bilinear():
    scores, maps = point_similarity.experiment("wires", points=4)
    assert scores["gsjbu"] > scores["bilinear"]
    assert maps["gsjbu"].shape == (512, 512)


def test_average_precision_by_hand():
    wanted = torch.tensor([True, False, True, False])
    assert point_similarity.average_precision(torch.tensor([4.0, 3.0, 2.0, 1.0]), wanted) == (1 + 2 / 3) / 2
    assert point_similarity.average_precision(torch.tensor([4.0, 1.0, 3.0, 2.0]), wanted) == 1.0


def test_every_guide_beats_bilinear():
    scores, _ = modality_guide.experiment("paper")
    assert set(scores) == {"bilinear", "colour", "depth", "colour and depth"}
    assert min(scores[name] for name in scores if name != "bilinear") > scores["bilinear"]


def test_probabilities_carry_more_than_classes():
    scores, _ = probability_upsampling.experiment("still_life")
    for method in ("bilinear", "fixed", "signal", "auto"):
        assert scores[f"{method}, probabilities"][0] > scores[f"{method}, classes"][0]
    assert max(scores, key=scores.__getitem__) == "auto, probabilities"
    assert scores["fixed, probabilities"] > scores["signal, probabilities"] > scores["bilinear, probabilities"]


def test_the_played_network_gives_probabilities():
    labels = SAMPLES["paper"].labels
    low = probability_upsampling.coarse_network(labels, Grid.from_stride(*labels.shape, 16))
    np.testing.assert_allclose(low.sum(0).numpy(), 1, atol=1e-5)
    assert low.min() >= 0


def test_without_rasterio_make_rasters_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    monkeypatch.setattr(sys, "argv", ["make_rasters", str(tmp_path / "maps")])
    with pytest.raises(SystemExit) as caught:
        make_rasters.main()
    err = capsys.readouterr().err
    assert caught.value.code == 2 and "pip install 'gsjbu[raster]'" in err and err.count("\n") == 1
    assert not (tmp_path / "maps").exists()


def test_a_script_runs_from_the_command_line(root, tmp_path):
    command = [zygote.python(), "-m", "examples.make_inputs", str(tmp_path / "d"), "--side", "64"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    there = {p.relative_to(tmp_path / "d").as_posix() for p in (tmp_path / "d").rglob("*") if p.is_file()}
    assert {"photo.png", "features.npy", "depth.npy", "shards/train-000.tar", "clip.mp4"} <= there
    assert np.load(tmp_path / "d" / "features.npy").shape == (make_inputs.CHANNELS, 4, 4)
