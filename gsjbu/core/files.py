"""A file under its name whole or not at all: written beside it, renamed at the end; what was there stays until then."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

PART = ".part"


class Unwritable(OSError):
    """A result cannot be written under its name, whatever the reason: no FileNotFoundError, which speaks of inputs."""


def replace(asked: Path, fill: Callable[[Path], Any], alone: Callable[[], bool] = lambda: True) -> bool:
    """``fill`` a file (or folder) under another name, and give it the name that was ``asked`` for; its folder is made.

    ``alone`` is asked right before: where it answers False nothing is left behind, and the answer is False. A pipe or
    device is written as it is. Raises OSError, by the name that was asked for.
    """
    path = Path(os.path.realpath(asked)) if asked.is_symlink() else asked  # a link stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: the result's may be as long as names can be.
    part = asked if _is_stream(asked) else path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}{PART}")
    try:
        fill(part)
        there = alone()
        if there and part.is_dir() and path.is_dir():  # a folder cannot be put in another's place in one step
            old = part.with_name(f"{part.stem}-old{PART}")
            os.replace(path, old)
            os.replace(part, path)
            discard(old)
        elif there and part != asked:
            os.replace(part, path)
    except OSError as error:
        # A full disk has no name.
        of_part = error.filename is None or Path(error.filename).is_relative_to(part)
        if not of_part or error.errno is None:
            raise
        why = "No file can be made there" if error.errno == errno.ENOENT else error.strerror
        raise Unwritable(error.errno, why, str(asked)) from error
    finally:
        if part != asked:
            discard(part)
    return there


def _is_stream(path: Path) -> bool:
    try:
        return path.exists() and not (path.is_file() or path.is_dir())
    except OSError:  # no such name can be
        return False


def discard(path: Path) -> None:
    """Remove a file, or a folder with all in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
