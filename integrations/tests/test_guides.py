"""What the adapters' guides tell a reader to type works as it stands, against the real hosts."""

from __future__ import annotations

import sys

import pytest

from tests.guides import follow, script_of

GUIDES = ("pipelines", "raster", "comfyui", "napari", "onnx")


@pytest.mark.parametrize("name", GUIDES)
def test_the_commands_of_a_guide_run(root, tmp_path, name):
    script = script_of((root / "docs" / f"{name}.md").read_text("utf-8"))
    assert script.count("\n") > 3, "no block of this guide is marked to be run"
    print(follow(script, root, tmp_path, sys.executable))
