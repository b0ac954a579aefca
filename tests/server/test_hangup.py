"""A client that hangs up while it waits: its request ends, and what waited for a thread never begins."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gsjbu.server.hangup import HangUpMiddleware, hang_up
from tests.server.conftest import upload
from tests.server.test_jobs import until


def scope(method: str = "GET") -> dict[str, object]:
    return {"type": "http", "method": method}


async def ended(middleware: HangUpMiddleware, asked: dict[str, object]) -> asyncio.Task[None]:
    """A request that began, and whose client has gone since."""
    task = asyncio.ensure_future(middleware(asked, None, None))
    await asyncio.sleep(0.01)
    hang_up(asked)
    await asyncio.sleep(0.01)
    return task


async def forever(*_) -> None:
    await asyncio.Event().wait()


def test_a_request_whose_client_has_gone_ends_quietly():
    asked = scope()
    task = asyncio.run(ended(HangUpMiddleware(forever), asked))
    assert task.done() and task.exception() is None
    assert asked["gsjbu.code"] == "client_gone"


def test_what_changes_something_is_carried_out():
    async def run() -> bool:
        task = await ended(HangUpMiddleware(forever), scope("POST"))
        still = not task.done()
        task.cancel()
        return still

    assert asyncio.run(run())


def test_an_answer_that_is_complete_is_left_alone():
    async def at_once(*_) -> None:
        return

    asked = scope()
    task = asyncio.run(ended(HangUpMiddleware(at_once), asked))
    assert task.done() and "gsjbu.code" not in asked
    hang_up(None)  # a connection without a request


def test_the_end_of_the_server_is_no_hang_up():
    async def run() -> None:
        task = asyncio.ensure_future(HangUpMiddleware(forever)(scope(), None, None))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


def test_a_read_out_that_waits_for_a_thread_is_never_made(serve, monkeypatch):
    """All threads are taken; ten ask and go; when threads are free again, nothing of theirs is made."""
    server = serve()
    client = server.client("one")
    image = upload(client)
    service, free, made = server.service, threading.Event(), []
    reduced = service.inputs.reduced
    monkeypatch.setattr(service.inputs, "reduced", lambda *args: (made.append(1), reduced(*args))[1])
    left = service.meters.refusals.labels("client_gone")._value
    takers = [service._makers.submit(free.wait, 30) for _ in range(4)]
    until(lambda: service._makers._work_queue.qsize() == 0, 5)
    line = f"GET /api/images/{image}/thumb.png HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    for n in range(10):
        with server.connect() as s:
            s.sendall(line)
            until(lambda n=n: service._makers._work_queue.qsize() == n + 1, 5)
        until(lambda n=n: left.get() == n + 1, 5)
    free.set()
    for taker in takers:
        taker.result(5)
    assert client.get(f"/api/images/{image}/thumb.png").status_code == 200
    assert made == [1]
