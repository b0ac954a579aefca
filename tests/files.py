"""Files of any bytes, and tar shards of some."""

from __future__ import annotations

import io
import tarfile


def put(path, data=b"x"):
    """A file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def shard(path, members):
    """A tar shard of these members, name → bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
