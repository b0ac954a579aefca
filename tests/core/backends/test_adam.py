"""The compiled step of one LR pixel, against torch: what coordinates mean, and where Adam takes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core import parameters
from gsjbu.core.backends import adam
from gsjbu.core.backends.forms import Job
from gsjbu.core.parameters import OPTIMISERS


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=list(OPTIMISERS))
@pytest.mark.parametrize("pitch", [(1.0, 1.0), (2.0, 1.0)])
def test_a_shape_is_that_of_the_parameters(optimiser, pitch):
    raw = draw(4, 3, 5)
    raw[:2] += 8
    at = optimiser.coordinates(raw, parameters.USUAL)
    shape = np.empty((3, 5, adam.COEFFICIENTS), np.float32)
    adam.set_all_coefficients(at.numpy(), optimiser.in_logs, parameters.USUAL, pitch, shape)
    ux, uy, vx, vy = (torch.from_numpy(shape[..., k]) for k in (adam.UX, adam.UY, adam.VX, adam.VY))
    # log w = −(a·Δx² + b·Δx·Δy + c·Δy²) in the image, from the two linear forms, in base 2 and units of the pitch
    a, b, c, kappa = (v * adam.LOG2E for v in parameters.coefficients(parameters.from_raw(raw, parameters.USUAL)))
    assert torch.allclose(ux * ux + vx * vx, a * pitch[1] ** 2, rtol=1e-5)
    assert torch.allclose(uy * uy + vy * vy, c * pitch[0] ** 2, rtol=1e-5)
    assert torch.allclose(2 * (ux * uy + vx * vy), b * pitch[0] * pitch[1], rtol=1e-4, atol=1e-6)
    assert torch.allclose(torch.from_numpy(shape[..., adam.RANGE]), kappa, rtol=1e-5)
    assert (torch.from_numpy(shape[..., adam.LEAST]) <= torch.minimum(a, c) * 1.0001).all()


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=list(OPTIMISERS))
def test_steps_are_torchs_adam(optimiser):
    raw = draw(4, 2, 3)
    raw[:2] += 8
    right = optimiser.coordinates(raw, parameters.USUAL).clone().requires_grad_(True)
    at = right.detach().clone().numpy()
    theirs = torch.optim.Adam([right], betas=(optimiser.beta1, optimiser.beta2))
    first, second, rates = np.zeros_like(at), np.zeros_like(at), optimiser.rates(6)
    job = Job(1.0, 0.0, optimiser.in_logs, parameters.USUAL, rates, optimiser.betas, True)
    for step in range(6):
        gradient = draw(4, 2, 3) * (step + 1) - 0.5
        right.grad = gradient
        theirs.param_groups[0]["lr"] = rates[step]
        theirs.step()
        for i in range(2):
            for j in range(3):
                adam.take_step(at, i, j, job, gradient.numpy(), first, second, step)
    assert np.abs(at - right.detach().numpy()).max() <= 1e-5


def test_logarithms_stop_at_their_bounds():
    at = np.log(np.array([1.02, 63.0, 1.0, 0.0101], np.float32)).reshape(4, 1, 1)
    gradient = np.array([1.0, -1.0, 0.0, 1.0], np.float32).reshape(4, 1, 1)
    moments = [np.zeros_like(at) for _ in range(2)]
    job = Job(1.0, 0.0, True, parameters.USUAL, np.array([0.5]), parameters.LOG_ADAM.betas, True)
    adam.take_step(at, 0, 0, job, gradient, *moments, 0)
    assert np.exp(at.reshape(-1)) == pytest.approx([1.0, 64.0, 1.0, 0.01])
