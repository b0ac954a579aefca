"""Faults of a few kinds at any step of upload → run → result → download, in any order: others lose nothing."""

from __future__ import annotations

import contextlib
import errno
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gsjbu.server.store import Store
from tests.server.conftest import Running, picture, start, upload, wait
from tests.server.fake import FakeRun
from tests.server.test_jobs import until

ALLOWED = {503: {"worker_lost", "helper_lost", "files_exhausted", "server_stopping"}, 507: {"storage_full"}}
# What the system says where it has run out of something, or somebody has taken it away.
ERRNOS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
STEPS = ("upload", "run", "result", "panel", "download")
# Where the server meets the machine, by step.
DOORS: dict[str, tuple[type | Any, str]] = {"upload": (Store, "add"), "run": (Path, "mkdir")}


class Misfortune:
    """A client whose every step may be met by a fault; ``chance`` decides which."""

    def __init__(self, server: Running, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        self.client = server.client("unlucky")
        self.out = server.service.out.folder
        self.codes: set[str] = set()

    @contextlib.contextmanager
    def fault(self, step: str) -> Iterator[None]:
        """One fault or none while the block runs."""
        kind = self.chance.choice(["none", "error", "vanish", "hang up"])
        with pytest.MonkeyPatch.context() as patch:
            if kind == "error" and step in DOORS:
                number = self.chance.choice(ERRNOS)

                def fails(*_: Any, **__: Any) -> None:
                    raise OSError(number, "told by the system")

                patch.setattr(*DOORS[step], fails)
            elif kind == "vanish":
                shutil.rmtree(self.out, ignore_errors=True)
            elif kind == "hang up":
                self.hang_up()
            yield

    def check(self, answer: httpx.Response) -> httpx.Response:
        """No 5xx but those that are promised, and each refusal says its code."""
        if answer.status_code >= 400:
            self.allow(answer.json())
        return answer

    def allow(self, problem: dict[str, Any]) -> None:
        """Note a refusal that is promised."""
        assert problem["status"] < 500 or problem["code"] in ALLOWED[problem["status"]], problem
        self.codes.add(problem["code"])

    def hang_up(self) -> None:
        """Some of a request, and the descriptor closed."""
        body = picture(40, 30)
        head = f"POST /api/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) + 99}\r\n\r\n".encode()
        with self.server.connect() as s, contextlib.suppress(OSError):
            s.sendall((head + body)[: self.chance.randrange(1, len(head + body))])
            s.shutdown(socket.SHUT_RDWR)

    def visit(self) -> None:
        """Upload → run → result → panel → download, as far as it goes."""
        with self.fault("upload"):
            sent = self.check(self.client.post("/api/images", files={"file": picture(30, 20)}))
        if sent.status_code != 201:
            return
        with self.fault("run"):
            wanted = {"image_id": sent.json()["image_id"], "return_files": self.chance.random() < 0.5}
            begun = self.check(self.client.post("/api/jobs", json=wanted))
            if begun.status_code != 202:
                return
            body = wait(self.client, begun.json()["job_id"])
        job = begun.json()["job_id"]
        if body["state"] != "done":
            self.allow(body["error"])
            return
        for step, path in (("result", ""), ("panel", "/panels/gsjbu_rgb.png"), ("download", "/download")):
            with self.fault(step):
                self.check(self.client.get(f"/api/jobs/{job}{path}"))


def misfortunes(serve: Callable[..., Running], seed: int, visits: int) -> None:
    """``visits`` of an unlucky client; afterwards another's result is there, nothing runs, and the next job is done."""
    server = serve(FakeRun())
    bystander = server.client("bystander")
    image = upload(bystander)
    mine = start(bystander, image)
    before = wait(bystander, mine)
    unlucky = Misfortune(server, random.Random(seed))
    for _ in range(visits):
        unlucky.visit()
        assert bystander.get(f"/api/jobs/{mine}").json() == before
    assert unlucky.codes, "some faults were met"
    until(lambda: not server.service.jobs.running and not server.service.buffers.used, 20)
    assert wait(bystander, start(bystander, image))["state"] == "done"
    assert bystander.get(f"/api/jobs/{mine}/download").status_code == 200


@pytest.mark.parametrize("seed", range(3))
def test_a_few_unlucky_visits(serve: Callable[..., Running], seed: int) -> None:
    misfortunes(serve, seed, 12)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 20))
def test_many_unlucky_visits(serve: Callable[..., Running], seed: int) -> None:
    misfortunes(serve, seed, 200)
