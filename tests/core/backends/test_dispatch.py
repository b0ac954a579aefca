"""Which code computes, and the sentence that says why the other one does not."""

from __future__ import annotations

import sys
import threading
from importlib.metadata import Distribution, PackageNotFoundError

import filelock
import pytest
import torch

import gsjbu
from gsjbu.core.backends import dispatch
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.errors import SettingError
from tests.oracle_cases import one_torch_thread

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here

CPU = torch.device("cpu")
COMPILED = (
    "adam",
    "cpu",
    "doubles",
    "forms",
    "fused",
    "lanes",
    "phases",
    "row_render",
    "rows",
    "simd",
    "update",
)


@pytest.fixture
def cold(monkeypatch) -> dispatch.WarmUp:
    """As in a fresh process: nothing compiled yet."""
    fresh = dispatch.WarmUp()
    monkeypatch.setattr(dispatch, "warm_up", fresh)
    return fresh


@pytest.fixture
def without_numba(monkeypatch, cold):
    """``import numba`` raises, nothing tells its version, and the modules that need it are not loaded."""
    import gsjbu.core.backends as package

    found = Distribution.from_name

    def missing(name: str) -> Distribution:
        if name in ("numba", "llvmlite"):
            raise PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(Distribution, "from_name", missing)

    for name in COMPILED:
        monkeypatch.delitem(sys.modules, f"{package.__name__}.{name}", raising=False)
        monkeypatch.delattr(package, name, raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    return cold


def image() -> torch.Tensor:
    return torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0))


def test_the_cpu_takes_the_fused_kernel():
    assert dispatch.choose(CPU).name == "fused"
    kernel = gsjbu.fit(image(), stride=6, iters=1)
    assert (kernel.backend, kernel.backend_reason) == (
        "fused",
        "the fastest on a CPU: cells of 6×6 pixels, one after another",
    )


def test_attention_can_be_asked_for():
    kernel = gsjbu.fit(image(), stride=6, iters=1, backend="attention")
    assert (kernel.backend, kernel.backend_reason) == ("attention", "asked for by name")


def test_without_numba_attention_does_it_and_says_why(without_numba):
    kernel = gsjbu.fit(image(), stride=6, iters=2)
    assert kernel.backend == "attention"
    assert "the fused kernel cannot be used here" in kernel.backend_reason
    assert "numba" in kernel.backend_reason
    assert without_numba.state == "failed"
    assert kernel.render(torch.ones(2, 4, 4)).shape == (2, 24, 24)
    with pytest.raises(SettingError, match=r"cannot be used here .*numba.*; use auto") as refusal:
        gsjbu.fit(image(), stride=6, iters=1, backend="fused")
    assert refusal.value.name == "backend"


def test_a_kernel_that_was_fitted_fused_still_renders_without_numba(without_numba, monkeypatch):
    guide = image()
    grid = gsjbu.core.grid.Grid.from_stride(24, 24, 6)
    raw = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(1)) + 2
    kernel = gsjbu.Kernel(Gaussians.over(guide, grid, 2, raw), backend="fused")
    assert (kernel.render(torch.ones(1, 4, 4)) - 1).abs().max() < 1e-5


def test_it_fails_once_and_is_not_tried_again(without_numba):
    assert not without_numba.run()
    reason = without_numba.reason
    sys.modules.pop("numba")  # it would work now; but one process answers one way
    assert not without_numba.run()
    assert without_numba.reason == reason


def test_while_compiling_attention_does_it(cold, monkeypatch):
    started, go_on = threading.Event(), threading.Event()

    def slow(name: str) -> None:
        started.set()
        assert go_on.wait(30)

    monkeypatch.setattr(dispatch, "compile_form", slow)
    thread = cold.in_background()
    assert started.wait(10)
    assert cold.state == "compiling"
    kernel = gsjbu.fit(image(), stride=6, iters=1)
    assert kernel.backend == "attention"
    assert "still being compiled; later runs will use it" in kernel.backend_reason
    go_on.set()
    thread.join(timeout=10)
    assert cold.state == "warm"
    assert gsjbu.fit(image(), stride=6, iters=1).backend == "fused"


def test_who_asks_for_the_fused_kernel_waits_for_it(cold, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(dispatch, "compile_form", lambda name: go_on.wait(30))
    thread = cold.in_background()
    threading.Timer(0.05, go_on.set).start()
    assert dispatch.choose(CPU, "fused").name == "fused"
    thread.join(timeout=10)


def test_many_who_come_at_once_compile_once(cold, monkeypatch):
    calls = []
    monkeypatch.setattr(dispatch, "compile_form", lambda name: calls.append(1))
    threads = [threading.Thread(target=cold.run) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=10)
    assert calls == [1]
    assert cold.state == "warm"


def test_starting_in_the_background_when_warm_stays_warm(cold):
    cold.state = "warm"
    cold.in_background().join(timeout=10)
    assert cold.state == "warm"


def test_a_gpu_takes_attention_and_refuses_fused():
    choice = dispatch.choose(torch.device("cuda"))
    assert choice.name == "attention"
    assert choice.reason == "the fused kernel runs on the CPU only; this run is on cuda"
    with pytest.raises(SettingError, match="runs on the CPU only, not on mps; use auto"):
        dispatch.choose(torch.device("mps"), "fused")


def test_an_unknown_backend_is_refused():
    with pytest.raises(SettingError, match="it must be one of auto, fused, attention"):
        dispatch.choose(CPU, "gathers")


def test_both_backends_render_the_same():
    kernel = gsjbu.fit(image(), stride=6, iters=3)
    from dataclasses import replace

    signal = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(2))
    other = replace(kernel, backend="attention")
    assert (kernel.render(signal) - other.render(signal)).abs().max() <= 5e-6


def explained() -> tuple[torch.Tensor, torch.Tensor]:
    """A guide, and a quantity that it explains."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 48), indexing="ij")
    guide = torch.stack([(x + y > 1).float(), x, y])
    return guide, 9 * Grid.from_stride(48, 48, 4).cell_means(guide)[:1]


def auto_of(guide: torch.Tensor, lr: torch.Tensor) -> gsjbu.Kernel:
    return gsjbu.fit(guide, lr_size=(12, 12), objective="auto", signal=lr, kind="depth", iters=10)


def test_auto_without_numba_does_all_that_it_does_with_it(without_numba, monkeypatch):
    guide, lr = explained()
    kernel = auto_of(guide, lr)
    assert kernel.backend == "attention" and kernel.refinement is not None
    high = kernel.render(lr)
    monkeypatch.undo()
    compiled = auto_of(guide, lr)
    assert compiled.backend == "fused" and compiled.refinement == kernel.refinement
    # Twenty steps by two backends, and both forms of what follows, over values up to 9: 2e-5 was measured.
    torch.testing.assert_close(high, compiled.render(lr), atol=1e-3, rtol=0)


def test_while_nothing_is_compiled_attention_answers_and_another_process_compiles(cold, monkeypatch):
    done, started = [False], []
    monkeypatch.setattr(dispatch.apart, "is_done", lambda: done[0])
    monkeypatch.setattr(dispatch.apart, "start", lambda code: started.append(code) or True)
    guide, lr = explained()
    kernel = auto_of(guide, lr)
    assert kernel.backend == "attention" and "later runs will use it" in kernel.backend_reason
    high = kernel.render(lr)
    assert started and cold.state == "cold"
    done[0] = True
    later = auto_of(guide, lr)
    assert later.backend == "fused" and cold.state == "warm"
    torch.testing.assert_close(high, later.render(lr), atol=1e-3, rtol=0)


@pytest.mark.parametrize("why", ["patient", "asked for", "no process", "it has ended"])
def test_whoever_needs_the_fused_kernel_waits(cold, monkeypatch, why):
    monkeypatch.setattr(dispatch.apart, "is_done", lambda: False)
    monkeypatch.setattr(dispatch.apart, "has_ended", lambda: why == "it has ended")
    monkeypatch.setattr(dispatch.apart, "start", lambda code: why != "no process")
    cold.patient = why == "patient"
    assert dispatch.choose(CPU, "fused" if why == "asked for" else "auto").name == "fused"


def test_the_process_that_compiles_says_when_it_is_done_also_where_it_fails(cold, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(dispatch, "compile_form", lambda name: 1 / 0)
    with dispatch.apart.alone(), pytest.raises(filelock.Timeout):
        cold.run_alone()
    assert cold.state == "cold" and not dispatch.apart.is_done()  # another is at it
    cold.run_alone()
    assert cold.state == "failed" and dispatch.apart.is_done()


def test_while_another_process_compiles_a_core_is_left_to_it(monkeypatch):
    going = [True]
    monkeypatch.setattr(dispatch.apart, "is_going", lambda: going[0])
    monkeypatch.setattr(dispatch.cores, "available", lambda: 4)
    assert [dispatch.beside(n) for n in (None, 1, 8)] == [3, 1, 8]
    going[0] = False
    assert dispatch.beside(None) is None
    monkeypatch.setattr(dispatch.apart, "was_started", lambda: True)
    seen = []

    def progress(step: int, loss: float) -> None:
        going[0] = True
        seen.append(torch.get_num_threads())

    torch.set_num_threads(2)
    gsjbu.fit(image(), stride=6, iters=3, backend="attention", progress=progress)
    assert seen == [2, 3, 3] and torch.get_num_threads() == 2
