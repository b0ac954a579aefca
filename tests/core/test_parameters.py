"""Raw values to σx, σy, θ, σr and back, and to the coefficients of log w."""

from __future__ import annotations

import math

import pytest
import torch

from gsjbu.core import parameters, reference
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import ADAM, LOG_ADAM, OPTIMISERS, Parameters


def test_raw_values_mean_what_the_oracle_says():
    raw = torch.randn(4, 9, 7, generator=torch.Generator().manual_seed(0)) * 3
    for ours, theirs in zip(parameters.from_raw(raw, parameters.USUAL), reference.parameters(raw.double())):
        assert (ours - theirs).abs().max() <= 1e-6


def test_one_value_by_hand():
    p = parameters.from_raw(torch.tensor([3.0, 5.0, 0.5, -2.0]).reshape(4, 1, 1), parameters.USUAL)
    assert p.sigma_x.item() == pytest.approx(math.log(1 + math.exp(3)) + 1e-6, rel=1e-6)
    assert p.sigma_y.item() == pytest.approx(math.log(1 + math.exp(5)) + 1e-6, rel=1e-6)
    assert p.theta.item() == pytest.approx(math.pi * math.tanh(0.5), rel=1e-6)
    assert p.sigma_r.item() == pytest.approx(math.log(1 + math.exp(-2)) + 1e-6, rel=1e-6)


def test_extremes_are_clamped():
    low = parameters.from_raw(torch.full((4, 1, 1), -50.0), parameters.USUAL)
    high = parameters.from_raw(torch.full((4, 1, 1), 500.0), parameters.USUAL)
    assert [v.item() for v in (low.sigma_x, low.sigma_y)] == [1.0, 1.0]
    assert [v.item() for v in (high.sigma_x, high.sigma_y)] == [64.0, 64.0]
    assert low.sigma_r.item() == pytest.approx(0.01)
    assert high.sigma_r.item() == 1.0
    assert -low.theta.item() == high.theta.item() == pytest.approx(math.pi)


def test_there_and_back():
    draw = torch.Generator().manual_seed(1)
    given = Parameters(
        1.01 + 62 * torch.rand(6, 5, generator=draw),
        1.01 + 62 * torch.rand(6, 5, generator=draw),
        6 * torch.rand(6, 5, generator=draw) - 3,
        0.011 + 0.98 * torch.rand(6, 5, generator=draw),
    )
    for name, before, after in zip(
        given._fields, given, parameters.from_raw(parameters.to_raw(given), parameters.USUAL)
    ):
        assert ((after - before) / before).abs().max() < 2e-6, name


def test_half_a_turn_is_out_of_reach_but_near():
    p = Parameters(*(torch.full((1, 1), v) for v in (2.0, 2.0, math.pi, 0.2)))
    raw = parameters.to_raw(p)
    assert torch.isfinite(raw).all()
    assert parameters.from_raw(raw, parameters.USUAL).theta.item() == pytest.approx(math.pi, abs=1e-5)


def test_the_fixed_kernel_is_round_and_half_a_step_wide():
    p = parameters.from_raw(parameters.start(Grid.from_sizes(60, 90, 6, 5)), parameters.USUAL)
    assert p.sigma_x.shape == (6, 5)
    assert p.sigma_x.unique().tolist() == pytest.approx([9.0])  # steps of 18 and 10 pixels
    assert p.sigma_y.unique().tolist() == pytest.approx([5.0])
    assert p.theta.unique().tolist() == [0.0]
    assert p.sigma_r.unique().tolist() == pytest.approx([0.2])


def test_a_start_beyond_the_bounds_is_brought_inside():
    p = parameters.from_raw(parameters.start(Grid.from_sizes(1, 1000, 1, 1), sigma=0.5, sigma_r=7.0), parameters.USUAL)
    assert p.sigma_x.item() == pytest.approx(64.0)
    assert p.sigma_y.item() == pytest.approx(1.0)
    assert p.sigma_r.item() == pytest.approx(1.0)


def test_coefficients_are_the_rotated_quadratic_form():
    p = Parameters(*(torch.tensor([[v]], dtype=torch.float64) for v in (7.0, 2.0, 0.6, 0.05)))
    a, b, c, kappa = (v.item() for v in parameters.coefficients(p))
    for dx, dy in ((1.0, 0.0), (0.0, 1.0), (3.0, -2.0), (-5.0, 4.0)):
        along_x = math.cos(0.6) * dx + math.sin(0.6) * dy
        along_y = -math.sin(0.6) * dx + math.cos(0.6) * dy
        exponent = 0.5 * ((along_x / 7) ** 2 + (along_y / 2) ** 2)
        assert a * dx * dx + b * dx * dy + c * dy * dy == pytest.approx(exponent, rel=1e-12)
    assert kappa == pytest.approx(1 / (2 * 0.05**2), rel=1e-12)


def test_no_gradient_flows_beyond_a_clamp():
    raw = torch.full((4, 1, 1), -50.0, requires_grad=True)
    p = parameters.from_raw(raw, parameters.USUAL)
    (p.sigma_x + p.sigma_y + p.sigma_r).sum().backward()
    assert raw.grad is not None
    assert raw.grad.abs().max() == 0


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=list(OPTIMISERS))
def test_coordinates_and_raw_values_say_the_same(optimiser):
    raw = torch.randn(4, 9, 7, generator=torch.Generator().manual_seed(0))
    raw[:2] += 6
    raw[3] -= 3  # within all bounds
    at = optimiser.coordinates(raw, parameters.USUAL)
    for ours, theirs in zip(optimiser.parameters(at, parameters.USUAL), parameters.from_raw(raw, parameters.USUAL)):
        assert (ours / theirs - 1).abs().max() <= 2e-6
    assert (optimiser.raw(at) - raw).abs().max() <= 1e-5


def test_a_logarithm_on_its_bound_has_a_gradient():
    at = LOG_ADAM.coordinates(torch.full((4, 1, 1), -50.0), parameters.USUAL).requires_grad_(True)
    p = LOG_ADAM.parameters(at, parameters.USUAL)
    assert [v.item() for v in (p.sigma_x, p.sigma_y, p.sigma_r)] == pytest.approx([1.0, 1.0, 0.01])
    (p.sigma_x + p.sigma_y + p.sigma_r).sum().backward()
    assert at.grad is not None
    assert at.grad[:, 0, 0].tolist() == pytest.approx([1.0, 1.0, 0.0, 0.01])


def test_the_rate_falls_to_nothing_after_the_last_step():
    assert LOG_ADAM.rates(4, 0.2).tolist() == pytest.approx([0.2, 0.15, 0.1, 0.05])
    assert ADAM.rates(3).tolist() == [ADAM.rate] * 3
    assert LOG_ADAM.rates(0).tolist() == []


def test_moments_keep_the_decimals_that_are_written_down():
    """1 − 0.9 is not the float 0.1, and results of plain Adam are the same bits as ever."""
    assert ADAM.betas == (0.9, 0.1, 0.999, 0.001)


WIDE = Grid.from_sizes(300, 90, 3, 1)  # 100 down, 90 across


def test_sigma_may_be_as_large_as_a_cell_that_is_wider_than_64_pixels():
    assert parameters.highest(Grid.from_stride(512, 512, 64)) == parameters.USUAL == (64, 64)
    assert parameters.highest_note(Grid.from_stride(512, 512, 64)) == ()
    assert parameters.highest(WIDE) == (90, 100)
    (note,) = parameters.highest_note(WIDE)
    assert "Cells 90 pixels wide and 100 high" in note
    raw = torch.tensor([[85.0, 200.0], [85.0, 200.0], [0.1, 0.2], [-1.0, 3.0]]).reshape(4, 1, 2)
    found = parameters.from_raw(raw, parameters.highest(WIDE))
    assert found.sigma_x.flatten().tolist() == [85, 90]
    assert found.sigma_y.flatten().tolist() == [85, 100]
    for ours, theirs in zip(found, reference.parameters(raw.double(), (WIDE.step_y, WIDE.step_x))):
        assert (ours - theirs).abs().max() <= 1e-5


def test_logarithms_have_the_same_bounds():
    high = parameters.highest(WIDE)
    at = LOG_ADAM.coordinates(torch.full((4, 1, 1), 500.0), high)
    assert at[:2].exp().flatten().tolist() == pytest.approx([90, 100])
    assert LOG_ADAM.parameters(at, high).sigma_y.item() == pytest.approx(100)


def test_a_fit_starts_half_a_stride_wide_at_any_stride():
    p = parameters.from_raw(parameters.start(Grid.from_sizes(900, 900, 3, 3)), (300, 300))
    assert p.sigma_x.flatten().tolist() == pytest.approx([150] * 9)
