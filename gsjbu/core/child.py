"""Another Python process: it finds the modules that this one finds, and Ctrl-C at the terminal does not reach it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import spawn
from typing import Any


def start(code: str, environment: Mapping[str, str] | None = None, **pipes: Any) -> subprocess.Popen[bytes]:
    """Run ``code``, with this ``environment`` beside this process's own. Raises OSError where none can be started."""
    path = os.pathsep.join(p for p in sys.path if p)
    same = {"PYTHONPATH": path, "PYTHONOPTIMIZE": str(sys.flags.optimize or "")}  # numba knows code by its bytes
    return subprocess.Popen(
        # Not sys.executable: where Python is part of an application, multiprocessing is told which program is Python.
        [os.fsdecode(spawn.get_executable()), "-c", code],
        env={**os.environ, **same, **(environment or {})},
        # a group of its own; Windows has a flag for it
        bufsize=0, start_new_session=True, **{"creationflags": 0x200 if sys.platform == "win32" else 0, **pipes},
    )  # fmt: skip
