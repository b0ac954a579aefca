"""The process that decodes strangers' files: a question on its standard input, an answer on its standard output.

On Linux each file meets a clean process, a child that is forked for it and bounds its own address space. Elsewhere
the helper decodes by itself, one file after another, and the server watches its memory; a file that brings it down
takes this process along, and the server starts another.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gsjbu.errors import GsjbuError, ImageError, SignalError
from gsjbu.io.packing import pack
from gsjbu.io.pictures import loaded, notes, shrink, upright, upright_size
from gsjbu.io.readers import OPEN, read
from gsjbu.io.signals import Signal, understand
from gsjbu.server import rlimits, wire
from gsjbu.server.headroom import address_bytes, available_bytes

# Where fork is safe: a macOS process that has loaded its frameworks may not go on in a fork.
CAN_FORK = hasattr(os, "fork") and sys.platform.startswith("linux")
# Up to here the pixels themselves are kept, so that any resolution is at hand; beyond it, the file and what is reduced.
SMALL_PIXELS = 4_000_000
# Beyond this a picture is only found sound; its pixels are made and reduced when a run needs them.
MIDDLING_PIXELS = 16_000_000
_MEMORY = 3 * 2**30  # what decoding may take beyond the helper itself
SCARCE = 2**28  # with less room than this nothing is said against a file
_LEFT = 32 * 2**20  # of what there is, for the server meanwhile
# Of address space that a helper has taken before it decodes, where the system does not tell; it is 2 to 6 GiB.
_UNTOLD = 8 * 2**30

_CRASHES = tuple(
    getattr(signal, name) for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL") if hasattr(signal, name)
)
_FIRST_OF_WINDOWS = 0xC0000000  # statuses of Windows from here on are access violations and the like


@dataclass(frozen=True)
class Decoded:
    """True size; ``pixels`` of 8 or 16 bits, ``[H, W]`` or ``[H, W, 3]``; ``reduced`` float32 ``[3, h, w]``; or none.
    ``notes``: what they do not show of the file."""

    width: int
    height: int
    pixels: np.ndarray | None = None
    reduced: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of file: how it is answered; what is raised, and with which code and sentence where its decoder crashes
    or has too little memory."""

    answer: Callable[[bytes, dict[str, Any], Any], None]
    error: type[ImageError | SignalError]
    breaks: tuple[str, str]
    too_large: tuple[str, str]


def decode(data: bytes, max_pixels: int, resolution: int, whole: bool) -> Decoded:
    """Decode. ``whole``: give the pixels of a small picture, the picture reduced to ``resolution`` of a middling one,
    and of a large one only that it is sound. Otherwise: the picture reduced to ``resolution``."""
    with loaded(data, max_pixels) as file:
        width, height = upright_size(file)
        said = notes(file)
        if whole and height * width > MIDDLING_PIXELS:
            return Decoded(width, height, notes=said)
        pixels = upright(file, data)
    if whole and height * width <= SMALL_PIXELS:
        return Decoded(width, height, pixels=pixels, notes=said)
    return Decoded(width, height, reduced=shrink(pixels, resolution).numpy(), notes=said)


def understood(data: bytes, name: str, max_values: int, words: dict[str, Any], entry: str | None = None) -> Signal:
    """A signal's file, or one ``entry`` of it, read and taken for what it is, told ``words``."""
    return understand(read(data, name, max_values, OPEN, entry), max_values=max_values, **words)


def room() -> int:
    """Bytes that decoding one file may take now."""
    return max(0, min(_MEMORY, available_bytes() - _LEFT))


def by_the_file(status: int | None) -> bool:
    """Whether a process's end was its file's doing: not so where somebody killed it, the system for memory, say."""
    if status is None:
        return False
    return status == wire.CRASHED or -status in _CRASHES or status >= _FIRST_OF_WINDOWS


def _answer_picture(data: bytes, asked: dict[str, Any], out: Any) -> None:
    found = decode(data, **asked)
    told: dict[str, Any] = {"width": found.width, "height": found.height, "kind": "", "notes": found.notes}
    array = found.pixels if found.pixels is not None else found.reduced
    if array is None:
        wire.send(out, told)
        return
    told |= {"kind": "pixels" if found.reduced is None else "reduced", "dtype": array.dtype.str, "shape": array.shape}
    wire.send(out, told, array)


def _answer_signal(data: bytes, asked: dict[str, Any], out: Any) -> None:
    told, arrays = pack(understood(data, **asked))
    wire.send(out, told, *arrays)


KINDS = {
    "picture": Kind(
        _answer_picture,
        ImageError,
        ("image_corrupt", "The picture breaks its decoder; save it again."),
        ("image_too_large", "The picture needs too much memory to decode; make it smaller."),
    ),
    "signal": Kind(
        _answer_signal,
        SignalError,
        ("signal_corrupt", "The signal breaks its reader; save it again."),
        ("signal_too_large", "The signal needs too much memory to read; make it smaller."),
    ),
}


def main(forks: bool) -> None:
    """The helper: read a question, answer it, until the server has gone. ``forks``: each by a child of its own."""
    source, out = os.fdopen(0, "rb", 0), os.fdopen(1, "wb", 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the server's to handle
    wire.write(out, wire.READY)
    if forks:
        gc.freeze()  # or each child goes through all that was imported, and copies it: eight times a small file's time
    else:
        _hush()
    while True:
        try:
            asked, data = wire.receive(source)
        except EOFError:
            return
        status = _by_a_child(data, asked, out) if forks else _status_of(data, asked, out)
        if status:
            # Half an answer may be out already: only a new helper is sure to be in step with the server.
            os._exit(status)


def _by_a_child(data: bytearray, asked: dict[str, Any], out: Any) -> int:
    child = os.fork()
    if child == 0:
        status = wire.CRASHED
        try:
            _hush()
            _bound()
            status = _status_of(data, asked, out)
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status in (0, wire.MACHINE):
        return status
    return wire.CRASHED if by_the_file(status) else wire.LOST


def _status_of(data: bytearray, asked: dict[str, Any], out: Any) -> int:
    """Answer; 0, or the status to end with where that could not be done."""
    try:
        _answer(data, asked, out)
    except OSError:  # a reader turns those of a file into refusals: this one is the machine's
        return wire.MACHINE
    except BaseException:
        return wire.CRASHED
    return 0


def _answer(data: bytearray, asked: dict[str, Any], out: Any) -> None:
    kind = KINDS[asked.pop("what")]
    is_scarce = room() < SCARCE
    try:
        kind.answer(bytes(data), asked, out)
    except GsjbuError as error:
        told: dict[str, Any] = {"code": error.code, "message": error.message}
        if isinstance(error, SignalError):
            told |= {"message": error.what, "remedies": [asdict(remedy) for remedy in error.remedies]}
        if is_scarce and error.code == kind.breaks[0]:  # a decoder without memory may call the file broken
            told = dict(zip(("code", "message"), kind.too_large, strict=True))
        wire.send(out, told)
    except (MemoryError, RuntimeError):  # torch says with the latter that memory is short
        code, message = kind.too_large
        wire.send(out, {"code": code, "message": message})


def _hush() -> None:
    """What libraries print of a file is nobody's to read; what its oddities are worth is told by the answer."""
    import warnings

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")


def _bound() -> None:
    """A child takes no more address space than a file is worth, and goes first where memory runs out all the same."""
    rlimits.go_first()
    before = address_bytes()
    rlimits.set_soft(rlimits.MEMORY, (_UNTOLD if before is None else before) + room())
