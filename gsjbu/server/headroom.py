"""How much memory this process may still take: what the system, its control groups and its own limits leave."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ENDLESS = 2**62
_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def resident_bytes() -> int:
    """Resident memory of this process now (its peak, where the system does not tell the present value)."""
    with suppress(OSError, ValueError, IndexError):
        return int((_PROC / "self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_bytes() -> int:
    """Bytes that can still be had before something fails or is killed; ``ENDLESS`` where nothing tells."""
    return max(0, min(_system(), _groups(), _address_space()))


def _system() -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return ENDLESS


def _address_space() -> int:
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft == resource.RLIM_INFINITY:
        return ENDLESS
    with suppress(OSError, ValueError, IndexError):
        return soft - int((_PROC / "self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return soft


def _groups() -> int:
    """The least that any group above this process leaves; what its files take in the cache can be had back."""
    return min((_left(folder, *names) for folder, *names in _memory_groups()), default=ENDLESS)


def _memory_groups() -> Iterator[tuple[Path, str, str, str]]:
    try:
        lines = (_PROC / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = _CGROUPS, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = _CGROUPS / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        here = Path(path.lstrip("/"))
        for part in (
            here,
            *here.parents,
        ):  # in a container the path may be the host's: then only the root is there
            yield (root / part, *names)


def _left(folder: Path, limit: str, usage: str, cached: str) -> int:
    with suppress(OSError, ValueError):
        most = int((folder / limit).read_text())  # "max" is none
        used = int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return most - used + int(stat.get(cached, 0))
    return ENDLESS
