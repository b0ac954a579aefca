"""The dependencies: audited where advisories can be had, and always listed as they are pinned."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest


def pinned(root: Path) -> dict[str, str]:
    """Name → version in requirements.txt."""
    text = (root / "requirements.txt").read_text("utf-8")
    return dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE))


def test_every_pin_is_in_the_list_that_was_looked_over(root: Path) -> None:
    told = (root / "docs" / "audit.md").read_text("utf-8")
    pins = pinned(root)
    assert len(pins) > 10
    for name, version in pins.items():
        row = next(
            (
                line
                for line in told.splitlines()
                if re.search(rf"\b{re.escape(name)}\b", line.split("|")[1] if "|" in line else "")
            ),
            "",
        )
        assert version in row, f"{name} {version}: look it over and note it in docs/audit.md"


def test_the_list_has_the_versions_of_the_lock(root: Path) -> None:
    """Those that requirements.txt leaves to others as well; torch and torchvision are not in the lock."""
    lock = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (root / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    rows = re.findall(r"^\| ([^|]+) \| ([\d., ]+) \|", (root / "docs" / "audit.md").read_text("utf-8"), re.MULTILINE)
    told = {
        name: version
        for names, versions in rows
        for name, version in zip(names.split(", "), versions.split(", "), strict=True)
    }
    assert told.keys() - lock.keys() == {"torch", "torchvision"}
    assert told == {name: lock.get(name, version) for name, version in told.items()}


@pytest.mark.soak
def test_no_known_fault_in_what_is_pinned(root: Path) -> None:
    if importlib.util.find_spec("pip_audit") is None:
        pytest.skip("pip-audit is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "-r", "requirements.txt", "--no-deps", "--disable-pip", "-f", "json"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        pytest.skip("no advisory database can be reached: " + (done.stderr.strip().splitlines() or ["no answer"])[-1])
    audited = [d for d in found if "skip_reason" not in d]
    if not audited:
        pytest.skip("no advisory database can be reached")
    assert [(d["name"], d["version"], v["id"]) for d in audited for v in d["vulns"]] == []
