"""Who may import whom: `make lint` keeps the contracts of pyproject.toml, and notices what breaks them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """As in `make lint`, for the package in ``folder``."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def house(root, tmp_path) -> Path:
    """A copy of the package to break."""
    shutil.copytree(root / "gsjbu", tmp_path / "gsjbu", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def plant(house: Path, file: str, line: str) -> None:
    path = house / "gsjbu" / file
    path.write_text(path.read_text("utf-8") + f"\n{line}\n", "utf-8")


def test_the_house_as_it_stands_keeps_every_contract(house):
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("core/grid.py", "from gsjbu.io import pictures", "Arrows between rooms point down"),
        ("io/colours.py", "from gsjbu.run import panels", "Arrows between rooms point down"),
        ("batch/work.py", "import gsjbu.server.app", "Arrows between rooms point down"),
        ("settings.py", "def late():\n    from gsjbu.models import catalogue", "Arrows between rooms point down"),
        ("core/tto.py", "from gsjbu.core.auto import fit", "Inside core"),
        ("io/pictures.py", "from gsjbu.io import signals", "No circles"),
        ("core/reference.py", "from gsjbu.core.grid import Grid", "The oracle shares no code"),
    ],
)  # fmt: skip
def test_an_upward_import_or_a_circle_is_refused(house, file, line, contract):
    plant(house, file, line)
    done = lint_imports(house)
    assert done.returncode == 1
    broken = [row for row in done.stdout.splitlines() if "BROKEN" in row]
    assert any(contract in row for row in broken), done.stdout


def test_there_are_no_exceptions(root):
    """A contract with a list of ignored imports is no contract."""
    tool = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    assert not any("ignore_imports" in contract for contract in tool["contracts"])


def test_lint_runs_them(root):
    assert "lint-imports" in (root / "Makefile").read_text("utf-8")
    assert "lint-imports" in (root / ".pre-commit-config.yaml").read_text("utf-8")


def test_the_picture_of_the_house_is_drawn_from_its_imports(root):
    command = [sys.executable, "scripts/architecture.py", "--check"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_chains_name_what_there_is(root):
    """Every `file:function` of docs/architecture.md."""
    text = (root / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`([\w/]+\.py):([\w.]+)`", text)
    assert len(named) > 15
    for file, function in named:
        source = (root / "gsjbu" / file).read_text("utf-8")
        assert re.search(rf"def {function.split('.')[-1]}\(", source), f"{file}:{function}"


def test_functions_are_short(root):
    """Sixty lines at most, but for compiled loops, which take their arrays one by one and are written out."""
    long = []
    for path in sorted((root / "gsjbu").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                compiled = any("njit" in ast.dump(decorator) for decorator in node.decorator_list)
                told = ast.get_docstring(node, clean=False)
                lines = node.end_lineno - node.lineno + 1 - (len(told.splitlines()) if told else 0)
                if lines > 60 and not compiled:
                    long.append(f"{path.relative_to(root)}:{node.name}")
    assert long == []


def test_each_clamp_and_each_constant_of_the_optimiser_is_said_once(root):
    """Outside the oracle, numbers that decide a fit are typed in parameters.py alone."""
    found = []
    for path in sorted((root / "gsjbu" / "core").rglob("*.py")):
        if path.name in ("reference.py", "parameters.py", "simd.py"):  # simd: powers of two
            continue
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.NUMBER and token.string in ("0.999", "1e-8", "64.0", "0.01"):
                    found.append(f"{path.relative_to(root)}:{token.start[0]}: {token.line.strip()}")
    assert found == []
