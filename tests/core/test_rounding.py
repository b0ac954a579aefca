"""What rounding leaves beyond [0, 1] is of [0, 1], and nothing else is."""

from __future__ import annotations

import pytest

from gsjbu.core.rounding import in_unit


@pytest.mark.parametrize("ends", [(0, 1), (0, 0), (-1e-8, 1), (0.5, 1 + 1.2e-7), (-9e-6, 1 + 9e-6), (0.2, 0.3)])
def test_a_step_of_rounding_is_within(ends):
    assert in_unit(*ends)


@pytest.mark.parametrize(
    "ends", [(-1e-4, 1), (0, 1.001), (-1e-6, 1e-6), (-1, 0), (float("nan"), float("nan")), (-1, float("inf"))]
)
def test_what_lies_further_off_is_beyond(ends):
    assert not in_unit(*ends)


def test_half_precision_has_longer_steps():
    assert in_unit(0, 1 + 2**-10, step=2**-10) and not in_unit(0, 1 + 2**-10)
