"""Which form of the fused kernel a grid gets, in a sentence."""

from __future__ import annotations

import pytest
import torch

import gsjbu
from gsjbu.core.backends import forms
from gsjbu.core.grid import Grid


@pytest.mark.parametrize(
    ("stride", "name"), [(1, "rows"), (2, "rows"), (4, "rows"), (8, "rows"), (16, "cells"), (64, "cells")]
)
def test_small_cells_are_taken_side_by_side(stride, name):
    form, why = forms.quicker(Grid.from_stride(512, 512, stride))
    assert form.name == name
    assert f"cells of {stride}×{stride} pixels" in why


def test_the_cells_of_a_narrow_image_are_not():
    """Two cells a row would leave 14 of 16 lanes empty; cells of 64 pixels fill their own."""
    assert forms.quicker(Grid.from_stride(512, 16, 8))[0] is forms.CELLS


def test_each_axis_counts():
    assert forms.quicker(Grid.from_sizes(512, 512, 2, 512))[0] is forms.CELLS  # 256 pixels below each other
    assert forms.quicker(Grid.from_sizes(512, 512, 512, 128))[0] is forms.ROWS
    assert forms.quicker(Grid.from_sizes(512, 512, 512, 2))[0] is forms.CELLS


def test_the_kernel_says_which():
    kernel = gsjbu.fit(torch.rand(3, 32, 64, generator=torch.Generator().manual_seed(0)), stride=2, iters=1)
    assert kernel.backend_reason == "the fastest on a CPU: cells of 2×2 pixels, one a lane"
