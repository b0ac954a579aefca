"""Decoding strangers' files in a process of its own: its memory, its time and its crashes are not the server's.

``Decoder`` keeps one helper process. For each picture or signal the helper forks a child that decodes, reduces,
writes the result to a pipe and ends; so every file meets a clean process. The server waits no longer than the limit,
then kills the helper and starts another. A helper that dies for no fault of the file is replaced and the file tried
once more. Where there is no ``fork`` the file is decoded in a thread of the server.

The pixels of a large picture never come into the server, only the reduced picture that a run works on.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, TypeVar

import numpy as np

from gsjbu.errors import GsjbuError, ImageError, SignalError
from gsjbu.io.packing import pack, unpack
from gsjbu.io.pictures import loaded, shrink, upright, upright_size
from gsjbu.io.readers import OPEN, read
from gsjbu.io.signals import Signal, understand
from gsjbu.server.headroom import available_bytes

log = logging.getLogger("gsjbu.server")
T = TypeVar("T")
CAN_FORK = hasattr(os, "fork") and sys.platform.startswith("linux")
# Up to here the pixels themselves are kept, so that any resolution is at hand; beyond it, the file and what is reduced.
SMALL_PIXELS = 4_000_000
# Beyond this a picture is only found sound; its pixels are made and reduced when a run needs them.
MIDDLING_PIXELS = 16_000_000
# A helper says that it has loaded its libraries, and may take so long to.
_READY = b"\n"
START_SECONDS = 60.0
# A helper that has closed its pipes is as good as gone; on a busy machine it may still take a moment.
LAST_WORDS_SECONDS = 3.0
_HEAD = struct.Struct(">IQ")
_MEMORY = 3 * 2**30  # what decoding may take beyond the helper itself
_LEFT = 32 * 2**20  # of what there is, for the server meanwhile


# The status with which a helper ends whose child was brought down by its file.
_CRASHED = 3
_MACHINE = 4  # the status of a child that could not do its work, whatever the file
_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)


class DecodeTimeout(Exception):
    """The file took too long."""


class HelperLost(Exception):
    """The helper ended or could not start; nothing is known of the file."""


class FileCrashed(Exception):
    """The file brought its decoder down."""


@dataclass(frozen=True)
class Decoded:
    """True size; ``pixels`` uint8 ``[H, W, 3]`` or uint16 ``[H, W]``; ``reduced`` float32 ``[3, h, w]``; or neither."""

    width: int
    height: int
    pixels: np.ndarray | None = None
    reduced: np.ndarray | None = None


def decode(data: bytes, max_pixels: int, resolution: int, whole: bool) -> Decoded:
    """Decode. ``whole``: give the pixels of a small picture, the picture reduced to ``resolution`` of a middling one,
    and of a large one only that it is sound. Otherwise: the picture reduced to ``resolution``."""
    with loaded(data, max_pixels) as file:
        width, height = upright_size(file)
        if whole and height * width > MIDDLING_PIXELS:
            return Decoded(width, height)
        pixels = upright(file, data)
    if whole and height * width <= SMALL_PIXELS:
        return Decoded(width, height, pixels=pixels)
    return Decoded(width, height, reduced=shrink(pixels, resolution).numpy())


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
        """As :func:`decode`; raises ImageError, DecodeTimeout or HelperLost."""
        return self._tried(lambda decoder: decoder.decode(data, resolution, whole))

    def signal(
        self, data: bytes | bytearray, name: str, max_values: int, words: dict[str, Any] | None = None
    ) -> Signal:
        """As :func:`gsjbu.io.signals.understand`, told ``words``; raises SignalError, DecodeTimeout or HelperLost."""
        return self._tried(lambda decoder: decoder.signal(data, name, max_values, words))

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
        self._turn = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._is_ready = False

    def start(self) -> None:
        """Start the helper ahead of the first picture."""
        if CAN_FORK:
            with self._turn:
                self._started()

    def close(self) -> None:
        """End the helper."""
        self._kill()

    def decode(self, data: bytes, resolution: int, whole: bool) -> Decoded:
        """As :func:`decode`; raises ImageError, or DecodeTimeout after ``seconds``."""
        asked: dict[str, Any] = {"max_pixels": self.max_pixels, "resolution": resolution, "whole": whole}
        if not CAN_FORK:
            return decode(data, **asked)
        told, body = self._answered(data, {"what": "picture", **asked})
        array = np.frombuffer(body, told["dtype"]).reshape(told["shape"]) if told["kind"] else None
        return Decoded(told["width"], told["height"], **({told["kind"]: array} if told["kind"] else {}))

    def signal(
        self, data: bytes | bytearray, name: str, max_values: int, words: dict[str, Any] | None = None
    ) -> Signal:
        """As :func:`gsjbu.io.signals.understand`; raises SignalError, or DecodeTimeout after ``seconds``."""
        asked: dict[str, Any] = {"name": name, "max_values": max_values, "words": words or {}}
        if not CAN_FORK:
            return _understood(bytes(data), **asked)
        return unpack(*self._answered(data, {"what": "signal", **asked}))

    def _answered(self, data: bytes | bytearray, asked: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        if not self._turn.acquire(timeout=self.seconds):
            raise DecodeTimeout
        try:
            return self._ask(data, asked)
        except DecodeTimeout:
            self._kill()
            raise
        except FileCrashed:
            kind = _KINDS[asked["what"]]
            raise kind.error(*kind.breaks) from None
        finally:
            self._turn.release()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._helper is None or self._helper.poll() is not None:
            self._helper = subprocess.Popen(
                [sys.executable, "-c", "from gsjbu.server.decoder import main; main()"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )  # fmt: skip
            self._is_ready = False
        return self._helper

    def _ready(self) -> subprocess.Popen[bytes]:
        """A helper that has loaded what it needs; that time is not the file's."""
        helper = self._started()
        if not self._is_ready:
            try:
                _read(helper.stdout, len(_READY), time.monotonic() + START_SECONDS)
            except DecodeTimeout:
                raise EOFError(f"no helper within {START_SECONDS:g} s") from None
            self._is_ready = True
        return helper

    def _kill(self) -> None:
        """End the helper and its child."""
        helper, self._helper = self._helper, None
        if helper is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(helper.pid, signal.SIGKILL)
        helper.wait()
        for pipe in (helper.stdin, helper.stdout, helper.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _ask(self, data: bytes | bytearray, asked: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        try:
            told, body = self._exchange(data, asked)
        except (OSError, EOFError) as error:
            status, words = _last_words(self._helper)
            self._kill()
            if status == _CRASHED:
                raise FileCrashed from None
            raise HelperLost(f"{error or type(error).__name__}; status {status}; {words}") from None
        if "code" in told:
            raise _KINDS[asked["what"]].error(told["code"], told["message"])
        return told, body

    def _exchange(self, data: bytes | bytearray, asked: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        helper = self._ready()
        deadline = time.monotonic() + self.seconds
        assert helper.stdin is not None
        assert helper.stdout is not None
        question = json.dumps(asked).encode()
        # The helper reads all of the question before it answers, so a plain write cannot lock up.
        helper.stdin.write(_HEAD.pack(len(question), len(data)))
        _write(helper.stdin, question)
        _write(helper.stdin, data)
        answer, size = _HEAD.unpack(_read(helper.stdout, _HEAD.size, deadline))
        told = json.loads(bytes(_read(helper.stdout, answer, deadline)))
        return told, _read(helper.stdout, size, deadline)


def _last_words(helper: subprocess.Popen[bytes] | None) -> tuple[int | None, str]:
    """The status with which a helper ended, and the end of what it has written to standard error."""
    if helper is None:
        return None, "it did not start"
    status = None
    with suppress(subprocess.TimeoutExpired):  # it closes its pipes a moment before it has ended
        status = helper.wait(LAST_WORDS_SECONDS)
    assert helper.stderr is not None
    os.set_blocking(helper.stderr.fileno(), False)
    return status, (helper.stderr.read() or b"").decode("utf-8", "replace")[-500:]


def _write(pipe: Any, data: bytes | bytearray | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def _read(pipe: Any, count: int, deadline: float | None = None) -> bytearray:
    """Exactly ``count`` bytes; EOFError where the other end has gone."""
    out = bytearray(count)
    view = memoryview(out)
    while view:
        if (
            deadline is not None
            and not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]
        ):
            raise DecodeTimeout
        got = pipe.readinto(view)
        if not got:
            raise EOFError
        view = view[got:]
    return out


def _answer(pipe: Any, told: dict[str, Any], *body: np.ndarray) -> None:
    head = json.dumps(told).encode()
    _write(pipe, _HEAD.pack(len(head), sum(part.nbytes for part in body)) + head)
    for part in body:
        _write(pipe, np.ascontiguousarray(part).data.cast("B"))


def _child(data: bytearray, asked: dict[str, Any], out: Any) -> None:
    """In the child: bound itself, decode, answer. What libraries print of a file is nobody's to read."""
    import resource
    import warnings

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with suppress(OSError):  # where memory runs out all the same, this process goes and not the server
        Path("/proc/self/oom_score_adj").write_text("1000")
    room = max(0, min(_MEMORY, available_bytes() - _LEFT))
    most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + room
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    warnings.simplefilter("ignore")  # what a file's oddities are worth is told by the answer
    kind = _KINDS[asked.pop("what")]
    try:
        kind.answer(bytes(data), asked, out)
    except GsjbuError as error:
        _answer(out, {"code": error.code, "message": error.message})
    except (MemoryError, RuntimeError):  # torch says with the latter that memory is short
        code, message = kind.too_large
        _answer(out, {"code": code, "message": message})


def _answer_picture(data: bytes, asked: dict[str, Any], out: Any) -> None:
    found = decode(data, **asked)
    told: dict[str, Any] = {"width": found.width, "height": found.height, "kind": ""}
    array = found.pixels if found.pixels is not None else found.reduced
    if array is None:
        _answer(out, told)
        return
    told |= {
        "kind": "pixels" if found.reduced is None else "reduced",
        "dtype": array.dtype.str,
        "shape": array.shape,
    }
    _answer(out, told, array)


def _answer_signal(data: bytes, asked: dict[str, Any], out: Any) -> None:
    told, arrays = pack(_understood(data, **asked))
    _answer(out, told, *arrays)


def _understood(data: bytes, name: str, max_values: int, words: dict[str, Any]) -> Signal:
    return understand(read(data, name, max_values, OPEN), max_values=max_values, **words)


@dataclass(frozen=True)
class _Kind:
    """A kind of file: how the child answers; what is raised, and with which code and sentence where the child crashes
    or has too little memory."""

    answer: Callable[[bytes, dict[str, Any], Any], None]
    error: type[ImageError | SignalError]
    breaks: tuple[str, str]
    too_large: tuple[str, str]


_KINDS = {
    "picture": _Kind(
        _answer_picture,
        ImageError,
        ("image_corrupt", "The picture breaks its decoder; save it again."),
        ("image_too_large", "The picture needs too much memory to decode; make it smaller."),
    ),
    "signal": _Kind(
        _answer_signal,
        SignalError,
        ("signal_corrupt", "The signal breaks its reader; save it again."),
        ("signal_too_large", "The signal needs too much memory to read; make it smaller."),
    ),
}


def main() -> None:
    """The helper: read a question, fork a child for it, wait for the child."""
    source, out = os.fdopen(0, "rb", 0), os.fdopen(1, "wb", 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the server's to handle
    _write(out, _READY)
    while True:
        try:
            head, size = _HEAD.unpack(_read(source, _HEAD.size))
            asked = json.loads(bytes(_read(source, head)))
            data = _read(source, size)
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _child(data, asked, out)
                status = 0
            except OSError:  # a reader turns those of a file into refusals: this one is the machine's
                status = _MACHINE
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if status != 0:
            # Half an answer may be out already: only a new helper is sure to be in step with the server.
            os._exit(_CRASHED if _by_the_file(status) else 1)


def _by_the_file(status: int) -> bool:
    """Whether a child's end was its file's doing: not so where somebody killed it, the system for memory, say."""
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) in _CRASHES
    return os.WEXITSTATUS(status) != _MACHINE
