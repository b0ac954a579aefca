"""A value that is made when it is first asked for, once, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Holds ``make`` until somebody wants ``value``, and then the value alone."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make: Callable[[], T] | None = make
        self._made: list[T] = []
        self._lock = threading.Lock()

    @property
    def value(self) -> T:
        """What was made; what ``make`` raises passes through, and the next one who asks tries again."""
        with self._lock:
            if self._make is not None:
                self._made = [self._make()]
                self._make = None
        return self._made[0]

    @property
    def is_made(self) -> bool:
        """Whether it is there already."""
        return self._make is None
