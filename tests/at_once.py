"""Calls at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def at_once(call: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """What ``call`` gives for each item, each in a thread of its own; what one raises is raised here."""
    items = list(items)
    with ThreadPoolExecutor(len(items)) as threads:
        return list(threads.map(call, items))
