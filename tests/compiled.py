"""Compiles the kernels before the tests start: ``python -m tests.compiled [cells|rest]``.

Otherwise each of the test processes, and each server that they start at the same time, compiles them for itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gsjbu.core import apart

PARTS = ("cells", "rest")


def compile_all() -> None:
    """Side by side, and return when the cache on disk holds all of them."""
    if apart.is_done():
        return
    root = Path(__file__).resolve().parent.parent
    running = [subprocess.Popen([sys.executable, "-m", "tests.compiled", part], cwd=root) for part in PARTS]
    if any(process.wait() for process in running):
        raise SystemExit("the kernels could not be compiled; the message above says why")
    apart.done()


def compile_part(part: str) -> None:
    """In this process."""
    from gsjbu.core.backends import dispatch
    from gsjbu.run import metrics  # its tasks, and those of the rooms below

    assert metrics.warm_up is dispatch.warm_up
    if part == "cells":
        assert dispatch.warm_up.run(), dispatch.warm_up.reason
    else:
        dispatch.warm_up.run_tasks()


if __name__ == "__main__":
    for part in sys.argv[1:]:
        compile_part(part)
    if not sys.argv[1:]:
        compile_all()
