"""The zip of a result: its size is known before, it is made while it is sent, and it stops with its client."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu.io.restoring import restored
from gsjbu.io.signals import understand
from gsjbu.run.pipeline import run
from gsjbu.server import archive
from gsjbu.server.results import Bundle
from gsjbu.settings import Settings
from tests.npy import npy
from tests.server.conftest import Running, picture, start, upload, wait
from tests.server.test_jobs import until


def bundle_of(*shape: int, side: int = 64) -> Bundle:
    """A result on a picture of ``side`` pixels, with a signal of ``shape`` if one is given."""
    signal = understand(npy(np.random.default_rng(1).random(shape, dtype=np.float32))) if shape else None
    image = torch.rand(3, side, side, generator=torch.Generator().manual_seed(2))
    settings = Settings(iters=1, stride=8, features=not shape, objective="rgb")
    return Bundle(run(image, settings, signal=signal, threads=1))


@pytest.mark.parametrize("shape", [(), (1, 8, 8), (3, 8, 8), (70, 8, 8)])
def test_no_zip_is_larger_than_was_said_before(shape: tuple[int, ...]) -> None:
    bundle = bundle_of(*shape)
    most = archive.most_bytes(bundle)
    made = b"".join(archive.pieces(bundle))
    assert zipfile.ZipFile(io.BytesIO(made)).testzip() is None
    assert len(made) <= most <= 3 * len(made) + 2_000_000


@pytest.mark.parametrize("objective", ["suited", "rgb", "signal", "auto"])
def test_the_kernel_of_the_signal_in_a_zip_makes_it_again(objective: str) -> None:
    rows, columns = np.mgrid[:16, :16].astype(np.float32)
    signal = understand(rows + np.where(columns > 7, 20, 0).astype(np.float32))
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(2)) / 9
    image[..., 64:] += 0.8
    settings = Settings(iters=3, features=False, objective=objective)
    bundle = Bundle(run(image, settings, signal=signal, threads=1))
    data = b"".join(archive.pieces(bundle))
    assert len(data) <= archive.most_bytes(bundle)
    zipped = zipfile.ZipFile(io.BytesIO(data))
    kernel = gsjbu.load(zipped.read("signal_parameters.safetensors"))
    low, high = (understand(zipped.read(f"signal_{size}.npy")) for size in ("lr", "hr"))
    np.testing.assert_array_equal(restored(low, kernel), high.brought.array)


def test_a_signal_is_made_in_blocks_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = bundle_of(70, 8, 8)
    whole = b"".join(archive.pieces(bundle))
    monkeypatch.setattr(archive, "BLOCK_BYTES", 7 * 4 * 64 * 64)
    blocks = list(archive.pieces(bundle))
    assert max(map(len, blocks)) < 8 * 4 * 64 * 64
    names = zipfile.ZipFile(io.BytesIO(whole)).namelist()
    for name in names:
        kept = [zipfile.ZipFile(io.BytesIO(data)).read(name) for data in (whole, b"".join(blocks))]
        assert kept[0] == kept[1], name


def long_signal(server: Running, channels: int, side: int) -> tuple[Any, str]:
    client = server.client()
    file = npy(np.ones((channels, 8, 8), np.float32))
    made = client.post("/api/signals", files={"file": ("a.npy", file)}).json()["signal_id"]
    wanted = {
        "image_id": upload(client, picture(side, side)), "signal_id": made, "panels": "links",
        "settings": {"iters": 0, "features": False, "resolution": side},
    }  # fmt: skip
    job = client.post("/api/jobs", json=wanted).json()["job_id"]
    assert wait(client, job, 60)["state"] == "done"
    return client, job


def test_a_zip_beyond_the_limit_is_refused_before_any_of_it_is_made(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(real=True, download_bytes=4_000_000)
    client, job = long_signal(server, 64, 128)
    monkeypatch.setattr(archive, "pieces", None)
    answer = client.get(f"/api/jobs/{job}/download")
    assert (answer.status_code, answer.json()["code"]) == (413, "download_too_large")


def test_a_download_stops_with_its_client_and_holds_up_nobody(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(real=True, client_jobs=4)
    client, job = long_signal(server, 64, 256)
    made = []
    monkeypatch.setattr(archive, "BLOCK_BYTES", 4 * 256 * 256)  # one channel a piece
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    npy = archive._npy

    def slow(*given: Any) -> Any:
        for block in npy(*given):
            made.append(threading.current_thread().name)
            time.sleep(0.02)
            yield block

    monkeypatch.setattr(archive, "_npy", slow)
    service = server.service
    waiting, taken = [], []
    for _ in range(4):
        stream = client.stream("GET", f"/api/jobs/{job}/download")
        taken.append(stream.__enter__().iter_raw(1000))
        next(taken[-1])
        waiting.append(stream)
    assert service.streams.open == 4
    refused = client.get(f"/api/jobs/{job}/download")
    assert (refused.status_code, refused.json()["code"]) == (429, "client_busy")
    other = server.client("other")
    assert wait(other, start(other, upload(other), iters=0, features=False))["state"] == "done"
    for stream in waiting:
        stream.__exit__(None, None, None)
    until(lambda: service.streams.open == 0, 10)
    count = len(made)
    time.sleep(0.3)
    assert len(made) <= count + 2, "nobody takes it: nobody makes it"
    assert count < 4 * 66
    assert set(made) <= {"gsjbu-send_0", "gsjbu-send_1"}
    monkeypatch.undo()
    whole = client.get(f"/api/jobs/{job}/download")
    assert zipfile.ZipFile(io.BytesIO(whole.content)).testzip() is None


def test_a_zip_that_will_be_refused_is_told_of_before_the_run(serve: Callable[..., Running]) -> None:
    server = serve(real=True, download_bytes=4_000_000)
    client = server.client()
    image = upload(client, picture(128, 128))
    settings = {"iters": 0, "features": False, "resolution": 128}
    for channels, refused in ((64, True), (2, False)):
        array = npy(np.ones((channels, 8, 8), np.float32))
        made = client.post("/api/signals", files={"file": ("a.npy", array)}).json()["signal_id"]
        asked = {"width": 128, "height": 128, "settings": settings, "signal_id": made}
        before = client.post("/api/estimate", json=asked).json()["download"]
        wanted = {"image_id": image, "signal_id": made, "panels": "links", "settings": settings}
        job = client.post("/api/jobs", json=wanted).json()
        done = wait(client, job["job_id"], 60)
        assert done["state"] == "done"
        told = {before, job["estimate"]["download"], done["result"]["status"].get("download")}
        answer = client.get(f"/api/jobs/{job['job_id']}/download")
        assert answer.status_code == (413 if refused else 200)
        if refused:
            assert len(told) == 1 and "its panels can be looked at and saved one by one" in told.pop()
            assert "panels' pictures (/panels/NAME.png)" in answer.json()["detail"]
        else:
            assert told == {None}
    plain_run = client.post("/api/estimate", json={"width": 128, "height": 128, "settings": settings}).json()
    assert plain_run["download"] is None


def test_a_map_of_classes_is_counted_as_one_map() -> None:
    """Its classes have a channel each while they are mixed, and the zip has one."""
    labels = (np.arange(192).reshape(12, 16) % 96).astype(np.uint8)
    signal = understand(labels, kind="labels")
    assert signal.shape[0] > 50
    assert archive.signal_bytes(signal, 96, 128) == (1 + 6) * 96 * 128
