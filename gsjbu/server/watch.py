"""A bound in time and memory on a process that may hang or grow: where it goes beyond, it is ended.

Whoever waits for the process by a pipe wakes then, on every system: a pipe whose other end has gone is at its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from gsjbu.server.headroom import resident_bytes

TIME, MEMORY = "time", "memory"
LOOK_SECONDS = 0.02  # between two looks at the memory


class Watch:
    """``with Watch(process, seconds, end):`` – ``exceeded`` says afterwards what was, and is empty otherwise.

    most: resident bytes that the process may have; None where it is bounded otherwise.
    """

    def __init__(self, process: int, seconds: float, end: Callable[[], None], most: int | None = None) -> None:
        self.exceeded = ""
        self._process, self._end, self._most = process, end, most
        self._until = time.monotonic() + seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gsjbu-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(self._pause()):
            self.exceeded = self._beyond()
            if self.exceeded:
                self._end()
                return

    def _pause(self) -> float:
        left = max(0.0, self._until - time.monotonic())
        return left if self._most is None else min(left, LOOK_SECONDS)

    def _beyond(self) -> str:
        if time.monotonic() >= self._until:
            return TIME
        if self._most is not None and resident_bytes(self._process) > self._most:
            return MEMORY
        return ""
