"""A real server on the loopback, in a thread of the test (fast) or in a process of its own (memory, signals)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from gsjbu.io.pictures import png_bytes
from gsjbu.server import inputs
from gsjbu.server.config import Config
from gsjbu.server.decoder import Decoders
from gsjbu.server.limits import Limits
from gsjbu.server.serve import Server, make_server
from tests.ports import free_port
from tests.server.fake import FakeRun, fake_estimate
from tests.server.here import Here

ROOT = Path(__file__).resolve().parents[2]
#: uvicorn looks ten times a second whether it is to stop, and waits as long once more.
IMPATIENT = SimpleNamespace(**{**vars(asyncio), "sleep": lambda seconds: asyncio.sleep(seconds / 20)})


def picture(width: int = 64, height: int = 48, seed: int = 0) -> bytes:
    """A small PNG of noise."""
    return png_bytes(np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8))


@dataclass
class Running:
    """A server that runs, and short ways to use it."""

    url: str
    port: int
    server: Any = None
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, name: str = "", **headers: str) -> httpx.Client:
        """A client; two with different names are two clients to the server."""
        if name:
            headers["X-Client-Id"] = f"client-{name}"
        # nothing is encrypted here, and to read certificates takes each client 40 ms
        made = httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=False)
        self.clients.append(made)
        return made

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    @property
    def service(self) -> Any:
        """What the app's routes share."""
        return self.server.config.app.state.service


def upload(client: httpx.Client, data: bytes | None = None) -> str:
    """Send a picture, get its id."""
    answer = client.post("/api/images", files={"file": ("a.png", picture() if data is None else data)})
    assert answer.status_code == 201, answer.text
    return answer.json()["image_id"]


def start(client: httpx.Client, image_id: str, **settings: Any) -> str:
    """Start a job, get its id."""
    answer = client.post("/api/jobs", json={"image_id": image_id, "settings": settings})
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"]


def wait(client: httpx.Client, job_id: str, seconds: float = 20) -> dict[str, Any]:
    """Ask until the job has ended, ever less often: the answers take time from the job."""
    end, pause = time.monotonic() + seconds, 0.005
    while time.monotonic() < end:
        body = client.get(f"/api/jobs/{job_id}").json()
        if body["state"] not in ("queued", "running"):
            return body
        time.sleep(pause)
        pause = min(2 * pause, 0.1)
    raise AssertionError(f"job {job_id} did not end within {seconds} s")


@contextlib.contextmanager
def in_thread(config: Config, helper: bool = False) -> Iterator[Running]:
    """The server in a thread of this process; without ``helper`` pictures are decoded in this process too."""
    with pytest.MonkeyPatch.context() as patch:
        # Whatever another server of the test has.
        patch.setattr(inputs, "Decoders", Decoders if helper else Here)
        patch.setattr("uvicorn.server.asyncio", IMPATIENT)
        with _in_thread(config) as running:
            yield running


@contextlib.contextmanager
def _in_thread(config: Config) -> Iterator[Running]:
    server: Server = make_server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    running = Running(f"http://127.0.0.1:{port}", port, server)
    try:
        yield running
    finally:
        for client in running.clients:
            client.close()
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a server with given limits, and a stand-in for the computation (or, if ``real``, gsjbu's own)."""
    with contextlib.ExitStack() as stack:

        def begin(run: Any = None, real: bool = False, helper: bool = False, **limits: Any) -> Running:
            given = {"shutdown_seconds": 0.2, **limits}
            config = Config(
                port=0,
                run=FakeRun() if run is None and not real else run,
                estimate=None if real else fake_estimate,
                warm_up=False,
                out_dir=tmp_path / "out",
                limits=Limits(**given),
            )
            return stack.enter_context(in_thread(config, helper))

        yield begin


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server with default limits and the stand-in, for all tests of a file that change nothing."""
    out = tmp_path_factory.mktemp("out")
    config = Config(port=0, run=FakeRun(), estimate=fake_estimate, warm_up=False, out_dir=out)
    with in_thread(config) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server that computes, for all tests of a file."""
    with in_thread(Config(port=0, warm_up=False, out_dir=tmp_path_factory.mktemp("out"))) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> httpx.Client:
    """A client of it."""
    return server.client()


@dataclass
class Process(Running):
    """A server in a process of its own."""

    process: subprocess.Popen[bytes] = None  # type: ignore[assignment]
    lines: list[bytes] = field(default_factory=list)  # of its standard error, so far

    def memory(self) -> int:
        """Resident bytes now."""
        if not Path("/proc/self/statm").exists():
            pytest.skip("reads the server's size from /proc")
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def peak(self) -> int:
        """Most resident bytes since ``reset_peak``."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def reset_peak(self) -> None:
        """Forget the peak so far."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def files(self) -> int:
        """Open files now."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@contextlib.contextmanager
def in_process(
    *options: str,
    module: tuple[str, ...] = ("app.py",),
    env: dict[str, str] | None = None,
    python: str = sys.executable,
) -> Iterator[Process]:
    """``python app.py`` on a free port."""
    port = free_port()
    command = [python, *module, "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr or []), daemon=True)
    reader.start()
    running = Process(f"http://127.0.0.1:{port}", port, process=process, lines=lines)
    try:
        end = time.monotonic() + 60
        while True:
            assert process.poll() is None, b"".join(lines).decode()
            assert time.monotonic() < end, "the server did not start"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.05)
        yield running
    finally:
        for client in running.clients:
            client.close()
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(5)
        assert process.stderr is not None
        process.stderr.close()
