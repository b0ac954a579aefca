"""Masks beside the image's edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gsjbu.io import borders

DISTANCE = np.hypot(*(np.mgrid[:160, :200] - np.array([80, 95])[:, None, None])) - 45
NOISE = np.random.default_rng(0).normal(0, 0.02, (3, 160, 200))
IMAGE = (gaussian_filter(np.where(DISTANCE < 0, 0.7, 0.3), 0.7) + NOISE).astype(np.float32)


def mask(grown: float) -> np.ndarray:
    """The disk, its border moved outwards."""
    return DISTANCE - grown < 0


@pytest.mark.parametrize("grown", [-6, -4, 4, 5, 8])
def test_a_mask_that_was_grown_or_shrunk_is_told_by_how_much(grown):
    assert borders.offset(IMAGE, mask(grown)) == pytest.approx(-grown, abs=1)


@pytest.mark.parametrize("grown", [0, 1, -1])
def test_a_mask_on_its_edges_stays(grown):
    assert borders.offset(IMAGE, mask(grown)) == 0


def test_an_image_without_an_edge_there_says_nothing():
    assert borders.offset(0.5 + NOISE.astype(np.float32), DISTANCE < 5) == 0
    assert borders.offset(IMAGE, np.ones(DISTANCE.shape, bool)) == 0


@pytest.mark.parametrize("by", [-5.0, 5.0])
def test_a_border_moves_by_so_many_pixels(by):
    there = borders.moved((DISTANCE < 0) * np.uint8(7), 0, by)
    assert there.dtype == np.uint8 and set(np.unique(there)) == {0, 7}
    assert (np.count_nonzero(there) / np.pi) ** 0.5 == pytest.approx(45 + by, abs=0.7)
