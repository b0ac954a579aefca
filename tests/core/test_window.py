"""What one pixel is made of, among gaps as well: the weights are those that render mixes by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gsjbu.core.blend import Blend
from gsjbu.core.fit import fit_kernel
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel

DRAW = torch.Generator().manual_seed(0)
GUIDE = torch.rand(3, 48, 64, generator=DRAW)
GRID = Grid.from_stride(48, 64, 8)
SIGNAL = torch.rand(1, 6, 8, generator=DRAW)
PIXELS = [(0, 0), (30, 20), (33, 25), (63, 47)]


def kernel(blend: Blend | None = None) -> Kernel:
    return replace(fit_kernel(GUIDE, GRID, iters=2), blend=blend)


BLENDS = [
    None,
    Blend(plain_share=0.3, plain="bilinear"),
    Blend(plain_share=0.3, plain="bicubic"),
    Blend(plain_share=1.0, plain="bilinear"),
]


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize(("x", "y"), PIXELS)
def test_cells_without_a_value_have_no_weight_and_the_others_all_of_it(blend, x, y):
    made = kernel(blend)
    mask = torch.ones(6, 8, dtype=torch.bool)
    mask[2:4, 3:5] = False
    window = made.weights_at(x, y, mask)
    assert window.weights.sum() == pytest.approx(1, abs=1e-9)
    assert not window.weights[~mask.numpy()[window.qy, window.qx]].any()
    mixed = float((window.weights * SIGNAL[0].double().numpy()[window.qy, window.qx]).sum())
    assert mixed == pytest.approx(float(made.render(SIGNAL, mask=mask)[0, y, x]), abs=1e-5)


def test_where_an_interpolation_reaches_no_value_the_window_has_the_word_by_place():
    made = kernel(Blend(plain_share=1.0, plain="bilinear"))
    mask = torch.ones(6, 8, dtype=torch.bool)
    mask[1:4, 2:5] = False
    window = made.weights_at(28, 20, mask)  # in the middle cell of the gap
    assert window.weights.sum() == pytest.approx(1, abs=1e-9)
    assert window.colours.shape == (len(window.weights), 3)
    mixed = float((window.weights * SIGNAL[0].double().numpy()[window.qy, window.qx]).sum())
    assert mixed == pytest.approx(float(made.render(SIGNAL, mask=mask)[0, 20, 28]), abs=1e-5)


def test_where_nothing_is_in_reach_there_are_no_weights():
    made = kernel()
    mask = torch.zeros(6, 8, dtype=torch.bool)
    mask[:, 7] = True
    assert np.isnan(made.weights_at(4, 4, mask).weights).all()
    assert bool(made.render(SIGNAL, mask=mask)[0, 4, 4].isnan())
