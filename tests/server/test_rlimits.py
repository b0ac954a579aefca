"""Limits as POSIX has them, and none where the system has none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gsjbu.server import descriptors, headroom, rlimits
from gsjbu.server.rlimits import ENDLESS


def test_without_posix_nothing_is_bounded_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rlimits, "resource", None)
    assert rlimits.limits(rlimits.FILES) == rlimits.limits(rlimits.MEMORY) == (ENDLESS, ENDLESS)
    rlimits.set_soft(rlimits.MEMORY, 1)
    assert rlimits.peak_bytes() == 0
    assert descriptors.raise_limit() == descriptors.ENOUGH


def test_without_psutil_the_peak_is_told_and_no_bound_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headroom, "psutil", None)
    assert headroom.resident_bytes() == rlimits.peak_bytes() > 2**20
    assert headroom.resident_bytes(1) == 0
    assert headroom.address_bytes() is None
    assert headroom.available_bytes() > 0


def test_a_soft_limit_is_set_within_the_hard_one() -> None:
    program = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (50, 60))\n"
        "from gsjbu.server import rlimits\n"
        "rlimits.set_soft(rlimits.FILES, 55); print(*rlimits.limits(rlimits.FILES))\n"
        "rlimits.set_soft(rlimits.FILES, 99); print(*rlimits.limits(rlimits.FILES))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["55", "60", "60", "60"]
