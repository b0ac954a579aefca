"""Servers that may have little memory: each job is done, refused or fails alone, and the server lives."""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.npy import npy
from tests.server.conftest import Process, in_process, picture, start, upload, wait
from tests.server.test_jobs import until

MIB = 2**20
JOBS = 200
ENTER = "import os, runpy; open({procs!r}, 'w').write(str(os.getpid())); runpy.run_path('app.py', run_name='__main__')"
GROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),  # the first kind
    (Path("/sys/fs/cgroup"), "memory.max"),  # the second
)
FINE = {"memory_limit", "out_of_memory", "worker_lost", "image_too_large", "signal_too_large"}


def made(most: int) -> Path | None:
    """A new control group that may have ``most`` bytes, or None where none can be made."""
    for root, limit in GROUPS:
        folder = root / f"gsjbu-soak-{os.getpid()}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            if (folder / limit).exists():
                (folder / limit).write_text(str(most))
                return folder
            folder.rmdir()
    return None


@contextlib.contextmanager
def group(most: int) -> Iterator[Path]:
    """A control group for the block; what needs one is skipped where none can be made."""
    folder = made(most)
    if folder is None:
        pytest.skip("No control group can be made here.")
    try:
        yield folder
    finally:
        until(lambda: not (folder / "cgroup.procs").read_text().split(), 10)
        folder.rmdir()


def legal(chance: random.Random, width: int, height: int) -> dict[str, Any]:
    """Settings at random, of all sizes of run."""
    return {
        "stride": chance.choice([2, 4, 8, 16, 16, 32, 64]), "iters": chance.choice([0, 1, 3, 10]),
        "radius": chance.choice([1, 2, 2, 3, 6]), "features": chance.random() < 0.4,
        "resolution": chance.choice([64, 128, 256, 512, 512, 1024, 2048]), "methods": chance.choice(["pair", "all"]),
        "objective": chance.choice(["rgb", "suited", "auto"]), "seed": chance.randrange(9),
    }  # fmt: skip


def brought(client: httpx.Client, chance: random.Random) -> str | None:
    """Now and then a signal, some of many channels; one that is refused for its size is not sent."""
    if chance.random() < 0.7:
        return None
    channels = chance.choice([1, 4, 64, 384])
    file = npy(np.random.default_rng(1).random((channels, 16, 16), np.float32))
    answer = client.post("/api/signals", files={"file": ("s.npy", file)})
    return answer.json()["signal_id"] if answer.status_code == 201 else None


def one(client: httpx.Client, chance: random.Random) -> str:
    """A picture and a job at random: ``done``, or the code of what became of it."""
    width, height = (chance.choice([64, 200, 512, 1024, 2000]) for _ in range(2))
    sent = client.post("/api/images", files={"file": picture(width, height, chance.randrange(99))})
    if sent.status_code != 201:
        return str(sent.json()["code"])
    asked = {
        "image_id": sent.json()["image_id"], "settings": legal(chance, width, height),
        "panels": chance.choice(["png", "links"]),
    }  # fmt: skip
    signal = brought(client, chance) if width == height else None
    answer = client.post("/api/jobs", json=asked | ({"signal_id": signal} if signal else {}))
    if answer.status_code != 202:
        return str(answer.json()["code"])
    job = answer.json()["job_id"]
    body = wait(client, job, 300)
    if body["state"] == "done":
        for path in ("kernel?x=1&y=1", "pixel?x=1&y=1", "download"):
            assert client.get(f"/api/jobs/{job}/{path}", timeout=120).status_code in (200, 404, 413)
    return "done" if body["state"] == "done" else str(body["error"]["code"])


def crowd(server: Process, jobs: int) -> Counter[str]:
    """``jobs`` of one client's, and a bystander who looks at what it has after each."""
    busy, bystander, chance = server.client("busy"), server.client("bystander"), random.Random(14)
    busy.timeout = 120
    mine = start(bystander, upload(bystander), iters=1, features=False)
    assert wait(bystander, mine, 120)["state"] == "done"
    ends: Counter[str] = Counter()
    for _ in range(jobs):
        ends[one(busy, chance)] += 1
        assert server.process.poll() is None, "the server is gone"
        assert bystander.get(f"/api/jobs/{mine}").json()["result"]["panels"]
    assert wait(bystander, start(bystander, upload(bystander), iters=1, features=False), 60)["state"] == "done"
    return ends


@pytest.mark.soak
@pytest.mark.parametrize(("most", "isolate"), [(700, 1024), (900, 1024), (1536, 60)])
def test_two_hundred_jobs_in_little_memory(most: int, isolate: int, tmp_path: Path) -> None:
    with group(most * MIB) as folder:
        enter = ENTER.format(procs=str(folder / "cgroup.procs"))
        options = ("--out-dir", str(tmp_path), "--limit", f"isolate_bytes={isolate * MIB}")
        with in_process(*options, module=("-c", enter), env={"OMP_WAIT_POLICY": "passive"}) as server:
            until(lambda: server.client().get("/healthz").json()["warm"], 240)
            ends = crowd(server, JOBS)
        print(f"{most} MiB: {dict(ends)}")
    assert ends["done"] > JOBS // 4
    assert set(ends) <= FINE | {"done"}
