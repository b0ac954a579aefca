"""What the system, control groups and limits leave, read from files like theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gsjbu.core import cgroups
from gsjbu.server import headroom

MIB = 1024 * 1024


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 800 MiB available and no control groups."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(
        f"MemTotal: {2**20} kB\nMemFree: 9 kB\nMemAvailable: {800 * 1024} kB\nBuffers: 0 kB\nCached: 0 kB\n"
        "Shmem: 0 kB\nActive: 0 kB\nInactive: 0 kB\n"
    )
    (tmp_path / "proc/self/cgroup").write_text("")
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path / "proc"))
    monkeypatch.setattr(cgroups, "PROC", tmp_path / "proc")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path / "groups")
    return tmp_path


def group(folder: Path, names: tuple[str, str, str], limit: str, used: int, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {files}\n")


V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def test_without_groups_it_is_what_the_system_has(machine: Path) -> None:
    assert headroom.available_bytes() == 800 * MIB


def test_the_tightest_group_counts_and_what_files_take_can_be_had_back(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("0::/outer/mine\n")
    group(machine / "groups/outer/mine", V2, "max", 50 * MIB, 0)
    group(machine / "groups/outer", V2, str(500 * MIB), 300 * MIB, 100 * MIB)
    assert headroom.available_bytes() == 300 * MIB
    group(machine / "groups/outer/mine", V2, str(100 * MIB), 150 * MIB, 0)
    assert headroom.available_bytes() == 0


def test_groups_of_the_first_kind_in_a_container_that_sees_only_its_root(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("5:cpu,memory:/not/seen/here\n2:cpuset:/\n")
    group(machine / "groups/memory", V1, str(700 * MIB), 400 * MIB, 50 * MIB)
    assert headroom.available_bytes() == 350 * MIB


def test_a_system_that_tells_nothing_has_no_end(machine: Path) -> None:
    (machine / "proc/meminfo").unlink()
    (machine / "proc/self/cgroup").unlink()
    assert headroom.available_bytes() == headroom.ENDLESS


def test_a_limit_of_address_space_counts() -> None:
    program = (
        "import resource\n"
        "from gsjbu.server.headroom import available_bytes\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 * 2**29, resource.RLIM_INFINITY))\n"
        "print(available_bytes())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 3 * 2**29
