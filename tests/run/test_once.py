"""Made once, by whoever asks first; a failure is not kept."""

from __future__ import annotations

import threading

import pytest

from gsjbu.run.once import Once
from tests.at_once import at_once


def test_it_is_made_once_for_many_who_ask_at_the_same_time():
    made: list[int] = []
    together = threading.Barrier(4)
    once = Once(lambda: made.append(1) or object())
    assert not once.is_made

    def ask(_: int) -> object:
        together.wait()
        return once.value

    found = at_once(ask, range(4))
    assert made == [1]
    assert once.is_made
    assert len({id(one) for one in found}) == 1


def test_what_failed_is_tried_again():
    answers = iter([ValueError("not now"), 7])

    def make() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    once = Once(make)
    with pytest.raises(ValueError, match="not now"):
        _ = once.value
    assert not once.is_made
    assert once.value == 7
