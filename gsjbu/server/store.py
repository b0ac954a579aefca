"""What is kept between requests: images, signals, results. Bounded in bytes and in age; the oldest go first.

Ids are 128 random bits. An id that was good once answers ``expired``, one that never was answers ``not_found``.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping
from itertools import islice, takewhile
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from gsjbu.server.problems import Problem

LEVELS = (1, 2, 3)
# An image or a signal that was run so lately is likely to be run again, and so many results to be looked at again.
IN_USE_SECONDS = 60.0
LATEST_RESULTS = 16
SHOWN_RESULTS = 4
_REMEMBERED = 10_000


def new_id() -> str:
    """128 random bits, in hexadecimal."""
    return secrets.token_hex(16)


def forget_oldest(kept: dict[Any, Any], most: int) -> None:
    """All but the ``most`` last added go. Other threads may add meanwhile: the keys are listed in one step."""
    for key in list(kept)[:-most]:
        kept.pop(key, None)


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
    level: int  # what it has let go of; the highest where it never could


class Shelf:
    """Entries by id, least recently used first, and the same ones by level. Every operation takes constant time, but
    that :meth:`lower` passes what was used again."""

    def __init__(self) -> None:
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self._levels: list[OrderedDict[str, None]] = [OrderedDict() for _ in range(LEVELS[-1] + 1)]

    def put(self, entry_id: str, entry: Entry) -> None:
        """Add as the most recently used."""
        self.entries[entry_id] = entry
        self._levels[entry.level][entry_id] = None

    def pop(self, entry_id: str) -> Entry:
        """Take off."""
        entry = self.entries.pop(entry_id)
        del self._levels[entry.level][entry_id]
        return entry

    def oldest(self, level: int | None = None) -> str | None:
        """The least recently used, of all or of one level."""
        return next(iter(self.entries if level is None else self._levels[level]), None)

    def newest(self, count: int) -> list[str]:
        """The most recently used."""
        return list(islice(reversed(self.entries), count))

    def lower(self, entry_id: str) -> None:
        """One level on: it has let go of something. What was used since it was stays behind it."""
        entry = self.entries[entry_id]
        del self._levels[entry.level][entry_id]
        entry.level += 1
        level = self._levels[entry.level]
        newer = list(takewhile(lambda i: self.entries[i].used > entry.used, reversed(level)))
        level[entry_id] = None
        for one in reversed(newer):
            level.move_to_end(one)


class Store:
    """Things by id. Safe to use from any thread; the time of every operation does not depend on how many there are."""

    def __init__(self, max_bytes: int, max_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_bytes, self.max_seconds = max_bytes, max_seconds
        self._clock = clock
        self._lock = threading.RLock()
        self._inputs, self._results = Shelf(), Shelf()
        self._shelf_of: dict[str, Shelf] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._shelf_of)

    def add(self, kind: str, value: Any, entry_id: str | None = None) -> str:
        """Keep ``value``; older things go where that takes too much room. The newest always stays."""
        entry_id = entry_id or new_id()
        size = size_of(value)
        level = 0 if isinstance(value, Evictable) else LEVELS[-1]
        with self._lock:
            self._put(entry_id, Entry(kind, value, size, self._clock(), level))
            self.bytes += size
            self._make_room(entry_id)
        return entry_id

    def get(self, kind: str, entry_id: str) -> Any:
        """The thing, now the most recently used; refuses with ``expired`` or ``not_found``."""
        with self._lock:
            self.sweep()
            entry = self._entry(entry_id)
            if entry is not None and entry.kind == kind:
                self._touch(entry_id)
                return entry.value
            if entry_id in self._gone:
                raise Problem("expired", f"This {kind} was kept for a while and is gone now; send it again.")
        raise Problem("not_found", f"There is no {kind} with this id.")

    def measure(self, entry_id: str) -> None:
        """Count a thing's size anew, now that it was used: an image's cache grows with every run."""
        with self._lock:
            entry = self._entry(entry_id)
            if entry is None:
                return
            self._touch(entry_id, level=0 if isinstance(entry.value, Evictable) else LEVELS[-1])
            self._count(entry)
            self._make_room(entry_id)

    def evict_inputs(self) -> None:
        """What was worked out for images goes, all of it: it can be worked out again."""
        with self._lock:
            self._evict(self._inputs, most=-1)

    def drop(self, entry_id: str) -> None:
        """Forget one thing."""
        with self._lock:
            shelf = self._shelf_of.pop(entry_id, None)
            if shelf is None:
                return
            self.bytes -= shelf.pop(entry_id).bytes
            self._gone[entry_id] = None
            while len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)

    def sweep(self) -> None:
        """Forget what nobody has used for too long."""
        with self._lock:
            oldest_allowed = self._clock() - self.max_seconds
            for shelf in (self._inputs, self._results):
                while (old := shelf.oldest()) is not None and shelf.entries[old].used < oldest_allowed:
                    self.drop(old)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for entry_id in list(self._shelf_of):
                self.drop(entry_id)

    # -- inside the lock ------------------------------------------------------------------------------------------

    def _entry(self, entry_id: str) -> Entry | None:
        shelf = self._shelf_of.get(entry_id)
        return None if shelf is None else shelf.entries[entry_id]

    def _put(self, entry_id: str, entry: Entry) -> None:
        shelf = self._results if entry.kind == "result" else self._inputs
        self._shelf_of[entry_id] = shelf
        shelf.put(entry_id, entry)

    def _touch(self, entry_id: str, level: int | None = None) -> None:
        entry = self._shelf_of[entry_id].pop(entry_id)
        entry.used = self._clock()
        entry.level = entry.level if level is None else level
        self._put(entry_id, entry)

    def _make_room(self, keep: str) -> None:
        """Old things first let go of what they can (see ``Evictable``), level by level; then the oldest go.

        What is kept for an image in use (its features, say) makes every run of it quicker, and a signal in use is
        wanted by the next run: they go only after all but the latest results, and after everything nobody uses. What
        somebody looks at now are the newest results, and those that a pixel was kept of or that are compared: before
        that they let go of no more than level 1.
        """
        in_use = self._clock() - IN_USE_SECONDS
        self._evict(self._inputs, before=in_use)
        self._evict(self._results, spared={keep}, levels=LEVELS[:1])
        self._evict(self._results, spared={keep, *self._results.newest(SHOWN_RESULTS)})
        self._drop_oldest(keep, before=in_use, results=LATEST_RESULTS)
        self._evict(self._inputs)
        self._evict(self._results, spared={keep})
        self._drop_oldest(keep)

    def _evict(
        self,
        shelf: Shelf,
        spared: Container[str] = (),
        before: float = math.inf,
        levels: tuple[int, ...] = LEVELS,
        most: int | None = None,
    ) -> None:
        """Things on ``shelf`` but the ``spared`` ones, last used ``before`` a time, let go of what they can, level by
        level, until all hold no more than ``most`` bytes (None: ``max_bytes``)."""
        most = self.max_bytes if most is None else most
        for level in levels:
            while self.bytes > most:
                old = shelf.oldest(level - 1)
                if old is None or old in spared or shelf.entries[old].used >= before:
                    break
                entry = shelf.entries[old]
                entry.value.evict(level)
                shelf.lower(old)
                self._count(entry)

    def _drop_oldest(self, keep: str, before: float = math.inf, results: int = 0) -> None:
        """Inputs last used ``before`` a time, and all but the latest ``results``, go: the oldest first."""
        while self.bytes > self.max_bytes:
            old = [i for i in (self._inputs.oldest(), self._results.oldest()) if i is not None and i != keep]
            used = {i: self._shelf_of[i].entries[i].used for i in old}
            if len(self._results.entries) <= results:
                used = {i: when for i, when in used.items() if self._shelf_of[i] is self._inputs}
            used = {i: w for i, w in used.items() if w < before or self._shelf_of[i] is self._results}
            if not used:
                return
            self.drop(min(used, key=lambda i: used[i]))

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
