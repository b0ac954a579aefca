"""The door to the fused kernel: threads, stopping, outputs of every kind; always the same bits."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from gsjbu.core import parameters
from gsjbu.core import threads as cores
from gsjbu.core.backends import cpu, forms
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import OPTIMISERS


@pytest.fixture
def problem() -> cpu.Problem:
    guide = torch.rand(3, 61, 97, generator=torch.Generator().manual_seed(0))
    grid = Grid.from_stride(61, 97, 8)
    return cpu.Problem.of(guide, grid.cell_means(guide), grid, 2)


@pytest.fixture
def many_threads(monkeypatch):
    """Let even a small problem be shared out: as many threads as are asked for."""
    monkeypatch.setattr(cpu, "PAIRS_PER_THREAD", 1)


copied = cpu._copy


def signal_for(problem: cpu.Problem, channels: int = 6) -> torch.Tensor:
    draw = torch.Generator().manual_seed(channels)
    return torch.randn(channels, problem.grid.rows, problem.grid.cols, generator=draw)


def fitted(problem: cpu.Problem, threads: int, iters: int = 15, **more):
    raw, losses, _ = cpu.fit(problem, parameters.start(problem.grid), iters, 0.1, 0.7, signal_for(problem), 0.3,
                             threads=threads, **more)  # fmt: skip
    return raw, losses


def nobody_is_left_behind() -> bool:
    """True if every thread of the pool is free: all of them can meet at one barrier."""
    workers = cores.pool()._max_workers
    barrier = threading.Barrier(workers)
    meetings = [cores.pool().submit(barrier.wait, 20) for _ in range(workers)]
    return sorted(m.result() for m in meetings) == list(range(workers))


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("threads", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=list(OPTIMISERS))
def test_a_fit_is_the_same_bits_for_any_number_of_threads_and_any_run(problem, threads, optimiser):
    right, right_losses = fitted(problem, 1, optimiser=optimiser)
    for _ in range(3):
        raw, losses = fitted(problem, threads, optimiser=optimiser)
        assert torch.equal(raw, right)
        assert losses == right_losses


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("channels", [1, 3, 4, 6, 64])
def test_a_render_is_the_same_bits_for_any_number_of_threads(problem, channels):
    raw, _ = fitted(problem, 1)
    signal = signal_for(problem, channels)
    right = cpu.render(problem, raw, signal, threads=1)
    for threads in (2, 3, 4):
        np.testing.assert_array_equal(cpu.render(problem, raw, signal, threads=threads), right)


def test_asking_for_progress_does_not_change_a_bit(problem):
    quiet, losses = fitted(problem, 1)
    seen: list[tuple[int, float]] = []
    raw, _ = fitted(problem, 1, progress=lambda step, loss: seen.append((step, loss)))
    assert torch.equal(raw, quiet)
    assert seen == list(enumerate(losses))


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("threads", [1, 3])
def test_returning_false_keeps_what_was_reached(problem, threads):
    raw, losses = fitted(problem, threads, iters=15, progress=lambda step, loss: step < 4)
    right, right_losses = fitted(problem, 1, iters=5)
    assert torch.equal(raw, right)
    assert losses == right_losses
    assert nobody_is_left_behind()


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_exception_passes_through_and_leaves_no_thread_behind(problem, kind):
    def progress(step: int, loss: float) -> None:
        if step == 3:
            raise kind("stop")

    with pytest.raises(kind, match="stop"):
        fitted(problem, 4, iters=1000, progress=progress)
    assert nobody_is_left_behind()


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_fit_comes_back_to_python_now_and_then_with_the_same_bits(problem, threads, monkeypatch):
    """Where Ctrl-C is heard: the interpreter looks for it between two calls of compiled code."""
    whole, losses = fitted(problem, threads, iters=11)
    opened, open_phase = [], cpu.open_phase

    def watched(control: np.ndarray, phase: int, *more: bool) -> None:
        opened.append(phase)
        open_phase(control, phase, *more)

    monkeypatch.setattr(cpu, "open_phase", watched)
    monkeypatch.setattr(cpu, "PAIRS_AT_ONCE", 4 * problem.pairs)
    raw, again = fitted(problem, threads, iters=11)
    assert opened == [0, 8, 16]  # two phases a step
    assert torch.equal(raw, whole) and losses == again

    def interrupted(control: np.ndarray, phase: int, *more: bool) -> None:
        if phase:
            raise KeyboardInterrupt
        open_phase(control, phase, *more)

    monkeypatch.setattr(cpu, "open_phase", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(problem, threads, iters=11)
    assert nobody_is_left_behind()


@pytest.mark.usefixtures("many_threads")
def test_fits_beside_each_other_give_the_bits_they_give_alone():
    problems = []
    for k in range(6):
        guide = torch.rand(3, 40 + k, 50, generator=torch.Generator().manual_seed(k))
        grid = Grid.from_stride(40 + k, 50, 5 + k)
        problems.append(cpu.Problem.of(guide, grid.cell_means(guide), grid, 2))
    alone = [fitted(p, 1)[0] for p in problems]
    together: list[torch.Tensor | None] = [None] * len(problems)

    def one(k: int) -> None:
        together[k] = fitted(problems[k], 3)[0]

    for _ in range(3):
        threads = [threading.Thread(target=one, args=(k,)) for k in range(len(problems))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(timeout=60)
        for found, right in zip(together, alone):
            assert found is not None
            assert torch.equal(found, right)


@pytest.mark.usefixtures("many_threads")
def test_a_crowded_pool_delays_nobody(problem):
    """All helpers busy elsewhere: the job's own thread does the work, and does not wait for them."""
    release = threading.Event()
    workers = cores.pool()._max_workers
    busy = [cores.pool().submit(release.wait, 30) for _ in range(workers)]
    try:
        raw, _ = fitted(problem, 4)
        assert not any(b.done() for b in busy)
    finally:
        release.set()
    assert torch.equal(raw, fitted(problem, 1)[0])
    assert nobody_is_left_behind()


@pytest.mark.parametrize(("asked", "cores_here", "used"), [(None, 4, 4), (2, 4, 2), (1, 4, 1), (3, 1, 3)])
def test_how_many_threads(monkeypatch, asked, cores_here, used):
    """What is asked for is what is taken; all cores if nothing is; never more than there is work for."""
    monkeypatch.setattr(cores, "available", lambda: cores_here)
    large = Grid.from_stride(512, 512, 16)
    guide = torch.zeros(3, 512, 512)
    assert cpu.Problem.of(guide, large.cell_means(guide), large, 2).threads(asked) == used
    small = Grid.from_stride(32, 32, 16)
    guide = torch.zeros(3, 32, 32)
    assert cpu.Problem.of(guide, small.cell_means(guide), small, 2).threads(asked) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("layout", ["whole", "strided"])
def test_out_of_any_float_type_and_layout(problem, dtype, layout):
    raw, signal = fitted(problem, 1)[0], signal_for(problem)
    right = cpu.render(problem, raw, signal, threads=1)
    out = np.full((6, 61, 97) if layout == "whole" else (6, 61, 97 * 2), -77, dtype=dtype)
    view = out if layout == "whole" else out[:, :, ::2]
    cpu.render(problem, raw, signal, view, threads=1)
    np.testing.assert_array_equal(view, right.astype(dtype))
    if layout == "strided":
        assert (out[:, :, 1::2] == -77).all()


@pytest.mark.parametrize("channels", [1, 3, 8, 9, 21, 24])
def test_groups_of_channels_and_bands_that_are_copied_over_are_seams_that_do_not_show(problem, monkeypatch, channels):
    monkeypatch.setattr(cpu, "FEWEST_GROUPED", 8)
    raw, signal = fitted(problem, 1)[0], signal_for(problem, channels)
    right = cpu.render(problem, raw, signal, threads=1)
    monkeypatch.setattr(cpu, "CACHED_BAND_BYTES", 1)
    out = np.full((channels, 61, 97), -77, dtype=np.float64)
    cpu.render(problem, raw, signal, out, threads=2)
    np.testing.assert_array_equal(out, right)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("band_bytes", [1, 60_000, 10**9])
def test_a_memory_mapped_file_in_bands(problem, tmp_path, monkeypatch, dtype, band_bytes):
    monkeypatch.setattr(cpu, "BAND_BYTES", band_bytes)
    raw, signal = fitted(problem, 1)[0], signal_for(problem)
    path = tmp_path / "out.npy"
    out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(6, 61, 97))
    cpu.render(problem, raw, signal, out, threads=1)
    del out
    np.testing.assert_array_equal(np.load(path), cpu.render(problem, raw, signal, threads=1).astype(dtype))


@pytest.mark.parametrize("form", [forms.CELLS, forms.ROWS])
@pytest.mark.parametrize("band_bytes", [1, 300_000])
def test_a_band_may_be_part_of_a_large_cell(monkeypatch, tmp_path, form, band_bytes):
    """A row of cells of 188 × 250 pixels, 384 channels of them, is no band that stays small."""
    guide = torch.rand(3, 150, 263, generator=torch.Generator().manual_seed(5))
    grid = Grid.from_sizes(150, 263, 2, 4)
    problem = cpu.Problem.of(guide, grid.cell_means(guide), grid, 2)
    raw, signal = parameters.start(grid), signal_for(problem, 9)
    right = cpu.render(problem, raw, signal, threads=1, form=form)
    monkeypatch.setattr(cpu, "BAND_BYTES", band_bytes)
    bands = []
    monkeypatch.setattr(cpu, "_copy", lambda values, out, workers: bands.append(len(out[0])) or copied(values, out, 1))
    out = np.lib.format.open_memmap(tmp_path / "out.npy", mode="w+", dtype=np.float32, shape=(9, 150, 263))
    cpu.render(problem, raw, signal, out, threads=2, form=form)
    assert sum(bands) == 150 and max(bands) < 75
    np.testing.assert_array_equal(out, right)


@pytest.mark.parametrize(
    ("rows", "tall", "most"), [(7, 3, 1), (7, 3, 10), (7, 40, 60), (1, 13, 50), (97, 1, 2), (5, 9, 999)]
)
def test_bands_begin_where_chunks_do(rows, tall, most):
    grid = Grid.from_sizes(97, 50, rows, 2)
    tops = cpu._bands(grid, tall, most)
    assert tops[0] == 0 and tops[-1] == 97 and tops == sorted(set(tops))
    assert all((top - grid.row_starts[grid.row_of[top]]) % tall == 0 for top in tops[:-1])
    assert max(np.diff(tops)) <= max(most, tall)


def test_tiles_and_streaming_are_seams_that_do_not_show(monkeypatch):
    guide = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(2))
    grid = Grid.from_stride(64, 96, 16)
    problem = cpu.Problem.of(guide, grid.cell_means(guide), grid, 2)
    raw, signal = fitted(problem, 1)[0], signal_for(problem, 13)
    right = cpu.render(problem, raw, signal, threads=1)
    for name, value in (("TASKS", 1), ("TASKS", 999), ("TILE_BYTES", 1)):
        monkeypatch.setattr(forms, name, value)
        np.testing.assert_array_equal(cpu.render(problem, raw, signal, threads=2), right)
    if hasattr(cpu, "STREAM_BYTES"):
        monkeypatch.setattr(cpu, "STREAM_BYTES", 0)
        np.testing.assert_array_equal(cpu.render(problem, raw, signal, threads=1), right)


def test_moving_nothing_returns_the_gradient_and_the_same_raw_values(problem):
    raw = parameters.start(problem.grid)
    before = raw.clone()
    same, losses, gradient = cpu.fit(problem, raw, 1, 0.1, 1.0, threads=1, move=False)
    assert torch.equal(same, before)
    assert torch.equal(raw, before)
    assert len(losses) == 1
    assert gradient.abs().max() > 0


def test_a_fit_leaves_its_inputs_alone(problem):
    raw = parameters.start(problem.grid)
    copies = raw.clone(), problem.guide.copy(), problem.lr_guide.copy()
    moved, _, _ = cpu.fit(problem, raw, 3, 0.1, 1.0, threads=1)
    assert torch.equal(raw, copies[0])
    np.testing.assert_array_equal(problem.guide, copies[1])
    np.testing.assert_array_equal(problem.lr_guide, copies[2])
    assert not torch.equal(moved, raw)
