"""Counts are matched: against a slow transport in numpy, and by what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.core.grid import Grid
from gsjbu.core.refinement import counts, portable
from tests.core.refinement.cases import GRIDS, THREADS, cells, draw, shares


def transport(scores: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Scores [C, n] of one cell and its shares [C] to an assignment [C, n], in float64."""
    there = [c for c in range(len(share)) if share[c] > portable.LEAST]
    out = np.zeros(scores.shape)
    if not there:
        return out
    rows, target = scores[there].astype(np.float64), share[there].astype(np.float64)
    if 1 - target.sum() > portable.LEAST_REST:
        rows, target = np.vstack([rows, 1 - rows.sum(axis=0)]), np.append(target, 1 - target.sum())
    agree = np.exp((rows - rows.max(axis=0)) / portable.TEMPERATURE) + 1e-12
    for turn in range(portable.ROUNDS):
        scale = target * agree.shape[1] / np.maximum(agree.sum(axis=1), 1e-20)
        agree *= scale[:, None]
        agree /= np.maximum(agree.sum(axis=0), 1e-30)
        if turn > 0 and np.abs(scale - 1).max() < portable.CLOSE:
            break
    out[there] = agree[: len(there)]
    return out


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_as_the_slow_transport(grid: Grid) -> None:
    scores = draw(1).random((5, grid.height, grid.width)).astype(np.float32)
    given = shares(grid, 5)
    got = counts.matched(scores, given, grid, 1)
    for i, j, y, x in cells(grid):
        wanted = transport(scores[:, y, x].reshape(5, -1), given[:, i, j]).reshape(scores[:, y, x].shape)
        # float32, and a round more or less where counts are just met to within CLOSE: 2e-4 at most was measured.
        np.testing.assert_allclose(got[:, y, x], wanted, atol=2e-3, err_msg=f"cell {i}, {j}")


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_probabilities_with_the_counts_that_were_given(grid: Grid) -> None:
    near = draw(2).random((4, grid.height, grid.width)).astype(np.float32)
    given = shares(grid, 4, seed=3)
    got = counts.matched(near, given, grid, 1)
    assert got.min() >= 0 and got.max() <= 1 + 1e-5
    assert not got[-1].any()  # a class without a share is nowhere
    for i, j, y, x in cells(grid):
        total = got[:, y, x].sum(axis=0)
        assert total.max() <= 1 + 1e-5
        if given[:, i, j].sum() > 0.999:
            np.testing.assert_allclose(total, 1, atol=1e-5)
        # The rounds end where counts are met to CLOSE, or after ROUNDS: scores far from the shares, as random ones
        # are, converge slowly, most of all in cells of four pixels. 2.5e-2 at most was measured.
        assert np.abs(got[:, y, x].mean(axis=(1, 2)) - given[:, i, j]).max() < 0.05


def test_pixels_go_where_their_scores_are_best() -> None:
    grid = Grid.from_stride(4, 4, 4)
    ramp = np.broadcast_to(np.linspace(0, 1, 4, dtype=np.float32), (4, 4))
    got = counts.matched(np.stack([ramp, 1 - ramp]), np.array([[[0.25]], [[0.75]]], np.float32), grid)
    assert (got[0] > 0.5).tolist() == [[False, False, False, True]] * 4  # bilinear's half would be two columns


def test_the_same_bits_for_any_number_of_threads_and_twice() -> None:
    grid = GRIDS[1]
    scores, given = draw(4).random((5, 13, 18)).astype(np.float32), shares(grid, 5)
    one = counts.matched(scores, given, grid, 1)
    for threads in THREADS:
        assert np.array_equal(counts.matched(scores, given, grid, threads), one)
