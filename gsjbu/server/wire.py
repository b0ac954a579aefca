"""What the server and a decoding helper say to each other over pipes: a head of JSON, then bytes."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

# A helper says that it has loaded its libraries.
READY = b"\n"
# The statuses with which a helper ends that could not answer.
LOST, CRASHED, MACHINE = 1, 3, 4  # for no known reason; by its file; by the machine, whatever the file

_HEAD = struct.Struct(">IQ")


def send(pipe: Any, head: dict[str, Any], *body: bytes | bytearray | np.ndarray) -> None:
    """``head`` and the bytes of ``body``, one part after the other."""
    parts = [_bytes_of(part) for part in body]
    text = json.dumps(head).encode()
    write(pipe, _HEAD.pack(len(text), sum(part.nbytes for part in parts)) + text)
    for part in parts:
        write(pipe, part)


def _bytes_of(part: bytes | bytearray | np.ndarray) -> memoryview:
    return (np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else memoryview(part)).cast("B")


def receive(pipe: Any) -> tuple[dict[str, Any], bytearray]:
    """What ``send`` sent; EOFError where the other end has gone."""
    length, size = _HEAD.unpack(read(pipe, _HEAD.size))
    head: dict[str, Any] = json.loads(bytes(read(pipe, length)))
    return head, read(pipe, size)


def write(pipe: Any, data: bytes | memoryview) -> None:
    """All of ``data``."""
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def read(pipe: Any, count: int) -> bytearray:
    """Exactly ``count`` bytes; EOFError where the other end has gone."""
    out = bytearray(count)
    view = memoryview(out)
    while view:
        got = pipe.readinto(view)
        if not got:
            raise EOFError
        view = view[got:]
    return out
