"""Server-sent events: numbered, kept, resumable at any point, one terminal event."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from gsjbu.run.panels import Panel
from gsjbu.run.stages import Progress
from gsjbu.server import events
from gsjbu.server.events import EventLog, last_event_id
from gsjbu.settings import Settings
from tests.at_once import at_once
from tests.server.conftest import Running, start, upload, wait
from tests.server.fake import FakeRun


def parse(text: str) -> list[tuple[int, str]]:
    return [(int(n), kind) for kind, n in re.findall(r"event: (\w+)\ndata: .*\nid: (\d+)\n\n", text)]


def follow(
    client: httpx.Client, job_id: str, last: int | None = None, stop_after: int | None = None
) -> list[tuple[int, str]]:
    """Events until the end, or until the connection is dropped after ``stop_after`` of them."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    text = ""
    with client.stream("GET", f"/api/jobs/{job_id}/events", headers=headers) as answer:
        if answer.status_code == 204:
            return []
        assert answer.headers["content-type"].startswith("text/event-stream")
        for chunk in answer.iter_text(8):
            text += chunk
            if stop_after is not None and len(parse(text)) >= stop_after:
                break
    return parse(text)[:stop_after]


def test_dropping_the_stream_after_any_event_loses_none_and_repeats_none(serve: Callable[..., Running]) -> None:
    server = serve(FakeRun(seconds=0.3))
    client = server.client()
    image = upload(client)
    job_id = start(client, image, iters=10)
    seen: list[tuple[int, str]] = []
    while not seen or seen[-1][1] in ("running", "progress"):
        more = follow(client, job_id, seen[-1][0] if seen else None, stop_after=1)
        assert more, "the stream ended without a terminal event"
        seen += more
    assert [n for n, _ in seen] == list(range(1, len(seen) + 1))
    assert [kind for _, kind in seen].count("done") == 1
    assert len(seen) == 1 + 4 + 10 + 1
    whole = follow(client, job_id)
    assert whole == seen
    for cut in range(len(whole) + 1):
        assert follow(client, job_id, cut) == whole[cut:]


def test_several_streams_of_one_running_job_see_the_same(serve: Callable[..., Running]) -> None:
    server = serve(FakeRun(seconds=0.3))
    client = server.client()
    job_id = start(client, upload(client), iters=300)
    seen = at_once(lambda n: follow(server.client(), job_id), range(5))
    assert all(s == seen[0] for s in seen)
    assert seen[0][-1] == (306, "done")


def test_cancel_and_failure_are_terminal_events(serve: Callable[..., Running]) -> None:
    def fault(stage: str) -> None:
        if stage == "render":
            raise RuntimeError("injected")

    server = serve(FakeRun(seconds=5))
    client = server.client()
    job_id = start(client, upload(client), iters=500)
    client.delete(f"/api/jobs/{job_id}")
    assert follow(client, job_id)[-1][1] == "cancelled"
    other = serve(FakeRun(fault=fault)).client()
    job_id = start(other, upload(other))
    wait(other, job_id)
    kinds = [kind for _, kind in follow(other, job_id)]
    assert kinds[-1] == "failed"
    assert kinds.count("failed") == 1


def test_nothing_follows_the_terminal_event() -> None:
    log = EventLog()
    assert log.append("progress", {})
    assert log.append("done", {})
    assert not log.append("progress", {})
    assert not log.append("cancelled", {})
    assert [(e.number, e.kind) for e in log.after(0)] == [(1, "progress"), (2, "done")]
    assert log.after(2) == log.after(99) == []


def test_what_cannot_wait_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is sent in batches; pictures, and the end, whenever they come."""
    monkeypatch.setattr(events, "BATCH_SECONDS", 60.0)

    async def kinds_after(*more: str) -> list[str]:
        log, found = EventLog(), []
        log.append("progress", {})
        batches = log.follow()
        found += [event.kind for event in await anext(batches)]
        following = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0)
        for kind in more:
            log.append(kind, {})
            await asyncio.sleep(0.01)
        done, _ = await asyncio.wait({following}, timeout=0.5)
        found += [event.kind for event in following.result()] if done else []
        following.cancel()
        return found

    assert asyncio.run(kinds_after("progress")) == ["progress"]
    for last in ("pictures", "done", "failed", "cancelled"):
        assert asyncio.run(kinds_after("progress", last)) == ["progress", "progress", last]


def test_pictures_can_be_had_while_the_run_goes_on(serve: Callable[..., Running]) -> None:
    there, go_on = threading.Event(), threading.Event()
    early = Panel("gsjbu_rgb", "rgb", "GS-JBU", "Mixed.", np.full((48, 64, 3), 7, np.uint8), torch.zeros(3, 48, 64))
    fake = FakeRun()

    def run(image: torch.Tensor, settings: Settings, **more: Any) -> Any:
        more["progress"](Progress("rgb", 0, 0, None, 0.5, [early]))
        there.set()
        assert go_on.wait(20)
        return fake(image, settings, **more)

    client = serve(run).client()
    job = start(client, upload(client))
    assert there.wait(20)
    assert client.get(f"/api/jobs/{job}/panels/gsjbu_rgb.png").content == early.png()
    for path in ("panels/bilinear_rgb.png", "pixel?x=1&y=1"):
        assert client.get(f"/api/jobs/{job}/{path}").json()["code"] == "not_done"
    go_on.set()
    wait(client, job)
    kinds = [kind for _, kind in follow(client, job)]
    assert kinds.count("pictures") == 1 and kinds[-1] == "done"
    assert client.get(f"/api/jobs/{job}/panels/gsjbu_rgb.png").content != early.png(), "the result's own now"


def test_long_after_the_end_only_the_terminal_event_is_left_with_its_number() -> None:
    log = EventLog()
    for n in range(50):
        log.append("progress", {"n": n})
    log.compact()
    assert len(log.after(0)) == 50, "a live job keeps all"
    log.append("done", {})
    log.compact()
    for last in (0, 7, 50):
        assert [(e.number, e.kind) for e in log.after(last)] == [(51, "done")]
    assert log.after(51) == []
    assert log.last == 51


def test_a_reader_faster_or_slower_than_the_writer_misses_nothing() -> None:
    log = EventLog()

    async def read() -> list[int]:
        out = []
        async for batch in log.follow():
            out += [e.number for e in batch]
        return out

    def write() -> None:
        for n in range(5000):
            log.append("progress", {"n": n})
        log.append("done", {})

    async def both() -> list[int]:
        thread = threading.Thread(target=write)
        task = asyncio.create_task(read())
        thread.start()
        out = await asyncio.wait_for(task, 20)
        thread.join()
        return out

    assert asyncio.run(both()) == list(range(1, 5002))


@pytest.mark.parametrize(
    ("raw", "number"), [(None, 0), ("7", 7), ("-1", 0), ("x", 0), ("9" * 40, 0), ("³", 0), ("", 0)]
)
def test_last_event_id_from_a_stranger(raw: str | None, number: int) -> None:
    assert last_event_id(raw) == number
