"""POSIX's limits of a process; Windows has none, and there nothing is known and nothing is bounded."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

ENDLESS = 2**62
MEMORY, FILES = "RLIMIT_AS", "RLIMIT_NOFILE"


def limits(name: str) -> tuple[int, int]:
    """The soft and the hard limit, ``ENDLESS`` where there is none."""
    if resource is None or not hasattr(resource, name):
        return ENDLESS, ENDLESS
    soft, hard = resource.getrlimit(getattr(resource, name))
    return tuple(ENDLESS if value == resource.RLIM_INFINITY else value for value in (soft, hard))  # type: ignore[return-value]


def set_soft(name: str, value: int) -> None:
    """The soft limit as near to ``value`` as the hard one and the system allow."""
    if resource is None or not hasattr(resource, name):
        return
    which = getattr(resource, name)
    hard = resource.getrlimit(which)[1]
    with suppress(ValueError, OSError):  # some systems refuse what they have promised
        resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def go_first() -> None:
    """Where memory runs out, Linux takes this process and not the one that started it."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def peak_bytes() -> int:
    """Most resident memory that this process has had; 0 where nothing tells."""
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
