"""The graph: its affinities and its answer against dense matrices, spans, cells without a value, threads."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.core.grid import Grid
from gsjbu.core.refinement import graph, portable
from tests.core.refinement.cases import GRIDS, THREADS, cells, draw

MANY = 400  # steps: to the end on these small images


def laplacian(colours: np.ndarray, lone: float) -> np.ndarray:
    """L [n, n] in float64, from the definition."""
    _, height, width = colours.shape
    out = np.zeros((height * width, height * width))
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if not (y + dy < height and 0 <= x + dx < width):
                    continue
                off = float(np.square(colours[:, y, x].astype(float) - colours[:, y + dy, x + dx]).sum())
                q = off / (2 * portable.TOLERANCE**2)
                like = (1 - portable.FAR) * np.exp(-q) + portable.FAR / (1 + portable.TAIL * q) + lone
                like *= portable.DIAGONAL if dy and dx else 1.0
                a, b = y * width + x, (y + dy) * width + x + dx
                out[[a, b], [a, b]] += like
                out[[a, b], [b, a]] -= like
    return out


def means_of(grid: Grid) -> np.ndarray:
    """The cell means as they weigh in the system, [cells, n]: each pixel feels its cell's mean once."""
    rows = np.zeros((grid.rows * grid.cols, grid.height, grid.width))
    for i, j, y, x in cells(grid):
        rows[i * grid.cols + j, y, x] = 1.0
    return rows.reshape(len(rows), -1)


def dense(colours: np.ndarray, means: np.ndarray, known: np.ndarray, grid: Grid, lone: float = 0.0) -> np.ndarray:
    """The minimiser of one channel, [H, W]."""
    inside = means_of(grid)
    share = inside / inside.sum(axis=1, keepdims=True)
    trust = portable.TRUST * known.ravel()
    system = laplacian(colours, lone) + inside.T @ (trust[:, None] * share)
    right = inside.T @ (trust * means.ravel())
    return np.linalg.solve(system, right).reshape(grid.height, grid.width)


def problem(grid: Grid, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours that differ by about the tolerance, a start, means."""
    r = draw(seed)
    colours = (0.1 * r.random((3, grid.height, grid.width))).astype(np.float32)
    start = r.random((2, grid.height, grid.width)).astype(np.float32)
    return colours, start, r.random((2, grid.rows, grid.cols)).astype(np.float32)


@pytest.mark.parametrize("lone", [0.0, 0.01])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_as_the_dense_system(grid: Grid, lone: float) -> None:
    colours, start, means = problem(grid)
    got = graph.solved(start, means, None, colours, grid, steps=MANY, threads=1, lone=lone)
    all_known = np.ones((grid.rows, grid.cols), bool)
    for c in range(2):
        # float32 conjugate gradients stall at the system's condition times 1e-7; 2e-4 at most was measured.
        np.testing.assert_allclose(got[c], dense(colours, means[c], all_known, grid, lone), atol=2e-3)


def test_cells_without_a_value_are_told_by_their_neighbours() -> None:
    grid = GRIDS[1]
    colours, start, means = problem(grid, 1)
    known = draw(5).random((grid.rows, grid.cols)) > 0.4
    wild = np.where(known, means, 1e3).astype(np.float32)
    got = graph.solved(start, wild, known, colours, grid, steps=MANY, threads=1)
    np.testing.assert_allclose(got[0], dense(colours, means[0], known, grid), atol=2e-3)


def test_few_steps_come_near() -> None:
    grid = Grid.from_stride(48, 64, 16)
    colours, start, means = problem(grid, 2)
    all_the_way = graph.solved(start, means, None, colours, grid, steps=MANY)
    few = graph.solved(start, means, None, colours, grid)
    assert np.abs(few - all_the_way).mean() < 0.1 * np.abs(start - all_the_way).mean()


def test_the_answer_is_linear_to_within_rounding() -> None:
    """Steps that follow the values would let what is rounded off grow."""
    grid = Grid.from_stride(48, 64, 8)
    colours, start, means = problem(grid, 2)
    plain = graph.solved(start, means, None, colours, grid, steps=80)
    other = graph.solved(1e-3 * start + 0.07, 1e-3 * means + 0.07, None, colours, grid, steps=80)
    np.testing.assert_allclose((other - 0.07) * 1e3, plain, atol=1e-4)


def test_outside_the_spans_nothing_changes_and_inside_it_is_the_system_with_those_held() -> None:
    grid = Grid.from_stride(12, 16, 4)
    colours, start, means = problem(grid, 3)
    spans = np.array([[[0, 2], [1, 3], [0, 0]], [[0, 4], [0, 4], [0, 4]]])
    got = graph.solved(start, means, None, colours, grid, steps=MANY, spans=spans)
    free = np.zeros((12, 16), bool)
    free[0:4, 0:8] = free[4:8, 4:12] = True
    assert np.array_equal(got[0][~free], start[0][~free])
    inside = means_of(grid)
    system = laplacian(colours, 0.0) + portable.TRUST * inside.T @ (inside / inside.sum(axis=1, keepdims=True))
    right = portable.TRUST * inside.T @ means[0].ravel()
    at, held = free.ravel(), start[0].ravel().astype(float)
    wanted = np.linalg.solve(system[np.ix_(at, at)], right[at] - system[np.ix_(at, ~at)] @ held[~at])
    np.testing.assert_allclose(got[0].ravel()[at], wanted, atol=2e-3)


def test_the_same_bits_for_any_number_of_threads() -> None:
    grid = GRIDS[1]
    colours, start, means = problem(grid, 4)
    one = graph.solved(start, means, None, colours, grid, threads=1)
    for threads in THREADS:
        assert np.array_equal(graph.solved(start, means, None, colours, grid, threads=threads), one)
