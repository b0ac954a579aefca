"""A constant shift between signal and guide is found, by its size and way, and no other is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

import gsjbu
from gsjbu.core import shift
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import bilinear

S, ROWS, COLS = 8, 36, 44
Y, X = np.mgrid[: S * ROWS, : S * COLS]
GRID = Grid.from_sizes(S * ROWS, S * COLS, ROWS, COLS)
# Many discs, each of its own depth, on a plain background.
SCENE = np.zeros(X.shape)
for k, (cy, cx, r) in enumerate(np.random.default_rng(2).random((60, 3))):
    SCENE[(Y - cy * X.shape[0]) ** 2 + (X - cx * X.shape[1]) ** 2 < (12 + 20 * r) ** 2] = 1 + k % 7


def means(scene: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(scene.reshape(ROWS, S, COLS, S).mean((1, 3))).float()[None]


def photo(scene: np.ndarray) -> torch.Tensor:
    noise = np.random.default_rng(0).normal(0, 0.02, (3, *scene.shape))
    return torch.from_numpy((scene / 8 + noise).clip(0, 1)).float()


@pytest.mark.parametrize("moved", [(4, 0), (0, -4), (4, 4), (-8, 4), (3, 3)])  # right, down
def test_a_shift_is_found(moved) -> None:
    across, down = moved
    found = shift.found(means(np.roll(SCENE, (down, across), (0, 1))), photo(SCENE), GRID)
    assert found is not None and found.sure
    assert abs(found.across - across) <= S / 4 and abs(found.down - down) <= S / 4


def test_parts_of_what_is_mirrored_are_mirrored() -> None:
    """Of sizes that no four parts share evenly."""
    draw = np.random.default_rng(0)
    planes = [draw.random((29, 38)), draw.random((30, 37))]
    parts = shift._by_part(planes).reshape(shift.PARTS, shift.PARTS)
    assert parts.sum() == pytest.approx(sum(plane.sum() for plane in planes))
    for turned in (np.s_[::-1], np.s_[:, ::-1]):
        others = shift._by_part([plane[turned].copy() for plane in planes]).reshape(parts.shape)
        np.testing.assert_allclose(others[turned], parts)


@pytest.mark.parametrize("edges", [X + Y > 300, X > 170, (X // (2 * S)) % 2 == 0])
def test_what_looks_the_same_when_it_is_moved_is_not_moved(edges) -> None:
    """Along a straight edge, or by a period, every shift is as good as none but for rounding."""
    guide = torch.from_numpy(np.stack([edges, X / X.max(), Y / Y.max()])).float()
    assert shift.found(9 * means(edges.astype(float)), guide, GRID) is None


@pytest.mark.parametrize("what", ["as it is", "blurred", "another scene", "noise", "flat"])
def test_none_is_found_where_there_is_none(what) -> None:
    draw = torch.Generator().manual_seed(1)
    signal = {
        "as it is": means(SCENE),
        "blurred": torch.from_numpy(ndimage.gaussian_filter(means(SCENE).numpy(), (0, 1, 1))),
        "another scene": means(SCENE[::-1, ::-1]),
        "noise": torch.rand(1, ROWS, COLS, generator=draw),
        "flat": torch.ones(1, ROWS, COLS),
    }[what]
    found = shift.found(signal, photo(SCENE), GRID)
    assert found is None or not found.sure


def test_gaps_are_not_looked_at_and_small_grids_are_left_alone() -> None:
    known = torch.rand(ROWS, COLS, generator=torch.Generator().manual_seed(0)) < 0.8
    signal = torch.where(known, means(np.roll(SCENE, 4, 1)), torch.tensor(1e6))
    found = shift.found(signal, photo(SCENE), GRID, known)
    assert found is not None and found.sure and abs(found.across - 4) <= 2 and abs(found.down) <= 2
    few = Grid.from_sizes(64, 64, 8, 8)
    assert shift.found(torch.rand(1, 8, 8), torch.rand(3, 64, 64), few) is None


def error(high: torch.Tensor, truth: np.ndarray) -> float:
    """Away from the rim, where a shift leaves no image, and cells of the other side come in."""
    inside = (slice(S, -S), slice(S, -S))
    return float(np.sqrt(np.square(high[0].numpy() - truth)[inside].mean()))


def fitted(low: torch.Tensor, guide: torch.Tensor) -> gsjbu.Kernel:
    return gsjbu.fit(guide, signal=low, lr_size=(ROWS, COLS), objective="auto", kind="depth", threads=1)


@pytest.mark.parametrize("moved", [(4, 0), (0, 4), (4, 4)])  # right, down
def test_half_a_cell_is_moved_back(moved) -> None:
    across, down = moved
    low = means(np.roll(SCENE, (down, across), (0, 1)))
    kernel = fitted(low, photo(SCENE))
    assert kernel.offset == moved
    assert any("half a cell" in note and "moved back" in note for note in kernel.notes)
    right = error(fitted(means(SCENE), photo(SCENE)).render(means(SCENE)), SCENE)
    assert error(kernel.render(low), SCENE) < 1.4 * right < 0.5 * error(bilinear(low, GRID), SCENE)


def test_another_shift_is_two_cameras_and_the_result_lies_where_the_signal_does() -> None:
    kernel = fitted(means(SCENE), photo(np.roll(SCENE, (3, 3), (0, 1))))
    assert kernel.offset == (0, 0)
    assert any("3 px left and 3 px up" in note and "where the signal does" in note for note in kernel.notes)
    right = error(fitted(means(SCENE), photo(SCENE)).render(means(SCENE)), SCENE)
    assert error(kernel.render(means(SCENE)), SCENE) < 1.1 * right


def test_half_a_small_cell_along_one_axis_is_two_cameras() -> None:
    """A pixel of cells of two: what a depth camera beside the colour camera is off by."""
    fine = Grid.from_sizes(*SCENE.shape, SCENE.shape[0] // 2, SCENE.shape[1] // 2)
    low = fine.cell_means(torch.from_numpy(np.roll(SCENE, 1, 0)).float()[None])
    kernel = gsjbu.fit(photo(SCENE), signal=low, grid=fine, objective="auto", kind="depth", threads=1)
    assert any("1 px down" in note and "where the signal does" in note for note in kernel.notes)
    assert kernel.offset == (0, 0)


def test_a_signal_in_its_place_is_left_there() -> None:
    kernel = fitted(means(SCENE), photo(SCENE))
    assert kernel.offset == (0, 0) and not any("shift" in note for note in kernel.notes)


@pytest.mark.parametrize(("across", "down"), [(0, 0), (3, -2), (-5, 4)])
def test_moved_is_what_a_look_from_elsewhere_sees(across, down) -> None:
    x = torch.rand(2, 9, 11)
    rows = (np.arange(9) - down).clip(0, 8)
    cols = (np.arange(11) - across).clip(0, 10)
    assert torch.equal(shift.moved(x, across, down), x[:, rows][:, :, cols])


@pytest.mark.parametrize(("across", "down"), [(0, 0), (3, -2), (-8, 8), (9, 0)])
@pytest.mark.parametrize(
    "grid",
    [
        GRID,
        Grid.from_sizes(S * ROWS - 3, S * COLS - 5, ROWS, COLS),
        Grid.from_stride(225, 225, 16),  # partial last cells, though 225 pixels are 15 cells of 15
    ],
)
def test_means_of_a_moved_image_without_moving_it(across, down, grid) -> None:
    guide = torch.rand(3, grid.height, grid.width, generator=torch.Generator().manual_seed(0))
    inside = (slice(None), slice(1, -1), slice(1, -1))
    quick = shift.means_of_moved(guide, grid, across, down, roughly=True)
    right = grid.cell_means(shift.moved(guide, across, down)).float()
    assert quick.shape == right.shape
    torch.testing.assert_close(quick[inside], right[inside], atol=1e-6, rtol=0)


def test_centres_of_a_moved_kernel_lie_as_far_off() -> None:
    kernel = replace(gsjbu.fit(torch.rand(3, 20, 26), stride=5, iters=1), offset=(3, -2))
    xs, ys = kernel.centres()
    np.testing.assert_allclose(xs[:2], (-0.5, 4.5))
    np.testing.assert_allclose(ys[:2], (4.5, 9.5))
