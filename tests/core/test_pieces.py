"""Pieces against a search from cell to cell, and at the smallest sizes."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.core.pieces import pieces


def searched(down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Each cell's first cell in reading order that it hangs together with."""
    rows, cols = across.shape[0], down.shape[1]
    first = np.full((rows, cols), -1)
    for start in range(rows * cols):
        todo = [divmod(start, cols)]
        while todo:
            y, x = todo.pop()
            if first[y, x] >= 0:
                continue
            first[y, x] = start
            todo += [(y + 1, x)] if y + 1 < rows and down[y, x] else []
            todo += [(y - 1, x)] if y > 0 and down[y - 1, x] else []
            todo += [(y, x + 1)] if x + 1 < cols and across[y, x] else []
            todo += [(y, x - 1)] if x > 0 and across[y, x - 1] else []
    return first


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1), (9, 11), (20, 13)])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.6, 1.0])
def test_cells_are_one_piece_where_links_lead_from_one_to_the_other(size, share) -> None:
    draw = np.random.default_rng(0)
    down, across = draw.random((size[0] - 1, size[1])) < share, draw.random((size[0], size[1] - 1)) < share
    found, right = pieces(down, across), searched(down, across)
    assert found.shape == size
    assert len(np.unique(found)) == len(np.unique(right)) == len(set(zip(found.flat, right.flat, strict=True)))
