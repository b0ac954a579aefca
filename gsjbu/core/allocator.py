"""Freed memory goes back to the system: glibc keeps it, in one pool per thread, and a long-lived program grows.

Nothing happens where the C library is another one.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import lru_cache

_ARENA_MAX = -8  # mallopt's name for it, from malloc.h
_ARENAS = 2


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None


def tune() -> bool:
    """To be called once, before threads start: few pools instead of eight a core. True if it could be done."""
    library = _library()
    return library is not None and library.mallopt(_ARENA_MAX, _ARENAS) == 1


def give_back() -> None:
    """Hand free pages to the system; a few milliseconds, without the GIL."""
    library = _library()
    if library is not None:
        trim: Callable[[int], int] = library.malloc_trim
        trim(0)
