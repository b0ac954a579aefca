"""The steps without a compiler: as the compiled forms, and against the same dense systems and slow transport."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.core.grid import Grid
from gsjbu.core.refinement import counts, graph, lab, lines, portable
from gsjbu.core.refinement.recipe import Refinement
from tests.core.refinement import test_counts, test_graph, test_lines, test_stage
from tests.core.refinement.cases import GRIDS, cells, draw, shares

MANY = test_graph.MANY


def test_colours_as_the_compiled_form_has_them() -> None:
    guide = (1.2 * draw().random((3, 19, 23)) - 0.1).astype(np.float32)
    guide[:, 0, :5] = np.linspace(0, 0.05, 5)  # the straight parts near black
    # Newton's steps against powers: 1.7e-6 at most was measured.
    np.testing.assert_allclose(portable.colours(guide), lab.colours(guide), atol=1e-5)
    assert portable.colours(guide[:2]) is not None and portable.colours(guide[:1]).shape == (1, 19, 23)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_the_graph_as_the_dense_system(grid: Grid) -> None:
    colours, start, means = test_graph.problem(grid)
    known = draw(5).random((grid.rows, grid.cols)) > 0.3
    known[0, 0] = True
    kept = start.copy()
    got = portable.solved(start, means, known, colours, grid, MANY)
    for c in range(2):
        # 3e-7 at most was measured.
        np.testing.assert_allclose(got[c], test_graph.dense(colours, means[c], known, grid), atol=1e-5)
    assert np.array_equal(start, kept)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_few_steps_of_the_graph_with_spans_as_the_compiled_form(grid: Grid) -> None:
    colours, start, means = test_graph.problem(grid, 3)
    spans = np.tile(np.array([0, grid.cols]), (2, grid.rows, 1))
    spans[0, 0] = 0, max(1, grid.cols // 2)
    spans[0, -1] = max(0, grid.cols - 2), grid.cols
    spans[1] = 0
    got = portable.solved(start, means, None, colours, grid, 30, spans=spans, lone=0.01)
    wanted = graph.solved(start, means, None, colours, grid, 30, spans=spans, lone=0.01)
    np.testing.assert_allclose(got, wanted, atol=5e-6)  # 5e-7 at most was measured
    assert np.array_equal(got[1], start[1])


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_counts_as_the_slow_transport(grid: Grid) -> None:
    scores = draw(1).random((5, grid.height, grid.width)).astype(np.float32)
    given = shares(grid, 5)
    got = portable.matched(scores, given, grid)
    for i, j, y, x in cells(grid):
        wanted = test_counts.transport(scores[:, y, x].reshape(5, -1), given[:, i, j])
        # As of the compiled form: float32, and a round more or less where counts are just met.
        np.testing.assert_allclose(got[:, y, x], wanted.reshape(scores[:, y, x].shape), atol=2e-3)


def test_counts_of_cells_that_are_not_known_keep_their_scores() -> None:
    grid = GRIDS[1]
    scores = draw(1).random((4, grid.height, grid.width)).astype(np.float32)
    known = draw(2).random((grid.rows, grid.cols)) > 0.5
    got = portable.matched(scores, shares(grid, 4), grid, known=known)
    np.testing.assert_allclose(got, counts.matched(scores, shares(grid, 4), grid, 1, known), atol=5e-6)


@pytest.mark.parametrize("size", test_lines.SIZES, ids=str)
@pytest.mark.parametrize(("strength", "turns"), [(0.5, 3), (100.0, 1)])
def test_lines_as_dense_systems(size, strength, turns) -> None:
    values = draw().random((3, *size)).astype(np.float32)
    likeness = portable.edges(draw(1).random((3, *size)).astype(np.float32), 0.5)
    got = portable.smoothed(values, likeness, strength, turns)
    # float32 sums along a line; 6e-7 at most was measured.
    np.testing.assert_allclose(got, test_lines.slow(values, likeness, strength, turns), atol=5e-6)
    np.testing.assert_allclose(got, lines.smoothed(values, likeness, strength, turns), atol=5e-6)


@pytest.mark.parametrize(
    "recipe",
    [
        Refinement(graph=0.5, steps=60, counts=True, turns=1, lines=0.7, strengths=(400.0, 100.0)),
        Refinement(graph=0.2, strengths=(2.0, 1.0), turns=1, lines=0.9, tolerance=0.1, logs=True),
        Refinement(graph=0.5, steps=80),
    ],
)
def test_the_whole_stage_as_the_compiled_forms(recipe: Refinement) -> None:
    compiled = test_stage.refined(recipe)
    # Temperature divides rounding errors: 8e-6 at most was measured.
    np.testing.assert_allclose(test_stage.refined(recipe, compiled=False), compiled, atol=1e-4)
