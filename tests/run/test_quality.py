"""The quality benchmark measures what it says: the protocol, the scenes, the verdict, the files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks import probe, quality
from benchmarks.gallery import Gallery
from benchmarks.methods import METHODS
from benchmarks.quality import ROWS, Figures, mean_iou, verdict
from benchmarks.scenes import IGNORE, Row, Scene, cell_means, depth_scene, fitted_to, label_scene, noisy
from gsjbu.core.grid import Grid
from gsjbu.samples import SAMPLES
from tests.oracle_cases import one_torch_thread

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here


def row_named(name: str) -> Row:
    return next(r for r in ROWS if r.name == name)


# Measured by independent prototypes before this code was written.
KNOWN = [
    ("depth ×8", "bilinear", 9.73),
    ("depth ×8", "bicubic", 9.10),
    ("depth ×8", "joint bilateral upsampling", 8.56),
    ("depth ×8", "signal", 7.00),
    ("depth ×16", "bilinear", 13.49),
    ("depth ×16", "bicubic", 12.72),
    ("DAVIS ×16", "bilinear", 98.51),
    ("DAVIS ×16", "bicubic", 98.70),
    ("Cityscapes output ×8", "bilinear", 52.84),
    ("CamVid output ×24", "bilinear", 51.73),
    ("CamVid output ×24", "bicubic", 52.19),
]


@pytest.mark.parametrize(("name", "method", "figure"), KNOWN)
def test_the_protocol_gives_the_known_figures(data_dir, name, method, figure) -> None:
    row = row_named(name)
    if row.missing:
        pytest.skip(row.missing)
    found = quality.measure(row, "", [method], 1, None)[method]
    assert found.overall[0] == pytest.approx(figure, abs=0.02)


TARGETS = [("depth ×16", 9.05), ("DAVIS ×16", 99.0), ("COCO-Stuff ×16", 88.0), ("Cityscapes ×16", 67.0)]


@pytest.mark.parametrize(("name", "target"), TARGETS)
def test_auto_reaches_its_target(data_dir, name, target) -> None:
    row = row_named(name)
    if row.missing:
        pytest.skip(row.missing)
    figures = quality.measure(row, "", ["bilinear", "bicubic", "auto"], 1, None)
    assert verdict(row, "", figures) == []
    value = figures["auto"].overall[0]
    assert value <= target if row.kind == "depth" else value >= target


def test_cell_means_leave_out_what_is_not_valid() -> None:
    x = np.array([[[1.0, 2.0, 9.0, 9.0], [3.0, 9.0, 9.0, 9.0]]])
    valid = np.array([[True, True, False, False], [True, False, False, False]])
    # The second cell knows nothing: the others' mean.
    assert cell_means(x, valid, 2).flatten().tolist() == [2.0, 2.0]


def test_scenes_are_cropped_scaled_and_masked() -> None:
    depth = np.linspace(5, 15, 11 * 13).reshape(11, 13)
    depth[0, 0] = np.nan
    scene = depth_scene("d", torch.rand(3, 11, 13), depth, 4)
    assert scene.truth.shape == (8, 12) and scene.signal.shape == (1, 2, 3) and not scene.valid[0, 0]
    assert scene.truth[scene.valid].min() == 0 and scene.truth[scene.valid].max() == 255
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 4:], labels[0, 0] = 7, IGNORE
    scene = label_scene("l", torch.rand(3, 8, 8), labels, 4)
    assert scene.classes is not None and scene.classes.tolist() == [0, 7]
    assert scene.signal[0].tolist() == [[1, 0], [1, 0]]  # the pixel without a class does not count
    assert scene.band[4].all() and not scene.band[0, 0]


def test_bands_lie_along_edges_only() -> None:
    depth = np.zeros((40, 40))
    depth[:, 20:] = 100
    depth[0, 0] = 255  # the scale's other end
    scene = depth_scene("d", torch.rand(3, 40, 40), depth, 8)
    # 19, the edge's pixel, and 5 either way.
    assert scene.band[30].nonzero()[0].tolist() == list(range(14, 25))


def test_noise_is_the_same_draw_every_time_and_as_large_as_said() -> None:
    image = torch.full((3, 64, 64), 0.5)
    assert torch.equal(noisy(image, "gauss"), noisy(image, "gauss"))
    assert float((noisy(image, "gauss") - image).std()) == pytest.approx(0.1, rel=0.05)
    changed = (noisy(image, "salt20") != image).all(0)
    assert float(changed.float().mean()) == pytest.approx(0.2, rel=0.1)
    assert fitted_to(torch.rand(3, 9, 7), label_scene("l", image, np.eye(64), 8)).shape == (3, 64, 64)


def figures_of(scene: Scene, *results: torch.Tensor) -> dict[str, Figures]:
    named = {}
    for name, result in zip(("bilinear", "bicubic", "auto"), results, strict=True):
        named[name] = Figures()
        named[name].add(scene, result, 0.0)
    return named


def test_the_verdict_finds_a_loss() -> None:
    truth = np.zeros((16, 16))
    truth[:, 8:] = 255
    scene = depth_scene("d", torch.rand(3, 16, 16), truth, 4)
    good, bad = torch.from_numpy(truth).float()[None] + 10, torch.from_numpy(truth).float()[None] + 12
    row = Row("r", "depth", lambda: iter([scene]), None)
    assert verdict(row, "", figures_of(scene, bad, bad, good)) == []
    assert len(verdict(row, "", figures_of(scene, good, bad, bad))) == 2  # the row, and the scene
    assert len(verdict(row, "", figures_of(scene, bad, good, bad))) == 2  # the better of both counts
    rival = Figures()
    rival.add(scene, good, 0.0)
    beaten = figures_of(scene, bad, bad, bad)
    assert len(verdict(row, "", {**beaten, "graph": rival})) == 1  # over the row any method that is not ours
    assert verdict(row, "", {**beaten, "signal": rival}) == []
    assert len(verdict(row, "other", figures_of(scene, good, bad, bad))) == 1
    assert verdict(row, "other", figures_of(scene, bad, good, bad)) == []  # an unrelated guide: bilinear only


def test_mean_iou() -> None:
    assert mean_iou(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])) == pytest.approx(100 * (3 / 4 + 4 / 5) / 2)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_is_a_linear_map_of_features_to_the_images_size(name) -> None:
    if any(word in name for word in ("filter", "smoother", "domain")):
        pytest.importorskip("cv2.ximgproc", reason="opencv-contrib-python-headless is not installed")
    features = torch.randn(9, 8, 8, generator=torch.Generator().manual_seed(0))
    up = METHODS[name](SAMPLES["paper"].image[:, :64, :64], features, Grid.from_stride(64, 64, 8), 1)
    one = up(features)
    assert one.shape == (9, 64, 64)
    torch.testing.assert_close(up(3 * features), 3 * one, atol=1e-4, rtol=1e-3)


def test_the_probe_finds_a_linear_relation_and_is_scored_on_unseen_images() -> None:
    draw = torch.Generator().manual_seed(0)
    scenes = []
    for _ in range(6):
        labels = torch.randint(0, probe.CLASSES, (4, 4), generator=draw)
        features = torch.nn.functional.one_hot(labels, probe.CLASSES).permute(2, 0, 1).float()
        high = labels.repeat_interleave(8, 0).repeat_interleave(8, 1).numpy()
        scenes.append((torch.rand(3, 32, 32, generator=draw), features, high))
    assert probe.measure(METHODS["nearest"], scenes, 1) == (100.0, 100.0)
    assert max(probe.measure(METHODS["bilinear"], scenes, 1)) < 100
    shuffled = [(image, features.flip(1), labels) for image, features, labels in scenes]
    assert max(probe.measure(METHODS["nearest"], shuffled, 1)) < 50


def test_the_command_measures_writes_and_answers(tmp_path, capsys) -> None:
    methods = "nearest,bilinear,bicubic,auto"
    status = quality.main(
        ["--rows", "built-in labels ×16", "--methods", methods, "--no-noise", "--threads", "1", "--out", str(tmp_path)]
    )
    printed = capsys.readouterr().out
    assert status == 0 and "| built-in labels ×16 |" in printed and "nowhere" in printed
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {f["method"] for f in figures} == set(methods.split(",")) and len(figures[0]["scenes"]) == len(SAMPLES)
    assert (tmp_path / "gallery.html").read_text().count("<img") == 2 + 4
    assert (tmp_path / "table.md").read_text().strip() in printed


def test_rows_without_data_are_skipped_with_a_reason(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.scenes.DATA", tmp_path)
    monkeypatch.setattr("benchmarks.probe.DATA", tmp_path)
    assert all((row.missing is None) == (row.needs is None) for row in ROWS)
    assert quality.main(["--rows", "DAVIS", "--no-noise", "--out", str(tmp_path)]) == 0
    assert "skipped: no seg/davis_* in ../shared/data" in capsys.readouterr().out
    assert probe.missing() is not None


def test_a_gallery_shows_the_busiest_crop(tmp_path) -> None:
    labels = np.zeros((400, 400), np.int64)
    labels[300:340, 320:360] = 1
    scene = label_scene("l", torch.rand(3, 400, 400), labels, 8)
    gallery = Gallery()
    gallery.add("a row", scene, {"bilinear": torch.zeros(2, 400, 400)})
    gallery.write(tmp_path / "gallery.html")
    text = (tmp_path / "gallery.html").read_text()
    assert "a row · l" in text and text.count("<img") == 3
