"""Room for results: any size, the right shape, writable, on a huge page's edge where it is large."""

from __future__ import annotations

import mmap
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gsjbu.core import memory
from gsjbu.core.memory import HUGE, KEPT_BYTES, WORTH, allocate


@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (2, 1500, 1500)])
def test_room_can_be_written_and_read_whole(shape: tuple[int, ...]) -> None:
    array = allocate(shape)
    assert array.shape == shape
    assert array.dtype == np.float32
    array[...] = 2.5
    assert float(array.sum(dtype=np.float64)) == 2.5 * np.prod(shape)


def test_two_rooms_share_nothing() -> None:
    a, b = allocate((WORTH // 4,)), allocate((WORTH // 4,))
    a[:], b[:] = 1, 2
    assert a.max() == 1


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="huge pages are asked for on Linux only")
def test_large_rooms_begin_on_a_huge_page() -> None:
    assert allocate((WORTH // 4,)).ctypes.data % HUGE == 0


@pytest.mark.skipif(not hasattr(mmap, "MADV_FREE"), reason="pages are kept on Linux only")
def test_a_result_nobody_holds_gives_its_pages_to_the_next() -> None:
    a = allocate((WORTH // 2,))
    place = a.ctypes.data
    part = a[10:20]
    del a
    b = allocate((WORTH // 2,))
    assert b.ctypes.data != place, "a view still holds the first"
    del part
    assert allocate((WORTH // 2 - 100,)).ctypes.data == place


@pytest.mark.skipif(not hasattr(mmap, "MADV_FREE"), reason="pages are kept on Linux only")
def test_what_is_kept_is_bounded() -> None:
    for count in (3, 12):
        held = [allocate((10 * WORTH // 4,)) for _ in range(count)]
        del held
        assert sum(len(pages) for pages in memory._kept) <= KEPT_BYTES
    huge = allocate((KEPT_BYTES // 4 + 1,))
    del huge
    assert all(len(pages) <= KEPT_BYTES for pages in memory._kept)


def test_pages_are_kept_and_taken_in_many_threads_at_once() -> None:
    def work(seed: int) -> bool:
        right = True
        for i in range(30):
            array = allocate((WORTH // 4 + 1000 * (i % 3),))
            array[:: 1024 * 64] = seed
            time.sleep(0.001)
            right &= bool((array[:: 1024 * 64] == seed).all())
        return right

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(1, 9)))


@pytest.mark.skipif(not hasattr(mmap, "MADV_FREE"), reason="pages are kept on Linux only")
def test_release_gives_all_of_them_back() -> None:
    array = allocate((WORTH // 2,))
    del array
    assert memory.kept() > 0
    memory.release()
    assert memory.kept() == 0
