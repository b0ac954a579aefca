"""Linked result files: written whole, swept by size and age, read by exact name only."""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from gsjbu.server.files import LOCK, OutFiles

JOBS = [f"{n:032x}" for n in range(10)]


def write(out: OutFiles, job: str, size: int, age: float = 0) -> None:
    """Files that a server before this one left ``age`` seconds ago."""
    OutFiles(out.folder, 10**12, 10**9).write(job, {"a.png": bytes(size)})
    when = time.time() - age
    os.utime(out.folder / job, (when, when))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


def test_files_are_written_and_read(tmp_path: Path) -> None:
    out = OutFiles(tmp_path / "out", 1000, 60)
    assert out.write(JOBS[0], {"a.png": b"abc"}) == {"a.png": f"/static/out/{JOBS[0]}/a.png"}
    assert out.read(JOBS[0], "a.png") == b"abc"
    out.drop(JOBS[0])
    assert out.read(JOBS[0], "a.png") is None


def test_the_oldest_go_when_there_is_no_room(tmp_path: Path) -> None:
    out = OutFiles(tmp_path, 250, 1000)
    for n in range(3):
        write(out, JOBS[n], 100, age=100 - n)
    out.sweep()
    assert names(tmp_path) == JOBS[1:3]
    out.write(JOBS[5], {"a.png": bytes(5000)})
    assert names(tmp_path) == [JOBS[5]], "the newest stays"


def test_the_old_go_and_so_do_halves_of_a_crash(tmp_path: Path) -> None:
    out = OutFiles(tmp_path, 10**9, 60)
    write(out, JOBS[0], 10, age=61)
    write(out, JOBS[1], 10, age=50)
    (tmp_path / f"{JOBS[2]}.part").mkdir()
    old = time.time() - 2000
    os.utime(tmp_path / f"{JOBS[2]}.part", (old, old))
    out.sweep()
    assert names(tmp_path) == [JOBS[1]]


@pytest.mark.parametrize("job", ["..", "../x", "", JOBS[0].upper() + "G", JOBS[0] + "/..", JOBS[0] + "\0"])
@pytest.mark.parametrize("name", ["a.png", "../a.png", "a.png\0", "a.exe", ".png", "", "/etc/passwd"])
def test_other_names_come_nowhere_near_the_file_system(tmp_path: Path, job: str, name: str) -> None:
    out = OutFiles(tmp_path, 10**9, 60)
    write(out, JOBS[0], 10)
    assert out.read(job, name) is None
    with pytest.raises(ValueError):
        out.write(job, {name: b""})


@pytest.mark.posix
def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_text("x")
    out = OutFiles(tmp_path / "out", 10**9, 60)
    write(out, JOBS[0], 10)
    (out.folder / JOBS[0] / "link.png").symlink_to(secret)
    (out.folder / JOBS[1]).symlink_to(out.folder / JOBS[0])
    assert out.read(JOBS[0], "link.png") is None
    assert out.read(JOBS[1], "a.png") is None


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    out = OutFiles(tmp_path, 10**9, 60)
    with pytest.raises(TypeError):
        out.write(JOBS[0], {"a.png": b"fine", "b.png": None})  # type: ignore[dict-item]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.posix
def test_a_sweep_touches_nothing_but_its_own(tmp_path: Path) -> None:
    out = OutFiles(tmp_path, 1, 1e-9)
    for name in ("holiday", "0" * 31, "G" * 32, f"{JOBS[0]}.parts"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(bytes(100))
    (tmp_path / JOBS[1]).write_bytes(bytes(100))
    (tmp_path / JOBS[2]).symlink_to(tmp_path / "holiday")
    before = names(tmp_path)
    write(out, JOBS[3], 100)
    out.sweep()
    assert names(tmp_path) == before
    assert (tmp_path / "holiday" / "a.png").exists()


def test_servers_that_share_a_folder_never_fail_a_job(tmp_path: Path) -> None:
    """Each has room for two results of the many that all of them write and sweep at once."""

    def serve(server: int) -> list[str]:
        out = OutFiles(tmp_path, 200, 1000)
        jobs = [f"{server:016x}{n:016x}" for n in range(60)]
        return [out.write(job, {"a.png": bytes(100)})["a.png"] for job in jobs]

    with ThreadPoolExecutor(4) as pool:
        assert [len(urls) for urls in pool.map(serve, range(4))] == [60] * 4
    OutFiles(tmp_path, 200, 1000).sweep()
    assert len(names(tmp_path)) <= 2


def test_a_job_that_is_dropped_during_a_sweep_fails_nobody(tmp_path: Path) -> None:
    due: list[list[str]] = []

    def clock() -> float:
        for job in due.pop() if due else ():
            out.drop(job)
        return 0.0

    out = OutFiles(tmp_path, 10**9, 60, clock)
    for job in JOBS[:2]:
        out.write(job, {"a.png": b"abc"})
    due += [JOBS[:2], []]  # both, as the second one's age is asked
    out.sweep()
    assert not due and names(tmp_path) == []


def test_only_one_server_sweeps_at_a_time(tmp_path: Path) -> None:
    out = OutFiles(tmp_path, 1, 1000)
    write(out, JOBS[0], 100)
    with FileLock(tmp_path / LOCK):
        out.sweep()
        assert names(tmp_path) == JOBS[:1]
    out.sweep()
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_swept_is_told_to_the_log_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Path) -> None:
        raise OSError(5, "Input/output error")

    out = OutFiles(tmp_path, 10**9, 1000)
    logging.getLogger("gsjbu.server").propagate = True
    monkeypatch.setattr(Path, "iterdir", broken)
    with caplog.at_level(logging.WARNING, "gsjbu.server"):
        out.write(JOBS[0], {"a.png": b"abc"})
    assert out.read(JOBS[0], "a.png") == b"abc"
    assert "could not be swept" in caplog.text


def test_ages_do_not_follow_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    out = OutFiles(tmp_path, 10**9, 60, clock=lambda: now[0])
    out.write(JOBS[0], {"a.png": b"abc"})
    real = time.time
    for jump in (10**6, -(10**6)):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        out.sweep()
        assert names(tmp_path) == JOBS[:1]
    now[0] += 61
    out.sweep()
    assert names(tmp_path) == []
