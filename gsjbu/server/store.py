"""What is kept between requests: images, signals, results. Bounded in bytes and in age; the oldest go first.

Ids are 128 random bits. An id that was good once answers ``expired``, one that never was answers ``not_found``.
"""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from gsjbu.server.problems import Problem

LEVELS = (1, 2, 3)
# An image or a signal that was run so lately is likely to be run again, and so many results to be looked at again.
IN_USE_SECONDS = 60.0
LATEST_RESULTS = 16
_REMEMBERED = 10_000


def new_id() -> str:
    """128 random bits, in hexadecimal."""
    return secrets.token_hex(16)


@runtime_checkable
class Evictable(Protocol):
    """A thing that can do with less memory: level 1 costs its users hardly anything, level 3 most."""

    def evict(self, level: int) -> None:
        """Let go of what ``level`` says."""


@dataclasses.dataclass
class Entry:
    """One kept thing and what it costs."""

    kind: str
    value: Any
    bytes: int
    used: float
    evicted: int = 0


class Store:
    """Things by id, least recently used first. Safe to use from any thread."""

    def __init__(
        self, max_bytes: int, max_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_bytes, self.max_seconds = max_bytes, max_seconds
        self._clock = clock
        self._lock = threading.RLock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, kind: str, value: Any, entry_id: str | None = None) -> str:
        """Keep ``value``; older things go where that takes too much room. The newest always stays."""
        entry_id = entry_id or new_id()
        size = size_of(value)
        with self._lock:
            self._entries[entry_id] = Entry(kind, value, size, self._clock())
            self.bytes += size
            self._make_room(entry_id)
        return entry_id

    def get(self, kind: str, entry_id: str) -> Any:
        """The thing, now the most recently used; refuses with ``expired`` or ``not_found``."""
        with self._lock:
            self.sweep()
            entry = self._entries.get(entry_id)
            if entry is not None and entry.kind == kind:
                entry.used = self._clock()
                self._entries.move_to_end(entry_id)
                return entry.value
            if entry_id in self._gone:
                raise Problem("expired", f"This {kind} was kept for a while and is gone now; send it again.")
        raise Problem("not_found", f"There is no {kind} with this id.")

    def measure(self, entry_id: str) -> None:
        """Count a thing's size anew, now that it was used: an image's cache grows with every run."""
        with self._lock:
            entry = self._entries.get(entry_id)
            if entry is None:
                return
            entry.evicted, entry.used = 0, self._clock()
            self._count(entry)
            self._make_room(entry_id)

    def drop(self, entry_id: str) -> None:
        """Forget one thing."""
        with self._lock:
            entry = self._entries.pop(entry_id, None)
            if entry is None:
                return
            self.bytes -= entry.bytes
            self._gone[entry_id] = None
            while len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)

    def sweep(self) -> None:
        """Forget what nobody has used for too long."""
        with self._lock:
            oldest_allowed = self._clock() - self.max_seconds
            for entry_id in [i for i, e in self._entries.items() if e.used < oldest_allowed]:
                self.drop(entry_id)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for entry_id in list(self._entries):
                self.drop(entry_id)

    def _make_room(self, keep: str) -> None:
        """Old things first let go of what they can (see ``Evictable``), level by level; then the oldest go.

        What is kept for an image in use (its features, say) makes every run of it quicker, and a signal in use is
        wanted by the next run: they go only after all but the latest results, and after everything nobody uses.
        """
        since = self._clock() - IN_USE_SECONDS
        in_use = {i for i, e in self._entries.items() if e.kind in ("image", "signal") and e.used >= since}
        self._evict(set(self._entries) - in_use - {keep})
        latest = [i for i, e in self._entries.items() if e.kind == "result"][-LATEST_RESULTS:]
        stay = {keep, *in_use, *latest}
        self._drop_oldest([i for i in self._entries if i not in stay])
        self._evict(in_use)
        self._drop_oldest([i for i in self._entries if i != keep])

    def _evict(self, these: set[str]) -> None:
        for level in LEVELS:
            for entry_id, entry in self._entries.items():
                if self.bytes <= self.max_bytes:
                    return
                if entry_id in these and entry.evicted < level and isinstance(entry.value, Evictable):
                    entry.value.evict(level)
                    entry.evicted = level
                    self._count(entry)

    def _drop_oldest(self, these: list[str]) -> None:
        for entry_id in these:
            if self.bytes <= self.max_bytes:
                return
            self.drop(entry_id)

    def _count(self, entry: Entry) -> None:
        size = size_of(entry.value)
        self.bytes += size - entry.bytes
        entry.bytes = size


def size_of(value: Any) -> int:
    """Bytes of the arrays, tensors and byte strings in ``value``; shared storage counts once."""
    seen: set[int] = set()
    total = 0
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Tensor):
            storage = item.untyped_storage()
            key, size = storage.data_ptr(), storage.nbytes()
        elif isinstance(item, np.ndarray):
            while isinstance(item.base, np.ndarray):
                item = item.base
            key, size = item.__array_interface__["data"][0], item.nbytes
        elif isinstance(item, (bytes, bytearray)):
            key, size = id(item), len(item)
        else:
            if id(item) not in seen:
                seen.add(id(item))
                pending.extend(_parts(item))
            continue
        if key not in seen:
            seen.add(key)
            total += size
    return total


def _parts(item: Any) -> list[Any]:
    if isinstance(item, Mapping):
        return list(item.values())
    if isinstance(item, (list, tuple, set, frozenset)):
        return list(item)
    if hasattr(item, "__dict__") and not isinstance(item, type) and not callable(item):
        return list(vars(item).values())
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return [getattr(item, f.name) for f in dataclasses.fields(item)]
    return []
