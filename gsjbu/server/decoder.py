"""Decoding strangers' pictures in a process of its own: its memory, its time and its crashes are not the server's.

``Decoder`` keeps one helper process. For each picture the helper forks a child that decodes, reduces, writes the
result to a pipe and ends; so every picture meets a clean process. The server waits no longer than the limit, then
kills the helper and starts another. Where there is no ``fork`` the picture is decoded in a thread of the server.

The pixels of a large picture never come into the server, only the reduced picture that a run works on.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

import numpy as np

from gsjbu.errors import ImageError
from gsjbu.images import loaded, shrink, upright, upright_size

CAN_FORK = hasattr(os, "fork") and sys.platform.startswith("linux")
# Up to here the pixels themselves are kept, so that any resolution is at hand; beyond it, the file and what is reduced.
SMALL_PIXELS = 4_000_000
# Beyond this a picture is only found sound; its pixels are made and reduced when a run needs them.
MIDDLING_PIXELS = 16_000_000
_HEAD = struct.Struct(">IQ")
_MEMORY = 3 * 2**30  # what decoding may take beyond the helper itself


class DecodeTimeout(Exception):
    """The picture took too long."""


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
    """A few decoders; a picture takes one that is free. The second helper starts when it is first needed."""

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
        """As :func:`decode`; raises ImageError, or DecodeTimeout."""
        try:
            decoder = self._free.get(timeout=self._seconds)
        except Empty:
            raise DecodeTimeout from None
        try:
            return decoder.decode(data, resolution, whole)
        finally:
            self._free.put(decoder)

    def close(self) -> None:
        """End all helpers."""
        for decoder in self._all:
            decoder.close()


class Decoder:
    """One helper process, at the server's end. One picture at a time."""

    def __init__(self, max_pixels: int, seconds: float) -> None:
        self.max_pixels, self.seconds = max_pixels, seconds
        self._turn = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._closed = False

    def start(self) -> None:
        """Start the helper ahead of the first picture."""
        if CAN_FORK:
            with self._turn:
                self._ready()

    def close(self) -> None:
        """End the helper."""
        self._closed = True
        self._kill()

    def decode(self, data: bytes, resolution: int, whole: bool) -> Decoded:
        """As :func:`decode`; raises ImageError, or DecodeTimeout after ``seconds``."""
        asked: dict[str, Any] = {"max_pixels": self.max_pixels, "resolution": resolution, "whole": whole}
        if not CAN_FORK:
            return decode(data, **asked)
        deadline = time.monotonic() + self.seconds
        if not self._turn.acquire(timeout=self.seconds):
            raise DecodeTimeout
        try:
            return self._ask(data, asked, deadline)
        except (DecodeTimeout, BrokenPipeError, EOFError):
            self._kill()
            if time.monotonic() >= deadline:
                raise DecodeTimeout from None
            raise ImageError("image_corrupt", "The picture breaks its decoder; save it again.") from None
        finally:
            self._turn.release()

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._helper is None or self._helper.poll() is not None:
            self._helper = subprocess.Popen(
                [sys.executable, "-c", "from gsjbu.server.decoder import main; main()"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )  # fmt: skip
        return self._helper

    def _kill(self) -> None:
        helper, self._helper = self._helper, None
        if helper is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(helper.pid, signal.SIGKILL)
        helper.wait()
        for pipe in (helper.stdin, helper.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _ask(self, data: bytes, asked: dict[str, Any], deadline: float) -> Decoded:
        helper = self._ready()
        assert helper.stdin is not None
        assert helper.stdout is not None
        question = json.dumps(asked).encode()
        # The helper reads all of the question before it answers, so a plain write cannot lock up.
        helper.stdin.write(_HEAD.pack(len(question), len(data)))
        _write(helper.stdin, question)
        _write(helper.stdin, data)
        answer, size = _HEAD.unpack(_read(helper.stdout, _HEAD.size, deadline))
        told = json.loads(bytes(_read(helper.stdout, answer, deadline)))
        body = _read(helper.stdout, size, deadline)
        if "code" in told:
            raise ImageError(told["code"], told["message"])
        array = np.frombuffer(body, told["dtype"]).reshape(told["shape"]) if told["kind"] else None
        return Decoded(told["width"], told["height"], **({told["kind"]: array} if told["kind"] else {}))


def _write(pipe: Any, data: bytes) -> None:
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


def _answer(pipe: Any, told: dict[str, Any], body: bytes = b"") -> None:
    head = json.dumps(told).encode()
    _write(pipe, _HEAD.pack(len(head), len(body)) + head)
    _write(pipe, body)


def _child(data: bytearray, asked: dict[str, Any], out: Any) -> None:
    """In the child: bound itself, decode, answer."""
    import resource

    most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        found = decode(bytes(data), **asked)
    except ImageError as error:
        _answer(out, {"code": error.code, "message": error.message})
        return
    except MemoryError:
        _answer(out, {"code": "image_too_large", "message": "The picture needs too much memory to decode."})
        return
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
    _answer(out, told, np.ascontiguousarray(array).tobytes())


def main() -> None:
    """The helper: read a question, fork a child for it, wait for the child."""
    source, out = os.fdopen(0, "rb", 0), os.fdopen(1, "wb", 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the server's to handle
    while True:
        try:
            head, size = _HEAD.unpack(_read(source, _HEAD.size))
            asked = json.loads(bytes(_read(source, head)))
            data = _read(source, size)
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _child(data, asked, out)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if status != 0:
            # Half an answer may be out already: only a new helper is sure to be in step with the server.
            sys.exit(1)
