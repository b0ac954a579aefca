"""Runs the library's tests on the lowest and newest versions of its dependencies (no extras), in fresh environments.

    python scripts/compat.py                 both ends
    python scripts/compat.py lowest          one of them; `newest` takes what the package index has today
    python scripts/compat.py lowest --tests tests/core/test_grid.py

Prints one row a run for the table in docs/compatibility.md. One environment at a time, removed afterwards.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("tests/core", "tests/io", "tests/test_module.py")
ENDS = ("lowest", "newest")
TOLD = ("torch", "numpy", "numba", "scipy", "pillow")
WITH = ("pytest", "hypothesis", "tifffile>=2024.8", "psutil", "zarr>=3.1")  # what the tests themselves need


def requirements(end: str) -> list[str]:
    """What to install: the lower bounds as exact versions, or the ranges as they are."""
    given = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    return given if end == "newest" else [line.replace(">=", "==") for line in given]


def installed(python: Path) -> dict[str, str]:
    """Version of each package that the table tells."""
    code = f"from importlib.metadata import version; print(*map(version, {TOLD!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return dict(zip(TOLD, done.stdout.split(), strict=True))


def row(end: str, tests: list[str]) -> tuple[str, bool]:
    """One environment made and tested: its row for the table, and whether all passed."""
    with tempfile.TemporaryDirectory(prefix=f"gsjbu-{end}-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements(end), *WITH], check=True)
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(Path(folder) / "compiled")}
        done = subprocess.run(
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(done.stdout[-4000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
        counts = ", ".join(re.findall(r"\d+ (?:passed|failed|error\w*|skipped)", done.stdout.rsplit("\n", 2)[-2]))
        versions = " | ".join(installed(python).values())
        told = f"{sys.version_info.major}.{sys.version_info.minor} | {versions}"
        return f"| {datetime.date.today()} | {end} | {told} | {counts} |", done.returncode == 0


def main(given: list[str] | None = None) -> int:
    """Both ends, or the one that is asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # No choices=, by which argparse of Python 3.11 refuses to be given none.
    parser.add_argument("ends", nargs="*", help="lowest, newest; default both")
    parser.add_argument("--tests", nargs="+", default=list(TESTS), help="instead of the library's tests")
    args = parser.parse_args(given)
    if unknown := set(args.ends) - set(ENDS):
        parser.error(f"{', '.join(unknown)}: it must be {' or '.join(ENDS)}")
    rows = [row(end, args.tests) for end in args.ends or ENDS]
    print(*[line for line, _ in rows], sep="\n")
    return 0 if all(passed for _, passed in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
