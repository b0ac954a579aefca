"""A result that makes room says what it said before, as far as it says anything."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gsjbu.run.panels import Panel
from gsjbu.server.results import Bundle

SPREAD = torch.rand(1, 5, 6, generator=torch.Generator().manual_seed(0))


def panel(values: torch.Tensor, legend: list[dict[str, object]] | None = None) -> Panel:
    return Panel("p", "signal", "P", "P.", np.zeros((5, 6, 3), np.uint8), values, legend=legend)


@pytest.mark.parametrize(
    ("values", "legend", "dtype"),
    [
        (SPREAD, None, torch.float16),
        (torch.where(SPREAD > 0.8, torch.nan, 60000 * SPREAD), None, torch.float16),
        ((3 * SPREAD).floor(), [{"index": 0}], torch.float16),
        (100_000 + 1000 * SPREAD, None, torch.float32),  # depth in mm
        (1e-9 * SPREAD, None, torch.float32),
        (287 + SPREAD, None, torch.float32),  # kelvin
        (torch.where(SPREAD > 0.8, torch.nan, 287 + SPREAD), None, torch.float32),
        ((3 * SPREAD).floor() + 5001, [{"index": 5001}], torch.float32),  # numbers of classes
    ],
)
def test_half_the_digits_go_only_where_they_are_not_missed(values, legend, dtype) -> None:
    result = SimpleNamespace(panels=[panel(values, legend)], image={"width": 6, "height": 5})
    bundle = Bundle(result)
    bundle.evict(1)
    kept = bundle.panels["p"].values
    assert kept.dtype == dtype
    most = float(values.nan_to_num(0).abs().max())
    torch.testing.assert_close(kept.float(), values, rtol=0, atol=0 if legend else most / 1024, equal_nan=True)
