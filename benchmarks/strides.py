"""Step and render by stride: what a pixel costs against stride 16, and a render against F.interpolate.

    python -m benchmarks.strides [--size 512] [--threads 1 2] [--both]

Runs of all strides take turns, and ratios are medians of ratios within a turn: other work on the machine slows all of
them alike. On one thread the clock is the thread's own, which stands still while others have the core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gsjbu.core import parameters
from gsjbu.core.backends import cpu, forms
from gsjbu.core.grid import Grid
from gsjbu.core.threads import available, torch_threads

STRIDES = (16, 1, 2, 3, 3.5, 4, 8, 32, 64)  # the first is what the others are held against
RADIUS = 2
STEPS = 8
CHANNELS = (21, 384)
TURNS, LARGE_TURNS = 7, 3  # the latter for results that take a second
PAUSE = 0.01  # seconds, in which the threads of the job before stop looking for more work
RENDER_BYTES = 8e8  # the largest result that is timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, available()}))
    parser.add_argument("--both", action="store_true", help="both forms, whichever is chosen")
    args = parser.parse_args()
    for name, image in images(args.size).items():
        for threads in args.threads:
            show(name, image, threads, args.both)


def images(size: int) -> dict[str, Tensor]:
    """A built-in scene, and noise, where every neighbour counts."""
    from benchmarks.speed import scene

    draw = torch.Generator().manual_seed(0)
    return {"scene": scene(size, size), "noise": torch.rand(3, size, size, generator=draw)}


def show(name: str, image: Tensor, threads: int, both: bool = False) -> None:
    """Print one image's rows."""
    size = f"{image.shape[2]}×{image.shape[1]}"
    print(f"\nby stride, {name} {size}, radius {RADIUS}, {threads} threads")
    print(f"{'stride':>7} {'form':<6}{'step ns/px':>11}{'× s16':>7}", end="")
    print("".join(f"{f'render {c} ms':>16}{'× bilinear':>11}" for c in CHANNELS))
    cases = [
        (stride, form)
        for stride in STRIDES
        for form in ((forms.CELLS, forms.ROWS) if both else (forms.quicker(grid_of(image, stride))[0],))
    ]
    steps = [fits_of(image, stride, form, threads) for stride, form in cases]
    fits = in_turns([fit for pair in steps for fit in pair], threads)
    taken = [(long - short) / STEPS for short, long in zip(fits[::2], fits[1::2], strict=True)]
    base = taken[[stride for stride, _ in cases].index(16)]
    for (stride, form), times in zip(cases, taken, strict=True):
        each = np.median(times) / image[0].numel() * 1e9
        print(f"{stride:>7} {form.name:<6}{each:>11.1f}{np.median(times / base):>7.2f}", end="")
        for channels in CHANNELS:
            print(render_cells(image, stride, form, threads, channels), end="", flush=True)
        print()


def grid_of(image: Tensor, stride: float) -> Grid:
    """Cells of that many pixels, whole or not."""
    height, width = image.shape[1:]
    if stride == int(stride):
        return Grid.from_stride(height, width, int(stride))
    return Grid.from_sizes(height, width, round(height / stride), round(width / stride))


def fits_of(
    image: Tensor, stride: float, form: forms.Form, threads: int, radius: int = RADIUS
) -> list[Callable[[], object]]:
    """Plain Adam over all pixels, one step and STEPS more: the difference leaves out what is made once a fit."""
    grid = grid_of(image, stride)
    problem, raw = cpu.Problem.of(image, grid.cell_means(image), grid, radius), parameters.start(grid)
    return [partial(cpu.fit, problem, raw, count, 0.1, 1.0, threads=threads, form=form) for count in (1, 1 + STEPS)]


def render_cells(image: Tensor, stride: float, form: forms.Form, threads: int, channels: int) -> str:
    """Milliseconds of a render, and its time against F.interpolate, as two cells of the table."""
    if channels * image[0].numel() * 4 > RENDER_BYTES:
        return f"{'–':>16}{'–':>11}"
    grid, size = grid_of(image, stride), tuple(image.shape[1:])
    problem, raw = cpu.Problem.of(image, grid.cell_means(image), grid, RADIUS), parameters.start(grid)
    signal = torch.randn(channels, grid.rows, grid.cols)
    with torch_threads(threads):
        ours, bilinear = in_turns(
            [
                lambda: cpu.render(problem, raw, signal, threads=threads, form=form),
                lambda: F.interpolate(signal[None], size=size, mode="bilinear"),
            ],
            threads,
            TURNS if channels < 100 else LARGE_TURNS,
        )
    return f"{np.median(ours) * 1e3:>16.1f}{np.median(ours / bilinear):>11.2f}"


def in_turns(jobs: Iterable[Callable[[], object]], threads: int, turns: int = TURNS) -> list[np.ndarray]:
    """Seconds of each job, one after another, ``turns`` times; a first turn does not count."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    jobs = list(jobs)
    taken: list[list[float]] = [[] for _ in jobs]
    for turn in range(turns + 1):
        for job, times in zip(jobs, taken, strict=True):
            if threads > 1:
                time.sleep(PAUSE)
            began = clock()
            job()
            if turn:
                times.append(clock() - began)
    return [np.array(times) for times in taken]


if __name__ == "__main__":
    main()
