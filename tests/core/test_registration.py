"""How a signal lies on its guide is told from what the guide explains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks import families
from benchmarks.scenes import fitted_to
from gsjbu.core import blur, corners, registration, shift, trust
from gsjbu.core.grid import Grid
from gsjbu.core.registration import Movable, moved_as, registered
from gsjbu.core.trust import Explained, trust_of
from gsjbu.samples import SAMPLES
from tests.quarters import quarter


def of(scene, signal=None, recipe="measured"):
    signal = scene.signal if signal is None else signal
    return registered(signal, recipe, scene.image, scene.grid, scene.grid.cell_means(scene.image), None, False)


def test_a_body_on_even_ground_is_not_taken_for_moved() -> None:
    """It has an edge at its top and none at its foot. Signals that were moved are still told."""
    for scene in families._quantity(families.nearness, 8):
        lr_guide = scene.grid.cell_means(scene.image)
        assert shift.found(scene.signal, scene.image, scene.grid) is not None
        assert moved_as(Explained(scene.signal, lr_guide), Movable(scene.image, scene.grid)) is None
    scene = quarter("paper", "depth", 8)
    image = shift.moved(scene.image, 6, -5)
    torch.testing.assert_close(image[:, :-5, 6:], scene.image[:, 5:, :-6])
    found = moved_as(Explained(scene.signal, scene.grid.cell_means(image)), Movable(image, scene.grid))
    assert found is not None and abs(found.across + 6) <= 2 and abs(found.down - 5) <= 2


@pytest.mark.parametrize(("kind", "recipe"), [("depth", "measured"), ("labels", "shares")])
def test_a_signal_as_it_should_be_is_left_alone(kind, recipe) -> None:
    scene = quarter("paper", kind, 8)
    found = of(scene, recipe=recipe)
    assert found.signal is scene.signal and found.recipe == recipe
    assert (found.blur, found.moved, found.on_corners) == (None, None, False)
    assert found.laid(scene.grid) is None and not any(found.sentences)
    if kind == "depth":
        assert found.trust == trust_of(Explained(scene.signal, scene.grid.cell_means(scene.image)))


def test_what_was_done_to_a_signal_is_told_and_the_guide_laid_there() -> None:
    scene = quarter("paper", "depth", 8)
    fine = scene.image
    soft = of(scene, blur.blurred(scene.signal, "1 2 1"))
    assert soft.blur == "1 2 1" and soft.laid(scene.grid) is None and len([s for s in soft.sentences if s]) == 1
    assert (
        not torch.equal(soft.signal, scene.signal)
        and (soft.signal - scene.signal).abs().mean()
        < 0.3 * (blur.blurred(scene.signal, "1 2 1") - scene.signal).abs().mean()
    )
    # the signal of the image moved 4 px, half a cell, is that of samples at the cells' first pixels
    truth = torch.from_numpy(scene.truth)[None].float()
    half = of(scene, scene.grid.cell_means(shift.moved(truth, 4, 4)))
    assert half.moved is not None and half.moved.pixels == (4, 4)
    laid = half.laid(scene.grid)
    assert laid is not None and torch.equal(laid(fine), shift.moved(fine, 4, 4))
    stretched = of(scene, scene.grid.cell_means(corners.onto_corners(truth, scene.grid)).float())
    assert stretched.on_corners and stretched.moved is None
    laid = stretched.laid(scene.grid)
    assert laid is not None and torch.equal(laid(fine), corners.onto_corners(fine, scene.grid))


def test_corners_are_not_believed_where_the_guide_laid_there_explains_less(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = quarter("paper", "depth", 8)
    monkeypatch.setattr(corners, "found", lambda *_: True)
    assert not of(scene).on_corners
    stretched = corners.off_corners(scene.image, scene.grid)  # what lies on its corners is the signal's own place
    movable = Movable(stretched, scene.grid)
    explained = Explained(scene.signal, scene.grid.cell_means(stretched))
    assert registration._as_much_on_corners(explained, movable)


def test_blurred_shares_become_those_of_cells_again() -> None:
    scene = quarter("paper", "labels", 8)
    found = of(scene, blur.blurred(scene.signal, "1 2 1"), "soft")
    assert (found.blur, found.recipe) == ("1 2 1", "shares")


def test_no_blur_is_undone_of_what_is_not_as_smooth_as_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = quarter("paper", "depth", 8)
    soft = blur.blurred(scene.signal, "1 2 1")
    surely = Explained(soft, scene.grid.cell_means(scene.image))
    assert trust.is_smoother(surely, registration.SMEARED) and of(scene, soft).blur == "1 2 1"
    monkeypatch.setattr(registration, "SMEARED", 10.0)
    assert of(scene, soft).blur is None
    weak = blur.blurred(scene.signal, "1 4 1")  # which is asked for less
    assert of(scene, weak).blur == "1 4 1"
    monkeypatch.setattr(registration, "LITTLE_SMEARED", 10.0)
    assert of(scene, weak).blur is None


def test_gaps_forbid_to_ask_for_a_blur() -> None:
    scene = quarter("paper", "depth", 8)
    known = torch.ones(scene.signal.shape[1:], dtype=torch.bool)
    known[0, 0] = False
    lr_guide = scene.grid.cell_means(scene.image)
    soft = blur.blurred(scene.signal, "1 2 1")
    assert registered(soft, "measured", scene.image, scene.grid, lr_guide, known, False).blur is None


@pytest.mark.parametrize("stride", [4, 6])
def test_ground_with_another_scenes_image_is_not_taken_for_blurred(stride) -> None:
    """Both rise evenly, so that the other image explains a little of it, and softened a little more."""
    scenes = list(families._quantity(families.nearness, stride))
    for scene, other in zip(scenes, scenes[1:] + scenes[:1], strict=True):
        image = fitted_to(other.image, scene)
        lr_guide = scene.grid.cell_means(image)
        found = registered(scene.signal, "measured", image, scene.grid, lr_guide, None, False)
        assert found.blur is None and found.signal is scene.signal


@pytest.mark.parametrize(("seed", "sigma", "stride"), [(0, 30, 16), (1, 25, 16), (2, 40, 32), (0, 60, 32)])
def test_what_is_smooth_by_itself_is_not_taken_for_blurred(seed, sigma, stride) -> None:
    """Fields that have nothing to do with the image; undone, they had three to six times bilinear's error."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((512, 512)), sigma) * 300
    image, grid = SAMPLES["paper"].image, Grid.from_stride(512, 512, stride)
    signal = grid.cell_means(torch.from_numpy(field)[None]).float()
    found = registered(signal, "measured", image, grid, grid.cell_means(image), None, False)
    assert found.blur is None and found.signal is signal


def test_half_a_cell_is_chance_where_other_directions_explain_as_much() -> None:
    scenes = list(families._labels(families.ground, 16))
    for scene, other in zip(scenes, scenes[1:] + scenes[:1], strict=True):
        image = fitted_to(other.image, scene)
        lr_guide = scene.grid.cell_means(image)
        found = registered(scene.signal, "shares", image, scene.grid, lr_guide, None, False)
        assert found.moved is None or not found.moved.of_sampling


def test_less_than_a_pixel_is_no_shift() -> None:
    scene = quarter("paper", "depth", 8)
    explained = Explained(scene.signal, scene.grid.cell_means(scene.image))
    likely = shift.Shift(0.4, -1.0, sure=True)
    assert registration._exactly(likely, scene.grid, lambda at: -abs(at.across) - abs(at.down)) is None
    found = registration._exactly(likely, scene.grid, lambda at: -abs(at.across - 1) - abs(at.down + 2))
    assert found is not None and found.pixels != (0, 0)
    assert moved_as(explained, Movable(scene.image, scene.grid)) is None


def test_of_few_cells_more_is_chance_and_of_scores_logarithms_are_asked_too(monkeypatch) -> None:
    scene = quarter("paper", "labels", 16)
    explained = Explained(scene.signal, scene.grid.cell_means(scene.image))
    assert registration._beyond_chance(explained, 0.08) == registration.BY_CHANCE / 16
    assert registration._beyond_chance(explained, 0.5) == 0.5
    asked = []
    monkeypatch.setattr(registration, "moved_as", lambda of, *_: asked.append(of))
    registration._place(explained, "shares", Movable(scene.image, scene.grid))
    assert asked == [explained]
    registration._place(explained, "scores", Movable(scene.image, scene.grid))
    assert asked == [explained, explained, explained.logs]


def test_ground_that_rises_evenly_is_told() -> None:
    for scene in families._quantity(families.nearness, 16):
        assert of(scene).even
    assert not of(quarter("paper", "depth", 8)).even


def smooth_field(size: int) -> torch.Tensor:
    field = gaussian_filter(np.random.default_rng(3).normal(size=(size, size)), 20, mode="wrap")
    return torch.from_numpy((field - field.min()) / np.ptp(field)).float()[None]


@pytest.mark.parametrize("shown", [False, True])
def test_a_smooth_quantity_is_told_and_no_blur_is_undone(shown) -> None:
    field = smooth_field(256)
    texture = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(0))
    image = 0.3 * texture + 0.5 * field if shown else texture
    grid = Grid.from_stride(256, 256, 8)
    found = registered(grid.cell_means(field), "measured", image, grid, grid.cell_means(image), None, roughly=False)
    assert found.smoother and found.blur is None and found.moved is None
    scene = quarter("paper", "depth", 8)
    assert not of(scene).smoother


def test_an_edge_as_soft_as_a_cell_or_two_of_few_pixels_is_no_blur() -> None:
    """A soft shadow: at ×2 nobody can tell the scene's own softness from that of a resized signal; at ×8 one can."""
    scene = quarter("paper", "depth", 8)
    blurred = Explained(blur.blurred(scene.signal, "1 2 1"), scene.grid.cell_means(scene.image))
    assert registration.blur_of(blurred, shares=False, softest=registration.SOFTEST / 8) == "1 2 1"
    assert registration.blur_of(blurred, shares=False, softest=registration.SOFTEST / 2) is None
