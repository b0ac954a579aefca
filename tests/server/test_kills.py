"""Every process but the server killed, again and again, under a mixed load: at most the job that it computed fails."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.server.conftest import Process, in_process, picture, start, upload, wait
from tests.server.test_jobs import until

KILLS = 100
SMALL = {"iters": 1, "features": False, "resolution": 64}


class Killer(threading.Thread):
    """Kills one of the server's descendants at random, ``KILLS`` times."""

    def __init__(self, server: Process) -> None:
        super().__init__(daemon=True)
        self.of, self.chance = psutil.Process(server.process.pid), random.Random(9)
        self.killed: Counter[str] = Counter()
        self.done = threading.Event()

    def run(self) -> None:
        while self.killed.total() < KILLS and not self.done.wait(self.chance.random()):
            try:
                victim = self.chance.choice(self.of.children(recursive=True) or [None])
                if victim is not None:
                    kind = "worker" if any("worker" in word for word in victim.cmdline()) else "helper"
                    victim.kill()
                    self.killed[kind] += 1
            except psutil.NoSuchProcess:
                continue  # it had ended by itself
        self.done.set()


def large_jobs(server: Process, stop: threading.Event, ends: Counter[str]) -> None:
    """One client's jobs in processes of their own."""
    client = server.client("large")
    image = upload(client, picture(400, 400))
    while not stop.is_set():
        body = wait(client, start(client, image, iters=1, features=False, resolution=400), 120)
        ends["done" if body["state"] == "done" else body["error"]["code"]] += 1


@pytest.mark.soak
def test_a_hundred_kills_cost_others_nothing(tmp_path: Path) -> None:
    with in_process("--out-dir", str(tmp_path), "--limit", f"isolate_bytes={15 * 2**20}") as server:
        client = server.client("small")
        until(lambda: client.get("/healthz").json()["warm"], 240)
        image = upload(client)
        killer, large, uploads = Killer(server), Counter[str](), Counter[str]()
        load = threading.Thread(target=large_jobs, args=(server, killer.done, large))
        load.start()
        until(lambda: large.total() > 0, 120)
        killer.start()
        while not killer.done.wait(0.1):
            sent = client.post("/api/images", files={"file": picture(50, 40)})
            uploads["done" if sent.status_code == 201 else sent.json()["code"]] += 1
            assert wait(client, start(client, image, **SMALL), 60)["state"] == "done"
        load.join()
        until(lambda: client.post("/api/images", files={"file": picture()}).status_code == 201, 60)
        assert client.get("/healthz").json()["status"] == "ok"
    print(f"killed {dict(killer.killed)}; large jobs {dict(large)}; uploads {dict(uploads)}")
    assert set(large) <= {"done", "worker_lost"}
    assert large["worker_lost"] <= killer.killed["worker"]
    assert set(uploads) <= {"done", "helper_lost", "decode_timeout"}
