"""How many cores a process may use: affinity, and the limits of containers (cgroup versions 1 and 2)."""

from __future__ import annotations

import math
import os

import pytest
import torch

from gsjbu.core import cgroups, threads


def written(folder, **files: str):
    """A cgroup folder with these files; ``__`` stands for the folder separator and ``_dot_`` for a dot."""
    for name, text in files.items():
        path = folder.joinpath(*name.replace("_dot_", ".").split("__"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("200000 100000\n", 2.0),
        ("150000 100000\n", 1.5),
        ("max 100000\n", math.inf),
        ("nonsense\n", math.inf),
        ("", math.inf),
    ],
)
def test_version_2(tmp_path, text, quota):
    assert threads._granted(2, written(tmp_path, cpu_dot_max=text)) == quota


@pytest.mark.parametrize(
    ("granted", "period", "quota"),
    [("300000", "100000", 3.0), ("50000", "100000", 0.5), ("-1", "100000", math.inf)],
)
def test_version_1(tmp_path, granted, period, quota):
    folder = written(tmp_path, cpu_dot_cfs_quota_us=granted, cpu_dot_cfs_period_us=period)
    assert threads._granted(1, folder) == quota


def test_the_tightest_group_counts_and_none_is_no_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroups, "PROC", written(tmp_path / "proc", self__cgroup="0::/outer/mine\n"))
    monkeypatch.setattr(cgroups, "ROOT", tmp_path / "groups")
    assert threads._quota() == math.inf
    written(tmp_path / "groups", outer__cpu_dot_max="300000 100000", outer__mine__cpu_dot_max="max 100000")
    assert threads._quota() == 3.0


@pytest.fixture
def counted(monkeypatch):
    """``available()`` on a machine with this affinity and quota; its memory of the real one is cleared."""

    def count(cores: int, quota: float) -> int:
        threads.available.cache_clear()
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        monkeypatch.setattr(threads, "_quota", lambda: quota)
        return threads.available()

    yield count
    threads.available.cache_clear()


@pytest.mark.parametrize(
    ("cores", "quota", "usable"),
    [(8, math.inf, 8), (8, 2.0, 2), (8, 1.5, 2), (8, 0.25, 1), (2, 6.0, 2), (1, math.inf, 1)],
)
def test_the_smaller_of_affinity_and_quota_counts(counted, cores, quota, usable):
    assert counted(cores, quota) == usable


def test_machines_without_affinity_count_their_cores(monkeypatch):
    threads.available.cache_clear()
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(threads, "_quota", lambda: math.inf)
    assert threads.available() == 6
    threads.available.cache_clear()


def test_the_pool_is_one_and_its_threads_have_names():
    assert threads.pool() is threads.pool()
    assert threads.pool().submit(lambda: __import__("threading").current_thread().name).result().startswith("gsjbu")


@pytest.mark.parametrize("asked", [1, 2, None])
def test_torch_gets_its_threads_back(asked):
    before = torch.get_num_threads()

    def work() -> None:
        with threads.torch_threads(asked):
            assert torch.get_num_threads() == (asked or before)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("count", [None, 1, 2])
def test_each_keeps_the_order_and_passes_errors_on(count: int | None) -> None:
    assert threads.each(lambda x: x * x, range(20), count) == [x * x for x in range(20)]
    with pytest.raises(ZeroDivisionError):
        threads.each(lambda x: 1 / x, [1, 0], count)
