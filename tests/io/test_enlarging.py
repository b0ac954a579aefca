"""The samples of enlargements come back, beside gaps, too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from gsjbu.core.grid import Grid
from gsjbu.io.enlarging import LINEAR, Samples, Way

WAYS = {
    "bilinear": (LINEAR, {"mode": "bilinear"}),
    "bilinear, aligned": (Way("", aligned=True), {"mode": "bilinear", "align_corners": True}),
    "bicubic": (Way("", -0.75), {"mode": "bicubic"}),
    "bicubic, aligned": (Way("", -0.75, aligned=True), {"mode": "bicubic", "align_corners": True}),
    "bicubic of Pillow": (Way("", -0.5, cut=True), {"mode": "bicubic", "antialias": True}),
}


@pytest.mark.parametrize("gap", [None, np.s_[:1, :1], np.s_[30:61, 50:93], np.s_[:, 100:150], np.s_[::3, ::2]])
@pytest.mark.parametrize("size", [(128, 192), (101, 173), (96, 200)])
@pytest.mark.parametrize("name", WAYS)
def test_samples_come_back_of_what_is_known(name, size, gap):
    way, words = WAYS[name]
    low = 3 + np.random.default_rng(0).random((12, 20))
    plane = interpolate(torch.from_numpy(low)[None, None], size, **words)[0, 0].numpy()
    known = np.ones(size, bool)
    if gap is not None:
        known[gap] = False
    grid = Grid.from_sizes(*size, *low.shape)
    found = Samples(grid, way, known).of(np.where(known, plane, np.nan))
    whole = grid.cell_means(torch.from_numpy(known.astype("f8"))).numpy() > 0.5
    assert whole.mean() > 0.4 or gap == np.s_[::3, ::2]
    np.testing.assert_allclose(found[whole], low[whole], atol=1e-4)


def test_what_nothing_is_known_of_stays_within_the_others():
    plane = 900 + 40 * np.random.default_rng(0).random((64, 64))
    known = np.ones((64, 64), bool)
    known[8:50, 8:50] = False
    found = Samples(Grid.from_stride(64, 64, 8), LINEAR, known).of(plane)
    assert found.min() > 850 and found.max() < 1000
