"""Every line that the server writes is one object of JSON, in a hostile minute too; floods are counted."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from gsjbu.server import logs
from gsjbu.server.logs import REPEAT_SECONDS, REPEATS, JsonLines, Repeats
from tests import zygote
from tests.server import hostile
from tests.server.conftest import Process, in_process, picture, start, upload, wait
from tests.server.test_jobs import until

FAKE = ("-m", "tests.server.fake")


def attack(server: Process) -> None:
    """What makes libraries talk: broken HTTP, broken forms, broken pictures, connections beyond the limit."""
    client = server.client()
    for name, data in list(hostile.files().items())[::8]:
        client.post("/api/images", files={"file": (name, data)})
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b"--x\r\n\r\n", b"--y\r\n" * 50, b"--x\r\nContent-Disposition: \r\n\r\n\r\n--x--"):
        client.post("/api/images", content=body, headers=head)
    for raw in (
        b"\0\1\2\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" * 9,
    ):
        with server.connect() as s, contextlib.suppress(OSError):
            s.sendall(raw)
            s.settimeout(0.3)
            s.recv(100)
    held: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for _ in range(90):
            with contextlib.suppress(OSError):
                held.append(stack.enter_context(server.connect()))


def _answers(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/healthz").status_code == 200
    return False


@pytest.mark.posix
def test_every_line_of_a_hostile_minute_is_json() -> None:
    # Few descriptors, and a limit that may not be raised: what asyncio says of it is a line like any other.
    few = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (64, 64)); import runpy, sys; sys.argv[0] = 'app'; "
    module = ("-c", few + "runpy.run_module('tests.server.fake', run_name='__main__')")
    with in_process(module=module, python=zygote.python()) as server:
        image = upload(server.client())
        attack(server)
        polite = server.client("polite")
        until(lambda: _answers(polite), 30)
        assert wait(polite, start(polite, image))["state"] == "done", "it has come through"
        upload(polite, picture(80, 60))
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
        lines = server.lines
    events = [json.loads(line) for line in lines if line.strip()]
    assert {"time", "level", "event"} <= set.intersection(*(set(event) for event in events))
    assert any(event["event"] == "few file descriptors: fewer connections" for event in events)
    assert len(events) < 1000


def test_errors_that_nobody_caught_are_lines_too() -> None:
    program = (
        "import threading, warnings, logging, sys\n"
        "from gsjbu.server import logs\n"
        "logs.set_up()\n"
        "logging.getLogger('multipart').warning('a library speaks')\n"
        "warnings.warn('take care')\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\n"
        "thread.start(); thread.join()\n"
        "class Odd:\n"
        "    def __del__(self): raise ValueError('late')\n"
        "odd = Odd(); del odd\n"
        "raise RuntimeError('the end')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events[0] == "a library speaks"
    assert "take care" in events[1]
    assert events[2:] == ["a thread ended", "not raised", "not caught"]


@pytest.fixture
def said() -> tuple[logging.Logger, list[str]]:
    """A logger behind the filter, and its lines."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonLines().format(record))

    handler, logger = Keep(), logging.Logger("flood")
    logger.addHandler(handler)
    return logger, lines


def test_a_flood_of_one_kind_is_counted(said: tuple[logging.Logger, list[str]]) -> None:
    logger, lines = said
    now = [0.0]
    logger.handlers[0].addFilter(Repeats(lambda: now[0]))
    for n in range(1000):
        logger.error("socket.accept() out of system resource %d", n)
        logger.info("request")
    logger.error("another thing")
    assert sum("accept" in line for line in lines) == REPEATS
    assert sum("request" in line for line in lines) == 1000, "a request's line is never left out"
    assert "another thing" in lines[-1]
    now[0] += REPEAT_SECONDS + 1
    logger.error("socket.accept() out of system resource %d", 7)
    assert json.loads(lines[-1])["repeated"] == 1000 - REPEATS


def test_the_filter_does_not_grow(said: tuple[logging.Logger, list[str]]) -> None:
    logger, _ = said
    repeats = Repeats(lambda: 0.0)
    logger.handlers[0].addFilter(repeats)
    for n in range(5000):
        logger.error(f"kind {n}")
    assert len(repeats._seen) <= logs._KINDS + 1


def test_what_nobody_waits_for_tells_its_failure(caplog: pytest.LogCaptureFixture) -> None:
    def bad() -> None:
        raise RuntimeError("as of a full disk")

    with ThreadPoolExecutor(1) as pool:
        for work in (bad, lambda: None):
            pool.submit(work).add_done_callback(logs.tell_failure)
    assert [(r.levelname, str(r.exc_info[1])) for r in caplog.records if r.exc_info] == [("ERROR", "as of a full disk")]
