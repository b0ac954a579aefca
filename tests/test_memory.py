"""Room for results: any size, the right shape, writable, on a huge page's edge where it is large."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from gsjbu.memory import HUGE, WORTH, room


@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (2, 1500, 1500)])
def test_room_can_be_written_and_read_whole(shape: tuple[int, ...]) -> None:
    array = room(shape)
    assert array.shape == shape
    assert array.dtype == np.float32
    array[...] = 2.5
    assert float(array.sum(dtype=np.float64)) == 2.5 * np.prod(shape)


def test_two_rooms_share_nothing() -> None:
    a, b = room((WORTH // 4,)), room((WORTH // 4,))
    a[:], b[:] = 1, 2
    assert a.max() == 1


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="huge pages are asked for on Linux only")
def test_large_rooms_begin_on_a_huge_page() -> None:
    assert room((WORTH // 4,)).ctypes.data % HUGE == 0
