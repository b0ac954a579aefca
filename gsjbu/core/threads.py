"""How many cores this process may really use, and a pool to borrow helpers from."""

from __future__ import annotations

import math
import operator
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import SupportsIndex, TypeVar

from gsjbu.core import cgroups
from gsjbu.errors import SettingError
from gsjbu.settings import is_truth

A = TypeVar("A")
B = TypeVar("B")


# torch's helpers (OpenMP) meet at a barrier in every small step, and spin there unless told otherwise before torch is
# loaded. A ResNet-18 at 512² on four threads took 28 ms with spinning helpers and 35 ms with sleeping ones; with one
# of the four cores busy otherwise, 273 and 60 ms.
BEHIND = 5  # niceness of a thread that computes while somebody waits for short answers
HELPERS_SLEEP = os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"


def step_back() -> None:
    """Let this thread, and those that it starts, compute when others need no core: Linux gives threads priorities."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BEHIND)


@lru_cache(maxsize=1)
def available() -> int:
    """Cores that this process may use: its CPU affinity, lowered by a cgroup quota if there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota())))


def _quota() -> float:
    """CPUs' worth of time that the tightest control group grants; infinite where none has a limit."""
    return min((_granted(version, folder) for version, folder in cgroups.folders("cpu")), default=math.inf)


def _granted(version: int, folder: Path) -> float:
    with suppress(OSError, ValueError):
        if version == 2:
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{what}_us").read_text() for what in ("quota", "period"))
        if int(quota) > 0:  # "max", and −1 of version 1, is no limit
            return int(quota) / int(period)
    return math.inf


def check_threads(count: object) -> int | None:
    """A number of threads; None stands for all. Raises SettingError."""
    if count is None:
        return None
    if isinstance(count, SupportsIndex) and not is_truth(count) and operator.index(count) >= 1:
        return operator.index(count)
    raise SettingError("threads", f"threads is {count!r}; it must be a whole number from 1, or None for all.")


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let torch's own operations in this thread use ``count`` cores, and put back what was set before."""
    import torch

    before = torch.get_num_threads()
    if count is not None and count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def each(work: Callable[[A], B], items: Iterable[A], count: int | None) -> list[B]:
    """``work`` on every item, side by side where the job has more than one core; for work that frees the GIL."""
    return list(map(work, items) if count == 1 else pool().map(work, items))


@lru_cache(maxsize=1)
def pool() -> ThreadPoolExecutor:
    """Helpers for compiled loops. A job never waits for one: whoever comes late joins late, or not at all."""
    return ThreadPoolExecutor(max_workers=4 * available(), thread_name_prefix="gsjbu")


def _after_fork() -> None:
    """In a child: helpers do not survive a fork, and whoever waits for them hangs. The pool is made anew; torch's
    cannot be, so it works alone, as in the workers of its DataLoader."""
    pool.cache_clear()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def bands(size: int, count: int | None) -> list[slice]:
    """``size`` things in runs of about the same length, one for each of ``count`` cores (default: all)."""
    parts = max(1, min(size, count or available()))
    return [slice(size * k // parts, size * (k + 1) // parts) for k in range(parts)]
