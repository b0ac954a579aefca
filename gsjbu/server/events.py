"""A job's events: a numbered list that many streams may read, from any point, while one thread writes it.

Numbers are 1, 2, 3, … per job. Every event is kept while the job lives and for a while after, so a stream that
resumes after ``Last-Event-ID`` gets exactly the events it has not seen. The last event is the terminal one, and
there is just one.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

TERMINAL = frozenset({"done", "failed", "cancelled"})
PROMPT = TERMINAL | {"pictures"}
KEEPALIVE_SECONDS = 15.0
# But for PROMPT events, streams wake at most this often: a fit of fifty 1-ms steps is a few writes and not fifty.
BATCH_SECONDS = 0.015


@dataclass(frozen=True)
class Event:
    """One event as it is sent."""

    number: int
    kind: str
    data: str  # JSON


class _Waiter(NamedTuple):
    """A stream: its loop, and what wakes it when there is news, and when that cannot wait."""

    loop: asyncio.AbstractEventLoop
    news: asyncio.Event
    now: asyncio.Event


class EventLog:
    """Append from any thread; follow from the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._waiters: set[_Waiter] = set()
        self._last = 0
        self._ended = False

    @property
    def last(self) -> int:
        """Number of the newest event."""
        return self._last

    @property
    def ended(self) -> bool:
        """Whether the terminal event is in."""
        return self._ended

    def append(self, kind: str, data: dict[str, Any]) -> bool:
        """Add one event; False, and nothing added, once the terminal event is in."""
        text = json.dumps(data, allow_nan=False)
        with self._lock:
            if self._ended:
                return False
            self._last += 1
            self._events.append(Event(self._last, kind, text))
            self._ended = kind in TERMINAL
            waiters = list(self._waiters)
        for waiter in waiters:
            due = [waiter.news, *([waiter.now] if kind in PROMPT else [])]
            try:
                for event in due:
                    if not event.is_set():
                        waiter.loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop has closed: its stream is gone with it
                self._waiters.discard(waiter)
        return True

    def after(self, last: int) -> list[Event]:
        """Events numbered above ``last``."""
        with self._lock:
            first = self._events[0].number if self._events else 1
            return self._events[max(0, last - first + 1) :]

    def compact(self) -> None:
        """Forget all but the terminal event: nobody has come back for the others in a long while."""
        with self._lock:
            if self._ended:
                self._events = self._events[-1:]

    async def follow(self, last: int = 0) -> AsyncIterator[list[Event]]:
        """Batches of events after ``last`` up to the terminal one; an empty batch is a sign of life."""
        waiter = _Waiter(asyncio.get_running_loop(), asyncio.Event(), asyncio.Event())
        self._waiters.add(waiter)
        try:
            while True:
                waiter.news.clear()
                waiter.now.clear()
                batch = self.after(last)
                if batch:
                    last = batch[-1].number
                    yield batch
                if self._ended and last >= self._last:
                    return
                try:
                    await asyncio.wait_for(waiter.news.wait(), KEEPALIVE_SECONDS)
                except TimeoutError:
                    yield []
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(waiter.now.wait(), BATCH_SECONDS)
        finally:
            self._waiters.discard(waiter)


async def sse(log: EventLog, last: int) -> AsyncIterator[bytes]:
    """The log as server-sent events in wire form, one chunk per batch."""
    async for batch in log.follow(last):
        if not batch:
            yield KEEPALIVE_COMMENT
            continue
        yield b"".join(format_sse_event(data_str=e.data, event=e.kind, id=str(e.number)) for e in batch)


def last_event_id(raw: str | None) -> int:
    """The number in a Last-Event-ID header; 0, from the start, where it is missing or not one of ours."""
    return int(raw) if raw is not None and raw.isascii() and raw.isdigit() and len(raw) <= 15 else 0
