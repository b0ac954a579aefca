"""Decoding strangers' files in a process of its own: its memory, its time and its crashes are not the server's.

``Decoder`` keeps one helper process (:mod:`gsjbu.server.helper`) on every system. The server waits no longer than the
limit, then ends the helper and starts another. A helper that ends for no fault of the file is replaced and the file
tried once more.

The pixels of a large picture never come into the server, only the reduced picture that a run works on.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any, TypeVar

import numpy as np

from gsjbu.core import child
from gsjbu.errors import ImageError, Remedy, SignalError
from gsjbu.io.packing import unpack
from gsjbu.io.signals import Signal
from gsjbu.server import helper as helpers
from gsjbu.server import watch, wire
from gsjbu.server.headroom import resident_bytes
from gsjbu.server.helper import KINDS, Decoded
from gsjbu.server.watch import Watch

log = logging.getLogger("gsjbu.server")
T = TypeVar("T")
# A helper loads its libraries before it says that it is ready, and may take so long to.
START_SECONDS = 60.0
# A helper that has closed its pipes is as good as gone; on a busy machine it may still take a moment.
LAST_WORDS_SECONDS = 3.0


class DecodeTimeout(Exception):
    """The file took too long."""


class HelperLost(Exception):
    """The helper ended or could not start; nothing is known of the file."""


class Decoders:
    """A few decoders; a file takes one that is free. The second helper starts when it is first needed."""

    lost = 0  # helpers that ended for no fault of a file
    broken = False  # whether the last file found no helper that works

    def __init__(self, count: int, max_pixels: int, seconds: float) -> None:
        self._all = [Decoder(max_pixels, seconds) for _ in range(count)]
        self._free: LifoQueue[Decoder] = LifoQueue()
        for decoder in reversed(self._all):
            self._free.put(decoder)
        self._seconds = seconds

    def start(self) -> None:
        """Start the first helper ahead of the first picture."""
        self._all[0].start()

    def decode(self, data: bytes, resolution: int, whole: bool) -> Decoded:
        """As :func:`gsjbu.server.helper.decode`; raises ImageError, DecodeTimeout or HelperLost."""
        return self._tried(lambda decoder: decoder.decode(data, resolution, whole))

    def signal(
        self,
        data: bytes | bytearray,
        name: str,
        max_values: int,
        words: dict[str, Any] | None = None,
        entry: str | None = None,
    ) -> Signal:
        """As :func:`gsjbu.server.helper.understood`; raises SignalError, DecodeTimeout or HelperLost."""
        return self._tried(lambda decoder: decoder.signal(data, name, max_values, words, entry))

    def _tried(self, ask: Callable[[Decoder], T]) -> T:
        with self._one() as decoder:
            try:
                answer = ask(decoder)
            except HelperLost as first:
                self._note(first, "a decoding helper was lost; the file is tried in a new one")
                try:
                    answer = ask(decoder)
                except HelperLost as again:
                    self.broken = True
                    self._note(again, "no decoding helper works")
                    raise
        self.broken = False
        return answer

    def _note(self, lost: HelperLost, event: str) -> None:
        self.lost += 1
        log.error(event, extra={"reason": str(lost), "lost": self.lost})

    @contextmanager
    def _one(self) -> Iterator[Decoder]:
        try:
            decoder = self._free.get(timeout=self._seconds)
        except Empty:
            raise DecodeTimeout from None
        try:
            yield decoder
        finally:
            self._free.put(decoder)

    def close(self) -> None:
        """End all helpers."""
        for decoder in self._all:
            decoder.close()


class Decoder:
    """One helper process, at the server's end. One file at a time."""

    def __init__(self, max_pixels: int, seconds: float) -> None:
        self.max_pixels, self.seconds = max_pixels, seconds
        self._helper: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._forks = helpers.CAN_FORK

    def start(self) -> None:
        """Start the helper ahead of the first picture."""
        self._started()

    def close(self) -> None:
        """End the helper."""
        self._kill()

    def decode(self, data: bytes, resolution: int, whole: bool) -> Decoded:
        """As :func:`gsjbu.server.helper.decode`; raises ImageError, or DecodeTimeout after ``seconds``."""
        asked: dict[str, Any] = {"max_pixels": self.max_pixels, "resolution": resolution, "whole": whole}
        told, body = self._ask(data, {"what": "picture", **asked})
        array = np.frombuffer(body, told["dtype"]).reshape(told["shape"]) if told["kind"] else None
        made: dict[str, Any] = {told["kind"]: array} if told["kind"] else {}
        return Decoded(told["width"], told["height"], notes=tuple(told["notes"]), **made)

    def signal(
        self,
        data: bytes | bytearray,
        name: str,
        max_values: int,
        words: dict[str, Any] | None = None,
        entry: str | None = None,
    ) -> Signal:
        """As :func:`gsjbu.server.helper.understood`; raises SignalError, or DecodeTimeout after ``seconds``."""
        asked: dict[str, Any] = {"name": name, "max_values": max_values, "words": words or {}, "entry": entry}
        return unpack(*self._ask(data, {"what": "signal", **asked}))

    def _ask(self, data: bytes | bytearray, asked: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        kind = KINDS[asked["what"]]
        helper = self._ready()
        most = None if self._forks else resident_bytes(helper.pid) + helpers.room()
        with Watch(helper.pid, self.seconds, self._end, most) as bounds:
            told, body, error = _exchange(helper, data, asked)
        if bounds.exceeded:
            self._kill()  # an answer that came at the last moment is good, its helper is gone
        if error is None:
            if "code" in told:
                raise _refusal(kind, told)
            return told, body
        if bounds.exceeded == watch.TIME:
            raise DecodeTimeout
        if bounds.exceeded == watch.MEMORY:
            raise kind.error(*kind.too_large)
        status, words = self._last_words()
        if helpers.by_the_file(status):
            raise kind.error(*kind.breaks)
        raise HelperLost(f"{error or type(error).__name__}; status {status}; {words}")

    def _ready(self) -> subprocess.Popen[bytes]:
        """A helper that has loaded what it needs; that time is not the file's."""
        helper = self._started()
        if self._is_ready:
            return helper
        try:
            with Watch(helper.pid, START_SECONDS, self._end):
                wire.read(helper.stdout, len(wire.READY))
        except (OSError, EOFError):
            status, words = self._last_words()
            raise HelperLost(f"it did not start; status {status}; {words}") from None
        self._is_ready = True
        return helper

    def _started(self) -> subprocess.Popen[bytes]:
        if self._helper is None or self._helper.poll() is not None:
            self._helper = child.start(
                f"from gsjbu.server.helper import main; main({self._forks})",
                {"OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            self._is_ready = False
        return self._helper

    def _last_words(self) -> tuple[int | None, str]:
        """The status with which the helper ended, and the end of what it has written to standard error."""
        helper = self._helper
        if helper is None:
            return None, "it was ended"
        status = None
        with suppress(subprocess.TimeoutExpired):  # it closes its pipes a moment before it has ended
            status = helper.wait(LAST_WORDS_SECONDS)
        self._end()
        assert helper.stderr is not None
        words = helper.stderr.read() or b""
        self._kill()
        return status, words.decode("utf-8", "replace")[-500:]

    def _end(self) -> None:
        """Bring the helper and its child to an end."""
        helper = self._helper
        if helper is None:
            return
        if self._forks:
            with suppress(ProcessLookupError):
                os.killpg(helper.pid, signal.SIGKILL)
        else:
            helper.terminate()

    def _kill(self) -> None:
        """End the helper and its child, and give back what it holds."""
        self._end()
        helper, self._helper = self._helper, None
        if helper is None:
            return
        helper.wait()
        for pipe in (helper.stdin, helper.stdout, helper.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _refusal(kind: helpers.Kind, told: dict[str, Any]) -> ImageError | SignalError:
    """What the helper refused, as it was raised there."""
    if kind.error is SignalError:
        remedies = [Remedy(**remedy) for remedy in told.get("remedies", ())]
        return SignalError(told["code"], told["message"], remedies)
    return kind.error(told["code"], told["message"])


def _exchange(
    helper: subprocess.Popen[bytes], data: bytes | bytearray, asked: dict[str, Any]
) -> tuple[dict[str, Any], bytearray, OSError | EOFError | None]:
    """The answer, or what was wrong with the pipes: the helper reads all of the question before it answers."""
    try:
        wire.send(helper.stdin, asked, data)
        return *wire.receive(helper.stdout), None
    except (OSError, EOFError) as error:
        return {}, bytearray(), error
