"""Compiling in a process of its own, so that a person's first call need not wait for it.

numba keeps what it compiles on the disk. A stamp beside that says that all of it has been compiled (or that it was
tried: then its error comes at once), for this code, this Python and this kind of processor.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import time
import uuid
from pathlib import Path

import filelock
import numpy as np
import torch
from platformdirs import user_cache_path

from gsjbu.core import child

PACKAGE = Path(__file__).parents[1]
# Here numba keeps what it compiles, where this can be written.
BESIDE = Path(__file__).parent / "backends" / "__pycache__"

# So long the call that asked has all cores to itself (seconds). On two slow ones a first depth ×16, ×4, ×2 takes 4.1,
# 5.4, 12 s; 5.8, 8.2, 16 where the other process begins after 3.
HEAD_START = 8.0

# At most one process, when it begins to work, and for whom.
_started: list[tuple[subprocess.Popen[bytes], float, int]] = []


def is_done() -> bool:
    """True if all has been compiled, and only has to be loaded."""
    return _stamp().exists()


def done() -> None:
    """Say so; where nothing can be written it is not said."""
    try:
        stamp = _stamp()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    except OSError:
        return


def start(code: str) -> bool:
    """Run ``code`` in a process that goes on when this one ends; False where none can be started or could keep it.

    It begins after HEAD_START.
    """
    if _started:
        return True
    if getattr(sys, "frozen", False) or not _can_keep():
        return False
    quiet = subprocess.DEVNULL
    try:
        process = child.start(
            f"import time; time.sleep({HEAD_START}); {code}", stdin=quiet, stdout=quiet, stderr=quiet,
            creationflags=0x4208 if sys.platform == "win32" else 0,  # in the background, and without a console
        )  # fmt: skip
    except OSError:
        return False
    _started.append((process, time.monotonic() + HEAD_START, os.getpid()))
    return True


def was_started() -> bool:
    """True if this process has started one."""
    return bool(_started)


def is_going() -> bool:
    """True while the process that this one started is at it."""
    return any(time.monotonic() > begins and process.poll() is None for process, begins, _ in _started)


def has_ended() -> bool:
    """True if the process that this one started has done what it could: who still finds nothing has to compile."""
    # A fork has no say on it: poll() is 0 there at once.
    return any(starter == os.getpid() and process.poll() == 0 for process, _, starter in _started)


def alone() -> filelock.BaseFileLock:
    """For the process that compiles: it raises ``filelock.Timeout`` where another is at it already."""
    stamp = _stamp()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(stamp.with_suffix(".lock"), timeout=0)


def _can_keep() -> bool:
    """Whether what another process compiles will be there for this one: not in a folder that goes with this one."""
    return "gsjbu-compiled-" not in os.environ.get("NUMBA_CACHE_DIR", "") and any(map(_is_writable, _places()))


def _is_writable(folder: Path) -> bool:
    """Tried, as os.access says of Windows and of some network disks that they can be written where they cannot.

    Not by tempfile, which on Windows tries for minutes.
    """
    probe = folder / f"gsjbu-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _places() -> list[Path]:
    """Where numba looks, one after another: the folder that it was given; or beside the code, and the user's own."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    return [Path(given)] if given else [BESIDE, user_cache_path("gsjbu", appauthor=False)]


def _stamp() -> Path:
    """In the first of them that can be written, or the last."""
    *first, last = _places()
    return next(filter(_is_writable, first), last) / f"gsjbu-compiled-{_code()}"


def _code() -> str:
    """What compiled functions depend on, as a short name. Nobody asks where there is no numba."""
    import llvmlite
    import numba

    sources = sorted((PACKAGE / "core").rglob("*.py"))
    facts = [
        str(PACKAGE),
        f"{sys.implementation.cache_tag} -O{sys.flags.optimize}",
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
    ]
    facts += [package.__version__ for package in (numba, llvmlite, np)]
    facts += [f"{path.name} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in sources]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
