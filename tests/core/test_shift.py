"""A constant shift between signal and guide is found, by its size and way, and no other is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

import gsjbu
from gsjbu.core import shift
from gsjbu.core.grid import Grid

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


def test_auto_says_so_and_mixes_only() -> None:
    low = means(np.roll(SCENE, 4, 1))
    kernel = gsjbu.fit(photo(SCENE), signal=low, lr_size=(ROWS, COLS), objective="auto", threads=1)
    assert any("4 px right" in note for note in kernel.notes) and kernel.is_pure
    still = gsjbu.fit(photo(SCENE), signal=means(SCENE), lr_size=(ROWS, COLS), objective="auto", threads=1)
    assert not any("shift" in note for note in still.notes)
