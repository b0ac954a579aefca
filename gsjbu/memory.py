"""Room for large results: pages of 2 MiB where the system has them, since making pages costs more than filling them."""

from __future__ import annotations

import math
import mmap

import numpy as np

HUGE = 2 * 1024 * 1024
# Below this many bytes ordinary memory serves as well.
WORTH = 8 * HUGE


def room(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised float32 array that begins on a page; large ones ask for huge pages."""
    size = 4 * math.prod(shape)
    if size < WORTH or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.empty(shape, dtype=np.float32)
    pages = mmap.mmap(-1, size + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.madvise(mmap.MADV_HUGEPAGE)
    whole = np.frombuffer(pages, dtype=np.uint8)
    first = -whole.ctypes.data % HUGE  # a huge page must begin at a multiple of its size
    return whole[first : first + size].view(np.float32).reshape(shape)
