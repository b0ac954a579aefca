"""How the programs begin and end: standard streams are there, and Ctrl+C is a sentence and a status at any moment."""

from __future__ import annotations

import _thread
import io
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

INTERRUPTED = 130


def run(program: str, work: Callable[[], int]) -> int:
    """``work()``'s status, or 130 where it was interrupted, be it in the middle of an import."""
    open_streams()
    interrupt = Interrupt()
    try:
        return work()
    except BaseException:
        if not interrupt.came:  # a library may turn it into an error of its own
            raise
        print(f"{program}: Interrupted.", file=sys.stderr)
        return INTERRUPTED
    finally:
        interrupt.over = True
        # ``python -m`` dies of SIGINT where the last text given to exec was interrupted (a dataclass that was being
        # made, say); this text was not.
        exec("")  # noqa: S102


class Interrupt:
    """Ctrl+C from now on: raised where it ends the work, and a moment later where it would not or must not."""

    def __init__(self) -> None:
        self.came = self.over = False
        self.thread = _thread.get_ident()
        self.unraisable = sys.unraisablehook
        sys.unraisablehook = self._swallowed
        signal.signal(signal.SIGINT, lambda number, frame: self._stop(frame))

    def _stop(self, frame: FrameType | None) -> None:
        self.came = True
        if not _must_be_whole(frame):
            raise KeyboardInterrupt
        self._again()

    def _swallowed(self, args: Any) -> None:
        """What is raised in a callback goes no further."""
        if not self.came:
            self.unraisable(args)
        elif issubclass(args.exc_type, KeyboardInterrupt):
            self._again()

    def _again(self) -> None:
        # no threading.Timer: a lock of that module may be held where the signal came
        _thread.start_new_thread(self._wait_and_raise, ())

    def _wait_and_raise(self) -> None:
        time.sleep(0.02)
        if self.over:
            return
        if sys.platform == "win32":
            _thread.interrupt_main()
        else:  # which ends its waiting too
            signal.pthread_kill(self.thread, signal.SIGINT)


def _must_be_whole(frame: FrameType | None) -> bool:
    """Whether an interrupt here ends the process by a signal: torch aborts where its import is left half-way, and
    llvmlite frees twice what it was just handing over to LLVM.
    """
    while frame is not None and frame.f_code is not run.__code__:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        if frame.f_globals.get("__name__", "").startswith("llvmlite."):
            return True
        frame = frame.f_back
    return False


def open_streams() -> None:
    """Open what the caller has closed, or the next file would take its number and be written into.

    Standard output then refuses to be written to, as a full one does; standard error swallows.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # a console of Windows may be set to an alphabet without ×, and a pipe there always is
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
