"""SIGTERM and Ctrl+C in the middle of jobs: terminal events, no file left, exit status 0."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from gsjbu.server import serve
from tests import zygote
from tests.server.conftest import ROOT, Process, Running, in_process, picture, start, upload, wait
from tests.server.fake import FakeRun
from tests.server.test_events import follow
from tests.server.test_jobs import until

FAKE = ("-m", "tests.server.fake")


def streams_of(server: Process, jobs: list[str]) -> tuple[list[threading.Thread], dict[str, str]]:
    """Follow each job in a thread; the last event of each."""
    last: dict[str, str] = {}

    def one(job_id: str) -> None:
        last[job_id] = follow(server.client(), job_id)[-1][1]

    threads = [threading.Thread(target=one, args=(job_id,)) for job_id in jobs]
    for t in threads:
        t.start()
    return threads, last


@pytest.mark.posix
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_running_jobs_end_and_tells_the_waiting_ones(how: signal.Signals, tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path), "FAKE_SECONDS": "2"}
    with in_process(module=FAKE, env=env, python=zygote.python()) as server:
        another = server.client()
        image = upload(another)
        jobs = [start(server.client(f"number-{n}"), image, iters=50) for n in range(5)]
        threads, last = streams_of(server, jobs)
        time.sleep(0.4)
        server.process.send_signal(how)
        began = time.monotonic()
        while another.get("/healthz").status_code == 200:
            time.sleep(0.01)
        late = another.post("/api/jobs", json={"image_id": image})
        assert (late.status_code, late.json()["code"]) == (503, "server_stopping")
        assert another.get(f"/api/jobs/{jobs[0]}").status_code == 200
        assert server.process.wait(25) == 0
        seconds = time.monotonic() - began
        for t in threads:
            t.join()
    ends = sorted(last.values())
    assert ends.count("done") >= 1
    assert set(ends) == {"done", "cancelled"}
    assert len(ends) == 5
    assert seconds < 10
    assert list(tmp_path.iterdir()) == [], "a temporary file is left"


def test_what_would_bring_new_work_is_refused_while_the_server_stops(serve: Callable[..., Running]) -> None:
    server = serve(FakeRun())
    client = server.client()
    image = upload(client)
    done = start(client, image)
    wait(client, done)
    server.service.jobs.shut()
    a_file = {"file": ("a.png", picture())}
    refused = [
        client.get("/healthz"), client.head("/healthz"),
        *(client.post(path, files=a_file) for path in ("/api/images", "/api/signals", "/api/truths", "/api/run")),
        client.post("/api/jobs", json={"image_id": image}), client.patch(f"/api/signals/{image}", json={}),
        client.post(f"/api/truths/{image}/signal", json={}), client.get(f"/api/jobs/{done}/download"),
    ]  # fmt: skip
    for answer in refused:
        assert answer.status_code == 503, answer.request.url
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.request.method == "HEAD" or answer.json()["code"] == "server_stopping"
    for path in ("/", "/metrics", f"/api/jobs/{done}", f"/api/jobs/{done}/panels/original.png"):
        assert client.get(path).status_code == 200
    assert client.delete(f"/api/jobs/{done}").status_code == 200


def test_an_upload_that_was_under_way_is_not_said_to_be_kept(serve: Callable[..., Running]) -> None:
    server = serve(FakeRun())

    def body() -> Iterator[bytes]:
        form = picture()
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + form[:99]
        until(lambda: server.service.buffers.used > 0)
        server.service.jobs.shut()
        yield form[99:] + b"\r\n--x--\r\n"

    answer = server.client().post(
        "/api/images", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "server_stopping")


def test_what_else_uvicorn_takes_for_a_stop_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGBREAK on Windows."""
    monkeypatch.setattr(serve, "HANDLED_SIGNALS", (signal.SIGINT, signal.SIGABRT))
    server = serve.Server(uvicorn.Config("none"))
    before = signal.getsignal(signal.SIGABRT)
    with server.capture_signals():
        assert signal.getsignal(signal.SIGABRT) == server.handle_exit
    assert signal.getsignal(signal.SIGABRT) == before


def seconds_to_stop(tmp_path: Path, iters: int, **env: str) -> float:
    """How long a server goes on after SIGTERM whose job, of a hundred seconds, is then cancelled."""
    env = {"TMPDIR": str(tmp_path), "FAKE_SECONDS": "100", **env}
    with in_process(module=FAKE, env=env, python=zygote.python()) as server:
        client = server.client()
        job_id = start(client, upload(client), iters=iters)
        threads, last = streams_of(server, [job_id])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert server.process.wait(40) == 0
        seconds = time.monotonic() - began
        for t in threads:
            t.join()
    assert last == {job_id: "cancelled"}
    assert list(tmp_path.iterdir()) == [], "a temporary file is left"
    return seconds


@pytest.mark.posix
def test_a_job_that_will_not_end_is_told_to_stop_when_the_time_is_over(tmp_path: Path) -> None:
    assert seconds_to_stop(tmp_path, iters=1000, GSJBU_LIMIT_SHUTDOWN_SECONDS="1") < 6


@pytest.mark.posix
def test_a_thread_that_does_not_come_out_holds_nobody_up(tmp_path: Path) -> None:
    """One step of a hundred seconds, without a report."""
    assert seconds_to_stop(tmp_path, iters=0, GSJBU_LIMIT_SHUTDOWN_SECONDS="0.5") < 10


@pytest.mark.posix
@pytest.mark.soak
def test_the_twenty_seconds_of_the_defaults(tmp_path: Path) -> None:
    assert 15 < seconds_to_stop(tmp_path, iters=1000) <= 25


def test_after_a_restart_old_ids_are_refused_and_new_work_is_taken(serve: Callable[..., Running]) -> None:
    before = serve(FakeRun()).client()
    image = upload(before)
    after = serve(FakeRun()).client()
    answer = after.post("/api/jobs", json={"image_id": image})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert start(after, upload(after))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads another process's environment")
def test_gsjbu_serve_starts_itself_again_for_helpers_that_sleep_and_signals_still_reach_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with in_process(module=("-m", "gsjbu", "serve")) as server:
        assert server.process is not None
        told = Path(f"/proc/{server.process.pid}/environ").read_bytes().split(b"\0")
        assert b"OMP_WAIT_POLICY=passive" in told
        assert server.client().get("/healthz").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(25) == 0


def test_app_py_asks_for_helpers_that_sleep_before_torch_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    program = (
        "import runpy, sys\n"
        "sys.argv = ['app.py', '--help']\n"
        "try:\n"
        "    runpy.run_path('app.py', run_name='__main__')\n"
        "except SystemExit:\n"
        "    from gsjbu.core.threads import HELPERS_SLEEP\n"
        "    sys.exit(0 if HELPERS_SLEEP else 'they spin')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
