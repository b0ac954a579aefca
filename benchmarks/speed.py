"""`make bench`: how fast a step and a render are, against plain gathers and F.interpolate. Prints, asserts nothing.

    python -m benchmarks.speed [--quick] [--threads 1 4] [--json FILE]

Every ratio is taken within one run, on medians of five or more; where one repetition takes over three seconds,
of three. The spread is half the distance between the quartiles, in percent of the median. Peak memory is what the
process grew by at its highest (Linux; elsewhere a dash). A render's bilinear is F.interpolate on the same threads.
Each render's result is let go of before the next, which may be given its pages again (core/memory.py); torch's too,
where glibc has kept them.

The floor of a step is what the machine would need for 40 vector operations per pixel and neighbour at the rate that
a loop of independent multiply-adds reaches here, on one thread; a neighbour outside the grid counts for nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

import gsjbu
from benchmarks import large, strides
from benchmarks.gathers import Gathers
from gsjbu.core import parameters
from gsjbu.core.backends import attention, cpu
from gsjbu.core.backends.dispatch import warm_up
from gsjbu.core.backends.simd import LANES, splat, total
from gsjbu.core.grid import Grid
from gsjbu.core.threads import available, torch_threads

SIZES = ((224, 224), (512, 512), (1024, 1024), (2160, 3840))
RADII = (2, 4, 8)
CHANNELS = (3, 64, 384, 768)
STRIDE = 16
OPERATIONS = 40
GATHERS_BYTES = 6e9  # what plain gathers may need before they are left out
OUTPUT_BYTES = 3.3e9  # the largest render's result


@dataclass
class Row:
    """One line of the table; times in milliseconds, memory in MB."""

    what: str
    size: str
    radius: int
    channels: int
    threads: int
    backend: str
    median: float | None
    spread: float | None = None
    memory: float | None = None
    to_gathers: float | None = None
    to_bilinear: float | None = None
    floor: float | None = None
    note: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="224² and 512², radius 2 and 8, 3 and 64 channels")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, available()}))
    parser.add_argument("--json", type=Path, help="write the rows to a file as well")
    args = parser.parse_args()
    if not warm_up.run():
        sys.exit(f"The fused kernel cannot be used here: {warm_up.reason}")
    rate = vector_rate()
    print(machine(rate))
    print(f"\n{HEADER}")
    rows: list[Row] = []
    sizes, radii, channels = (SIZES[:2], (2, 8), (3, 64)) if args.quick else (SIZES, RADII, CHANNELS)
    for height, width in sizes:
        image = scene(height, width)
        for threads in args.threads:
            for radius in radii:
                rows += shown(steps(image, radius, threads, rate))
            for count in channels:
                rows += shown(renders(image, count, threads))
    for size in (512,) if args.quick else (512, 2048):
        for name, image in strides.images(size).items():
            for threads in args.threads:
                strides.show(name, image, threads)
    large.show()
    side_by_side()
    estimates(args.quick)
    if torch.cuda.is_available():
        for height, width in sizes:
            for radius in radii:
                rows += shown(cuda_steps(scene(height, width), radius))
    else:
        print("CUDA: none here, no rows.")
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in rows], indent=1), "utf-8")


def scene(height: int, width: int) -> Tensor:
    """A built-in scene, enlarged or cut to the size: real edges at every size."""
    from gsjbu.samples import SAMPLES

    image = SAMPLES[next(iter(SAMPLES))].image
    scale = max(height / image.shape[1], width / image.shape[2], 1.0)
    big = F.interpolate(image[None], scale_factor=scale, mode="bicubic")[0].clamp(0, 1) if scale > 1 else image
    return big[:, :height, :width].contiguous()


def steps(image: Tensor, radius: int, threads: int, rate: float) -> list[Row]:
    """Forward, backward and Adam: one step of each backend, averaged over as many as make a fit of it."""
    _, height, width = image.shape
    grid = Grid.from_stride(height, width, STRIDE)
    lr, raw = grid.cell_means(image), parameters.start(grid)
    size, pairs = f"{width}×{height}", height * width * window(grid, radius)
    rows = []
    base = None
    need = height * width * (2 * radius + 1) ** 2 * 4 * 25
    with torch_threads(threads):
        if need < GATHERS_BYTES:
            gathers = Gathers(image, lr, grid, radius)
            row = timed("step", size, radius, 3, threads, "gathers", lambda: gathers.fit(raw, 2), 2)
            base = row.median
            rows.append(row)
            del gathers
        else:
            note = f"would need about {need / 1e9:.0f} GB"
            rows.append(Row("step", size, radius, 3, threads, "gathers", None, note=note))
        form = attention.Problem(image, lr, grid, radius)
        if height * width * (2 * radius + 1) ** 2 < 3e8:
            rows.append(
                timed(
                    "step",
                    size,
                    radius,
                    3,
                    threads,
                    "attention",
                    lambda: attention.fit(form, raw, 3, 0.1, 1.0),
                    3,
                )
            )
        else:
            rows.append(Row("step", size, radius, 3, threads, "attention", None, note="left out: minutes"))
    count = 50 if height * width < 400_000 else 5
    problem = cpu.Problem.of(image, lr, grid, radius)
    row = timed(
        "step", size, radius, 3, threads, "fused",
        lambda: cpu.fit(problem, raw, count, 0.1, 1.0, threads=threads), count,
    )  # fmt: skip
    assert row.median is not None
    row.floor = pairs * OPERATIONS / LANES / rate / threads * 1e3 / row.median
    rows.append(row)
    whole = timed("fit, per step", size, radius, 3, threads, "gsjbu.fit",
                  lambda: gsjbu.fit(image, STRIDE, count, radius, threads=threads), count)  # fmt: skip
    whole.note = f"{whole.median / row.median:.2f}× the bare kernel" if whole.median else ""
    rows.append(whole)
    for r in rows:
        if base and r.median:
            r.to_gathers = base / r.median
    return rows


def renders(image: Tensor, channels: int, threads: int) -> list[Row]:
    """An LR signal to the image's size: F.interpolate, attention, fused (fresh result, and into one that is there)."""
    _, height, width = image.shape
    size = f"{width}×{height}"
    if channels * height * width * 4 > OUTPUT_BYTES:
        note = f"the result alone is {channels * height * width * 4 / 1e9:.0f} GB"
        return [Row("render", size, 2, channels, threads, "all", None, note=note)]
    kernel = gsjbu.fit(image, STRIDE, 2, threads=threads)
    grid = kernel.grid
    signal = torch.randn(channels, grid.rows, grid.cols)
    rows = []
    with torch_threads(threads):
        bilinear = timed("render", size, 2, channels, threads, "bilinear", lambda: F.interpolate(
            signal[None], size=(height, width), mode="bilinear"))  # fmt: skip
        rows.append(bilinear)
        if channels * height * width < 3e8:
            form = attention.Problem(image, kernel.lr_guide, grid, 2)
            rows.append(
                timed("render", size, 2, channels, threads, "attention",
                      lambda: attention.render(form, kernel.raw, signal))
            )  # fmt: skip
        rows.append(
            timed("render", size, 2, channels, threads, "fused", lambda: kernel.render(signal, threads=threads))
        )
    out = np.zeros((channels, height, width), dtype=np.float32)
    rows.append(
        timed("render", size, 2, channels, threads, "fused, out=",
              lambda: kernel.render(signal, out=out, threads=threads))
    )  # fmt: skip
    for r in rows[1:]:
        if r.median and bilinear.median:
            r.to_bilinear = bilinear.median / r.median
    return rows


def side_by_side() -> None:
    """As many one-thread fits as cores at once, and one fit on all cores beside a busy one."""
    cores = available()
    image = scene(512, 512)

    def rate_of(jobs: int) -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(jobs) as pool:
            for f in [pool.submit(gsjbu.fit, image, STRIDE, 100, threads=1) for _ in range(2 * jobs)]:
                f.result()
        return 2 * jobs / (time.perf_counter() - began)

    def step_time() -> float:
        taken = []
        for _ in range(7):
            began = time.perf_counter()
            gsjbu.fit(image, STRIDE, 100, threads=cores)
            taken.append(time.perf_counter() - began)
        return float(np.median(taken))

    alone, together = np.median([rate_of(1) for _ in range(5)]), np.median([rate_of(cores) for _ in range(5)])
    print(
        f"\n{cores} one-thread fits at once: {together:.1f} fits a second, one alone {alone:.1f}: "
        f"{together / alone:.2f}× ({together / alone / cores:.2f} × cores)"
    )
    free = step_time()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        slowed = step_time()
        busy.kill()
    print(f"A fit on {cores} threads beside one busy core: {slowed / free:.2f}× its time alone")


def estimates(quick: bool) -> None:
    """What gsjbu.estimate says before a run against what then happens, each run in a process that is new to it."""
    print("\nestimate against run (seconds), 1920×1080 picture")
    cases: list[dict[str, object]] = [
        {}, {"iters": 0}, {"iters": 300}, {"stride": 4}, {"radius": 8}, {"methods": "all"}, {"features": False},
        {"stride": 64, "radius": 8}, {"objective": "auto"}, {"resolution": 1024},
    ]  # fmt: skip
    cases += [] if quick else [{"resolution": 1920}, {"stride": 2}, {"resolution": 1920, "iters": 300}]
    for given in cases:
        process = get_context("spawn").Process(target=_estimate, args=(given,))
        process.start()
        process.join()
        if process.exitcode:
            print(f"  {given!s:<40} failed with status {process.exitcode}")


def _estimate(given: dict[str, object]) -> None:
    from gsjbu.run import pipeline
    from gsjbu.settings import Settings

    warm_up.run()
    pipeline.run(scene(64, 64), Settings())  # loads the backbone
    image, settings = scene(1080, 1920), Settings.parse(given)
    said = gsjbu.estimate(1080, 1920, settings)
    before = reset_peak()
    began = time.perf_counter()
    pipeline.run(image, settings)
    took = time.perf_counter() - began
    memory = "" if before is None else f", {said.bytes / 1e6:.0f} MB said, {(peak() - before) / 1e6:.0f} grown"
    print(f"  {given!s:<40} {said.seconds:7.2f} said {took:7.2f} took ({took / said.seconds:.2f}×){memory}")


def cuda_steps(image: Tensor, radius: int) -> list[Row]:
    """The attention form on the GPU, as a CUDA graph."""
    _, height, width = image.shape
    grid = Grid.from_stride(height, width, STRIDE)
    raw = parameters.start(grid)
    form = attention.Problem(image.cuda(), grid.cell_means(image).cuda(), grid, radius)
    row = timed("step", f"{width}×{height}", radius, 3, 0, "attention, CUDA",
                lambda: attention.fit(form, raw, 50, 0.1, 1.0), 50)  # fmt: skip
    row.memory = torch.cuda.max_memory_allocated() / 1e6
    return [row]


def timed(
    what: str, size: str, radius: int, channels: int, threads: int, backend: str, work: Callable[[], object],
    times: int = 1,
) -> Row:  # fmt: skip
    """Median and spread of ``work``, whose time is divided by ``times``, and the memory it needed at most."""
    gc.collect()
    before = reset_peak()
    began = time.perf_counter()
    work()
    first = time.perf_counter() - began
    memory = None if before is None else max(0.0, peak() - before) / 1e6
    taken = []
    for _ in range(3 if first > 3 else 9 if first < 0.3 else 5):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) / times * 1e3)
    low, middle, high = np.percentile(taken, (25, 50, 75))
    return Row(what, size, radius, channels, threads, backend, float(middle),
               float(50 * (high - low) / middle), memory)  # fmt: skip


def window(grid: Grid, radius: int) -> float:
    """Neighbours of a cell inside the grid, on average."""

    def along(cells: int) -> float:
        return sum(min(cells - 1, i + radius) - max(0, i - radius) + 1 for i in range(cells)) / cells

    return along(grid.rows) * along(grid.cols)


def vector_rate() -> float:
    """Vector operations a second on one thread: eight independent chains of multiply-adds."""

    @njit(nogil=True)
    def chains(n: int) -> float:
        one, x = splat(np.float32(0.999)), splat(np.float32(1e-3))
        a, b, c, d, e, f, g, h = one, one, one, one, one, one, one, one
        for _ in range(n):
            a, b, c, d = a * one + x, b * one + x, c * one + x, d * one + x
            e, f, g, h = e * one + x, f * one + x, g * one + x, h * one + x
        return total(a + b + c + d + e + f + g + h)

    chains(10)
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        chains(2_000_000)
        best = max(best, 8 * 2_000_000 / (time.perf_counter() - began))
    return best


def machine(rate: float) -> str:
    """Where this was measured."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    import numba

    return (
        f"{model}, {available()} cores, load {load:.1f} at the start; {rate / 1e9:.2f} G vector multiply-adds of "
        f"{LANES} floats a second on one thread\nPython {platform.python_version()}, torch {torch.__version__}, "
        f"numba {numba.__version__}, numpy {np.__version__}, gsjbu {gsjbu.__version__}; stride {STRIDE}"
    )


def reset_peak() -> float | None:
    """Begin a new peak; what the process has resident now, in bytes (None where the system cannot tell)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return float(status("VmRSS"))
    except OSError:
        return None


def peak() -> float:
    """Bytes resident at most since ``reset_peak``."""
    return float(status("VmHWM"))


def status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(name)


HEADER = (
    f"{'what':<14}{'image':>11}{'R':>3}{'ch':>5}{'thr':>4}  {'backend':<16}{'ms':>10}{'±%':>6}{'MB':>8}"
    f"{'× gathers':>11}{'× bilinear':>11}{'floor %':>9}  note"
)


def shown(rows: list[Row]) -> list[Row]:
    """Print rows as they come."""

    def number(x: float | None, digits: int) -> str:
        return "–" if x is None else f"{x:.{digits}f}"

    for r in rows:
        print(
            f"{r.what:<14}{r.size:>11}{r.radius:>3}{r.channels:>5}{r.threads:>4}  {r.backend:<16}"
            f"{number(r.median, 2):>10}{number(r.spread, 0):>6}{number(r.memory, 0):>8}{number(r.to_gathers, 1):>11}"
            f"{number(r.to_bilinear, 2):>11}{number(None if r.floor is None else 100 * r.floor, 0):>9}  {r.note}",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
