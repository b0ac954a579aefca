"""Another Python process finds the same modules and is in a group of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gsjbu.core import apart, child


def test_it_finds_the_same_modules_and_has_the_environment_that_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("WORD = 'found'")
    monkeypatch.setattr(sys, "path", [str(tmp_path), "", *sys.path])
    group = "os.name == 'nt' or os.getpgrp() == os.getpid()"
    words = ("only_here.WORD", "os.environ['A']", "os.environ['KEPT']", group)
    code = f"import only_here, os; print({', '.join(words)})"
    monkeypatch.setenv("KEPT", "kept")
    process = child.start(code, {"A": "given"}, stdout=subprocess.PIPE)
    assert process.communicate()[0].decode().split() == ["found", "given", "kept", "True"]
    assert "A" not in os.environ and process.returncode == 0


@pytest.mark.parametrize(("platform", "flags"), [("win32", 0x200), ("linux", 0)])
def test_windows_is_asked_for_a_group_of_its_own(monkeypatch: pytest.MonkeyPatch, platform: str, flags: int) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(subprocess, "Popen", lambda _, **how: asked.update(how))
    child.start("")
    assert asked["creationflags"] == flags
    child.start("", creationflags=0x4208)  # as apart.py has it
    assert asked["creationflags"] == 0x4208


def test_where_there_is_no_python_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(child.spawn, "get_executable", lambda: str(tmp_path / "missing"))
    with pytest.raises(OSError, match="missing"):
        child.start("")


@pytest.mark.parametrize("flags", [[], ["-OO"]])
def test_it_has_the_bytecode_of_the_process_that_starts_it(flags):
    """Or what it compiles is not found: numba knows a function by its bytecode, which -OO changes."""
    code = (
        "import subprocess, sys\n"
        "from gsjbu.core import apart, child\n"
        "process = child.start('import sys; print(sys.flags.optimize)', stdout=subprocess.PIPE)\n"
        "print(int(process.communicate()[0]), sys.flags.optimize, apart._code())"
    )
    seen = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True).stdout
    its, own, stamp = seen.split()
    assert its == own == ("2" if flags else "0")
    assert (stamp == apart._code()) is not bool(flags)
