"""Files under static/out/<job id>/: written whole, served by exact name, swept by size and age."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

_JOB = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[a-z0-9_]{1,60}\.(png|npy|json|safetensors)")


class OutFiles:
    """The folder for linked results. Names come from this program alone, never from a client."""

    def __init__(self, folder: Path, max_bytes: int, max_seconds: float) -> None:
        self.folder, self.max_bytes, self.max_seconds = folder, max_bytes, max_seconds

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
        self.sweep(keep=job_id)
        return {name: f"/static/out/{job_id}/{name}" for name in files}

    def read(self, job_id: str, name: str) -> bytes | None:
        """One file, or None. Nothing but the two exact patterns gets near the file system; no link is followed."""
        if not _JOB.fullmatch(job_id) or not _NAME.fullmatch(name):
            return None
        try:
            folder = os.open(self.folder / job_id, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
                return file.read()
        except OSError:
            return None
        finally:
            os.close(folder)

    def drop(self, job_id: str) -> None:
        """Remove the files of one job."""
        if _JOB.fullmatch(job_id):
            shutil.rmtree(self.folder / job_id, ignore_errors=True)
            shutil.rmtree(self.folder / f"{job_id}.part", ignore_errors=True)

    def sweep(self, keep: str | None = None) -> None:
        """Remove what is too old, then the oldest until the rest fits; half-written folders of a crash go too."""
        if not self.folder.is_dir():
            return
        now = time.time()
        folders = sorted(
            (f for f in self.folder.iterdir() if f.is_dir() and not f.is_symlink()), key=_age_key
        )
        sizes = {f: sum(p.lstat().st_size for p in f.iterdir()) for f in folders}
        total = sum(sizes.values())
        for folder in folders:
            stale = folder.name.endswith(".part") and now - folder.stat().st_mtime > 600
            old = now - folder.stat().st_mtime > self.max_seconds
            if folder.name != keep and (old or stale or total > self.max_bytes):
                shutil.rmtree(folder, ignore_errors=True)
                total -= sizes[folder]


def _age_key(folder: Path) -> float:
    return folder.stat().st_mtime
