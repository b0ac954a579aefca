"""What cannot be written whole leaves what was there."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
import torch

import gsjbu
from gsjbu.core.files import Unwritable, replace

OLD = b"what was there"


def full(part: Path) -> None:
    """Half of it, as a disk that is full then takes."""
    part.write_bytes(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_was_there_stays_where_the_disk_is_full(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(OLD)
    with pytest.raises(Unwritable) as caught:
        replace(path, full)
    assert caught.value.filename == str(path) and caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == OLD and list(tmp_path.iterdir()) == [path]


def test_a_kernel_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    kernel = gsjbu.fit(torch.rand(3, 16, 16), stride=4, iters=0)
    path = tmp_path / "kernel"
    path.write_bytes(OLD)
    monkeypatch.setattr(Path, "write_bytes", _half)
    with pytest.raises(OSError, match="No space left") as caught:
        kernel.save(path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == OLD and list(tmp_path.iterdir()) == [path]


def _half(part: Path, data: bytes) -> None:
    with open(part, "wb") as file:
        file.write(data[: len(data) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.posix
def test_a_pipe_stays_one(tmp_path):
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()), daemon=True)
    reader.start()
    gsjbu.fit(torch.rand(3, 16, 16), stride=4, iters=0).save(path)
    reader.join(20)
    assert path.is_fifo() and gsjbu.load(read[0]).radius == 2
