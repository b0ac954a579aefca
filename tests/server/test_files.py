"""Linked result files: written whole, swept by size and age, read by exact name only."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gsjbu.server.files import OutFiles

JOBS = [f"{n:032x}" for n in range(10)]


def write(out: OutFiles, job: str, size: int, age: float = 0) -> None:
    out.write(job, {"a.png": bytes(size)})
    when = time.time() - age
    os.utime(out.folder / job, (when, when))


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
    assert sorted(f.name for f in tmp_path.iterdir()) == JOBS[1:3]
    write(out, JOBS[5], 5000)
    assert [f.name for f in tmp_path.iterdir()] == [JOBS[5]], "the newest stays"


def test_the_old_go_and_so_do_halves_of_a_crash(tmp_path: Path) -> None:
    out = OutFiles(tmp_path, 10**9, 60)
    write(out, JOBS[0], 10, age=61)
    write(out, JOBS[1], 10, age=50)
    (tmp_path / f"{JOBS[2]}.part").mkdir()
    old = time.time() - 2000
    os.utime(tmp_path / f"{JOBS[2]}.part", (old, old))
    out.sweep()
    assert [f.name for f in tmp_path.iterdir()] == [JOBS[1]]


@pytest.mark.parametrize("job", ["..", "../x", "", JOBS[0].upper() + "G", JOBS[0] + "/..", JOBS[0] + "\0"])
@pytest.mark.parametrize("name", ["a.png", "../a.png", "a.png\0", "a.exe", ".png", "", "/etc/passwd"])
def test_other_names_come_nowhere_near_the_file_system(tmp_path: Path, job: str, name: str) -> None:
    out = OutFiles(tmp_path, 10**9, 60)
    write(out, JOBS[0], 10)
    assert out.read(job, name) is None
    with pytest.raises(ValueError):
        out.write(job, {name: b""})


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
