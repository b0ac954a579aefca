"""Freed memory goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import threading
import os
from gsjbu.core import allocator

def memory_bytes():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

assert allocator.tune() == (allocator._library() is not None)
before = memory_bytes()
kept = []

def work():  # many small blocks, with one kept in between now and then so that the heap cannot simply shrink
    mine = [bytearray(2000) for _ in range(30_000)]
    kept.append(mine[::500])

threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
allocator.give_back()
print((memory_bytes() - before) / 1e6)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_memory_of_small_blocks_comes_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 60, "240 MB were taken, all but half a megabyte of it freed"
