"""One image of a batch and its signal, as places where their bytes lie."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import Any

from gsjbu.errors import GsjbuError


class SourceError(GsjbuError):
    """A batch's input cannot be listed."""

    def __init__(self, message: str) -> None:
        super().__init__("batch_source_invalid", message)


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes at rest: a whole file, or ``size`` bytes from ``offset`` of a tar shard. ``name`` tells the format."""

    path: str
    name: str
    offset: int = 0
    size: int = -1

    def read(self) -> bytes:
        """The bytes; OSError if the file is gone, is none, or is shorter than it was when it was listed."""
        # A pipe would be waited for; a folder says itself that it is none.
        at_once = getattr(os, "O_NONBLOCK", 0)  # Windows has no pipes among its files
        with open(self.path, "rb", opener=lambda path, flags: os.open(path, flags | at_once)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file", self.path)
            file.seek(self.offset)
            data = file.read(self.size)
        if 0 <= self.size != len(data):
            raise OSError(errno.EIO, f"it is cut short: {len(data)} of {self.size} bytes are there", self.path)
        return data

    @property
    def is_member(self) -> bool:
        """Whether it lies in a shard."""
        return self.size >= 0

    def stamp(self) -> list[Any] | None:
        """What differs once the bytes have changed; None where there is no file."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return [self.name, self.offset, self.size, found.st_size, found.st_mtime_ns]


@dataclass(frozen=True, slots=True)
class Item:
    """One image to work on. ``key`` is a relative path without an ending; ``signal`` None means backbone features.

    ``refusal``: why nothing can be made of it, where its names say so.
    """

    key: str
    image: Blob
    signal: Blob | None
    refusal: str = ""
