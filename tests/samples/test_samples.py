"""Built-in scenes: smooth pictures whose labels and depth are exact, drawn quickly and always the same."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from gsjbu import samples
from gsjbu.run import metrics
from gsjbu.samples import SAMPLES
from gsjbu.samples.canvas import Canvas

NAMES = list(SAMPLES)


def test_there_are_at_least_four():
    assert len(SAMPLES) >= 4 and len(set(NAMES)) == len(SAMPLES)
    with pytest.raises(KeyError):
        SAMPLES["photo"]


def test_about_draws_nothing(monkeypatch):
    monkeypatch.setattr(samples, "frame", lambda *a: pytest.fail("drawn"))
    assert [a["name"] for a in SAMPLES.about()] == NAMES
    assert all(a["title"] and a["sentence"].endswith(".") and a["width"] == 512 for a in SAMPLES.about())


@pytest.mark.parametrize("name", NAMES)
def test_shapes_ranges_and_classes(name):
    s = SAMPLES[name]
    assert s.image.shape == (3, 512, 512) and s.image.dtype == torch.float32
    assert float(s.image.min()) >= 0 and float(s.image.max()) <= 1 and float(s.image.std()) > 0.1
    assert s.labels.shape == s.depth.shape == (512, 512)
    assert s.labels.dtype == torch.int64 and s.depth.dtype == torch.float32
    assert s.labels.unique().tolist() == list(range(len(s.label_names)))  # every class is really there
    assert torch.isfinite(s.depth).all() and float(s.depth.min()) > 0 and float(s.depth.std()) > 0.01
    assert SAMPLES[name] is s  # drawn once


@pytest.mark.parametrize("name", NAMES)
def test_the_same_every_time(name):
    a, b = samples.frame(name, 0.0), SAMPLES[name]
    assert torch.equal(a.image, b.image) and torch.equal(a.labels, b.labels) and torch.equal(a.depth, b.depth)


@pytest.mark.parametrize("name", NAMES)
def test_class_boundaries_lie_on_edges_of_the_picture(name):
    s = SAMPLES[name]
    assert metrics.edge_alignment(s.labels, s.image) > 4
    shifted = torch.roll(s.labels, (9, 7), (0, 1))
    assert metrics.edge_alignment(shifted, s.image) < metrics.edge_alignment(s.labels, s.image) / 2


@pytest.mark.parametrize("name", NAMES)
def test_frames_move_and_come_round(name):
    still, moved, round_again = (samples.frame(name, t) for t in (0.0, 0.25, 1.0))
    assert not torch.equal(still.image, moved.image)
    assert float((still.image - moved.image).abs().mean()) < 0.2
    assert float((still.image - round_again.image).abs().max()) < 0.35  # a sample may fall on the other side
    assert float((still.image - round_again.image).abs().mean()) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_drawn_quickly(name):
    samples.frame(name, 0.1)
    times = []
    for _ in range(3):
        start = time.process_time()  # not by the clock: neighbours keep the cores busy
        samples.frame(name, 0.1)
        times.append(time.process_time() - start)
    assert min(times) < 1.0  # 0.1–0.3 s measured


def test_edges_are_smooth_and_labels_are_exact_at_pixel_centres():
    """A disc on black, by hand: its area in the picture, in-between values only on its rim, its class by distance."""
    canvas = Canvas(("ground", "disc"))
    w = canvas.window()
    canvas.paint(w, (w.x - 200.3) ** 2 + (w.y - 150.7) ** 2 < 60**2, (1.0, 1.0, 1.0), "disc", 2.0)
    image, labels, depth = canvas.finish()
    at = torch.arange(512) + 0.5
    r = torch.sqrt((at[None] - 200.3) ** 2 + (at[:, None] - 150.7) ** 2)
    assert float(image[0].sum()) == pytest.approx(np.pi * 60**2, rel=1e-3)
    between = (image[0] > 0.05) & (image[0] < 0.95)
    assert int(between.sum()) > 300 and float((r[between] - 60).abs().max()) < 0.75
    assert torch.equal(labels, (r < 60).long()) and torch.equal(depth, 2.0 * labels)


def test_the_two_depth_planes_of_a_known_ball():
    """The white ball: centre at z = 6.9 m, radius 1.05 m, seen from (0, 1.5, 0): nearest point by hand."""
    s = SAMPLES["spheres"]
    nearest = float(s.depth[s.labels == s.label_names.index("white ball")].min())
    assert nearest == pytest.approx(6.9 - 1.05, abs=0.02)
