"""The limit of open files: raised as far as it may be, and connections kept below it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gsjbu.server import rlimits
from gsjbu.server.descriptors import ENOUGH, FEWEST, connections_within, raise_limit


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


@pytest.mark.parametrize(("soft", "raised"), [(256, 10240), (20000, 20000)])
def test_where_the_system_refuses_what_it_promised_less_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, raised: int
) -> None:
    class Mac:
        RLIMIT_NOFILE, RLIM_INFINITY, now = 8, 2**63 - 1, (soft, 2**63 - 1)

        def getrlimit(self, _: int) -> tuple[int, int]:
            return self.now

        def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
            if limits[0] > 10240:
                raise ValueError("current limit exceeds maximum limit")
            self.now = limits

    monkeypatch.setattr(rlimits, "resource", Mac())
    assert raise_limit() == raised


def test_connections_leave_the_server_its_own_files() -> None:
    assert connections_within(512, ENOUGH) == 512
    assert connections_within(512, 64) == 24
    assert connections_within(512, 10) == FEWEST
