"""The strongest class of scores that come a few at a time is that of all at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core import interpolation
from gsjbu.core.grid import Grid
from gsjbu.core.strongest import BLOCK, Strongest, strongest


@pytest.mark.parametrize("classes", [1, 2, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_the_strongest_class_in_blocks_is_the_strongest_of_all(classes):
    grid = Grid.from_stride(20, 30, 5)
    scores = torch.rand(classes, 4, 6, generator=torch.Generator().manual_seed(classes))
    found = strongest(lambda x: interpolation.bilinear(x, grid), scores)
    assert found.dtype == torch.int64
    assert torch.equal(found, interpolation.bilinear(scores, grid).argmax(dim=0))


def test_equal_scores_go_to_the_first_class_across_blocks():
    scores = torch.zeros(BLOCK + 3, 2, 2)
    scores[3] = scores[BLOCK + 1] = 0.5
    assert (strongest(lambda x: x, scores) == 3).all()


def test_classes_may_come_in_any_order():
    draw = np.random.default_rng(0)
    scores = torch.from_numpy(draw.integers(0, 3, (7, 5, 6)).astype(np.float32))
    best = Strongest()
    for number in draw.permutation(7):
        best.add(scores[number], torch.full((5, 6), int(number)))
    assert torch.equal(best.index, scores.argmax(dim=0))


def test_no_class_is_the_strongest_of_no_numbers():
    scores = torch.zeros(BLOCK + 1, 2, 2)
    scores[:, 0, 1] = torch.nan
    assert strongest(lambda x: x, scores).tolist() == [[0, -1], [0, 0]]
