"""How much memory this process may still take: what the system, its control groups and its own limits leave."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gsjbu.core import cgroups
from gsjbu.server import rlimits
from gsjbu.server.rlimits import ENDLESS

try:
    import psutil
except ImportError:  # it is built for each system, and may not be for this one
    psutil = None

# A group's files of its limit and of what is taken, and the line of memory.stat on files, by version.
_NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
# psutil reads files of the system's, which may be hidden, cut short or of another shape than it knows.
UNTOLD = (OSError, LookupError, ValueError, AttributeError, *([psutil.Error] if psutil else []))


def resident_bytes(process: int | None = None) -> int:
    """Resident memory of a process (default: this one) now; this one's peak where the system does not tell."""
    with suppress(*UNTOLD):
        return int(psutil.Process(process).memory_info().rss)
    return rlimits.peak_bytes() if process is None else 0


def address_bytes() -> int | None:
    """Address space that this process has taken, or None where the system does not tell."""
    with suppress(*UNTOLD):
        return int(psutil.Process().memory_info().vms)
    return None


def available_bytes() -> int:
    """Bytes that can still be had before something fails or is killed; ``ENDLESS`` where nothing tells."""
    return max(0, min(_system(), _groups(), _address_space()))


def _system() -> int:
    with suppress(*UNTOLD):
        return int(psutil.virtual_memory().available)
    return ENDLESS


def _address_space() -> int:
    soft = rlimits.limits(rlimits.MEMORY)[0]
    return ENDLESS if soft >= ENDLESS else soft - (address_bytes() or 0)


def _groups() -> int:
    """The least that any group above this process leaves; what its files take in the cache can be had back."""
    groups = cgroups.folders("memory")
    return min((_left(folder, *_NAMES[version]) for version, folder in groups), default=ENDLESS)


def _left(folder: Path, limit: str, usage: str, cached: str) -> int:
    with suppress(OSError, ValueError):
        most = int((folder / limit).read_text())  # "max" is none
        used = int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return most - used + int(stat.get(cached, 0))
    return ENDLESS
