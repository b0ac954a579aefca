"""Faults at any step of a batch, in any order: what stands under a final name is whole, and the next run finishes."""

from __future__ import annotations

import builtins
import errno
import io
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gsjbu import batch
from gsjbu.batch.config import BatchConfig
from gsjbu.errors import GsjbuError

pytestmark = pytest.mark.usefixtures("in_this_process")

ASKED = BatchConfig(objective="rgb", iters=1)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE)


class Killed(BaseException):
    """The process is gone at this point: nothing after it is done, not even what tidies up."""


@pytest.fixture
def source(dataset: Path, tmp_path: Path) -> Path:
    """Four good pictures, a bad one, and one without a signal."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (*(f"p{n}{end}" for n in range(4) for end in (".png", ".npy")), "bad.png", "bad.npy", "lonely.png"):
        shutil.copy(dataset / name, folder / name)
    return folder


def report_of(source: Path, out: Path) -> batch.Report:
    return batch.run(str(source), str(out), ASKED, workers=1)


@contextmanager
def fault(chance: random.Random, out: Path) -> Iterator[str]:
    """While the block runs, files cannot be opened or renamed from some call on, or that call is the process's last."""
    door = chance.choice(["open", "replace"])
    kind = chance.choice(["error", "kill"])
    number, after = chance.choice(FULL), chance.randrange(30)
    calls, dead = 0, False
    real = {"open": builtins.open, "replace": os.replace}

    def met(name: str) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            nonlocal calls, dead
            if dead:
                raise Killed
            if name == door and (name != "open" or str(given[0]).startswith(str(out.parent))):
                calls += 1
                if calls > after and kind == "kill":
                    dead = True
                    raise Killed
                if calls > after:
                    raise OSError(number, os.strerror(number), given[0] if name == "open" else None)
            return real[name](*given, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for room in (builtins, io):  # pathlib asks the second
            patch.setattr(room, "open", met("open"))
        patch.setattr(os, "replace", met("replace"))
        yield f"{kind} at {door} {after}"


@contextmanager
def gone(chance: random.Random, source: Path, aside: Path) -> Iterator[None]:
    """While the block runs, an input may not be there."""
    name = chance.choice([None, None, *sorted(os.listdir(source))])
    if name is not None:
        shutil.move(source / name, aside / name)
    try:
        yield
    finally:
        if name is not None:
            shutil.move(aside / name, source / name)


def misfortunes(source: Path, tmp_path: Path, contents: Any, seed: int, runs: int) -> None:
    """``runs`` that are met by faults into one folder; none leaves half a result, and the last one, undisturbed, gives
    what a run that was never disturbed gives."""
    whole = report_of(source, tmp_path / "whole")
    wanted = contents(tmp_path / "whole")
    assert whole.done == 4 and len(whole.failed) == 2
    chance, out, aside = random.Random(seed), tmp_path / "out", tmp_path / "aside"
    aside.mkdir()
    met = set()
    for _ in range(runs):
        with gone(chance, source, aside), fault(chance, out) as what, suppress(GsjbuError, OSError, Killed):
            report = report_of(source, out)
            for failure in report.failed:
                assert failure["code"] != "unexpected", (what, failure)
        there = contents(out) if out.is_dir() else {}
        for name, data in there.items():
            if not Path(name).name.startswith("."):
                assert data == wanted[name], (what, name)
        met.add(what)
        if chance.random() < 0.3:
            shutil.rmtree(out, ignore_errors=True)
    assert len(met) > 1
    last = report_of(source, out)
    assert contents(out) == wanted, "the same bytes, and nothing half written beside them"
    assert [f["key"] for f in last.failed] == [f["key"] for f in whole.failed]
    assert (out / "manifest.json").read_bytes() == (tmp_path / "whole" / "manifest.json").read_bytes()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of a process that is gone
@pytest.mark.parametrize("seed", range(3))
def test_a_few_disturbed_runs(source: Path, tmp_path: Path, contents: Any, seed: int) -> None:
    misfortunes(source, tmp_path, contents, seed, 8)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("seed", range(10, 20))
def test_many_disturbed_runs(source: Path, tmp_path: Path, contents: Any, seed: int) -> None:
    misfortunes(source, tmp_path, contents, seed, 100)
