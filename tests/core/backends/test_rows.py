"""The row form held against the oracle, values and gradients, at every ratio; and the same bits for any threads.

Measured (worst of all cases): away from the clamps values 3e-6, gradients 5e-6 relative. Tolerances are those of the
cell form, tests/core/backends/test_fused.py, where each stands beside what was measured.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core import parameters
from gsjbu.core.backends import cpu, forms
from gsjbu.core.parameters import ADAM, LOG_ADAM
from tests.core.backends.test_fused import TEN_STEPS, TOLERANCE, ours
from tests.oracle_cases import (
    CLAMPS,
    INSIDE,
    Case,
    Problem,
    one_torch_thread,
    oracle_answers,
    relative,
    ten_steps,
)

__all__ = ["one_torch_thread", "oracle_answers"]  # fixtures: they are used by being here

# Strides, non-integer and unequal ratios, odd sizes, partial cells, less and more than a vector of cells in a row.
AWAY = (
    Case(17, 21, 1, 1),
    Case(12, 33, 1, 2),
    Case(33, 61, 2, 2),
    Case(24, 96, 2, 1, channels=1),
    Case(47, 97, 3, 2),
    Case(42, 70, (12, 20), 2),  # 3.5
    Case(43, 71, (12, 20), 2),  # cells of three and four pixels, in no order
    Case(61, 129, 4, 2),
    Case(61, 97, 5, 2, channels=5),
    Case(50, 131, 7, 2),
    Case(61, 97, 8, 2),
    Case(64, 64, (32, 8), 2),  # 2 down, 8 across
    Case(64, 90, (8, 45), 2),  # 8 down, 2 across
    Case(60, 31, (4, 31), 1),  # 15 down, 1 across
    Case(31, 40, (31, 17), 2),
    Case(24, 320, (12, 4), 1),  # 80 across: σx may be as large
    Case(1, 40, 2, 2),
    Case(40, 1, 2, 2),
    Case(5, 7, 7, 2),  # one cell
    Case(37, 45, 4, 4),
    Case(40, 52, 2, 8),
    Case(97, 61, 16, 3),
    Case(33, 61, 2, 2, rgb_weight=0, signal_weight=1),
    Case(47, 65, 3, 2, rgb_weight=0, signal_weight=1),
    Case(61, 97, 8, 2, rgb_weight=0, signal_weight=1),  # a cell is many chunks
    Case(43, 71, (12, 20), 3, rgb_weight=0.7, signal_weight=0.3),
    Case(21, 40, 1, 1, channels=2, rgb_weight=0.5, signal_weight=2),
)
AT_THE_CLAMPS = tuple(
    Case(*size, where=where, rgb_weight=rgb, signal_weight=1 - rgb)
    for where in CLAMPS
    for size in ((33, 61, 2, 2), (43, 71, (12, 20), 2), (40, 52, 4, 4), (61, 97, 8, 2))
    for rgb in (1, 0)
)


def rendered(problem: Problem, signal: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(cpu.render(ours(problem), problem.raw, signal, threads=1, form=forms.ROWS))


@pytest.mark.parametrize("case", AWAY + AT_THE_CLAMPS, ids=str)
def test_values_and_gradients(case):
    problem = Problem(case)
    for_values, for_gradients = TOLERANCE[case.where]
    if max(problem.step) > 64:
        for_values = 3e-5  # exponents grow with the cell: measured 1.1e-5
    assert (rendered(problem, problem.signal) - problem.values).abs().max() <= for_values
    _, (loss,), gradient = cpu.fit(
        ours(problem), problem.raw, 1, 0.1, case.rgb_weight, problem.signal, case.signal_weight, threads=1, move=False,
        form=forms.ROWS,
    )  # fmt: skip
    right, right_gradient = problem.loss_and_gradient
    assert loss == pytest.approx(right, rel=1e-5, abs=1e-9)
    errors = relative(gradient, right_gradient)
    assert max(errors.values()) <= for_gradients, errors


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.6, 0.4)], ids=["rgb", "signal", "mixed"])
def test_ten_steps_are_adam_on_the_oracle(weights):
    """The whole loop (chain rule, moments, bias correction, update) against torch's Adam in float64."""
    problem = Problem(Case(20, 45, 3, 1, seed=3))
    raw, right = ten_steps(problem, *weights)
    found, losses, _ = cpu.fit(
        ours(problem),
        problem.raw,
        10,
        0.1,
        weights[0],
        problem.signal,
        weights[1],
        threads=1,
        form=forms.ROWS,
    )
    assert losses == pytest.approx(right, rel=TEN_STEPS[0])
    assert (found - raw).abs().max() <= TEN_STEPS[1]


# Cases as wide as they are tall; and not two cells whose gradient is 1e-12 of the loss, less than weights are kept.
HALVED = tuple(case for case in INSIDE if isinstance(case.lr, int) and case.lr < 64 and case.height > 1)


@pytest.mark.parametrize("case", HALVED, ids=str)
def test_gradients_of_logarithms_on_a_quarter_of_the_pixels(case):
    """The first step looks at odd rows and columns, where a cell has four pixels or more along each axis."""
    problem = Problem(case)
    right, right_gradient = problem.loss_and_gradient_in_logs
    _, (loss,), gradient = cpu.fit(
        ours(problem), problem.raw, 1, 0.1, 1.0, threads=1, move=False, optimiser=LOG_ADAM, form=forms.ROWS
    )
    assert loss == pytest.approx(right, rel=1e-5)
    errors = relative(gradient, right_gradient)
    assert max(errors.values()) <= TOLERANCE[case.where][1], errors


@pytest.mark.parametrize("optimiser", [ADAM, LOG_ADAM], ids=["adam", "log-adam"])
@pytest.mark.parametrize(
    "case",
    [
        Case(33, 90, 5, 2),  # lattices of cells of two and three pixels
        Case(65, 81, 16, 2, rgb_weight=0, signal_weight=1),  # lattices without a pixel of the last cells
        Case(33, 47, (7, 9), 3, channels=2, rgb_weight=0.5, signal_weight=1),
    ],
    ids=str,
)
def test_steps_are_those_of_the_cell_form(case, optimiser):
    """Raw values to 1e-3 after six steps (measured 4e-5), as in ten steps against the oracle."""
    problem = Problem(case)
    told = (ours(problem), problem.raw, 6, 0.1, case.rgb_weight, problem.signal, case.signal_weight)
    right, losses, _ = cpu.fit(*told, threads=1, optimiser=optimiser, form=forms.CELLS)
    raw, found, _ = cpu.fit(*told, threads=1, optimiser=optimiser, form=forms.ROWS)
    assert found == pytest.approx(losses, rel=1e-5)
    assert (raw - right).abs().max() <= 1e-3


@pytest.mark.parametrize("size", [(61, 97, 2, 2), (61, 97, (17, 28), 3)], ids=str)
@pytest.mark.parametrize("threads", [2, 3])
def test_the_same_bits_for_any_number_of_threads(monkeypatch, size, threads):
    monkeypatch.setattr(cpu, "PAIRS_PER_THREAD", 1)
    problem = Problem(Case(*size))
    signal = torch.randn(9, *problem.raw.shape[1:], generator=torch.Generator().manual_seed(0))

    def made(workers: int) -> tuple[torch.Tensor, list[float], np.ndarray]:
        raw, losses, _ = cpu.fit(ours(problem), problem.raw, 5, 0.1, 0.7, signal, 0.3, threads=workers, form=forms.ROWS)
        return raw, losses, cpu.render(ours(problem), raw, signal, threads=workers, form=forms.ROWS)

    raw, losses, out = made(1)
    for _ in range(2):
        again, same, other = made(threads)
        assert torch.equal(again, raw)
        assert same == losses
        np.testing.assert_array_equal(other, out)


def test_a_constant_image_has_no_gradient_and_stays_finite():
    """Every weight mixes one colour: nothing to learn, nothing to divide by."""
    grid = Problem(Case(32, 48, 2, 2)).grid
    guide = torch.full((3, 32, 48), 0.25)
    problem = cpu.Problem.of(guide, grid.cell_means(guide), grid, 2)
    moved, losses, gradient = cpu.fit(problem, parameters.start(grid), 5, 0.1, 1.0, threads=1, form=forms.ROWS)
    assert max(losses) <= 1e-6
    assert torch.isfinite(moved).all()
    assert torch.isfinite(gradient).all()
