"""The groups of a process, from its own to the root, of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from gsjbu.core import cgroups


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("0::/a/b\n", [(2, "a/b"), (2, "a"), (2, ".")]),
        ("5:cpu,memory:/a\n2:cpuset:/\n0::/\n", [(1, "memory/a"), (1, "memory"), (2, ".")]),
        ("3:cpu:/a:b\n", []),
        ("", []),
        (None, [(2, "."), (1, "memory")]),  # hidden
    ],
)
def test_each_group_above_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str | None, found: list[tuple[int, str]]
) -> None:
    monkeypatch.setattr(cgroups, "PROC", tmp_path)
    if lines is not None:
        (tmp_path / "self").mkdir()
        (tmp_path / "self/cgroup").write_text(lines)
    assert list(cgroups.folders("memory")) == [(version, cgroups.ROOT / path) for version, path in found]
