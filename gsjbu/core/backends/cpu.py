"""The door to the fused kernel: torch tensors in, torch tensors out, threads borrowed and given back."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import threads as cores
from gsjbu.core.backends import adam, fused
from gsjbu.core.backends.lattices import Lattice, lattices
from gsjbu.core.backends.phases import CAN_YIELD, STOP, new_control, open_phase
from gsjbu.core.backends.simd import LANES
from gsjbu.core.grid import Grid
from gsjbu.core.memory import room
from gsjbu.core.parameters import ADAM, Optimiser

# A thread is worth borrowing from about 0.1 ms of work a step on: so many pixel × neighbour pairs.
PAIRS_PER_THREAD = 250_000
# The weights of a render's tile should stay in a core's L2 cache (bytes).
TILE_BYTES = 768 * 1024
# A band of rows rendered to a file is handed to the system once it is this large (bytes).
BAND_BYTES = 64 * 1024 * 1024
# One that is copied into ordinary memory should come out of the cache again.
CACHED_BAND_BYTES = 4 * 1024 * 1024
FEWEST_GROUPED = 64  # channels, as their pixels' weights are made again for each group of channels
# Results larger than this are written past the cache: they would only push other things out of it (bytes).
STREAM_BYTES = 15 * 1024 * 1024

Progress = Callable[[int, float], object]


@dataclass
class Problem:
    """The arrays of one image in the kernel's layout; all float32 and contiguous but for the int64 starts."""

    guide: np.ndarray  # [G, H, W]
    lr_guide: np.ndarray  # [h, w, G]
    grid: Grid
    radius: int

    @classmethod
    def of(cls, guide: Tensor, lr_guide: Tensor, grid: Grid, radius: int) -> Problem:
        return cls(_array(guide), _channels_last(lr_guide), grid, radius)

    @property
    def geometry(self) -> tuple[np.ndarray, np.ndarray, float, float]:
        g = self.grid
        return g.row_starts, g.col_starts, float(g.step_y), float(g.step_x)

    def threads(self, asked: int | None) -> int:
        """At most what was asked for (default: all cores), fewer where there is too little to share."""
        if not CAN_YIELD:
            return 1
        neighbours = min(2 * self.radius + 1, self.grid.rows) * min(2 * self.radius + 1, self.grid.cols)
        pairs = self.grid.height * self.grid.width * neighbours
        return max(1, min(asked or cores.available(), math.ceil(pairs / PAIRS_PER_THREAD)))


def _array(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().to("cpu", torch.float32).numpy())


def _channels_last(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().to("cpu", torch.float32).permute(1, 2, 0).numpy())


def fit(
    problem: Problem,
    raw: Tensor,  # [4, h, w] where the fit starts
    iters: int,
    rate: float,
    rgb_weight: float,
    signal: Tensor | None = None,  # [C, h, w]
    signal_weight: float = 0.0,
    threads: int | None = None,
    progress: Progress | None = None,
    move: bool = True,
    optimiser: Optimiser = ADAM,
) -> tuple[Tensor, list[float], Tensor]:
    """Run the fit; returns raw [4, h, w], the loss before each step, and the last step's gradient [4, h, w].

    ``move=False`` leaves the raw values where they are (to look at a gradient). The gradient is that of the
    optimiser's coordinates; gradient and losses are over the pixels that each step looks at.
    """
    grid, radius = problem.grid, problem.radius
    rows, cols = grid.rows, grid.cols
    parts = lattices(grid, optimiser.halved)[: max(1, iters)]
    at = _array(optimiser.coordinates(raw)).copy()
    pitch = (float(parts[0].pitch_y), float(parts[0].pitch_x))
    shape = np.empty((rows, cols, adam.SHAPE), dtype=np.float32)
    adam.set_shapes(at, optimiser.in_logs, pitch, shape)
    first, second, gradient = (np.zeros_like(at) for _ in range(3))
    tile = math.ceil(cols / max(1, math.ceil(fused.TILES / rows)))
    tiles = rows * math.ceil(cols / tile)
    if signal is None or signal_weight == 0:
        values, signal_scale = np.zeros((rows, cols, 0), dtype=np.float32), 0.0
    else:
        values = _channels_last(signal)
        magnitude = float(np.abs(values).mean(dtype=np.float64)) or 1.0
        signal_scale = signal_weight / (values.size * magnitude**2)
    control, gate = new_control(), np.zeros(1, dtype=np.int64)
    losses = np.zeros(iters, dtype=np.float64)
    arguments = (
        gate, *_packed(problem, parts), problem.lr_guide, values, grid.step_y / pitch[0], grid.step_x / pitch[1],
        radius, tile, float(rgb_weight), float(signal_scale), optimiser.in_logs, pitch, optimiser.rates(iters, rate),
        optimiser.betas, move, at, first, second, gradient, shape,
        np.empty((tiles, (2 * radius + 1) * (tile + 2 * radius) * 4), dtype=np.float32),
        np.zeros((tiles, 2), dtype=np.float64), losses,
    )  # fmt: skip
    last = 2 * iters
    done = iters
    with _Helpers(control, problem.threads(threads) - 1, fused.fit_steps, (control, last, *arguments)):
        if progress is None:
            gate[0] = last
            open_phase(control, 0, False)
            fused.fit_steps(control, last, *arguments)
        else:
            for step in range(iters):
                gate[0] = 2 * (step + 1)
                open_phase(control, 2 * step, False)
                fused.fit_steps(control, gate[0], *arguments)
                if progress(step, float(losses[step])) is False:
                    done = step + 1
                    break
    reached = optimiser.raw(torch.from_numpy(at))
    return reached, [float(v) for v in losses[:done]], torch.from_numpy(gradient)


def _packed(problem: Problem, parts: list[Lattice]) -> tuple[np.ndarray, ...]:
    """The guide's lattices as ``fused.fit_steps`` takes them: guide, sizes, row_starts, col_starts, shifts."""
    images = [part.pixels(problem.guide) for part in parts]
    first = np.cumsum([0, *(image.size for image in images)])
    return (
        images[0].reshape(-1)
        if len(images) == 1
        else np.concatenate([image.reshape(-1) for image in images]),
        np.array([(n, *image.shape) for n, image in zip(first, images, strict=False)], dtype=np.int64),
        np.stack([part.row_starts(problem.grid) for part in parts]),
        np.stack([part.col_starts(problem.grid) for part in parts]),
        np.array([part.shift for part in parts]),
    )


class _Helpers:
    """Threads that join a compiled loop; on leaving the block they are told to stop and waited for."""

    def __init__(
        self, control: np.ndarray, count: int, loop: Callable[..., None], arguments: tuple[Any, ...]
    ) -> None:
        self.control, self.count, self.loop, self.arguments = control, count, loop, arguments
        self.futures: list[Future[None]] = []

    def __enter__(self) -> None:
        self.futures = [cores.pool().submit(self.loop, *self.arguments) for _ in range(self.count)]

    def __exit__(self, *exc: object) -> None:
        self.control[STOP] = 1
        started = [f for f in self.futures if not f.cancel()]
        wait(started)
        for f in started:
            f.result()  # an error in a helper is an error of the job


def render(
    problem: Problem,
    raw: Tensor,  # [4, h, w]
    signal: Tensor,  # [C, h, w]
    out: np.ndarray | None = None,  # [C, H, W], any float type; a memory-mapped file included
    threads: int | None = None,
) -> np.ndarray:
    """Mix ``signal`` into ``out`` in bands of rows; what goes to a file is written as it is made."""
    grid, radius = problem.grid, problem.radius
    channels = signal.shape[0]
    shape = np.empty((grid.rows, grid.cols, adam.SHAPE), dtype=np.float32)
    adam.set_shapes(_array(raw), False, (1.0, 1.0), shape)
    if out is None:
        out = room((channels, grid.height, grid.width))
    mapped = _mapping(out)
    large = out.nbytes > STREAM_BYTES
    # numpy's own large arrays begin 16 bytes into a cache line, where nothing can be streamed. One thread does better
    # there by bands that it copies over; several are quicker than the copying would be.
    workers = problem.threads(threads)
    streamed = large and out.ctypes.data % 64 == 0 and grid.width % LANES == 0
    direct = (
        mapped is None
        and out.dtype == np.float32
        and out.flags.c_contiguous
        and (streamed or not large or workers > 1)
    )
    window = (2 * radius + 1) ** 2
    chunk = min(fused.CHUNK, math.ceil(grid.step_y) * math.ceil(grid.step_x))
    tile = min(grid.cols, max(1, TILE_BYTES // (window * chunk * 4)))
    if channels <= 4:
        tile = min(tile, 4)
    row_bytes = grid.width * 4 * math.ceil(grid.step_y)  # of one channel
    group, band = max(1, channels), grid.rows
    if mapped is not None:
        band = BAND_BYTES // (group * row_bytes)
    elif not direct:  # as many channels as keep a row of cells in the cache
        group = min(group, max(FEWEST_GROUPED, CACHED_BAND_BYTES // row_bytes))
        band = CACHED_BAND_BYTES // (group * row_bytes)
    band = max(1, min(grid.rows, band))
    tallest = int(np.diff(grid.row_starts).max()) * band
    buffer = None if direct else room((group * tallest * grid.width,))
    for first in range(0, channels, group):
        some = signal[first : first + group]
        values, count = _channels_last(some), some.shape[0]
        spare = -count % (8 if count > 4 else 4)
        if spare:
            values = np.concatenate([values, np.zeros((*values.shape[:2], spare), np.float32)], axis=2)
        for first_row in range(0, grid.rows, band):
            last_row = min(first_row + band, grid.rows)
            y0, y1 = int(grid.row_starts[first_row]), int(grid.row_starts[last_row])
            shape_now = (count, y1 - y0, grid.width)
            target = out if buffer is None else buffer[: math.prod(shape_now)].reshape(shape_now)
            control = new_control()
            arguments = (
                control, problem.guide, problem.lr_guide, values, *problem.geometry, radius, shape,
                first_row, last_row, tile, target.reshape(-1), count, direct and streamed,
            )  # fmt: skip
            control[0] = 0  # open
            with _Helpers(control, workers - 1, fused.render_rows, arguments):
                fused.render_rows(*arguments)
            if buffer is not None:
                out[first : first + count, y0:y1] = target
            if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                # The pages are the file's now; keeping them resident would count as this process's memory.
                mapped.flush()
                mapped.madvise(mmap.MADV_DONTNEED)
    return out


def _mapping(out: np.ndarray) -> mmap.mmap | None:
    """The file under a memory-mapped array (np.memmap), if it is one or a view of one."""
    base: object = out
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            mapped: mmap.mmap | None = getattr(base, "_mmap", None)
            return mapped
        base = base.base
    return None
