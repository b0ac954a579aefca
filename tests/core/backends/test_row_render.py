"""The row form's render held against the oracle: every width of a cell, every remainder of a row, of a chunk and of the
channels. Measured: 3e-6."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core import reference
from gsjbu.core.backends import cpu, forms
from tests.core.backends.test_rows import ours, rendered
from tests.oracle_cases import Case, Problem, one_torch_thread, oracle_answers

__all__ = ["one_torch_thread", "oracle_answers"]  # fixtures: they are used by being here


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 8, 9, 21])
@pytest.mark.parametrize(
    "size",
    [
        (37, 70, 1),
        (37, 70, 2),
        (37, 133, 4),
        (40, 70, (16, 20)),
        (40, 70, 3),
        (37, 165, 8),
        (31, 130, 7),
        (20, 53, 3),
    ],
    ids=str,
)
def test_any_number_of_signal_channels(channels, size):
    problem = Problem(Case(*size, 2))
    draw = torch.Generator().manual_seed(channels)
    signal = torch.randn(channels, *problem.raw.shape[1:], generator=draw)
    w = reference.weights(problem.guide, problem.raw, 2, problem.step)
    right = reference.render(w, signal, *problem.guide.shape[1:], problem.step)
    assert (rendered(problem, signal) - right).abs().max() <= 1e-5


def test_weights_add_up_to_one_at_the_borders_too():
    problem = Problem(Case(30, 50, 2, 3, where="sigma_64_inside"))
    sums = rendered(problem, torch.ones_like(problem.signal))
    assert (sums - 1).abs().max() <= 1e-6


# Cells 1 to 9 pixels wide, of one width and of two; 16 and 17 cells, so that a last vector is full, or one cell.
@pytest.mark.parametrize("cols", [16, 17, 33])
@pytest.mark.parametrize("wide", [1, 2, 3, 3.4, 4, 4.6, 5, 6, 7, 8, 9])
def test_every_pixel_is_put_where_it_belongs_and_nothing_else_is_touched(wide, cols):
    problem = Problem(Case(5, round(wide * cols) - (wide == 3), (2, cols), 1, rgb_weight=0, signal_weight=1))
    right = reference.render(
        reference.weights(problem.guide, problem.raw, 1, problem.step), problem.signal, *problem.guide.shape[1:],
        problem.step,
    )  # fmt: skip
    around = np.full(right.numel() + 64, -7.0, np.float32)
    got = around[32:-32].reshape(right.shape)
    cpu.render(ours(problem), problem.raw, problem.signal, got, threads=1, form=forms.ROWS)
    assert (torch.from_numpy(got) - right).abs().max() <= 1e-5
    assert (around[:32] == -7).all() and (around[-32:] == -7).all()


@pytest.mark.parametrize("layout", ["streamed", "bands"])
def test_bands_and_streaming_are_seams_that_do_not_show(monkeypatch, layout):
    problem = Problem(Case(64, 128, 2, 2))
    signal = torch.randn(70, *problem.raw.shape[1:], generator=torch.Generator().manual_seed(0))
    right = rendered(problem, signal)
    if layout == "streamed":
        monkeypatch.setattr(cpu, "STREAM_BYTES", 0)
        monkeypatch.setattr(forms, "TILE_BYTES", 1)
        assert torch.equal(rendered(problem, signal), right)
        return
    monkeypatch.setattr(cpu, "CACHED_BAND_BYTES", 1)
    out = np.full(right.shape, -77, dtype=np.float64)
    cpu.render(ours(problem), problem.raw, signal, out, threads=2, form=forms.ROWS)
    np.testing.assert_array_equal(out, right.double().numpy())
