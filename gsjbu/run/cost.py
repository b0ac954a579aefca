"""What a step of a fit costs: nanoseconds by grid, radius and optimiser, scaled by how fast this machine is."""

from __future__ import annotations

import math
import time
from functools import lru_cache

from gsjbu.core.backends.lattices import lattices
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import ADAM, SIGMA_LOW, Optimiser

# The fused kernel, nanoseconds a step on one thread of the machine it was measured on (EPYC with AVX-512), by form:
# per 16 pixels of a cell, or per pixel in a lane; the same with each neighbour; per cell; per neighbour of a cell. Of
# 128 fits by both optimisers at strides 2 to 64 and radii 1 to 8, all are within a factor of 2.2, on average 1.13.
STEP = {
    "cells": (49.0, 5.1, 320.0, 24.0),
    "rows": (0.29, 0.64, 17.0, 0.67),
}  # fmt: skip
# Farther than so many σ a neighbour weighs nothing, and is skipped; σ is that of the start.
REACH = 7.06
# The attention form, nanoseconds a pixel and neighbour and step; rendering costs about a third of a step.
ATTENTION_CPU, ATTENTION_GPU = 13.0, 0.05


def fused_step(grid: Grid, radius: int, optimiser: Optimiser = ADAM) -> float:
    """Nanoseconds of a step of the fused kernel on one thread of the measured machine."""
    from gsjbu.core.backends.forms import quicker  # numba may be missing, or compile later
    from gsjbu.core.backends.lanes import whole_vectors
    from gsjbu.core.backends.simd import LANES

    part = lattices(grid, optimiser.pitch, optimiser.keep)[0]
    pixels = grid.height / part.pitch_y * grid.width / part.pitch_x
    cells = grid.rows * grid.cols
    near = 1.0
    for _, count, step in grid.axes:
        sigma = max(optimiser.start[0], SIGMA_LOW / step)  # strides
        near *= mean_window(count, min(radius, REACH * sigma))
    form = quicker(grid, part)[0].name
    if form == "rows":
        places = math.ceil(min(grid.step_x, grid.width) / part.pitch_x)
        laid = pixels / (grid.width / part.pitch_x) * whole_vectors(grid.cols) * places
    else:
        laid = cells * math.ceil(pixels / cells / LANES)
    pixel, pair, cell, neighbour = STEP[form]
    return laid * (pixel + near * pair) + cells * (cell + near * neighbour)


def attention_step(grid: Grid, radius: int, optimiser: Optimiser, device: str, workers: int) -> float:
    """Nanoseconds of a step of the attention form, on ``workers`` threads of a CPU or on a GPU."""
    part = lattices(grid, optimiser.pitch, optimiser.keep)[0]
    each = ATTENTION_CPU / (1 + 0.4 * (workers - 1)) if device == "cpu" else ATTENTION_GPU
    return grid.height * grid.width * (2 * radius + 1) ** 2 * each / (part.pitch_y * part.pitch_x)


def mean_window(cells: int, radius: float) -> float:
    """How many of the 2·radius + 1 cells along one axis lie in the grid, on average over the grid."""
    inside = min(2 * radius + 1, cells)
    lost = min(radius, cells) * (min(radius, cells) + 1) / cells if cells > radius else 0.0
    return max(1.0, inside - lost) if cells > 2 * radius + 1 else max(1.0, 0.85 * inside)


def machine() -> float:
    """How many times the measured machine's time this one takes; 1 until the fused kernel is compiled."""
    from gsjbu.core.backends.dispatch import warm_up

    return _measured() if warm_up.state == "warm" else 1.0


@lru_cache(maxsize=1)
def _measured() -> float:
    """The same by a tiny fit, the best of five."""
    import torch

    from gsjbu.core import parameters
    from gsjbu.core.backends import cpu

    grid = Grid.from_stride(128, 128, 16)
    guide = torch.linspace(0, 1, 3 * 128 * 128, dtype=torch.float32).reshape(3, 128, 128)
    problem = cpu.Problem.of(guide, grid.cell_means(guide), grid, 2)
    raw, steps, best = parameters.start(grid), 4, math.inf
    for _ in range(5):
        began = time.perf_counter()
        cpu.fit(problem, raw, steps, 0.1, 1.0, threads=1)
        best = min(best, time.perf_counter() - began)
    return best / steps / (fused_step(grid, 2) * 1e-9)
