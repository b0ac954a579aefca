"""The process that computes a large job: a call on its standard input, progress and the result on its standard output.

It goes first where memory runs out, and goes when the server has gone.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import torch

from gsjbu.core.backends.dispatch import warm_up
from gsjbu.server import parcel, rlimits

# What a worker may say.
PROGRESS, RESULT, ERROR = "progress", "result", "error"


def main() -> None:
    """Compute what is asked, one call after another, until the server has gone."""
    source, out = os.fdopen(0, "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the server's to handle
    _hush()
    rlimits.go_first()
    calls: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
    threading.Thread(target=_listen, args=(source, calls), daemon=True).start()
    while True:
        parcel.send(out, _answer(out, *calls.get()))


def _listen(source: Any, calls: SimpleQueue[tuple[Any, ...]]) -> None:
    while True:
        try:
            calls.put(parcel.receive(source))
        except EOFError:
            os._exit(0)  # whatever is being computed: nobody waits for it any more


def _answer(
    out: Any, torch_threads: int, work: Callable[..., Any], given: tuple[Any, ...], more: dict[str, Any]
) -> tuple[str, Any]:
    warm_up.run()  # until it is compiled a run would choose another backend than the server's
    torch.set_num_threads(torch_threads)
    try:
        return RESULT, work(*given, **more, progress=lambda now: parcel.send(out, (PROGRESS, now)))
    except Exception as error:
        error.add_note(traceback.format_exc())  # the traceback itself cannot leave this process
        return ERROR, error


def _hush() -> None:
    """What libraries print is nobody's to read: this process's output is for answers, the server's log for JSON."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
