"""An answer that is made anew when it is too old, and needs no thread until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

import pytest

from gsjbu.server.ready import Ready


def answers(ready: Ready, times: int, pause: float = 0) -> tuple[list[bytes], int]:
    """What was answered, and how often a thread was asked."""
    asked = 0

    async def in_thread(work: Callable[[], bytes]) -> bytes:
        nonlocal asked
        asked += 1
        return await asyncio.to_thread(work)

    async def all_of_them() -> list[bytes]:
        out = []
        for _ in range(times):
            out.append(await ready.get(in_thread))
            await asyncio.sleep(pause)
        return out

    return asyncio.run(all_of_them()), asked


def numbered() -> Callable[[], bytes]:
    numbers = count()
    return lambda: b"%d" % next(numbers)


def test_it_is_made_once_while_it_is_fresh() -> None:
    assert answers(Ready(numbered(), 60), 5) == ([b"0"] * 5, 1)


def test_it_is_made_anew_when_it_is_too_old() -> None:
    assert answers(Ready(numbered(), 0.01), 3, pause=0.02) == ([b"0", b"1", b"2"], 3)


def test_a_failure_is_not_kept() -> None:
    tries = count()

    def second_time_lucky() -> bytes:
        if next(tries) == 0:
            raise OSError("the disk is away")
        return b"here"

    ready = Ready(second_time_lucky, 60)
    with pytest.raises(OSError, match="away"):
        answers(ready, 1)
    assert answers(ready, 2) == ([b"here"] * 2, 1)
