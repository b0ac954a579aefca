"""Decoding strangers' pictures in a process of its own: its memory, its time and its crashes are not the server's.

``Decoder`` keeps one helper process. For each picture the helper forks a child that decodes, reduces what is
longer than any run can use, writes the pixels to a pipe and ends; so every picture meets a clean process. The
server waits no longer than the limit, then kills the helper and starts another. Where there is no ``fork`` the
picture is decoded in a thread of the server.
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
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

import numpy as np
from PIL import Image

from gsjbu.errors import ImageError
from gsjbu.images import decode_pixels

CAN_FORK = hasattr(os, "fork") and sys.platform.startswith("linux")
_HEAD = struct.Struct(">IQ")
_MEMORY = 3 * 2**30  # what decoding may take beyond the helper itself


class DecodeTimeout(Exception):
    """The picture took too long."""


def decode(data: bytes, max_pixels: int, longest: int) -> tuple[np.ndarray, int, int]:
    """Pixels (uint8 ``[h, w, 3]`` or uint16 ``[h, w]``, long side at most ``longest``), true width and height."""
    pixels = decode_pixels(data, max_pixels)
    height, width = pixels.shape[:2]
    return reduce(pixels, longest), width, height


def reduce(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Area means where the picture is longer than ``longest``; otherwise the same array."""
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if pixels.dtype == np.uint16:
        small = Image.fromarray(pixels.astype(np.float32)).resize(size, Image.Resampling.BOX)
        return np.clip(np.rint(np.asarray(small)), 0, 65535).astype(np.uint16)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


class Decoders:
    """A few decoders; a picture takes one that is free. The second helper starts when it is first needed."""

    def __init__(self, count: int, max_pixels: int, longest: int, seconds: float) -> None:
        self._all = [Decoder(max_pixels, longest, seconds) for _ in range(count)]
        self._free: LifoQueue[Decoder] = LifoQueue()
        for decoder in reversed(self._all):
            self._free.put(decoder)
        self._seconds = seconds

    def start(self) -> None:
        """Start the first helper ahead of the first picture."""
        self._all[0].start()

    def decode(self, data: bytes) -> tuple[np.ndarray, int, int]:
        """As :func:`decode`; raises ImageError, or DecodeTimeout."""
        try:
            decoder = self._free.get(timeout=self._seconds)
        except Empty:
            raise DecodeTimeout from None
        try:
            return decoder.decode(data)
        finally:
            self._free.put(decoder)

    def close(self) -> None:
        """End all helpers."""
        for decoder in self._all:
            decoder.close()


class Decoder:
    """One helper process, at the server's end. One picture at a time."""

    def __init__(self, max_pixels: int, longest: int, seconds: float) -> None:
        self.max_pixels, self.longest, self.seconds = max_pixels, longest, seconds
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

    def decode(self, data: bytes) -> tuple[np.ndarray, int, int]:
        """As :func:`decode`; raises ImageError, or DecodeTimeout after ``seconds``."""
        if not CAN_FORK:
            return decode(data, self.max_pixels, self.longest)
        deadline = time.monotonic() + self.seconds
        if not self._turn.acquire(timeout=self.seconds):
            raise DecodeTimeout
        try:
            return self._ask(data, deadline)
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

    def _ask(self, data: bytes, deadline: float) -> tuple[np.ndarray, int, int]:
        helper = self._ready()
        assert helper.stdin is not None
        assert helper.stdout is not None
        asked = json.dumps({"max_pixels": self.max_pixels, "longest": self.longest}).encode()
        # The helper reads all of the question before it answers, so a plain write cannot lock up.
        helper.stdin.write(_HEAD.pack(len(asked), len(data)))
        _write(helper.stdin, asked)
        _write(helper.stdin, data)
        answer, size = _HEAD.unpack(_read(helper.stdout, _HEAD.size, deadline))
        told = json.loads(bytes(_read(helper.stdout, answer, deadline)))
        body = _read(helper.stdout, size, deadline)
        if "code" in told:
            raise ImageError(told["code"], told["message"])
        return np.frombuffer(body, told["dtype"]).reshape(told["shape"]), told["width"], told["height"]


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


def _child(data: bytearray, asked: dict[str, int], out: Any) -> None:
    """In the child: bound itself, decode, answer."""
    import resource

    most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        pixels, width, height = decode(bytes(data), asked["max_pixels"], asked["longest"])
    except ImageError as error:
        _answer(out, {"code": error.code, "message": error.message})
        return
    except MemoryError:
        _answer(out, {"code": "image_too_large", "message": "The picture needs too much memory to decode."})
        return
    told = {"dtype": pixels.dtype.str, "shape": pixels.shape, "width": width, "height": height}
    _answer(out, told, np.ascontiguousarray(pixels).tobytes())


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
