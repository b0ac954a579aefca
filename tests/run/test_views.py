"""Signals shown every way: classes, labels reduced to the grid, and panels that suit the kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

import gsjbu
from benchmarks.maps import cells
from gsjbu.core import interpolation
from gsjbu.core.grid import Grid
from gsjbu.core.strongest import BLOCK
from gsjbu.errors import ModelError
from gsjbu.io import signals
from gsjbu.io.signals import understand
from gsjbu.models import segmentation
from gsjbu.run import views
from gsjbu.settings import Settings
from tests.oracle_cases import one_torch_thread

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here

CPU = torch.device("cpu")


def draw(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape) + shape[0]))


def test_labels_at_the_size_of_the_run_are_those_under_the_pixels_centres(sample):
    whole = Grid.from_stride(512, 512, 16)
    assert torch.equal(views._labels_at(sample, whole), sample.labels)
    quarter = views._labels_at(sample, Grid.from_stride(128, 128, 16))
    assert torch.equal(quarter, sample.labels[2::4, 2::4])


def test_a_class_map_becomes_the_class_at_each_cells_centre():
    labels = torch.tensor([[0, 0, 1, 1], [0, 2, 1, 1], [2, 2, 2, 0], [2, 2, 0, 0]])
    scores = one_hot(labels, 3).permute(2, 0, 1).float()
    on_grid = views._onto_grid(scores, Grid.from_stride(4, 4, 2), "classes")
    assert on_grid.argmax(dim=0).tolist() == [[2, 1], [2, 0]]
    assert on_grid.sum(dim=0).unique().tolist() == [1.0]


def test_probabilities_become_the_mean_over_each_cell():
    scores = torch.tensor([[[0.0, 1.0, 0.5, 0.5], [1.0, 0.0, 0.5, 0.5]]])
    on_grid = views._onto_grid(torch.cat([scores, 1 - scores]), Grid.from_stride(2, 4, 2), "probabilities")
    assert on_grid.tolist() == [[[0.5, 0.5]], [[0.5, 0.5]]]


@pytest.mark.parametrize("size", [(3, 5), (40, 60), (7, 100)])
def test_a_models_output_of_any_size_comes_to_the_grid(size):
    scores = draw(4, *size)
    on_grid = views._onto_grid(scores / scores.sum(0), Grid.from_sizes(60, 90, 6, 9), "probabilities")
    assert on_grid.shape == (4, 6, 9)
    assert (on_grid.sum(0) - 1).abs().max() < 1e-5


def asked(**given) -> Settings:
    return replace(Settings(), **given)


def test_segmentation_off_and_labels_without_a_scene():
    guide, grid = draw(3, 32, 32), Grid.from_stride(32, 32, 8)
    off = views.segmentation(guide, grid, asked(segmentation="off"), None, CPU, print)
    assert (off.scores_lr, off.status) == (None, "Off.")
    none = views.segmentation(guide, grid, asked(segmentation="labels"), None, CPU, print)
    assert none.scores_lr is None
    assert "built-in scenes only" in none.status


def test_exact_labels_are_said_to_be_no_model(sample):
    grid = Grid.from_stride(512, 512, 32)
    found = views.segmentation(sample.image, grid, asked(segmentation="labels"), sample, CPU, print)
    assert "not a model" in found.status
    assert found.exact is not None
    assert torch.equal(found.exact, sample.labels)
    assert found.scores_lr is not None
    assert torch.equal(found.scores_lr.argmax(0), sample.labels[16::32, 16::32])


def test_a_model_that_cannot_be_had_is_a_sentence_not_a_failure(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise ModelError("model_missing", "The model is not here; fetch it once with a network.")

    monkeypatch.setattr(segmentation, "segment", refuse)
    guide, grid = draw(3, 32, 32), Grid.from_stride(32, 32, 8)
    found = views.segmentation(guide, grid, asked(segmentation="some/model"), None, CPU, print)
    assert (found.scores_lr, found.status) == (None, "The model is not here; fetch it once with a network.")


def test_scores_against_exact_labels(sample):
    """Perfect labels score 1, and a way that answers class 0 everywhere is as bad as it should be."""
    grid = Grid.from_stride(512, 512, 16)
    found = views.segmentation(sample.image, grid, asked(segmentation="labels"), sample, CPU, print)
    count = len(sample.label_names)
    truth = one_hot(sample.labels, count).permute(2, 0, 1).float()
    nothing = torch.zeros(count, 512, 512)
    nothing[0] = 1

    def whole(answer: torch.Tensor):
        place = iter(range(0, count, BLOCK))
        return lambda _: answer[(first := next(place)) : first + BLOCK]

    shown, numbers = views.classes(found, sample.image, {"bilinear": whole(nothing), "gsjbu": whole(truth)})
    assert [p.name for p in shown] == ["seg_lr", "seg_bilinear", "seg_gsjbu"]
    assert numbers["gsjbu"]["miou"] == pytest.approx(1)
    assert numbers["gsjbu"]["boundary_f"] == pytest.approx(1)
    assert numbers["bilinear"]["miou"] < 0.5
    assert numbers["changed"] == pytest.approx(float((sample.labels != 0).float().mean()))


def test_one_projection_for_all_feature_panels():
    grid = Grid.from_stride(24, 32, 8)
    shown = views.features(draw(20, 3, 4), {"bilinear": lambda x: interpolation.bilinear(x, grid)}, (24, 32))
    assert [p.name for p in shown if p.group == "features"] == ["features_lr", "features_bilinear"]
    # projecting and mixing commute: the HR panel is the rendering of the LR panel's coordinates
    assert (interpolation.bilinear(shown[0].values, grid) - shown[1].values).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("kind", "array", "panels"),
    [
        ("depth", np.linspace(0, 5, 12).reshape(3, 4), "signal_lr signal_bilinear"),
        ("labels", np.arange(12).reshape(3, 4) % 3, "signal_lr signal_bilinear"),
        ("probabilities", np.full((2, 3, 4), 0.5),
         "signal_lr signal_bilinear signal_confidence_lr signal_confidence_bilinear"),
        ("features", np.random.default_rng(0).normal(size=(7, 3, 4)), "signal_lr signal_bilinear"),
    ],
)  # fmt: skip
def test_every_kind_of_signal_has_its_panels(kind, array, panels):
    array = array if kind == "labels" else array.astype(np.float32)
    grid = Grid.from_stride(24, 32, 8)
    shown, found = views.signal(
        understand(array, kind=kind), {"bilinear": lambda x: interpolation.bilinear(x, grid)}, grid
    )
    assert list(found["bilinear"]) == ["agrees"], "there is no truth to measure against"
    assert [p.name for p in shown] == panels.split()
    assert {p.group for p in shown} == {"signal"}
    assert all(p.values.shape[1:] == ((3, 4) if p.name.endswith("lr") else (24, 32)) for p in shown)
    assert (shown[0].bar is not None) == (kind == "depth")
    assert (shown[0].legend is not None) == (kind in ("labels", "probabilities"))


def test_classes_that_share_channels_have_the_panels_of_a_channel_each(monkeypatch):
    ids = cells(32, 48, 300) * 3
    grid = Grid.from_stride(128, 192, 4)
    kernel = gsjbu.fit(draw(3, 128, 192), lr_size=(32, 48), iters=0, radius=4)
    ways = {"bilinear": lambda x: interpolation.bilinear(x, grid), "gsjbu": kernel.render}
    shared, figures = views.signal(understand(ids), ways, grid, reach=4)
    monkeypatch.setattr(signals, "OWN_CHANNEL", 1000)
    own, known = views.signal(understand(ids), ways, grid)
    for one, other in zip(shared, own, strict=True):
        assert torch.equal(one.values, other.values) and one.legend == other.legend
    assert figures["gsjbu"]["agrees"] == pytest.approx(known["gsjbu"]["agrees"])


def test_the_notes_name_the_steps_and_the_losses():
    image = draw(3, 32, 32)
    kernel = gsjbu.fit(image, stride=8, iters=3, threads=1)
    text = views.notes(kernel, asked(iters=3))["fit"]
    assert "3 steps" in text
    assert f"{kernel.losses[0]:.4g} → {kernel.losses[-1]:.4g}" in text
    assert "fixed kernel" in views.notes(gsjbu.fit(image, stride=8, iters=0), asked(iters=0))["fit"]


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_few_channels_are_told_themselves_and_many_by_their_directions(channels):
    values = draw(channels, 3, 4).numpy() * 10
    grid = Grid.from_stride(24, 32, 8)
    shown, _ = views.signal(
        understand(values, kind="features", layout="chw"), {"bilinear": lambda x: interpolation.bilinear(x, grid)}, grid
    )
    assert [(len(p.values), p.unit) for p in shown] == 2 * [(channels, "") if channels < 5 else (3, "PCA")]
    if channels < 5:
        assert shown[0].values.numpy() == pytest.approx(values)
        assert (shown[1].values - interpolation.bilinear(torch.from_numpy(values), grid)).abs().max() < 1e-5
