"""Which code computes: fused on the CPU where it can, attention everywhere else; and why the other declined."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import apart, compiler, devices
from gsjbu.core import threads as cores
from gsjbu.core.backends import attention
from gsjbu.core.backends.members import Members, alone
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import Optimiser, Progress
from gsjbu.core.plain import is_transformed, write_into
from gsjbu.core.threads import torch_threads
from gsjbu.errors import SettingError


class Choice(NamedTuple):
    """The backend's name and, in a sentence, why it and not the other."""

    name: str
    reason: str


class WarmUp:
    """Compiles the fused kernel once, in the background if asked; ``state`` is cold, compiling, warm or failed."""

    def __init__(self) -> None:
        self.state = "cold"
        self.reason = ""
        self.patient = False  # who makes many results waits, so that one backend makes them all
        self.tasks: list[Callable[[], object]] = []  # what other rooms have to compile
        self._lock = threading.Lock()

    def run(self, whole: bool = False) -> bool:
        """Compile or load now (or wait for the one who is at it); True if the fused kernel can be used.

        Somebody waits for the result: unless ``whole``, the form for large cells alone, and the one for small cells
        when it is first needed.
        """
        with self._lock:
            if self.state in ("cold", "compiling"):
                self.state = "compiling"
                try:
                    compile_form("cells")
                    if whole:
                        self.run_tasks()
                        apart.done()
                    self.state = "warm"
                except Exception as e:  # numba or LLVM missing, broken, or without a place to write: say so
                    self.state, self.reason = "failed", f"{type(e).__name__}: {e}".splitlines()[0][:200]
            return self.state == "warm"

    def run_tasks(self) -> None:
        """What nobody waits for: the form for small cells, and what other rooms have to compile."""
        compile_form("rows")
        for task in self.tasks:
            task()

    def is_near(self) -> bool:
        """True if compiled code is at hand, or nobody else would compile it; otherwise that has been set going, in a
        process of its own, and takes about half a minute."""
        if self.state != "cold":
            return self.state != "compiling"
        if self.patient or compiler.unavailable_reason() is not None or apart.is_done() or apart.has_ended():
            return True
        # The code is text, as arrows between rooms point down: kernel.py hands in what it has to compile.
        return not apart.start("from gsjbu.core import kernel; kernel.dispatch.warm_up.run_alone()")

    def run_alone(self) -> None:
        """All of it, in the process that was started for that. Raises filelock.Timeout if another is at it."""
        with apart.alone():
            self.run(whole=True)
            apart.done()  # also where it failed: whoever comes next is to hear why

    def in_background(self) -> threading.Thread:
        """Start compiling in a thread; meanwhile ``choose`` answers attention."""
        self.state = "compiling" if self.state == "cold" else self.state
        thread = threading.Thread(target=self.run, args=(True,), name="gsjbu-warm-up", daemon=True)
        thread.start()
        return thread


warm_up = WarmUp()


def compile_form(name: str) -> None:
    """Run one form of the compiled functions on a tiny problem: they are compiled, or read from the cache."""
    from gsjbu.core import parameters
    from gsjbu.core.backends import cpu, forms

    form = {"cells": forms.CELLS, "rows": forms.ROWS}[name]
    grid = Grid.from_stride(8, 8, 4)
    guide = torch.linspace(0, 1, 3 * 64, dtype=torch.float32).reshape(3, 8, 8)
    problem = cpu.Problem.of(guide, grid.cell_means(guide), grid, 1)
    raw = parameters.start(grid)
    signal = torch.ones(1, 2, 2, dtype=torch.float32)
    cpu.fit(problem, raw, 1, 0.1, 1.0, signal, 1.0, threads=1, form=form)
    cpu.render(problem, raw, signal, threads=1, form=form)
    cpu.mean_weights(problem, raw, alone(1), threads=1, form=form)


def check_backend(backend: object) -> None:
    """Refuse what is no word for a backend."""
    if backend not in ("auto", "fused", "attention"):
        raise SettingError("backend", f"backend is {backend!r}; it must be one of auto, fused, attention.")


def choose(device: torch.device, backend: str = "auto", grid: Grid | None = None) -> Choice:
    """The backend for ``device``, and how it goes about ``grid``.

    Asking for one by name that cannot be had raises SettingError.
    """
    check_backend(backend)
    if backend == "attention":
        return Choice("attention", "asked for by name")
    if device.type != "cpu":
        if backend == "fused":
            raise SettingError("backend", f"The fused kernel runs on the CPU only, not on {device.type}; use auto.")
        return Choice("attention", f"the fused kernel runs on the CPU only; this run is on {device.type}")
    if backend == "auto" and not warm_up.is_near():
        return Choice("attention", "the fused kernel is still being compiled; later runs will use it")
    if warm_up.run():
        return Choice("fused", "the fastest on a CPU" + ("" if grid is None else f": {_form(grid)}"))
    if backend == "fused":
        raise SettingError("backend", f"The fused kernel cannot be used here ({warm_up.reason}); use auto.")
    return Choice("attention", f"the fused kernel cannot be used here ({warm_up.reason})")


def _form(grid: Grid) -> str:
    from gsjbu.core.backends import forms

    return forms.quicker(grid)[1]


def fit(
    start: Gaussians,
    iters: int,
    optimiser: Optimiser,
    rate: float | None,
    signal: Tensor | None = None,  # [C, h, w] what is to be given back; None: the guide's colours
    *,
    backend: str,
    device: torch.device,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Gaussians, list[float]]:
    """From ``start`` by the chosen backend: the Gaussians it ends at, and the loss before each step."""
    if iters == 0:
        return start, []
    of_colours, of_signal = (1.0, 0.0) if signal is None else (0.0, 1.0)
    rate = optimiser.rate if rate is None else rate
    if backend == "fused":
        from gsjbu.core.backends import cpu

        problem = cpu.Problem.of(start.guide, start.lr_guide, start.grid, start.radius, start.seen)
        raw, losses, _ = cpu.fit(
            problem, start.raw, iters, rate, of_colours, signal, of_signal, threads=threads, progress=progress,
            optimiser=optimiser,
        )  # fmt: skip
        return start.at(raw), losses

    def step_done(step: int, loss: float) -> object:
        if (now := beside(threads)) != threads:  # the compiler may begin its work during a fit
            torch.set_num_threads(now or 1)
        return None if progress is None else progress(step, loss)

    with torch_threads(beside(threads)):
        raw, losses, _ = attention.fit(
            _on(start, device), start.raw, iters, rate, of_colours, signal, of_signal, optimiser=optimiser,
            progress=step_done if apart.was_started() else progress,
        )  # fmt: skip
    return start.at(raw), losses


def render(
    gaussians: Gaussians,
    signal: Tensor,  # [C, h, w]
    out: np.ndarray | None = None,  # [C, H, W]
    *,
    backend: str,
    device: str = "cpu",
    threads: int | None = None,
    members: Members | None = None,
) -> Tensor:
    """Mix ``signal`` to [C, H, W], into ``out`` where one is given; gradients flow where ``signal`` asks for them.

    ``members``: of a mixture that is to be rendered in one pass; only where ``is_compiled`` says so. Pixels of the
    guide that are not seen are mixed by place alone.
    """
    if gaussians.seen is not None:
        ways = (replace(gaussians, seen=None), gaussians.by_place())
        followed, placed = (
            render(one, signal, backend=backend, device=device, threads=threads, members=members) for one in ways
        )
        mixed = torch.where(gaussians.seen.to(followed.device), followed, placed)
        if out is not None:
            write_into(out, mixed)
        return mixed
    with_gradient = wants_gradient(signal)
    if is_compiled(backend, signal):
        from gsjbu.core.backends import cpu

        problem = cpu.Problem.of(gaussians.guide, gaussians.lr_guide, gaussians.grid, gaussians.radius)
        return torch.from_numpy(cpu.render(problem, gaussians.raw, signal, out, threads, members=members))
    assert members is None
    # A kernel may have been fitted on a device that this machine does not have, or on one of more GPUs.
    names = (device, device.split(":")[0], "cpu")
    fitted_on = torch.device(next(name for name in names if devices.unavailable_reason(name) is None))
    where = signal.device if with_gradient else fitted_on
    with torch.set_grad_enabled(with_gradient), torch_threads(beside(threads)):
        mixed = attention.render(
            _on(gaussians, where),
            gaussians.raw,
            signal if with_gradient else signal.to(where, torch.float32),
        )
    if out is None:
        return mixed if with_gradient else mixed.cpu()
    write_into(out, mixed)
    return torch.from_numpy(out) if out.dtype in (np.float32, np.float64, np.float16) else mixed


def wants_gradient(signal: Tensor) -> bool:
    """True if torch follows what is made of ``signal``, by autograd or torch.func."""
    return (signal.requires_grad and torch.is_grad_enabled()) or is_transformed(signal)


def beside(threads: int | None) -> int | None:
    """The threads of torch that were asked for; while something is compiled in another process, all but one: threads of
    torch wait for each other, and with a core too few a fit took 7 s instead of 2."""
    return max(1, cores.available() - 1) if threads is None and apart.is_going() else threads


def is_compiled(backend: str, signal: Tensor | None = None) -> bool:
    """True if a kernel of that ``backend`` renders ``signal`` (or finds its mean weights) by a compiled loop."""
    with_gradient = signal is not None and wants_gradient(signal)
    return backend == "fused" and not with_gradient and warm_up.is_near() and warm_up.run()


def mean_weights(gaussians: Gaussians, members: Members, threads: int | None = None) -> Tensor:
    """Mean weight over each cell of each place of its window in a mixture, [(2R+1)², h, w]; see ``is_compiled``."""
    from gsjbu.core.backends import cpu

    problem = cpu.Problem.of(gaussians.guide, gaussians.lr_guide, gaussians.grid, gaussians.radius)
    return torch.from_numpy(cpu.mean_weights(problem, gaussians.raw, members, threads))


def _on(gaussians: Gaussians, device: torch.device) -> attention.Problem:
    guide, lr_guide = gaussians.guide.to(device), gaussians.lr_guide.to(device)
    return attention.Problem(guide, lr_guide, gaussians.grid, gaussians.radius, seen=gaussians.seen)
