"""Room for large results: pages of 2 MiB where the system has them, and pages again that a result before had.

Making pages costs more than filling them: 77 MB take 10 ms, whatever the threads, and are filled in 5.
"""

from __future__ import annotations

import math
import mmap
import weakref
from collections import deque

import numpy as np

HUGE = 2 * 1024 * 1024
# Below this many bytes ordinary memory serves as well.
WORTH = 8 * HUGE
# So many bytes of results that nobody holds any more are kept for the next ones. The system may take them back
# whenever it needs them (MADV_FREE), without asking.
KEPT_BYTES = 320 * 1024 * 1024

HAS_HUGE = hasattr(mmap, "MADV_HUGEPAGE") and hasattr(mmap, "MADV_FREE")  # on Linux

# Oldest first; a deque, as results may be let go of in any thread at any moment.
_kept: deque[mmap.mmap] = deque()


def allocate(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised float32 array that begins on a page; large ones ask for huge pages."""
    size = 4 * math.prod(shape)
    if size < WORTH or not HAS_HUGE:
        return np.empty(shape, dtype=np.float32)
    length = (math.ceil(size / HUGE) + 1) * HUGE
    pages = _again(length) or _fresh(length)
    whole = np.frombuffer(pages, dtype=np.uint8)
    # Every view of the array holds `whole`: it goes when the last of them does.
    weakref.finalize(whole, _keep, pages).atexit = False
    first = -whole.ctypes.data % HUGE  # a huge page must begin at a multiple of its size
    return whole[first : first + size].view(np.float32).reshape(shape)


def release() -> None:
    """Give kept pages back to the system; for a program that has nothing to render for a while."""
    _kept.clear()


def kept() -> int:
    """Bytes kept for the next results."""
    return sum(len(pages) for pages in list(_kept))


def _fresh(length: int) -> mmap.mmap:
    pages = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


def _again(length: int) -> mmap.mmap | None:
    """Kept pages of at least ``length`` bytes, and not so many more that the rest would be wasted."""
    for pages in reversed(list(_kept)):  # the latest may still be in the cache
        if length <= len(pages) <= length + max(length // 4, HUGE):
            try:
                _kept.remove(pages)
            except ValueError:  # another thread took them meanwhile
                continue
            return pages
    return None


def _keep(pages: mmap.mmap) -> None:
    if len(pages) > KEPT_BYTES:
        return
    try:
        pages.madvise(mmap.MADV_FREE)
    except OSError:  # a kernel before 4.5 cannot take them back: then they are not kept
        return
    _kept.append(pages)
    while kept() > KEPT_BYTES:
        try:
            _kept.popleft()
        except IndexError:
            return
