"""The fused kernel held against the oracle, values and gradients.

Measured (worst of all cases): away from the clamps values 2.3e-6, gradients 4.3e-6 relative (2e-6 but for the
tiny 16×16 at stride 2). The issue asks for 1e-5 and 1e-5. At the clamps, see TOLERANCE.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core import reference
from gsjbu.core.backends import cpu
from gsjbu.core.parameters import LOG_ADAM, USUAL
from tests.oracle_cases import (
    AT_THE_CLAMPS,
    AWAY,
    CLAMPS,
    INSIDE,
    Case,
    Problem,
    one_torch_thread,
    oracle_answers,
    raw_of_logs,
    relative,
    ten_steps,
)

__all__ = ["one_torch_thread", "oracle_answers"]  # fixtures: they are used by being here

# where: (largest error of values, of gradients); beside it what was measured. See tests/test_attention.py.
TOLERANCE = {
    "start": (1e-5, 1e-5),  #           2.3e-6   4.3e-6
    "sigma_r_inside": (3e-4, 2e-4),  #  9.5e-5   6e-5 but for ILL_CONDITIONED
    "sigma_1_inside": (5e-5, 3e-5),  #  1.8e-5   7.0e-6
    "sigma_64_inside": (3e-6, 5e-6),  # 6.4e-7   1.3e-6
    "needles": (2e-4, 2e-4),  #         5.8e-5   6.8e-5
    "needles_sharp": (2e-4, 4e-4),  #   3.7e-5   1.3e-4
    "beyond": (3e-4, 3e-4),  #          9.6e-5   9.2e-5
}
# Ten steps of Adam: (losses, relative; raw values).
TEN_STEPS = (1e-5, 1e-3)
# Two cells whose signal all but agrees, of 3904 pixels each: the parts of ∂L/∂σr cancel to 1 % of their size.
ILL_CONDITIONED = "97x61-s64-R2-sigma_r_inside-rgb0-signal1"


def ours(problem: Problem) -> cpu.Problem:
    return cpu.Problem.of(problem.guide, problem.lr_guide, problem.grid, problem.case.radius)


def held_against_the_oracle(problem: Problem, for_gradients: float) -> None:
    case = problem.case
    values = torch.from_numpy(cpu.render(ours(problem), problem.raw, problem.signal, threads=1))
    _, (loss,), gradient = cpu.fit(
        ours(problem),
        problem.raw,
        1,
        0.1,
        case.rgb_weight,
        problem.signal,
        case.signal_weight,
        threads=1,
        move=False,
    )
    assert (values - problem.values).abs().max() <= TOLERANCE[case.where][0]
    right, right_gradient = problem.loss_and_gradient
    assert loss == pytest.approx(right, rel=1e-5, abs=1e-9)
    errors = relative(gradient, right_gradient)
    assert max(errors.values()) <= for_gradients, errors


@pytest.mark.parametrize("case", AWAY, ids=str)
def test_values_and_gradients(case):
    held_against_the_oracle(Problem(case), TOLERANCE["start"][1])


@pytest.mark.parametrize("case", AT_THE_CLAMPS, ids=str)
def test_values_and_gradients_at_the_clamps(case):
    # measured 4.4e-4 there
    bound = 1e-3 if str(case) == ILL_CONDITIONED else TOLERANCE[case.where][1]
    held_against_the_oracle(Problem(case), bound)


def test_every_clamp_has_its_tolerance():
    assert set(TOLERANCE) == {"start", *CLAMPS}
    assert ILL_CONDITIONED in map(str, AT_THE_CLAMPS)


@pytest.mark.parametrize(
    "case",
    [
        Case(130, 70, 64, 1, rgb_weight=0.5, signal_weight=0.5),  # a cell is many chunks
        Case(40, 40, (40, 40), 1),  # a cell is one pixel, a sixteenth of a vector
        Case(300, 205, (3, 2), 1),  # cells of 100 and 102.5 pixels, where σ may be as large
        Case(300, 205, (3, 2), 1, rgb_weight=0, signal_weight=1),
        Case(33, 47, 3, 2, channels=2),  # the general code for any number of channels
        Case(33, 47, 3, 2, channels=4, rgb_weight=0.2, signal_weight=1),
    ],
    ids=str,
)
def test_odd_blocks(case):
    held_against_the_oracle(Problem(case), TOLERANCE["start"][1])


def test_a_row_of_a_cell_longer_than_a_chunk():
    """Such a cell is wider than the kernel can be: σ sits at 64 and exponents are large. Measured 2.2e-5."""
    held_against_the_oracle(Problem(Case(130, 1100, (1, 2), 1)), 6e-5)


def test_neighbours_that_cannot_matter_are_left_out_without_a_trace():
    """σ ≈ 1 at stride 16: nearly all of 289 neighbours are negligible for nearly all pixels."""
    problem = Problem(Case(96, 96, 16, 2, where="sigma_1_inside", rgb_weight=0, signal_weight=1))
    held_against_the_oracle(problem, TOLERANCE["sigma_1_inside"][1])
    sums = cpu.render(ours(problem), problem.raw, torch.ones_like(problem.signal), threads=1)
    assert np.abs(sums - 1).max() <= 1e-6


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.6, 0.4)], ids=["rgb", "signal", "mixed"])
def test_ten_steps_are_adam_on_the_oracle(weights):
    """The whole loop (chain rule, moments, bias correction, update) against torch's Adam in float64."""
    problem = Problem(Case(40, 33, 8, 1, seed=3))
    raw, right = ten_steps(problem, *weights)
    found, losses, _ = cpu.fit(ours(problem), problem.raw, 10, 0.1, weights[0], problem.signal, weights[1], threads=1)
    assert losses == pytest.approx(right, rel=TEN_STEPS[0])
    assert (found - raw).abs().max() <= TEN_STEPS[1]


@pytest.mark.parametrize("case", INSIDE, ids=str)
def test_gradients_of_logarithms_on_a_quarter_of_the_pixels(case):
    problem = Problem(case)
    right, right_gradient = problem.loss_and_gradient_in_logs
    _, (loss,), gradient = cpu.fit(ours(problem), problem.raw, 1, 0.1, 1.0, threads=1, move=False, optimiser=LOG_ADAM)
    assert loss == pytest.approx(right, rel=1e-5)
    errors = relative(gradient, right_gradient)
    assert max(errors.values()) <= TOLERANCE[case.where][1], errors


def test_ten_steps_in_logarithms_are_adam_on_the_oracle():
    """The lattices in turn, the falling rate, the moments and the bounds, against torch's Adam in float64."""
    problem = Problem(Case(40, 33, 8, 1, seed=3))
    at = LOG_ADAM.coordinates(problem.raw, USUAL).double().requires_grad_(True)
    adam = torch.optim.Adam([at], betas=(LOG_ADAM.beta1, LOG_ADAM.beta2))
    right = []
    for step in range(10):
        adam.zero_grad()
        adam.param_groups[0]["lr"] = 0.2 * (1 - step / 10)
        loss = problem.loss_in_logs(at, odd=((1, 1), (0, 0), (1, 0), (0, 1))[step % 4])
        loss.backward()
        adam.step()
        with torch.no_grad():
            at[:2].clamp_(0, np.log(64))
            at[3].clamp_(np.log(0.01), 0)
        right.append(loss.item())
    found, losses, _ = cpu.fit(ours(problem), problem.raw, 10, 0.2, 1.0, threads=1, optimiser=LOG_ADAM)
    assert losses == pytest.approx(right, rel=TEN_STEPS[0])
    assert (found - raw_of_logs(at.detach())).abs().max() <= TEN_STEPS[1]


def test_logarithms_at_their_bounds_find_the_way_back():
    """A raw value beyond its clamp has no gradient and stays; a logarithm starts on the bound and leaves it."""
    problem = Problem(Case(64, 64, 16, 2, where="beyond"))
    moved, _, gradient = cpu.fit(ours(problem), problem.raw, 4, 0.1, 1.0, threads=1, optimiser=LOG_ADAM)
    sigma_x, sigma_y, _, sigma_r = reference.parameters(moved.double())
    assert gradient[0].abs().max() > 0
    assert sigma_x.min() < 60
    assert sigma_y.max() > 1.05
    assert sigma_r.max() > 0.0105


def test_a_constant_image_has_no_gradient_and_stays_finite():
    """Every weight mixes one colour: nothing to learn, nothing to divide by."""
    grid = Problem(Case(32, 48, 8, 2)).grid
    guide = torch.full((3, 32, 48), 0.25)
    problem = cpu.Problem.of(guide, grid.cell_means(guide), grid, 2)
    raw = torch.randn(4, grid.rows, grid.cols, generator=torch.Generator().manual_seed(0))
    moved, losses, gradient = cpu.fit(problem, raw, 5, 0.1, 1.0, threads=1)
    assert max(losses) <= 1e-6
    assert torch.isfinite(moved).all()
    assert torch.isfinite(gradient).all()
