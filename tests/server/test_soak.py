"""Many mixed jobs on one server: memory and open files stay where they were. The long form is `make soak`."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

import httpx
import numpy as np
import pytest

from gsjbu.io.pictures import png_bytes
from tests.npy import npy
from tests.server.conftest import Process, in_process, picture, start, wait
from tests.server.test_events import follow


class Visitor:
    """Does at random what people and programs do to the server."""

    def __init__(self, server: Process, seed: int) -> None:
        self.server, self.chance = server, random.Random(seed)
        self.client = server.client("visitor")
        noise = np.random.default_rng(seed)
        self.sources = [
            png_bytes(noise.integers(0, 255, (h, w, 3), np.uint8)) for h, w in ((300, 400), (512, 512), (97, 61))
        ]
        self.images = [self._image(data) for data in self.sources]

    def _image(self, data: bytes) -> str:
        return self.client.post("/api/images", files={"file": data}).json()["image_id"]

    def settings(self) -> dict[str, object]:
        c = self.chance
        return {
            "stride": c.choice([8, 16, 23]), "iters": c.choice([0, 3, 10]), "radius": c.choice([1, 2, 3]),
            "resolution": c.choice([200, 400, 512]), "features": c.random() < 0.7,
            "methods": c.choice(["pair", "pair", "all"]),
        }  # fmt: skip

    def job(self, **more: object) -> httpx.Response:
        n = self.chance.randrange(len(self.images))
        wanted = {"image_id": self.images[n], "settings": self.settings(), **more}
        answer = self.client.post("/api/jobs", json=wanted)
        if answer.status_code == 404:  # the image had to make room
            self.images[n] = wanted["image_id"] = self._image(self.sources[n])
            answer = self.client.post("/api/jobs", json=wanted)
        return answer

    def one(self) -> None:
        """One job, in one of several ways."""
        way = self.chance.choice(["plain", "plain", "links", "files", "run", "cancel", "drop", "bad", "signal"])
        getattr(self, way)()

    def plain(self) -> None:
        job = self.job().json()["job_id"]
        body = wait(self.client, job, 60)
        assert body["state"] == "done", body
        size = body["result"]["image"]
        x, y = self.chance.randrange(size["width"]), self.chance.randrange(size["height"])
        for what in ("pixel", "kernel", "similarity"):
            assert self.client.get(f"/api/jobs/{job}/{what}", params={"x": x, "y": y}).status_code in (200, 404)
        assert self.client.get(f"/api/jobs/{job}/download").status_code == 200

    def links(self) -> None:
        job = self.job(panels="links").json()["job_id"]
        assert follow(self.client, job)[-1][1] == "done"
        for panel in self.client.get(f"/api/jobs/{job}").json()["result"]["panels"][:4]:
            assert self.client.get(panel["url"]).status_code == 200

    def files(self) -> None:
        job = self.job(return_files=True).json()["job_id"]
        body = wait(self.client, job, 60)
        assert self.client.get(body["result"]["panels"][0]["url"]).status_code == 200

    def run(self) -> None:
        answer = self.client.post("/api/run", files={"file": picture(90, 70)}, data={"iters": "2"})
        assert answer.status_code == 200, answer.text[:300]

    def cancel(self) -> None:
        job = self.job().json()["job_id"]
        self.client.delete(f"/api/jobs/{job}")
        wait(self.client, job)

    def drop(self) -> None:
        job = self.job().json()["job_id"]
        follow(self.client, job, stop_after=1)
        assert follow(self.client, job, 1)[-1][1] == "done"

    def bad(self) -> None:
        assert self.client.post("/api/run", files={"file": picture()[:500]}).status_code == 422
        assert self.client.post("/api/images", files={"file": b"junk"}).status_code == 415
        assert self.job(settings={"stride": 0}).status_code == 422

    def signal(self) -> None:
        file = npy(np.ones((4, 12, 12), np.float32))
        made = self.client.post("/api/signals", files={"file": file}).json()["signal_id"]
        image = self._image(picture(96, 96))
        wanted = {"image_id": image, "signal_id": made, "settings": {"iters": 2, "features": False}}
        job = self.client.post("/api/jobs", json=wanted).json()["job_id"]
        assert wait(self.client, job, 60)["state"] == "done"


def soak(server: Process, jobs: int, settle: int) -> tuple[float, int]:
    """Run ``jobs``; the drift of memory after the first ``settle``, and of the number of open files."""
    visitor = Visitor(server, 7)
    memory, files = [], []
    for _ in range(jobs):
        visitor.one()
        memory.append(server.memory())
        files.append(server.files())
    span = max(10, (jobs - settle) // 5)
    first, last = statistics.median(memory[settle : settle + span]), statistics.median(memory[-span:])
    # A connection may just be opening or closing when they are counted; a leak lifts even the lowest count.
    drift, more = last / first - 1, min(files[-span:]) - max(files[settle : settle + span])
    print(f"{jobs} jobs: memory {first / 1e6:.0f} → {last / 1e6:.0f} MB ({100 * drift:+.1f} %), "
          f"highest {max(memory) / 1e6:.0f} MB, open files {more:+d}")  # fmt: skip
    return drift, more


def warmed(server: Process) -> None:
    client = server.client()
    while not client.get("/healthz").json()["warm"]:
        pass


def test_a_short_soak(tmp_path: Path) -> None:
    # A small cache is full, and so at its constant size, after a few jobs.
    with in_process("--limit", "cache_bytes=60000000") as server:
        warmed(server)
        drift, files = soak(server, 26, 12)
    assert drift < 0.10, "the short form is the noisier one"
    assert files <= 0


@pytest.mark.soak
def test_five_hundred_mixed_jobs() -> None:
    with in_process() as server:
        warmed(server)
        drift, files = soak(server, 500, 50)
    assert drift < 0.05
    assert files <= 0


@pytest.mark.soak
def test_cancelling_a_hundred_real_jobs_gives_their_memory_back() -> None:
    chance = random.Random(3)
    with in_process("--limit", "cache_bytes=60000000") as server:
        warmed(server)
        client = server.client()
        image = client.post("/api/images", files={"file": picture(700, 700)}).json()["image_id"]
        for n in range(5):
            wait(client, start(client, image, iters=20 + n, resolution=700), 60)
        before = 0.0
        for n in range(160):
            if n == 60:  # the cache is as full as it will be: each seed has features of its own, and a result stands
                wait(client, start(client, image, iters=1), 60)
                before = server.memory()
            job = start(client, image, iters=1000, resolution=700, seed=n)
            follow(client, job, stop_after=1 + chance.randrange(30))
            assert client.delete(f"/api/jobs/{job}").json()["state"] == "cancelled"
        wait(client, start(client, image, iters=1), 60)
        after = server.memory()
    print(f"memory {before / 1e6:.0f} → {after / 1e6:.0f} MB")
    assert after < 1.05 * before
