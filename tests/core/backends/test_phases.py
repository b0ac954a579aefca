"""The scheduler: every task of every phase is claimed once, in order of phases, by however many threads there are."""

from __future__ import annotations

import ctypes
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

from gsjbu.core.backends import phases
from gsjbu.core.backends.phases import (
    DONE,
    MASK,
    SHIFT,
    STOP,
    WORD,
    atomic_add,
    atomic_load,
    atomic_store,
    claim,
    finish,
    new_control,
    open_phase,
)


@njit(nogil=True)
def work(control, even, odd, last, counts, sums, wrong):
    """Count each task; a phase's last thread checks that the whole phase before it is done."""
    while True:
        phase, task = claim(control, even, odd, last)
        if phase < 0:
            return
        tasks = even if phase % 2 == 0 else odd
        atomic_add(counts, phase * max(even, odd) + task, 1)
        atomic_add(sums, phase, task + 1)
        if phase > 0:
            before = odd if phase % 2 == 0 else even
            if atomic_load(sums, phase - 1) != before * (before + 1) // 2:
                wrong[0] = 1
        if finish(control, tasks):
            open_phase(control, phase + 1, False)


@pytest.mark.parametrize("helpers", [1, 2, 3, 8, 24])
@pytest.mark.parametrize(("even", "odd"), [(7, 3), (1, 1), (1, 64), (64, 5)])
def test_every_task_is_claimed_exactly_once(helpers, even, odd):
    last = 400
    control = new_control()
    counts = np.zeros(last * max(even, odd), dtype=np.int64)
    sums, wrong = np.zeros(last, dtype=np.int64), np.zeros(1, dtype=np.int64)
    threads = [
        threading.Thread(target=work, args=(control, even, odd, last, counts, sums, wrong)) for _ in range(helpers)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.005)
    assert counts.sum() == 0  # phase 0 is closed until somebody opens it
    open_phase(control, 0, False)
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    counted = counts.reshape(last, -1)
    assert (counted[0::2, :even] == 1).all()
    assert (counted[1::2, :odd] == 1).all()
    assert counts.sum() == (last // 2) * (even + odd)
    assert wrong[0] == 0  # no phase began before the one before it had ended
    assert control[DONE] == 0


def test_a_late_thread_may_join_and_a_stopped_one_leaves():
    control = new_control()
    counts, sums, wrong = (
        np.zeros(10, dtype=np.int64),
        np.zeros(2, dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )
    waiting = threading.Thread(target=work, args=(control, 5, 5, 2, counts, sums, wrong))
    waiting.start()  # nothing is open: it waits, offering its core
    time.sleep(0.02)
    assert waiting.is_alive()
    control[STOP] = 1
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    assert counts.sum() == 0


def test_a_closed_phase_gives_no_task_until_it_is_opened():
    control = new_control()
    counts, sums, wrong = (
        np.zeros(6, dtype=np.int64),
        np.zeros(2, dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )
    open_phase(control, 1, True)
    sums[0] = 6  # phase 0 counts as done
    thread = threading.Thread(target=work, args=(control, 3, 3, 2, counts, sums, wrong))
    thread.start()
    time.sleep(0.02)
    assert counts.sum() == 0
    open_phase(control, 1, False)
    thread.join(timeout=10)
    assert counts.reshape(2, 3).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_waiting_for_ever_does_not_spoil_the_word():
    """Those who wait read; only those who see a task left add. A closed phase may be waited at for hours."""
    control = new_control()
    thread = threading.Thread(target=phases_claim, args=(control,))
    thread.start()
    time.sleep(0.05)
    word = int(control[WORD])
    control[STOP] = 1
    thread.join(timeout=10)
    assert word == phases.CLOSED


def phases_claim(control):
    claim(control, 4, 4, 9)


def test_leaving_at_the_last_phase():
    control = new_control()
    open_phase(control, 3, False)
    assert claim(control, 2, 2, 3) == (-1, 0)
    assert claim(control, 2, 2, 4) == (3, 0)
    assert claim(control, 2, 2, 4) == (3, 1)
    assert int(control[WORD]) >> SHIFT == 3
    assert int(control[WORD]) & MASK == 2


def test_finish_tells_one_caller_only():
    control = new_control()
    assert [finish(control, 4) for _ in range(8)] == [False, False, False, True] * 2


@njit(nogil=True)
def add_many(array, times):
    for _ in range(times):
        atomic_add(array, 2, 1)


def test_additions_from_many_threads_are_not_lost():
    array = np.zeros(4, dtype=np.int64)
    threads = [threading.Thread(target=add_many, args=(array, 50_000)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert array.tolist() == [0, 0, 400_000, 0]


@njit
def swap(array):
    before = atomic_load(array, 1)
    atomic_store(array, 1, np.int64(-5))
    return before


def test_load_and_store():
    array = np.array([1, 2, 3], dtype=np.int64)
    assert swap(array) == 2
    assert array.tolist() == [1, -5, 3]


def test_where_there_is_no_sched_yield_windows_own_is_called(monkeypatch):
    """A stand-in of SwitchToThread at an address of its own, as DLLs have them."""
    called = []
    switch = ctypes.CFUNCTYPE(ctypes.c_int32)(lambda: called.append(1) or 1)
    kernel32 = SimpleNamespace(SwitchToThread=switch)
    with monkeypatch.context() as patch:
        patch.setattr(phases.ctypes, "windll", SimpleNamespace(kernel32=kernel32), raising=False)
        patch.setattr(phases.sys, "platform", "win32")
        name = phases._yielding()
    monkeypatch.setattr(phases, "YIELDING", name)

    @njit
    def twice():
        phases._yield_core()
        phases._yield_core()

    twice()
    assert (name, called) == ("SwitchToThread", [1, 1])
