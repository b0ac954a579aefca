"""ViT tokens back to their grid."""

from __future__ import annotations

import pytest

from gsjbu.io import tokens


@pytest.mark.parametrize(
    ("count", "size", "grid"),
    [
        (19 * 28, (304, 448), (0, 19, 28)),
        (1 + 19 * 28, (304, 448), (1, 19, 28)),
        (5 + 19 * 28, (304, 448), (5, 19, 28)),
        (1 + 14 * 14, (480, 640), (1, 14, 14)),  # squashed to 224 pixels
        (1 + 16 * 16, (224, 224), (1, 16, 16)),
        (1 + 37 * 37, (518, 518), (1, 37, 37)),
        (5 + 14 * 14, (448, 448), (5, 14, 14)),
        (1 + 37 * 49, (1536, 2048), (1, 37, 49)),
    ],
)
def test_grids_of_usual_backbones(count, size, grid):
    found = tokens.grids(count, *size)[0]
    assert (found.leading, found.rows, found.cols) == grid


def test_no_fit_no_guess():
    assert tokens.grids(530, 304, 448) == []


def test_a_grid_that_was_named():
    assert tokens.given(18 * 29 + 1, 18, 29) == tokens.TokenGrid(1, 18, 29)
    assert tokens.given(500, 18, 29) is None


def test_it_says_what_was_dropped():
    assert "class token dropped" in tokens.TokenGrid(1, 2, 3).sentence
    assert "5 leading tokens" in tokens.TokenGrid(5, 2, 3).sentence
    assert "dropped" not in tokens.TokenGrid(0, 2, 3).sentence
