"""The control groups that this process is in: where Linux keeps the limits of a container or a service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC, ROOT = Path("/proc"), Path("/sys/fs/cgroup")


def folders(controller: str) -> Iterator[tuple[int, Path]]:
    """Version (1 or 2) and folder of this process's group of ``controller`` (cpu, memory) and of each above it.

    A folder may not be there: in a container the path may be the host's, and then only the root is.
    """
    try:
        lines = (PROC / "self/cgroup").read_text().splitlines()
    except OSError:  # it is hidden, or this is no Linux
        lines = ["0::/", f"1:{controller}:/"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        here = Path(path.lstrip("/"))
        for part in (here, *here.parents):
            if controllers == "":
                yield 2, ROOT / part
            elif controller in controllers.split(","):
                yield 1, ROOT / controller / part
