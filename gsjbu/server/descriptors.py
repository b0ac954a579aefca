"""File descriptors: as many as the system lets this process have, and connections kept below them."""

from __future__ import annotations

from gsjbu.server import rlimits

# More helps nobody, and an endless limit makes some libraries walk all of it.
ENOUGH = 65536
OPEN_MAX = 10240  # macOS may promise more and refuse it
# For listening, pipes of helpers, result files, the log.
RESERVED = 40
FEWEST = 8


def raise_limit() -> int:
    """Raise the soft limit as far as it may go; what it is now. Windows has none."""
    for value in (ENOUGH, OPEN_MAX):
        if rlimits.limits(rlimits.FILES)[0] < value:
            rlimits.set_soft(rlimits.FILES, value)
    return min(ENOUGH, rlimits.limits(rlimits.FILES)[0])


def connections_within(connections: int, descriptors: int) -> int:
    """How many of ``connections`` may be open beside the server's own files."""
    return max(FEWEST, min(connections, descriptors - RESERVED))
