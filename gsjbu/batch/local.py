"""A batch on one machine: a process a core, or two where a GPU computes, one image and one thread each.

Each worker holds one end of a pipe. The parent hands an item to whoever is free, so nothing queues up anywhere,
and a worker that dies (out of memory, say) tells by its pipe which image it had.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from gsjbu.batch.config import BatchConfig, WriteFailed
from gsjbu.batch.items import Item
from gsjbu.batch.manifest import failed
from gsjbu.core import threads
from gsjbu.errors import GsjbuError

MOST = 60 if sys.platform == "win32" else sys.maxsize  # Windows waits for no more than 63 pipes at once
A_GPU = 2  # workers that share one: each has its own copy of CUDA in it
TRIES = 2  # how often an image may take its worker down before it is given up
LOST = f"The worker died {TRIES} times on this image ({{}}); it may be too large for the memory."
# Read by the numerical libraries when they load: the processes are the parallelism, each computes alone.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def run(
    items: Iterable[Item],
    folder: str,
    asked: BatchConfig,
    workers: int | None,
    finished: Callable[[dict[str, Any]], None],
) -> None:
    """Work on ``items`` in ``workers`` processes; ``finished`` is called with each outcome as it comes.

    workers: a process a core, or ``A_GPU``, if None.

    Raises WriteFailed when results cannot be written, and GsjbuError where no worker comes up.
    """
    waiting = deque((item, 1) for item in items)
    # a worker takes seconds to start: it should have two images at least
    most = min(max(1, workers or threads.available()), MOST, -(-len(waiting) // 2))
    # what ``auto`` is they tell, as this process has no torch; on a CPU the others start then
    first = most if workers or asked.device == "cpu" else min(most, A_GPU)
    processes: list[_WorkerProcess] = []
    came_up = False
    try:
        _add(processes, first, waiting, folder, asked)
        while busy := {worker.pipe: worker for worker in processes if worker.holds}:
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                item, tries = worker.holds  # type: ignore[misc]
                try:
                    outcome = worker.pipe.recv()
                except (EOFError, OSError):  # the process is gone
                    if not came_up:
                        raise _unguarded(worker.death()) from None
                    if tries < TRIES:
                        waiting.append((item, tries + 1))
                    else:
                        finished(failed(item, "worker_died", LOST.format(worker.death())))
                    worker.replace()
                else:
                    came_up = True
                    if isinstance(outcome, str):  # the device that it computes on
                        if outcome == "cpu":
                            _add(processes, most, waiting, folder, asked)
                        continue
                    if isinstance(outcome, WriteFailed):
                        raise outcome
                    finished(outcome)
                worker.give(waiting)
    finally:
        for worker in processes:
            worker.stop()


def _add(
    processes: list[_WorkerProcess], most: int, waiting: deque[tuple[Item, int]], folder: str, asked: BatchConfig
) -> None:
    """Start processes, each with an item, until there are ``most``."""
    while waiting and len(processes) < most:
        processes.append(_WorkerProcess(folder, asked))
        processes[-1].give(waiting)


def _unguarded(death: str) -> GsjbuError:
    return GsjbuError(
        "batch_no_worker",
        f"No worker process came up ({death}); what it said of that stands above. In a script, what starts a batch "
        "must stand under if __name__ == '__main__':, as each worker runs the script again.",
    )


class _WorkerProcess:
    """One worker process, its pipe, and the item it holds."""

    def __init__(self, folder: str, asked: BatchConfig) -> None:
        self.folder, self.asked = folder, asked
        self.holds: tuple[Item, int] | None = None
        self.process: BaseProcess
        self.pipe: Connection
        self._start()

    def _start(self) -> None:
        # spawn, not fork: a forked child inherits the locks of thread pools that it does not have
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.folder, self.asked), daemon=True)
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(ONE_THREAD)
        try:
            with _deaf_to_interrupts():
                self.process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        theirs.close()

    def give(self, waiting: deque[tuple[Item, int]]) -> None:
        """Hand over the next item, if there is one."""
        self.holds = waiting.popleft() if waiting else None
        if self.holds:
            # If it died between two items, reading its pipe will tell, and the item is tried again.
            with contextlib.suppress(OSError):
                self.pipe.send(self.holds[0])

    def death(self) -> str:
        """How the process ended."""
        self.process.join(5)
        code = self.process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"

    def replace(self) -> None:
        """A fresh process in the place of a dead one."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the process."""
        self.holds = None
        self.pipe.close()
        self.process.terminate()
        self.process.join()


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started meanwhile takes no notice of Ctrl+C, not even while it imports: its parent ends it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its own start, at the first process, would let interrupts in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, folder: str, asked: BatchConfig) -> None:
    """A worker's life: tell the device, take an item, answer with its outcome, until the pipe closes."""
    from gsjbu.batch.work import Worker  # here: the parent that hands out the work needs no torch
    from gsjbu.core import devices

    # A worker whose parent was killed must not finish under the eyes of the run that takes over.
    parent = multiprocessing.parent_process()
    assert parent is not None
    worker = Worker(folder, asked, alone=parent.is_alive)
    with contextlib.suppress(OSError):  # the parent is gone, as reading will tell
        pipe.send(devices.type_of(asked.device))
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        try:
            answer: Any = worker(item)
        except WriteFailed as error:
            answer = error
        except KeyboardInterrupt:
            return
        try:
            pipe.send(answer)
        except OSError:
            return
