"""A signal that was sampled with align_corners is told, stretched to, and brought back onto the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import gsjbu
from gsjbu.core import corners, shift
from gsjbu.core.graph import Rendering
from gsjbu.core.grid import Grid
from gsjbu.core.tto import standardised
from gsjbu.errors import KernelFileError
from tests.core.test_shift import COLS, GRID, ROWS, SCENE, S, means, photo


@pytest.mark.parametrize(("pixels", "cells"), [(288, 36), (97, 13), (40, 40), (33, 1), (1, 1), (7, 2)])
def test_a_signal_on_the_corners_lies_where_torch_puts_it(pixels, cells) -> None:
    """The oracle: a ramp that F.interpolate spreads over the image with align_corners."""
    grid = Grid.from_sizes(pixels, pixels, cells, cells)
    ramp = torch.arange(cells, dtype=torch.float64)[None, None, None]
    if cells > 1:
        placed = F.interpolate(ramp, size=(1, pixels), mode="bilinear", align_corners=True)[0, 0, 0]
        centres = corners.corner_centres(pixels, cells)
        np.testing.assert_allclose(np.interp(centres, np.arange(pixels) + 0.5, placed), np.arange(cells), atol=1e-9)
    image = torch.arange(pixels).float().expand(1, pixels, pixels)
    back = corners.off_corners(corners.onto_corners(image, grid), grid)
    inner = slice(1, -1) if pixels > 2 else slice(None)
    assert (back - image)[:, :, inner].abs().max() <= 1 + 1e-6
    assert torch.equal(back.mT, corners.off_corners(corners.onto_corners(image.mT, grid), grid))


@pytest.mark.parametrize(("pixels", "cells"), [(240, 15), (304, 19), (97, 13), (200, 25)])
def test_a_stretch_is_the_same_from_either_side(pixels, cells) -> None:
    for places in (corners.beside_corners(pixels, cells), corners._stretch(pixels, cells)):
        outer = torch.cat([places[: pixels // 2], places[-(pixels // 2) :]])  # one in the middle has no other
        other = pixels - 1 - torch.cat([places.flip(0)[: pixels // 2], places.flip(0)[-(pixels // 2) :]])
        assert torch.equal(outer, other)


def on_corners(scene: np.ndarray) -> torch.Tensor:
    """Means over windows of a cell's size about centres that reach from the first pixel to the last, cut at the rim."""
    sums = np.pad(scene.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    spans = [
        np.clip(np.rint(np.linspace(0.5, n - 0.5, k) - S / 2).astype(int)[None] + [[0], [S]], 0, n)
        for n, k in zip(scene.shape, (ROWS, COLS), strict=True)
    ]
    (top, bottom), (left, right) = spans
    whole = (bottom - top)[:, None] * (right - left)
    total = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    return torch.from_numpy(total / whole).float()[None]


def of_classes(sample) -> np.ndarray:
    """Shares of three classes, as ``sample`` takes them off a scene, about 0 and of spread 1."""
    return standardised(torch.cat([sample((k == SCENE % 3).astype(float)) for k in range(3)]))[0].numpy()


def test_it_is_told_of_depth_and_of_class_shares() -> None:
    image = photo(SCENE)
    for values in (standardised(on_corners(SCENE))[0].numpy(), of_classes(on_corners)):
        assert corners.found(values, image, GRID)
        known = torch.rand(ROWS, COLS, generator=torch.Generator().manual_seed(0)) < 0.8
        holes = np.where(known.numpy(), values, 0)
        assert corners.found(holes, image, GRID, known)


@pytest.mark.parametrize(("across", "down"), [(0, 0), (4, 4), (-2, 3), (0, 4)])
def test_it_is_not_told_of_signals_that_lie_right_or_off_by_a_shift(across, down) -> None:
    image = shift.moved(photo(SCENE), across, down)
    for values in (standardised(means(SCENE))[0].numpy(), of_classes(means)):
        assert not corners.found(values, image, GRID)


def test_it_is_not_told_of_other_images_or_small_grids() -> None:
    assert not corners.found(of_classes(on_corners), photo(SCENE[::-1, ::-1]), GRID)
    few = Grid.from_sizes(S * ROWS, S * COLS, 11, 14)
    assert not corners.found(np.zeros((1, 11, 14), np.float32), photo(SCENE), few)


def test_of_a_large_grid_some_cells_are_asked(monkeypatch) -> None:
    monkeypatch.setattr(corners, "MOST", 20)
    values = of_classes(on_corners)
    assert corners.found(values, photo(SCENE), GRID)
    assert not corners.found(of_classes(means), photo(SCENE), GRID)


def test_auto_follows_a_signal_on_the_corners_and_brings_the_result_onto_the_image(tmp_path) -> None:
    truth, image, signal = torch.from_numpy(SCENE).float(), photo(SCENE), on_corners(SCENE)
    kernel = gsjbu.fit(image, grid=GRID, objective="auto", signal=signal, kind="depth", iters=10)
    assert kernel.corners and any("align_corners" in note for note in kernel.notes)
    assert not gsjbu.fit(image, grid=GRID, objective="auto", signal=means(SCENE), kind="depth", iters=10).corners
    high = kernel.render(signal)
    plain = gsjbu.fit(image, grid=GRID, objective="signal", signal=signal, iters=20).render(signal)

    def rmse(x: torch.Tensor) -> float:
        return float((x[0] - truth).square().mean().sqrt())

    assert rmse(high) < 0.7 * rmse(plain)
    kernel.save(tmp_path / "k")
    again = gsjbu.load(tmp_path / "k")
    assert again.corners and torch.equal(again.render(signal), high)
    mixed = replace(kernel, blend=None, refinement=None, denoised=None)
    torch.testing.assert_close(Rendering(mixed)(signal), mixed.render(signal), atol=1e-4, rtol=0)
    wanted = mixed.render(signal)[0]
    for x, y in ((0, 0), (S * COLS - 1, 17), (100, S * ROWS - 1)):
        window = mixed.weights_at(x, y)
        assert (window.x, window.y) == (x, y)
        assert float((window.weights * signal[0, window.qy, window.qx].numpy()).sum()) == pytest.approx(
            float(wanted[y, x]), abs=1e-3
        )
    xs, ys = kernel.centres()
    np.testing.assert_allclose((xs[0], xs[-1], ys[0], ys[-1]), (0.5, S * COLS - 0.5, 0.5, S * ROWS - 0.5))
    replace(kernel, corners="yes").save(tmp_path / "k")  # type: ignore[arg-type]
    with pytest.raises(KernelFileError, match="corners"):
        gsjbu.load(tmp_path / "k")


def test_cells_that_are_not_asked_for_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whole cells those that are predicted and their neighbours tell as much, to the bit, as all of them."""
    monkeypatch.setattr(corners, "MOST", 7)
    guide, values = photo(SCENE), standardised(means(SCENE))[0].numpy()
    monkeypatch.setattr(corners, "MORE", -9.0)  # all ways to lay it are asked
    monkeypatch.setattr(corners, "APART", -9.0)
    asked, error, seen = corners._asked, corners._error, []
    monkeypatch.setattr(corners, "_error", lambda *given: seen.append(error(*given)) or seen[-1])
    corners.found(values, guide, GRID)
    some, seen[:] = list(seen), []
    # Of a step that cuts pixels all are looked at.
    monkeypatch.setattr(corners, "_asked", lambda pixels, cells, step: asked(pixels, cells, step + 0.5))
    corners.found(values, guide, GRID)
    assert len(some) >= 4
    assert some == seen
