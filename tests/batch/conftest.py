"""A small data set that the batch tests work on."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu import batch
from gsjbu.batch.work import Worker
from gsjbu.io.pictures import png_bytes
from tests.files import put


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Eight pictures of 64×48 pixels with 6-channel signals of 8×6 beside them, a bad picture and a lonely one."""
    folder = tmp_path_factory.mktemp("dataset")
    random = np.random.default_rng(0)
    for number in range(8):
        y, x = np.mgrid[0:48, 0:64]
        picture = np.stack([(x * 4 + number * 9) % 256, (y * 5) % 256, ((x + y) // (number + 3)) % 2 * 200], axis=2)
        (folder / f"p{number}.png").write_bytes(png_bytes(picture.astype(np.uint8)))
        np.save(folder / f"p{number}.npy", random.standard_normal((6, 6, 8), dtype=np.float32))
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing of use")
    np.save(folder / "bad.npy", random.standard_normal((6, 6, 8), dtype=np.float32))
    (folder / "lonely.png").write_bytes((folder / "p0.png").read_bytes())
    return folder


@pytest.fixture
def contents():
    """A function: every result of an output folder, name -> bytes."""

    def read(folder):
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.npy"))}

    return read


@pytest.fixture
def in_this_process(monkeypatch):
    """The work of a batch is done in this process: none has to start, and a fault can be put at any call."""

    def run(items, folder, asked, workers, finished):
        worker = Worker(folder, asked)
        for item in items:
            finished(worker(item))

    monkeypatch.setattr(batch.local, "run", run)


@pytest.fixture
def folder(tmp_path):
    """Two pictures with their signals, one of them in a folder of its own, and a file that is neither."""
    put(tmp_path / "in/b.jpg", b"picture b")
    put(tmp_path / "in/b.npy", b"signal b")
    put(tmp_path / "in/deep/a.PNG", b"picture a")
    put(tmp_path / "in/deep/a.safetensors", b"signal a")
    put(tmp_path / "in/notes.md")
    return tmp_path / "in"
