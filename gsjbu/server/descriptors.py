"""File descriptors: as many as the system lets this process have, and connections kept below them."""

from __future__ import annotations

import contextlib
import resource

# More helps nobody, and an endless limit makes some libraries walk all of it.
ENOUGH = 65536
# For listening, pipes of helpers, result files, the log.
RESERVED = 40
FEWEST = 8


def raise_limit() -> int:
    """Raise the soft limit as far as it may go; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # some systems refuse what they have promised
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def connections_within(connections: int, descriptors: int) -> int:
    """How many of ``connections`` may be open beside the server's own files."""
    return max(FEWEST, min(connections, descriptors - RESERVED))
