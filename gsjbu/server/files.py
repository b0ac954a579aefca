"""Files under <out folder>/<job id>/: written whole, served by exact name, swept by size and age.

The folder may be shared, with other servers and with other files: only folders of this program's own names are
touched, and one server sweeps at a time. Ages are counted by a clock that nobody sets.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger("gsjbu.server")
LOCK = ".gsjbu-lock"
# A folder that is still being written is not older than this.
HALF_SECONDS = 600.0
_JOB = re.compile(r"[0-9a-f]{32}")
_OWN = re.compile(r"[0-9a-f]{32}(\.part)?")
_NAME = re.compile(r"[a-z0-9_]{1,60}\.(png|npy|json|safetensors)")


class OutFiles:
    """The folder for linked results. Names come from this program alone, never from a client."""

    def __init__(
        self, folder: Path, max_bytes: int, max_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder, self.max_bytes, self.max_seconds = folder, max_bytes, max_seconds
        self._clock = clock
        self._born: dict[str, float] = {}

    def write(self, job_id: str, files: dict[str, bytes]) -> dict[str, str]:
        """Write ``files`` (name -> bytes) and give their addresses back. The folder appears complete or not at all."""
        if not _JOB.fullmatch(job_id) or not all(_NAME.fullmatch(name) for name in files):
            raise ValueError("names of result files are made by this program")
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{job_id}.part"
        try:
            part.mkdir()
            for name, data in files.items():
                (part / name).write_bytes(data)
            part.rename(self.folder / job_id)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        self._born[job_id] = self._clock()
        self.sweep(keep=job_id)
        return {name: f"/static/out/{job_id}/{name}" for name in files}

    def read(self, job_id: str, name: str) -> bytes | None:
        """One file, or None. Nothing but the two exact patterns gets near the file system; no link is followed."""
        if not _JOB.fullmatch(job_id) or not _NAME.fullmatch(name):
            return None
        path = self.folder / job_id / name
        try:
            with open(path, "rb") as file:
                return file.read() if _is_own_file(path, os.fstat(file.fileno())) else None
        except OSError:
            return None

    def drop(self, job_id: str) -> None:
        """Remove the files of one job."""
        if _JOB.fullmatch(job_id):
            shutil.rmtree(self.folder / job_id, ignore_errors=True)
            shutil.rmtree(self.folder / f"{job_id}.part", ignore_errors=True)
            self._born.pop(job_id, None)

    def sweep(self, keep: str | None = None) -> None:
        """Remove what is too old, then the oldest until the rest fits; half-written folders of a crash go too.

        Never raises: files that cannot be swept now are swept another time.
        """
        if not self.folder.is_dir():
            return
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                self._sweep(keep)
        except Timeout:
            return  # another server is at it
        except OSError as error:
            log.warning("the output folder could not be swept", extra={"reason": str(error)})

    def _sweep(self, keep: str | None) -> None:
        ages = {path: self._age(path) for path in self.folder.iterdir() if _is_own(path)}
        # What a cancelled job drops meanwhile is not there any more.
        self._born = {path.name: born for path in ages if (born := self._born.get(path.name)) is not None}
        sizes = {path: _bytes_in(path) for path in ages}
        total = sum(sizes.values())
        for path in sorted(ages, key=lambda p: -ages[p]):
            half = bool(path.suffix)  # another server may be writing it: no room is made of that
            most = HALF_SECONDS if half else self.max_seconds
            if path.name != keep and (ages[path] > most or (total > self.max_bytes and not half)):
                shutil.rmtree(path, ignore_errors=True)
                total -= sizes[path]

    def _age(self, path: Path) -> float:
        """Seconds since it was written here, or else since another run left it; the latter by the wall clock, once."""
        now = self._clock()
        born = self._born.get(path.name)
        if born is None:
            age = 0.0
            with suppress(FileNotFoundError):  # gone meanwhile, by another server
                age = max(0.0, time.time() - path.stat().st_mtime)
            born = self._born[path.name] = now - age
        return now - born


def _is_own(path: Path) -> bool:
    return bool(_OWN.fullmatch(path.name)) and path.is_dir() and not path.is_symlink()


def _is_own_file(path: Path, opened: os.stat_result) -> bool:
    """Whether what was opened is a plain file that lies at ``path`` itself, with no link on the way.

    Asked after it was opened, of what was opened: a link that is put there meanwhile leads to another file.
    """
    return (
        not _is_link(os.lstat(path.parent))
        and stat.S_ISREG(opened.st_mode)
        and os.path.samestat(opened, os.lstat(path))
    )


def _is_link(found: os.stat_result) -> bool:
    """A symbolic link, or one of the other kinds that Windows has."""
    reparse = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    return stat.S_ISLNK(found.st_mode) or bool(getattr(found, "st_file_attributes", 0) & reparse)


def _bytes_in(folder: Path) -> int:
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_size
    return total
