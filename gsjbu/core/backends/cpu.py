"""The door to the fused kernel: torch tensors in, torch tensors out, threads borrowed and given back."""

from __future__ import annotations

import itertools
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
from gsjbu.core.backends import forms
from gsjbu.core.backends.lattices import WHOLE, Lattice, lattices
from gsjbu.core.backends.members import Members, alone
from gsjbu.core.backends.phases import STOP, new_control, open_phase
from gsjbu.core.backends.simd import LANES
from gsjbu.core.grid import Grid
from gsjbu.core.memory import allocate
from gsjbu.core.parameters import ADAM, Optimiser, Progress, highest
from gsjbu.core.plain import write_into

# A thread is worth borrowing from about 0.1 ms of work a step on: so many pixel × neighbour pairs.
PAIRS_PER_THREAD = 250_000
# A fit goes back to Python after so many, about a tenth of a second: there Ctrl-C is heard, and nowhere below.
PAIRS_AT_ONCE = 250_000_000
# A band of rows rendered to a file is handed to the system once it is this large (bytes).
BAND_BYTES = 64 * 1024 * 1024
# One that is copied into ordinary memory should come out of the cache again.
CACHED_BAND_BYTES = 4 * 1024 * 1024
FEWEST_GROUPED = 64  # channels, as their pixels' weights are made again for each group of channels
# Results larger than this are written past the cache: they would only push other things out of it (bytes).
STREAM_BYTES = 15 * 1024 * 1024


@dataclass
class Problem:
    """The arrays of one image in the kernel's layout; all float32 and contiguous but for the int64 starts."""

    guide: np.ndarray  # [G, H, W]
    lr_guide: np.ndarray  # [h, w, G]
    grid: Grid
    radius: int
    seen: np.ndarray | None = None  # uint8 [H, W]: 1 for pixels that take part in the fit; None: all

    @classmethod
    def of(cls, guide: Tensor, lr_guide: Tensor, grid: Grid, radius: int, seen: Tensor | None = None) -> Problem:
        part = None if seen is None else np.ascontiguousarray(seen.numpy(), dtype=np.uint8)
        return cls(_array(guide), _channels_last(lr_guide), grid, radius, part)

    @property
    def geometry(self) -> tuple[np.ndarray, np.ndarray, float, float]:
        g = self.grid
        return g.row_starts, g.col_starts, float(g.step_y), float(g.step_x)

    @property
    def window(self) -> int:
        """LR pixels of a window."""
        return (2 * self.radius + 1) ** 2

    def form(self, part: Lattice = WHOLE) -> forms.Form:
        """The quicker form for its grid where ``part`` of the pixels are looked at; only cells leave out pixels."""
        return forms.CELLS if self.seen is not None else forms.quicker(self.grid, part)[0]

    @property
    def pairs(self) -> int:
        """Pixels, each times the neighbours that its window has."""
        neighbours = min(2 * self.radius + 1, self.grid.rows) * min(2 * self.radius + 1, self.grid.cols)
        return self.grid.height * self.grid.width * neighbours

    def threads(self, asked: int | None) -> int:
        """At most what was asked for (default: all cores), fewer where there is too little to share."""
        return max(1, min(asked or cores.available(), math.ceil(self.pairs / PAIRS_PER_THREAD)))


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
    form: forms.Form | None = None,
) -> tuple[Tensor, list[float], Tensor]:
    """Run the fit; returns raw [4, h, w], the loss before each step, and the last step's gradient [4, h, w].

    ``move=False`` leaves the raw values where they are (to look at a gradient). The gradient is that of the
    optimiser's coordinates; gradient and losses are over the pixels that each step looks at.
    """
    parts = lattices(problem.grid, optimiser.pitch, optimiser.keep)[: max(1, iters)]
    if signal is None or signal_weight == 0:
        values, signal_scale = np.zeros((0, *raw.shape[1:]), dtype=np.float32), 0.0
    else:
        values = _array(signal)
        magnitude = float(np.abs(values).mean(dtype=np.float64)) or 1.0
        signal_scale = signal_weight / (values.size * magnitude**2)
    control, gate = new_control(), np.zeros(1, dtype=np.int64)
    losses = np.zeros(iters, dtype=np.float64)
    high = highest(problem.grid)
    job = forms.Job(
        float(rgb_weight), float(signal_scale), optimiser.in_logs, high, optimiser.rates(iters, rate), optimiser.betas,
        move,
    )  # fmt: skip
    at = _array(optimiser.coordinates(raw, high)).copy()
    form = form or problem.form(parts[0])
    found = form.fit(problem, parts, at, values, job, gate, losses)
    loop, arguments = found.loop, found.arguments
    last = 2 * iters
    done = iters
    at_once = 1 if progress is not None else max(1, PAIRS_AT_ONCE // problem.pairs)
    with _Helpers(control, problem.threads(threads) - 1, loop, (control, last, *arguments)):
        for first in range(0, iters, at_once):
            steps = min(first + at_once, iters)
            gate[0] = 2 * steps
            open_phase(control, 2 * first, False)
            loop(control, gate[0], *arguments)
            if progress is not None and progress(first, float(losses[first])) is False:
                done = steps
                break
    reached, slope = (torch.from_numpy(np.ascontiguousarray(x)) for x in (found.at, found.gradient))
    return optimiser.raw(reached), [float(v) for v in losses[:done]], slope


class _Helpers:
    """Threads that join a compiled loop; on leaving the block they are told to stop and waited for."""

    def __init__(self, control: np.ndarray, count: int, loop: Callable[..., None], arguments: tuple[Any, ...]) -> None:
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
    form: forms.Form | None = None,
    members: Members | None = None,
) -> np.ndarray:
    """Mix ``signal`` into ``out`` in bands of rows; what goes to a file is written as it is made."""
    grid, channels = problem.grid, signal.shape[0]
    how = (form or problem.form()).render(problem, _array(raw), members or alone(problem.radius))
    if out is None:
        out = allocate((channels, grid.height, grid.width))
    mapped = _mapping(out)
    large = out.nbytes > STREAM_BYTES
    # numpy's own large arrays begin 16 bytes into a cache line, where nothing can be streamed. One thread does better
    # there by bands that it copies over; several are quicker than the copying would be.
    workers = problem.threads(threads)
    streamed = large and out.ctypes.data % 64 == 0 and grid.width % LANES == 0
    direct = (
        mapped is None and out.dtype == np.float32 and out.flags.c_contiguous and (streamed or not large or workers > 1)
    )
    group, most, tall = max(1, channels), grid.height, min(how.tall, math.ceil(grid.step_y))
    if not direct:  # a band is as many channels as there are, or as keep a chunk of their rows within its room
        room = CACHED_BAND_BYTES if mapped is None else BAND_BYTES
        group = min(group, max(FEWEST_GROUPED, room // (grid.width * 4 * tall)))
        most = room // (group * grid.width * 4)
    tops = _bands(grid, tall, most)
    tallest = int(np.diff(tops).max())
    buffer = None if direct else allocate((group * tallest * grid.width,))
    for first in range(0, channels, group):
        some = signal[first : first + group]
        values, count = how.values(_array(some)), some.shape[0]
        for top, bottom in itertools.pairwise(tops):
            part = int(grid.row_of[top]), int(grid.row_of[bottom - 1]) + 1, top, bottom
            shape_now = (count, bottom - top, grid.width)
            target = out if buffer is None else buffer[: math.prod(shape_now)].reshape(shape_now)
            control = new_control()
            arguments = how.arguments(values, count, part, target.reshape(-1), direct and streamed)
            control[0] = 0  # open
            with _Helpers(control, workers - 1, how.loop, (control, *arguments)):
                how.loop(control, *arguments)
            if buffer is not None:
                _copy(target, out[first : first + count, top:bottom], workers)
            if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                # The pages are the file's now, which the system writes when it likes; resident, they would count as
                # this process's memory.
                mapped.madvise(mmap.MADV_DONTNEED)
    return out


def _bands(grid: Grid, tall: int, most: int) -> list[int]:
    """Pixel rows at which bands of about ``most`` begin, and the end: chunks of ``tall`` of a cell stay whole."""
    if most >= grid.height:
        return [0, grid.height]
    chunks = [y for a, b in itertools.pairwise(grid.row_starts.tolist()) for y in range(a, b, tall)]
    return [*chunks[:: max(1, most // tall)], grid.height]


def _copy(values: np.ndarray, out: np.ndarray, workers: int) -> None:
    """values [C, …] into ``out``, of another float type perhaps, which may take longer than to mix them."""
    made = torch.from_numpy(values)

    def some(channels: slice) -> None:
        with cores.torch_threads(1):
            write_into(out[channels], made[channels])

    cores.each(some, cores.bands(len(values), workers), workers)


def mean_weights(
    problem: Problem,
    raw: Tensor,  # [4, h, w]
    members: Members,
    threads: int | None = None,
    form: forms.Form | None = None,
) -> np.ndarray:
    """Mean weight over each cell of each place of its window, [(2R+1)², h, w]; row by row, 0 outside the grid."""
    loop, arguments, found = (form or problem.form()).render(problem, _array(raw), members).means()
    control = new_control()
    control[0] = 0  # open
    with _Helpers(control, problem.threads(threads) - 1, loop, (control, *arguments)):
        loop(control, *arguments)
    return np.ascontiguousarray(found)


def _mapping(out: np.ndarray) -> mmap.mmap | None:
    """The file under a memory-mapped array (np.memmap), if it is one or a view of one."""
    base: object = out
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            mapped: mmap.mmap | None = getattr(base, "_mmap", None)
            return mapped
        base = base.base
    return None
