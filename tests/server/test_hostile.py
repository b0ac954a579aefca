"""Bombs, polyglots and damaged files against a server in a process of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import hostile
from tests.server.conftest import Process, in_process, upload

MOST_SECONDS = 2.0
# Other tests share the cores: an answer that was late is asked for again, and the quickest counts.
ATTEMPTS = 3
MOST_BYTES = 200_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with in_process() as running:
        client = running.client()
        upload(client)  # so that everything is imported and compiled before memory is measured
        while not client.get("/healthz").json()["warm"]:
            time.sleep(0.05)
        yield running


class Watch:
    """Asks /healthz all the time meanwhile."""

    def __init__(self, server: Process) -> None:
        self.server, self.times, self.stop = server, [], threading.Event()
        self.thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with httpx.Client(base_url=self.server.url, timeout=10) as client:
            while not self.stop.wait(0.05):
                began = time.monotonic()
                assert client.get("/healthz").status_code == 200
                self.times.append(time.monotonic() - began)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    @property
    def median(self) -> float:
        return sorted(self.times)[len(self.times) // 2]


def send_all(
    server: Process, files: list[tuple[str, bytes]], path: str = "/api/images"
) -> dict[str, tuple[int, str, float]]:
    """Post every file; the status, the code and the seconds of each answer."""
    out = {}
    client = server.client()
    for name, data in files:
        seconds = float("inf")
        for _ in range(ATTEMPTS):
            began = time.monotonic()
            answer = client.post(path, files={"file": (name, data, "image/png")})
            seconds = min(seconds, time.monotonic() - began)
            if seconds <= MOST_SECONDS:
                break
        body = answer.json()
        out[name] = (answer.status_code, body.get("code", ""), seconds)
        assert answer.status_code == 201 or 400 <= answer.status_code < 500, (name, answer.text)
        if answer.status_code != 201:
            assert answer.headers["content-type"] == "application/problem+json"
            assert len(body["detail"]) > 20
    return out


def judge(
    server: Process, files: list[tuple[str, bytes]], path: str = "/api/images"
) -> dict[str, tuple[int, str, float]]:
    """Send them, and hold time, memory and health against what is promised."""
    pid = server.process.pid
    before = server.memory()
    server.reset_peak()
    with Watch(server) as watch:
        out = send_all(server, files, path)
    grown = server.peak() - before
    slowest = max(out.items(), key=lambda item: item[1][2])
    print(f"{len(files)} files: slowest {slowest[0]} {slowest[1][2]:.2f} s, peak +{grown / 1e6:.0f} MB, "
          f"healthz median {1000 * watch.median:.1f} ms")  # fmt: skip
    assert slowest[1][2] <= MOST_SECONDS, slowest
    assert grown <= MOST_BYTES
    assert watch.median < 0.05
    assert server.process.poll() is None
    assert server.process.pid == pid
    return out


def test_generated_bombs_and_polyglots(server: Process) -> None:
    files = hostile.files()
    assert len(files) >= 12
    out = judge(server, list(files.items()))
    for name in (
        "png_30000x30000.png",
        "png_20000x20000_header_only.png",
        "webp_16383_lossless.webp",
        "jpeg_65500.jpg",
    ):
        assert out[name][:2] == (413, "image_too_large"), out[name]
    for name in ("svg.png", "html.png", "gif.png", "tiff.png", "bmp.png", "pdf.jpg", "eps.png", "text.png", "zip.png"):
        assert out[name][:2] == (415, "image_type"), out[name]
    assert out["empty.png"][:2] == (422, "image_empty")
    for name in ("png_plain.png", "apng_100_frames.png", "png_16bit.png", "jpeg_cmyk.jpg", "png_1x65535.png"):
        assert out[name][0] == 201, out[name]


@pytest.mark.parametrize("step", [256, pytest.param(64, marks=pytest.mark.soak)])
def test_a_good_jpeg_and_png_cut_at_every_so_manyth_byte(server: Process, step: int) -> None:
    out = judge(server, list(hostile.truncated(step)))
    assert len(out) > 12
    assert {status for status, _, _ in out.values()} <= {415, 422}


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_the_files_that_broke_decoders(server: Process, data_dir: Path, step: int) -> None:
    files = sorted(p for p in (data_dir / "bad_images").rglob("*") if p.is_file())[::step]
    assert files
    out = judge(server, [(f"{p.parent.name}/{p.name}", p.read_bytes()) for p in files])
    corrupt = {name: got for name, got in out.items() if name.startswith("pngsuite/x")}
    assert corrupt
    assert all(status != 201 for status, _, _ in corrupt.values()), corrupt


def test_the_same_and_worse_sent_as_signals(server: Process) -> None:
    files = {**hostile.files(), **hostile.signals()}
    out = judge(server, list(files.items()), "/api/signals")
    for name in hostile.signals():
        assert out[name][0] != 201, (name, out[name])


def test_odd_pictures_that_are_accepted_also_run(server: Process) -> None:
    client = server.client()
    for name in ("png_1x65535.png", "png_65535x1.png", "png_16bit.png", "jpeg_cmyk.jpg", "apng_100_frames.png"):
        answer = client.post("/api/run", files={"file": hostile.files()[name]}, data={"iters": "1"})
        assert answer.status_code == 200, (name, answer.text[:300])
        assert answer.json()["panels"]
