"""What is sent is received, and half a message is no message."""

from __future__ import annotations

import io

import numpy as np
import pytest

from gsjbu.server import wire


class Trickle(io.RawIOBase):
    """A pipe that takes and gives a few bytes at a time."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data) -> int:  # type: ignore[no-untyped-def, override]
        self.data += data[:7]
        return min(7, len(data))

    def readinto(self, view) -> int:  # type: ignore[no-untyped-def, override]
        part = self.data[: min(5, len(view))]
        view[: len(part)] = part
        del self.data[: len(part)]
        return len(part)


def test_head_and_body_come_through_in_pieces() -> None:
    pipe = Trickle()
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)[:, ::2]  # not contiguous
    wire.send(pipe, {"what": "é"}, array, b"tail\0")
    head, body = wire.receive(pipe)
    assert head == {"what": "é"}
    assert bytes(body) == array.tobytes() + b"tail\0"


def test_an_end_in_the_middle_is_told() -> None:
    pipe = Trickle()
    wire.send(pipe, {}, bytes(100))
    del pipe.data[-1:]
    with pytest.raises(EOFError):
        wire.receive(pipe)
