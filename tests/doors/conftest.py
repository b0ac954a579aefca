"""The four doors through which a signal goes, each as a function from files to an array."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import gsjbu
from gsjbu import batch, cli
from gsjbu.batch.config import BatchConfig
from gsjbu.errors import GsjbuError
from gsjbu.io import exports, packing, pictures, readers
from gsjbu.io.signals import understand
from gsjbu.run import pipeline
from gsjbu.server.config import Config
from gsjbu.settings import Settings
from tests.server.conftest import in_thread, wait

Door = Callable[[Path, Path, Path], np.ndarray]


def by_library(photo: Path, signal: Path, work: Path) -> np.ndarray:
    return gsjbu.upsample(str(photo), str(signal), iters=2).numpy()


def by_command(photo: Path, signal: Path, work: Path) -> np.ndarray:
    out = work / "out.npy"
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        told = cli.main(["upsample", str(photo), str(signal), "-o", str(out), "--iters", "2", "--quiet"])
    if told:
        raise GsjbuError("command", said.getvalue().removeprefix("gsjbu: ").strip())
    return np.load(out)


def by_batch(photo: Path, signal: Path, work: Path) -> np.ndarray:
    (work / "photos").mkdir()
    (work / "signals").mkdir()
    (work / "photos" / ("one" + photo.suffix)).write_bytes(photo.read_bytes())
    (work / "signals" / ("one" + signal.suffix)).write_bytes(signal.read_bytes())
    from gsjbu.batch.sources import find
    from gsjbu.batch.work import Worker

    (item,) = find(str(work / "photos"), str(work / "signals"))
    outcome = Worker(str(work / "out"), BatchConfig(iters=2))(item)
    if outcome["status"] != "done":
        raise GsjbuError(outcome["code"], outcome["error"])
    return np.load(work / "out" / "one.npy")


def by_page(photo: Path, signal: Path, work: Path) -> np.ndarray:
    """What the server does of it: read in the helper, sent over, fitted to the picture, run, put into the zip."""
    told, arrays = packing.pack(understand(readers.read(signal.read_bytes(), forms=readers.OPEN)))
    kept = packing.unpack(json.loads(json.dumps(told)), b"".join(array.tobytes() for array in arrays))
    settings = Settings(iters=2, objective="auto", features=False, segmentation="off", resolution=1024)
    image = pictures.decode(photo.read_bytes())
    result = pipeline.run(image, settings, signal=kept)
    assert result.signal is not None
    export = exports.Export(result.signal, result.kernel, 1 << 20)
    blocks = list(export.blocks())
    return np.concatenate(blocks).reshape(export.shape)


def by_api(photo: Path, signal: Path, client: httpx.Client) -> np.ndarray:
    """Over HTTP, from the files to the zip."""
    with zipfile.ZipFile(io.BytesIO(zipped(photo, signal, client))) as archive:
        return np.load(io.BytesIO(archive.read("signal_hr.npy")))


def zipped(photo: Path, signal: Path, client: httpx.Client) -> bytes:
    """The zip of a run through the real server."""
    sent = {}
    for name, path in (("image", photo), ("signal", signal)):
        files = {"file": (path.name, path.read_bytes())}
        sent[f"{name}_id"] = _taken(client.post(f"/api/{name}s", files=files))[f"{name}_id"]
    wanted = {"iters": 2, "objective": "auto", "features": False, "segmentation": "off", "resolution": 1024}
    job = _taken(client.post("/api/jobs", json={**sent, "settings": wanted, "panels": "links"}))["job_id"]
    ended = wait(client, job, 60)
    if ended["state"] != "done":
        raise GsjbuError(ended["error"]["code"], ended["error"]["detail"])
    return client.get(f"/api/jobs/{job}/download").content


def _taken(answer: httpx.Response) -> dict[str, str]:
    if answer.is_error:
        raise GsjbuError(answer.json()["code"], answer.json()["detail"])
    return answer.json()


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of a server that computes."""
    config = Config(port=0, warm_up=False, out_dir=tmp_path_factory.mktemp("out"))
    with in_thread(config) as server:
        yield server.client()


DOORS: dict[str, Door] = {"library": by_library, "command line": by_command, "batch": by_batch, "page": by_page}


@pytest.fixture(params=["library", "command line", "batch", "api"])
def gate(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Path, Path], np.ndarray]:
    """One of three, or the real server instead of what it does."""
    if request.param == "api":
        client = request.getfixturevalue("client")
        return lambda photo, signal: by_api(photo, signal, client)
    return lambda photo, signal: DOORS[request.param](photo, signal, tmp_path)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Path, Path], np.ndarray]:
    """One of the four, with a folder to work in."""
    return lambda photo, signal: DOORS[request.param](photo, signal, tmp_path)


H, W, ROWS, COLS = 152, 224, 19, 28
_yy, _xx = np.mgrid[:H, :W]
REGION = (_xx > W // 2).astype(int) + 2 * (_yy > H // 2 + 0.15 * _xx)


def cells(a: np.ndarray) -> np.ndarray:
    """Means over the cells of the grid."""
    return a.reshape(ROWS, H // ROWS, COLS, W // COLS).mean((1, 3))


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four flat regions with texture, 224×152; the grid is 28×19."""
    colour = np.array([[200, 80, 60], [70, 120, 190], [80, 160, 90], [210, 190, 90]])
    noise = np.random.default_rng(0).normal(0, 4, (H, W, 3))
    pixels = np.clip(colour[REGION] + 18 * np.sin(_xx / 3.0)[..., None] + noise, 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


__all__ = ["COLS", "DOORS", "REGION", "ROWS", "H", "W", "batch", "cells", "io", "zipfile"]
