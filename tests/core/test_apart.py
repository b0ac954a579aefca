"""Compiling in another process: when there is something to compile, one process that outlives a call, and a stamp."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest

from gsjbu.core import apart


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing is; what a test starts is ended after it."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(apart, "_started", started := [])
    monkeypatch.setattr(apart, "HEAD_START", 0.0)
    yield tmp_path
    for process, *_ in started:
        process.kill()
        process.wait()


def test_nothing_is_done_until_it_is_said(empty: Path) -> None:
    assert not apart.is_done()
    apart.done()
    assert apart.is_done() and [path.parent for path in empty.rglob("gsjbu-compiled-*")] == [empty]


def test_other_code_or_another_processor_is_not_done(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apart.done()
    with monkeypatch.context() as patch:
        patch.setattr(apart.torch.backends.cpu, "get_cpu_capability", lambda: "NEON")
        assert not apart.is_done()
    assert apart.is_done()
    (empty / "core").mkdir()
    monkeypatch.setattr(apart, "PACKAGE", empty)
    apart.done()
    assert apart.is_done()
    (empty / "core" / "kernel.py").write_text("")
    assert not apart.is_done()


def test_the_stamp_lies_where_numba_keeps_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(apart, "BESIDE", tmp_path / "__pycache__")
    assert apart._stamp().parent == tmp_path / "__pycache__"
    monkeypatch.setattr(apart, "user_cache_path", lambda *_, **__: tmp_path / "own")
    monkeypatch.setattr(apart.os, "access", lambda path, mode: True)  # so says Windows of any folder
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(apart, "BESIDE", tmp_path / "file" / "__pycache__")
    assert apart._stamp().parent == tmp_path / "own"


def test_where_nothing_can_be_written_nothing_is_said(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(empty / "file"))
    apart.done()
    assert not apart.is_done()


def test_one_process_is_started_and_begins_after_a_while(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "HEAD_START", 0.5)
    code = f"open({str(empty / 'ran')!r}, 'a').write('once '); import gsjbu; time.sleep(60)"
    assert not apart.was_started() and not apart.is_going()
    assert apart.start(code) and apart.start(code)
    assert apart.was_started() and not apart.is_going() and len(apart._started) == 1
    until = time.monotonic() + 30
    while not (empty / "ran").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert (empty / "ran").read_text() == "once " and apart.is_going()
    apart._started[0][0].kill()
    apart._started[0][0].wait()
    assert not apart.is_going() and not apart.has_ended()  # it was not done
    apart._started[0][0].returncode = 0
    assert apart.has_ended()
    monkeypatch.setattr(apart.os, "getpid", lambda: -1)
    assert not apart.has_ended(), "a fork cannot know"


def test_it_is_not_started_where_it_could_keep_nothing(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(empty / "gsjbu-compiled-1234"))  # as compiler.py makes one
        assert not apart.start("")
    (empty / "file").write_text("")
    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(empty / "file"))
        assert not apart.start("")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "frozen", True, raising=False)  # its executable is an application
        assert not apart.start("")
    monkeypatch.setattr(apart.child.spawn, "get_executable", lambda: str(empty / "missing"))
    assert not apart.start("") and not apart.was_started()


def test_one_at_a_time(empty: Path) -> None:
    with apart.alone(), pytest.raises(filelock.Timeout), apart.alone():
        pass


FIRST = """
import json, time, warnings
warnings.simplefilter("ignore")
import torch, gsjbu
from gsjbu.core import apart
apart.HEAD_START = 600.0  # what it would compile takes half a minute
guide = torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(0))
depth = 1 + torch.nn.functional.avg_pool2d(guide.mean(0, keepdim=True)[None], 8)[0]
kernel = gsjbu.fit(guide, lr_size=(12, 12), signal=depth, kind="depth", objective="auto", iters=10)
high = kernel.render(depth)
process = apart._started[0][0]
print(json.dumps([kernel.backend, kernel.backend_reason, list(high.shape), process.poll()]))
process.kill()
"""


def test_a_first_call_with_nothing_compiled_is_answered_without_a_compiler(root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FIRST], cwd=root, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    backend, reason, shape, going = json.loads(done.stdout)
    assert (backend, shape, going) == ("attention", [1, 96, 96], None)
    assert "still being compiled; later runs will use it" in reason
    assert not list(tmp_path.rglob("*.nbc")), "something was compiled while a person waited"


@pytest.mark.soak
def test_afterwards_all_of_it_is_compiled_and_nothing_else_has_to_be(root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    code = FIRST.replace("600.0", "0.0").replace("process.kill()", "process.wait()\nassert apart.is_done()")
    subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, check=True, timeout=600)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    again = FIRST.replace("process = ", "process = apart._started and ").replace("process.poll()", "process")
    again = subprocess.run(
        [sys.executable, "-c", again.replace("process.kill()", "")], cwd=root, env=environment, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert json.loads(again.stdout)[0] == "fused", again.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == before
