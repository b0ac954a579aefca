"""The cell form's render held against the oracle: any number of channels, and cells of any number of vectors.

Measured: 3e-6.
"""

from __future__ import annotations

import pytest
import torch

from gsjbu.core import reference
from gsjbu.core.backends import cpu, forms
from gsjbu.core.backends.fused import CHUNK
from tests.core.backends.test_fused import ours
from tests.oracle_cases import Case, Problem, one_torch_thread, oracle_answers

__all__ = ["one_torch_thread", "oracle_answers"]  # fixtures: they are used by being here


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 9, 67])
def test_any_number_of_signal_channels(channels):
    held_against_the_oracle(Problem(Case(37, 29, 6, 2)), channels)


# Pixels of a cell: less than a vector, one, two and three of them, whole or not; and more than a chunk.
@pytest.mark.parametrize("channels", [3, 8])
@pytest.mark.parametrize(
    "cell",
    [(3, 5), (4, 4), (5, 4), (4, 8), (3, 11), (6, 8), (7, 7), (5, 14), (3, 20), (2, 33), (23, 24)],
    ids=str,
)
def test_cells_of_any_size(cell, channels):
    assert CHUNK < 23 * 24
    held_against_the_oracle(Problem(Case(2 * cell[0], 3 * cell[1], (2, 3), 1)), channels)


def held_against_the_oracle(problem, channels):
    radius = problem.case.radius
    signal = torch.randn(channels, *problem.raw.shape[1:], generator=torch.Generator().manual_seed(channels))
    out = torch.from_numpy(cpu.render(ours(problem), problem.raw, signal, threads=1, form=forms.CELLS))
    w = reference.weights(problem.guide, problem.raw, radius, problem.step)
    assert (out - reference.render(w, signal, *problem.guide.shape[1:], problem.step)).abs().max() <= 1e-5
