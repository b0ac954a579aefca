"""What the guides tell a reader to type works as it stands: every block marked ``run`` is run."""

from __future__ import annotations

import doctest
import importlib
import re
import shutil
import sys

import pytest

from tests import zygote
from tests.guides import follow, script_of
from tests.ports import free_port

#: But for docs/cluster.md: tests/batch/test_cluster.py.
GUIDES = [
    "README.md",
    *(
        f"docs/{name}.md"
        for name in ("notebook", "network", "folder", "video", "server", "signals", "outputs", "backbones")
    ),
]
DOCTESTED = (
    "gsjbu.verbs",
    "gsjbu.refining",
    "gsjbu.module",
    "gsjbu.video",
    "gsjbu.core.kernel",
    "gsjbu.core.grid",
    "gsjbu.run.estimate",
)


#: Of this one each command is a fresh Python, as a reader's is; of the others a fork of one (tests/zygote.py).
FRESH = "docs/backbones.md"


@pytest.mark.posix
@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_of_a_guide_run(root, tmp_path, guide):
    script = script_of((root / guide).read_text("utf-8")).replace("8765", str(free_port()))
    assert script.count("\n") > 3, "no block of this guide is marked to be run"
    if "curl " in script:
        assert shutil.which("curl"), "this guide's commands need curl"
    follow(script, root, tmp_path, sys.executable if guide == FRESH else zygote.python())


def test_the_guide_of_the_page_names_what_its_address_names(root):
    source = (root / "static" / "js" / "url.js").read_text("utf-8")
    named = set(re.findall(r'(?:asked\.(?:has|get)|out\.set)\("(\w+)"', source))
    for several in re.findall(r'= \[((?:"\w+"(?:, )?)+)\]', source):
        named |= set(re.findall(r"\w+", several))
    page = (root / "docs" / "page.md").read_text("utf-8")
    table = page[page.index("## The address") : page.index("## Keys")]
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.M)
    told = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert len(named) > 10
    assert sorted(told) == sorted(named)


def test_the_notebook_runs_from_top_to_bottom(root, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(root))
    notebook = nbformat.read(root / "docs" / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    )
    assert "PSNR  bilinear" in printed
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


def test_the_notebook_is_what_its_script_makes(root):
    import nbformat

    sys.path.insert(0, str(root / "scripts"))
    try:
        made = importlib.import_module("make_notebook").notebook()
    finally:
        sys.path.pop(0)
    assert nbformat.read(root / "docs" / "notebook.ipynb", as_version=4) == made


@pytest.mark.parametrize("name", DOCTESTED)
def test_doctests(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_doctests():
    found = {name: doctest.DocTestFinder().find(importlib.import_module(name)) for name in DOCTESTED}
    with_examples = {name for name, tests in found.items() if any(test.examples for test in tests)}
    assert {"gsjbu.verbs", "gsjbu.module", "gsjbu.video"} <= with_examples
