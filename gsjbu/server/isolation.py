"""A large job in a process of its own: what it may take along is itself, and not the server.

Such a process costs seconds to start and is made for one job alone; small jobs run in threads.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from gsjbu.core import child
from gsjbu.server import parcel
from gsjbu.server.jobs import Job
from gsjbu.server.limits import MIB
from gsjbu.server.problems import Problem
from gsjbu.server.worker import ERROR, RESULT

# What a worker takes before and besides what a run is estimated at: libraries, compiled code, a network's weights.
WORKER_BYTES = 400 * MIB


def run(job: Job, work: Callable[..., Any], *given: Any, progress: Callable[[Any], None], **more: Any) -> Any:
    """``work(*given, **more, progress=progress)`` in a process that ends with it, or as soon as ``job`` is stopped.

    Bit for bit what it gives here; what the result would make later is made. Raises what ``work`` raises, and
    Problem ``worker_lost`` where the process has ended.
    """
    with worker() as process, job.stopped_by(process.kill):
        try:
            return ask(process, work, *given, progress=progress, **more)
        except (EOFError, BrokenPipeError):
            job.check()
            raise lost(process.wait()) from None


def ask(
    process: subprocess.Popen[bytes],
    work: Callable[..., Any],
    *given: Any,
    progress: Callable[[Any], None],
    **more: Any,
) -> Any:
    """One call of a worker, and its answer; EOFError or BrokenPipeError where it is gone."""
    parcel.send(process.stdin, (torch.get_num_threads(), work, given, more))
    while True:
        kind, told = parcel.receive(process.stdout)
        if kind == RESULT:
            return told
        if kind == ERROR:
            raise told
        progress(told)


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A new process for the block."""
    code = "from gsjbu.server.worker import main; main()"
    process = child.start(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()


def lost(status: int) -> Problem:
    """What is known of a worker that has ended by itself."""
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    detail = f"The process that computed this job {how}, perhaps as memory ran short; lower resolution, or try again."
    return Problem("worker_lost", detail, retry_after=5)
