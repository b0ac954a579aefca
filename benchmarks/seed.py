"""The system that this project grew from, as plain gathers: the same work, its time and its PSNR beside ours.

  python -m benchmarks.seed

256×256 pixels, stride 16, radius 2, 384 feature channels; the LR image sampled bilinearly. It steps on the raw values
at a rate of 1e-3 from σ = s, σr = 0.12. PSNR is the mean over the first two scenes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

import gsjbu
from benchmarks.gathers import Gathers
from gsjbu.core import parameters
from gsjbu.core.grid import Grid
from gsjbu.core.threads import available, torch_threads
from gsjbu.io.pictures import resize_area
from gsjbu.run.metrics import psnr
from gsjbu.samples import SAMPLES

T = TypeVar("T")
SIZE, STRIDE, RADIUS, CHANNELS = 256, 16, 2, 384
RATE, START = 1e-3, (1.0, 0.12)
STEPS = (0, 1, 5, 10, 50)


def main() -> None:
    """Print both tables."""
    threads = min(2, available())
    grid = Grid.from_stride(SIZE, SIZE, STRIDE)
    images = [resize_area(scene.image, SIZE, SIZE) for scene in list(SAMPLES.values())[:2]]
    features = torch.randn(CHANNELS, grid.rows, grid.cols, generator=torch.Generator().manual_seed(0))
    gsjbu.fit(images[0], stride=STRIDE, iters=1).render(features)  # compiled before the clock runs
    with torch_threads(threads):
        print(f"{SIZE}×{SIZE}, stride {STRIDE}, radius {RADIUS}, {threads} threads; one run")
        seed, _ = seconds(lambda: _seed(images[0], grid, 50))
        ours, kernel = seconds(lambda: gsjbu.fit(images[0], stride=STRIDE, iters=50, threads=threads))
        default, _ = seconds(lambda: gsjbu.fit(images[0], stride=STRIDE, threads=threads))
        gathers = Gathers(images[0], grid.cell_samples(images[0]), grid, RADIUS)
        raw = parameters.start(grid, *START)
        seed_render, _ = seconds(lambda: gathers.render(raw, features))
        our_render, _ = seconds(lambda: kernel.render(features, threads=threads))
        print(f"fit of 50 steps     seed {seed:7.3f} s   ours {ours:7.3f} s   by default {default:7.3f} s")
        print(f"{CHANNELS} channels        seed {seed_render:7.3f} s   ours {our_render:7.3f} s")
        print("\nsteps  seed dB  ours dB")
        for steps in STEPS:
            theirs = [_psnr(image, _seed(image, grid, steps), grid) for image in images]
            mine = [_psnr(image, gsjbu.fit(image, stride=STRIDE, iters=steps).raw, grid) for image in images]
            print(f"{steps:>5}{sum(theirs) / len(images):>9.2f}{sum(mine) / len(images):>9.2f}")


def _seed(image: Tensor, grid: Grid, steps: int) -> Tensor:
    """Raw values after so many of the seed's steps."""
    return Gathers(image, grid.cell_samples(image), grid, RADIUS).fit(parameters.start(grid, *START), steps, RATE)


def _psnr(image: Tensor, raw: Tensor, grid: Grid) -> float:
    lr = grid.cell_samples(image)
    return psnr(Gathers(image, lr, grid, RADIUS).render(raw, lr), image)


def seconds(work: Callable[[], T]) -> tuple[float, T]:
    """How long it takes, and what it gives."""
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made


if __name__ == "__main__":
    main()
