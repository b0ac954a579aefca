"""Programs run where the machine keeps things from them: /proc hidden, folders that cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

HIDDEN_PROC = "mount -t tmpfs none /proc"


def read_only(folder: Path) -> str:
    """The command that makes ``folder`` so, within the namespace."""
    return f"mount --bind '{folder}' '{folder}' && mount -o remount,bind,ro '{folder}'"


@lru_cache(maxsize=1)
def _allowed() -> bool:
    return bool(shutil.which("unshare")) and _inside("true", ["true"]).returncode == 0


def require() -> None:
    """Skip the test where mounts of one's own are not allowed."""
    if not _allowed():
        pytest.skip("mounts of one's own (unshare -m) are not allowed here")


def command(first: str, *then: str) -> list[str]:
    """``then`` after the shell's ``first``, in mounts of its own."""
    return ["unshare", "-m", "sh", "-c", f'mount --make-rprivate / && {first} && exec "$@"', "sh", *then]


def run(program: str, *first: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -c program`` in mounts of its own, after the commands ``first``; skips where that is not allowed."""
    require()
    return _inside(" && ".join(first), [sys.executable, "-c", program], cwd, environment)


def _inside(
    first: str, then: list[str], cwd: Path | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(first, *then), cwd=cwd, capture_output=True, text=True, timeout=500,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
