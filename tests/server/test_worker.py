"""A worker answers a call with progress and a result or an error, goes first where memory is short, and never stays."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import psutil
import torch

from gsjbu.errors import ShapeError
from gsjbu.server import isolation, parcel, worker
from tests.server.test_jobs import until


def answer(work: Any) -> tuple[list[Any], tuple[str, Any]]:
    """What a worker tells on its way, and its last word."""
    out = io.BytesIO()
    last = worker._answer(out, torch.get_num_threads(), work, (3,), {"by": 2})
    length = out.tell()
    out.seek(0)
    told = []
    while out.tell() < length:
        told.append(parcel.receive(out))
    return told, last


def test_progress_and_a_result() -> None:
    def work(value: int, by: int, progress: Any) -> int:
        progress("half")
        return value * by

    assert answer(work) == ([(worker.PROGRESS, "half")], (worker.RESULT, 6))


def test_an_error_says_where_it_was() -> None:
    def work(*_: Any, **__: Any) -> None:
        raise ShapeError("These do not go together.")

    _, (kind, error) = answer(work)
    assert kind == worker.ERROR and error.code == "shape_invalid"
    assert "in work" in error.__notes__[0]


def test_it_goes_first_and_with_the_server() -> None:
    with isolation.worker() as process:
        told = psutil.Process(process.pid)
        if Path("/proc/self/oom_score_adj").exists():
            score = Path(f"/proc/{process.pid}/oom_score_adj")
            until(lambda: score.read_text().strip() == "1000", 30)
        assert told.is_running()
        assert process.stdin is not None
        process.stdin.close()  # as it is when the server has been killed
        until(lambda: process.poll() is not None, 30)
    assert process.returncode == 0
    assert not os.path.exists(f"/proc/{process.pid}")
