"""The cost model beside the clock: steps cost about what it says, relative to each other and at every stride."""

from __future__ import annotations

import time

import pytest
import torch

import gsjbu
from gsjbu.core.backends.dispatch import warm_up
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import ADAM, OPTIMISERS, optimiser_of
from gsjbu.run import cost

# The model is within 2.2 of a quiet machine's times; tests run beside each other, on machines with other caches.
ROUGHLY = 4.0


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("radius", [2, 8])
@pytest.mark.parametrize("stride", [2, 4, 16, 32])
def test_a_fit_takes_about_as_long_as_is_said(stride: int, radius: int, optimiser: str) -> None:
    guide = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(0))
    steps = 8
    gsjbu.fit(guide, stride=stride, radius=radius, iters=1, optimiser=optimiser)
    assert warm_up.state == "warm"

    def seconds(iters: int) -> float:
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            gsjbu.fit(guide, stride=stride, radius=radius, iters=iters, optimiser=optimiser, threads=1)
            best = min(best, time.perf_counter() - began)
        return best

    took = (seconds(1 + steps) - seconds(1)) / steps
    grid = Grid.from_stride(256, 256, stride)
    said = cost.fused_step(grid, radius, optimiser_of(optimiser, "bilinear")) * cost.machine() * 1e-9
    assert said / ROUGHLY < took < said * ROUGHLY


def test_a_step_of_some_pixels_costs_less() -> None:
    grid = Grid.from_stride(512, 512, 16)
    some = OPTIMISERS["log-adam"]
    assert cost.fused_step(grid, 2, some) < cost.fused_step(grid, 2, ADAM)
    assert 4 * cost.attention_step(grid, 2, some, "cpu", 1) == cost.attention_step(grid, 2, ADAM, "cpu", 1)


def test_more_threads_share_a_step_of_the_attention_form() -> None:
    grid = Grid.from_stride(64, 64, 8)
    one, two = (cost.attention_step(grid, 2, ADAM, "cpu", workers) for workers in (1, 2))
    assert two < one
    assert cost.attention_step(grid, 2, ADAM, "cuda", 1) < two


@pytest.mark.parametrize(("cells", "radius"), [(1, 2), (3, 1), (7, 3), (20, 2), (64, 8)])
def test_mean_windows_are_about_those_counted(cells: int, radius: int) -> None:
    counted = sum(min(cells - 1, i + radius) - max(0, i - radius) + 1 for i in range(cells)) / cells
    assert cost.mean_window(cells, radius) == pytest.approx(counted, rel=0.2)
