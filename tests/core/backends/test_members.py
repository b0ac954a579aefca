"""What is mixed besides a set of Gaussians is none of them, or adds up with them, in both forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core.backends import cpu, forms
from gsjbu.core.backends.members import Members, alone
from tests.core.backends.test_fused import ours
from tests.oracle_cases import Case, Problem, one_torch_thread

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here

PROBLEM = Problem(Case(24, 40, 4, 2, rgb_weight=0, signal_weight=1))


def rendered(members: Members | None, form, raw=PROBLEM.raw) -> torch.Tensor:
    return torch.from_numpy(cpu.render(ours(PROBLEM), raw, PROBLEM.signal, threads=1, form=form, members=members))


@pytest.mark.parametrize("form", [forms.CELLS, forms.ROWS], ids=["cells", "rows"])
def test_alone_is_the_set_itself(form):
    assert torch.equal(rendered(alone(2), form), rendered(None, form))


@pytest.mark.parametrize("form", [forms.CELLS, forms.ROWS], ids=["cells", "rows"])
def test_shares_of_two_sets_and_of_a_plain_interpolation_add_up(form):
    """The interpolation here: half of the cell itself and a quarter of the one below and of the one to the right."""
    second = PROBLEM.raw.flip(1)
    down, across = np.zeros((5, 24), np.float32), np.zeros((5, 40), np.float32)
    down[2], down[3] = 0.5, 0.25
    across[2], across[3] = 0.4, 0.2
    both = Members(0.5, 0.2, second, down, across)
    values = torch.nn.functional.pad(PROBLEM.signal, (0, 1, 0, 1))
    rows, cols = PROBLEM.signal.shape[1:]
    plain = sum(
        torch.from_numpy(down[2 + y])[:, None]
        * torch.from_numpy(across[2 + x])
        * values[:, y : rows + y, x : cols + x].repeat_interleave(4, 1).repeat_interleave(4, 2)
        for y in (0, 1)
        for x in (0, 1)
    )
    right = 0.5 * rendered(None, form) + 0.2 * rendered(None, form, second) + plain
    inside = (slice(None), slice(0, 20), slice(0, 36))  # at the rim a part of the window is outside
    torch.testing.assert_close(rendered(both, form)[inside], right[inside], atol=3e-6, rtol=0)
