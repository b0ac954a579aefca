"""Cliffs: settings whose time a pixel is more than three times that of a neighbour in stride, radius or size.

    python -m benchmarks.cliffs [--sizes 256 512 1024] [--turns 5]

One thread, on the thread's own clock: a step of the fit on RGB and a render of 21 channels, at every stride, radius and
size. Neighbours are the next ones in these lists; a larger window than a neighbour's may cost what it holds more.
Prints what lies above LIMIT, or that nothing does; exit status 1 where something does.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from functools import partial

import numpy as np
import torch

from benchmarks.speed import window
from benchmarks.strides import fits_of, grid_of, in_turns
from gsjbu.core import parameters
from gsjbu.core.backends import cpu, forms

STRIDES = (1, 2, 3, 3.5, 4, 5, 7, 8, 11, 16, 23, 32, 64)
RADII = (1, 2, 3, 4, 8)
SIZES = (256, 512, 1024)
LIMIT = 3.0
STEPS, CHANNELS = 2, 21


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    axes = (STRIDES, RADII, tuple(args.sizes))
    found = {at: times(*at, args.turns) for at in itertools.product(*axes)}
    cliffs = 0
    for at, axis in itertools.product(found, range(3)):
        place = axes[axis].index(at[axis])
        for beside in (place - 1, place + 1):
            if not 0 <= beside < len(axes[axis]):
                continue
            other = (*at[:axis], axes[axis][beside], *at[axis + 1 :])
            for what, mine, theirs in zip(("step", "render"), found[at], found[other], strict=True):
                wider = max(1.0, holds(at) / holds(other))
                if mine > LIMIT * wider * theirs:
                    cliffs += 1
                    print(f"{what} at {said(at)}: {mine / wider / theirs:.1f}× that at {said(other)}")
    print(f"{len(found)} settings, {cliffs} cliffs")
    return 1 if cliffs else 0


def times(stride: float, radius: int, size: int, turns: int) -> tuple[float, float]:
    """Seconds a pixel: of a step, and of a render."""
    image = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    grid = grid_of(image, stride)
    problem = cpu.Problem.of(image, grid.cell_means(image), grid, radius)
    signal = torch.randn(CHANNELS, grid.rows, grid.cols)
    short, long = fits_of(image, stride, forms.quicker(grid)[0], 1, radius)
    render = partial(cpu.render, problem, parameters.start(grid), signal, threads=1)
    taken = in_turns([short, long, render], 1, turns)
    pixels = image[0].numel()
    return float(np.median(taken[1] - taken[0])) / STEPS / pixels, float(np.median(taken[2])) / pixels


def holds(at: tuple[float, int, int]) -> float:
    """LR pixels of a window, on average."""
    stride, radius, size = at
    return window(grid_of(torch.empty(1, size, size), stride), radius)


def said(at: tuple[float, int, int]) -> str:
    return f"stride {at[0]}, radius {at[1]}, {at[2]}²"


if __name__ == "__main__":
    sys.exit(main())
