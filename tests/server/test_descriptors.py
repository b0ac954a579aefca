"""The limit of open files: raised as far as it may be, and connections kept below it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gsjbu.server.descriptors import ENOUGH, FEWEST, connections_within


@pytest.mark.parametrize(("soft", "hard", "raised"), [(64, 64, 64), (64, 900, 900), (300, 200000, ENOUGH)])
def test_the_soft_limit_is_raised_to_the_hard_one(soft: int, hard: int, raised: int) -> None:
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most not in (-1, resource.RLIM_INFINITY) and most < hard:
        hard, raised = most, min(most, ENOUGH)
    program = (
        f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from gsjbu.server.descriptors import raise_limit; print(raise_limit())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == raised


def test_connections_leave_the_server_its_own_files() -> None:
    assert connections_within(512, ENOUGH) == 512
    assert connections_within(512, 64) == 24
    assert connections_within(512, 10) == FEWEST
