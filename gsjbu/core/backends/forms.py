"""The fused kernel's two forms, cells and rows: which is quicker for a grid, and the arrays that each wants."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from gsjbu.core.backends import adam, cell_render, fused, lanes, row_render, rows, update
from gsjbu.core.backends.lattices import WHOLE, Lattice
from gsjbu.core.backends.members import Loops, Members
from gsjbu.core.backends.simd import LANES
from gsjbu.core.parameters import Highest, highest

if TYPE_CHECKING:
    from gsjbu.core.backends.cpu import Problem
    from gsjbu.core.grid import Grid

# The weights of a render's tile should stay in a core's L2 cache (bytes).
TILE_BYTES = 768 * 1024
# A render has so many tasks at least, so that no thread waits long for the last one.
TASKS = 16


class Fit(NamedTuple):
    """A compiled loop, what it takes after (control, last), and where it leaves its result."""

    loop: Any
    arguments: tuple[Any, ...]
    at: np.ndarray  # [4, h, w]
    gradient: np.ndarray  # [4, h, w]


class Means(NamedTuple):
    """A compiled loop over all cells, what it takes after control, and where it leaves mean weights [N, h, w]."""

    loop: Any
    arguments: tuple[Any, ...]
    found: np.ndarray


class Job(NamedTuple):
    """What both forms' compiled fits are told."""

    rgb_weight: float
    signal_scale: float
    in_logs: bool
    high: Highest
    rates: np.ndarray  # float64 [steps]
    betas: tuple[float, float, float, float]  # β1, 1 − β1, β2, 1 − β2
    move: bool


#: The first cell row and that after the last, the first pixel row and that after the last.
Part: TypeAlias = tuple[int, int, int, int]


class Render(Protocol):
    """A form's render of one kernel."""

    loop: Any
    tall: int  # pixel rows of a cell whose weights are made at once, at most: parts of an image are whole ones of them

    def values(self, signal: np.ndarray) -> np.ndarray:
        """A signal [C, h, w] as the loop wants it, channels filled up to fours or eights."""

    def arguments(
        self, values: np.ndarray, channels: int, part: Part, out: np.ndarray, past_cache: bool
    ) -> tuple[Any, ...]:
        """What the loop takes after ``control`` for a part of the image, into ``out``, flat."""

    def means(self) -> Means:
        """The loop of the mean weights."""


class Form(Protocol):
    """One way to lay an image out for the compiled loops."""

    name: str

    def fit(
        self, problem: Problem, parts: list[Lattice], at: np.ndarray, values: np.ndarray, job: Job, gate: np.ndarray,
        losses: np.ndarray,
    ) -> Fit:  # fmt: skip
        """From coordinates ``at`` [4, h, w]; ``values`` [C, h, w] is the objective's signal."""

    def render(self, problem: Problem, raw: np.ndarray, members: Members) -> Render:
        """With raw values [4, h, w]."""


class Cells:
    """Lanes run over the pixels of one cell."""

    name = "cells"

    def fit(
        self, problem: Problem, parts: list[Lattice], at: np.ndarray, values: np.ndarray, job: Job, gate: np.ndarray,
        losses: np.ndarray,
    ) -> Fit:  # fmt: skip
        grid, radius = problem.grid, problem.radius
        pitch = (float(parts[0].pitch_y), float(parts[0].pitch_x))
        tile = _shared(grid.cols, grid.cols, grid.rows, fused.TILES)
        tiles = grid.rows * math.ceil(grid.cols / tile)
        first, second, gradient = (np.zeros_like(at) for _ in range(3))
        arguments = (
            gate, *_packed(problem, parts), problem.lr_guide, _channels_last(values), grid.step_y / pitch[0],
            grid.step_x / pitch[1], radius, tile, job, pitch, at, first, second, gradient,
            _shapes(at, job.in_logs, job.high, pitch),
            np.empty((tiles, (2 * radius + 1) * (tile + 2 * radius) * 4), dtype=np.float32),
            np.zeros((tiles, 2), dtype=np.float64), losses,
        )  # fmt: skip
        return Fit(fused.fit_steps, arguments, at, gradient)

    def render(self, problem: Problem, raw: np.ndarray, members: Members) -> Render:
        return CellRender(problem, raw, members)


class CellRender:
    loop = staticmethod(cell_render.render_rows)

    def __init__(self, problem: Problem, raw: np.ndarray, members: Members) -> None:
        self.problem, self.shape = problem, self._shape(problem, raw)
        second = self.shape[:0] if members.raw is None else self._shape(problem, members.raw.numpy())
        self.members = _loops(members, second, members.down, members.across)
        self.tall = max(1, fused.CHUNK // int(np.diff(problem.grid.col_starts).max()))

    @staticmethod
    def _shape(problem: Problem, raw: np.ndarray) -> np.ndarray:
        return _shapes(raw, False, highest(problem.grid), (1.0, 1.0))

    def values(self, signal: np.ndarray) -> np.ndarray:
        spare = -len(signal) % (8 if len(signal) > 4 else 4)
        return np.pad(_channels_last(signal), ((0, 0), (0, 0), (0, spare)))

    def arguments(self, values: np.ndarray, channels: int, part: Part, out: np.ndarray,
                  past_cache: bool) -> tuple[Any, ...]:  # fmt: skip
        problem = self.problem
        chunk = min(fused.CHUNK, math.ceil(problem.grid.step_y) * math.ceil(problem.grid.step_x))
        tile = min(problem.grid.cols, max(1, TILE_BYTES // (problem.window * chunk * 4)))
        if channels <= 4:
            tile = min(tile, 4)
        tile = _shared(problem.grid.cols, tile, part[1] - part[0], TASKS)
        return (
            problem.guide, problem.lr_guide, values, *problem.geometry, problem.radius, self.shape, self.members,
            part, tile, out, channels, past_cache,
        )  # fmt: skip

    def means(self) -> Means:
        problem = self.problem
        out = np.zeros((problem.window, *self.shape.shape[:2]), dtype=np.float32)
        arguments = (
            problem.guide,
            problem.lr_guide,
            *problem.geometry,
            problem.radius,
            self.shape,
            self.members,
            out,
        )
        return Means(cell_render.mean_rows, arguments, out)


class Rows:
    """Lanes run across the cells of a row."""

    name = "rows"

    def fit(
        self, problem: Problem, parts: list[Lattice], at: np.ndarray, values: np.ndarray, job: Job, gate: np.ndarray,
        losses: np.ndarray,
    ) -> Fit:  # fmt: skip
        radius, cols = problem.radius, problem.grid.cols
        layouts = lanes.layouts_of(problem.grid, parts, radius, fused.TILES)
        state = rows.state_of(at, radius)
        sums = (lanes.tasks_of(layouts), layouts.band + 2 * radius, 4, lanes.pitch_of(layouts.tile, radius))
        arguments = (
            gate, lanes.pixels_in_lanes([part.pixels(problem.guide) for part in parts], layouts), layouts,
            rows.lines_of(problem.lr_guide, state, job.in_logs, job.high, radius), lanes.padded(values, radius),
            len(values), job, state, np.empty(sums, dtype=np.float32), np.zeros((sums[0], 2), dtype=np.float64),
            losses,
        )  # fmt: skip
        reached, gradient = (
            state[:, kind : kind + 4, :cols].transpose(1, 0, 2) for kind in (update.AT, update.GRADIENT)
        )
        return Fit(rows.fit_steps, arguments, reached, gradient)

    def render(self, problem: Problem, raw: np.ndarray, members: Members) -> Render:
        return RowRender(problem, raw, members)


class RowRender:
    loop = staticmethod(row_render.render_rows)

    def __init__(self, problem: Problem, raw: np.ndarray, members: Members) -> None:
        self.problem = problem
        self.layouts = lanes.layouts_of(problem.grid, [WHOLE], problem.radius, 1)
        self.sources = lanes.sources(self.layouts, problem.grid.width)
        self.lines = self._lines(problem, raw)
        second = self.lines[:0] if members.raw is None else self._lines(problem, members.raw.numpy())
        across = members.across[:, self.layouts.columns[0]] if members.across.size else members.across
        self.members = _loops(members, second.reshape(-1), members.down.reshape(-1), across.reshape(-1))
        self.tall = int(row_render.chunk_rows(self.layouts))

    @staticmethod
    def _lines(problem: Problem, raw: np.ndarray) -> np.ndarray:
        state = rows.state_of(raw, problem.radius)
        return rows.lines_of(problem.lr_guide, state, False, highest(problem.grid), problem.radius)

    def values(self, signal: np.ndarray) -> np.ndarray:
        spare = -len(signal) % (8 if len(signal) > 4 else 4)
        return lanes.lined(signal, self.problem.radius, len(signal) + spare)

    def arguments(self, values: np.ndarray, channels: int, part: Part, out: np.ndarray,
                  past_cache: bool) -> tuple[Any, ...]:  # fmt: skip
        chunk = self.tall * self.layouts.places * LANES
        blocks = max(1, TILE_BYTES // (self.problem.window * chunk * 4))
        tile = LANES * _shared(self.layouts.lanes // LANES, 1 if channels <= 4 else blocks, part[1] - part[0], TASKS)
        return (
            self.problem.guide, self.layouts, self.sources, self.lines, self.members, values, part,
            tile, out, channels, past_cache,
        )  # fmt: skip

    def means(self) -> Means:
        grid = self.problem.grid
        out = np.zeros((self.problem.window, grid.rows, self.layouts.lanes), dtype=np.float32)
        arguments = (self.problem.guide, self.layouts, self.lines, self.members, out)
        return Means(row_render.mean_rows, arguments, out[:, :, : grid.cols])


CELLS: Form = Cells()
ROWS: Form = Rows()

# Time a pixel, as measured, in units of a cell form's whose vectors are full and whose cells are large. A cell costs as
# much again as so many pixels; lanes across cells cost half as much again a pixel, and a Gaussian as much as so many.
PIXELS_PER_CELL = 100
ROW_PIXEL, PIXELS_PER_GAUSSIAN = 1.45, 4.3


def quicker(grid: Grid, part: Lattice = WHOLE) -> tuple[Form, str]:
    """The form for a grid, and why in a few words: what small cells cost against the lanes that either leaves empty.

    ``part``: of the image's pixels, those that are looked at.
    """
    height, width = grid.height / part.pitch_y, grid.width / part.pitch_x
    area = height / grid.rows * width / grid.cols
    places = int(np.diff(part.col_starts(grid)).max())
    by_cells = (lanes.whole_vectors(math.ceil(area)) + PIXELS_PER_CELL) / area
    by_rows = ROW_PIXEL * lanes.whole_vectors(grid.cols) * places / width + PIXELS_PER_GAUSSIAN / area
    size = f"{grid.width / grid.cols:.3g}×{grid.height / grid.rows:.3g} pixels"
    if by_rows < by_cells:
        return ROWS, f"cells of {size}, one a lane"
    return CELLS, f"cells of {size}, one after another"


def _loops(members: Members, other: np.ndarray, down: np.ndarray, across: np.ndarray) -> Loops:
    many = bool(other.size or down.size)
    return Loops(many, np.float32(members.first), np.float32(members.second), other, down, across)


def _shared(across: int, most: int, rows: int, tasks: int) -> int:
    """How many of the cells (or vectors of them) ``across`` one of ``rows`` a task has, ``most`` at most: tasks are of
    about one size, and there are so many at least."""
    tiles = max(math.ceil(across / most), min(across, math.ceil(tasks / rows)))
    return math.ceil(across / tiles)


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(1, 2, 0))


def _shapes(at: np.ndarray, in_logs: bool, high: Highest, pitch: tuple[float, float]) -> np.ndarray:
    shape = np.empty((*at.shape[1:], adam.COEFFICIENTS), dtype=np.float32)
    adam.set_all_coefficients(at, in_logs, high, pitch, shape)
    return shape


def _packed(problem: Problem, parts: list[Lattice]) -> tuple[np.ndarray, ...]:
    """The guide's lattices as ``fused.fit_steps`` takes them: guide, seen, sizes, row_starts, col_starts, shifts."""
    images = [part.pixels(problem.guide) for part in parts]
    first = np.cumsum([0, *(image.size for image in images)])
    seen = [] if problem.seen is None else [part.pixels(problem.seen[None]) for part in parts]
    counts = [max(1, np.count_nonzero(plane)) for plane in seen] or [image[0].size for image in images]
    sizes = [(n, *image.shape, count) for n, image, count in zip(first, images, counts, strict=False)]
    return (
        _flat(images),
        _flat(seen) if seen else np.empty(0, dtype=np.uint8),
        np.array(sizes, dtype=np.int64),
        np.stack([part.row_starts(problem.grid) for part in parts]),
        np.stack([part.col_starts(problem.grid) for part in parts]),
        np.array([part.shift for part in parts]),
    )


def _flat(images: list[np.ndarray]) -> np.ndarray:
    if len(images) == 1:
        return images[0].reshape(-1)
    return np.concatenate([image.reshape(-1) for image in images])
