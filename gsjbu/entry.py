"""How the programs begin and end: standard streams are there, and Ctrl+C is a sentence and a status at any moment."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

INTERRUPTED = 130


def run(program: str, work: Callable[[], int]) -> int:
    """``work()``'s status, or 130 where it was interrupted, be it in the middle of an import."""
    open_streams()
    interrupted = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    # What is interrupted in a callback is interrupted all the same; the default hook prints a traceback.
    unraisable = sys.unraisablehook
    sys.unraisablehook = lambda args: None if interrupted else unraisable(args)
    try:
        return work()
    except BaseException:
        if not interrupted:  # an import may turn the interrupt into an error of its own
            raise
        print(f"{program}: Interrupted.", file=sys.stderr)
        return INTERRUPTED


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
