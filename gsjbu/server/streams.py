"""Large answers, made piece by piece while they are sent, in a small pool of their own.

A piece is made when the one before it has been taken: a slow client holds no thread, one that has gone ends the work.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gsjbu.core.threads import step_back

THREADS = 2


class Streams:
    """The pool."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="gsjbu-send", initializer=step_back)
        self.open = 0

    async def answer(self, pieces: Iterator[bytes], release: Callable[[], None] = lambda: None, **rest: Any) -> Stream:
        """The answer, once its first piece is made; what goes wrong until then is a refusal like any other.

        ``release`` is called once, when the answer has ended, however it ends.
        """
        stream = Stream(self, pieces, release, **rest)
        try:
            await stream.begin()
        except BaseException:
            stream.end()
            raise
        return stream

    async def run(self, work: Callable[[], bytes]) -> bytes:
        """Make one piece in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def submit(self, work: Callable[[], None]) -> None:
        """Do something in a thread and wait for nothing."""
        with suppress(RuntimeError):  # the server stops, and the pool has gone
            self._pool.submit(work)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Stream(StreamingResponse):
    """One answer under way."""

    def __init__(self, streams: Streams, pieces: Iterator[bytes], release: Callable[[], None], **rest: Any) -> None:
        self._streams, self._made, self._release = streams, pieces, release
        self._lock = threading.Lock()  # a piece may still be in the making when the client has gone
        self._first = b""
        super().__init__(self._sent(), **rest)
        streams.open += 1

    async def begin(self) -> None:
        """Make the first piece."""
        self._first = await self._streams.run(self._next)

    def end(self) -> None:
        """Stop the work and give back what it holds; to be called once."""
        self._streams.open -= 1
        self._release()
        self._streams.submit(self._stop)

    async def _sent(self) -> AsyncIterator[bytes]:
        piece = self._first
        while piece:
            yield piece
            piece = await self._streams.run(self._next)

    def _next(self) -> bytes:
        """The next piece that is not empty; empty at the end."""
        with self._lock:
            return next((piece for piece in self._made if piece), b"")

    def _stop(self) -> None:
        with self._lock:
            close = getattr(self._made, "close", None)
            if close is not None:
                close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.end()
