"""Built-in scenes and what they know of themselves, beside files, for every command that takes them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gsjbu import cli
from gsjbu.cli import scenes
from gsjbu.errors import GsjbuError

FEW = ["--iters", "1", "--resolution", "64", "--stride", "8", "--quiet", "--json"]


@pytest.mark.parametrize(("name", "kind"), [("scene:depth", "depth"), ("scene:labels", "soft_labels")])
def test_compare_and_evaluate_make_the_same_signal_of_a_scene(tmp_path, capsys, name, kind):
    folder = str(tmp_path / "out")
    assert cli.main(["compare", "scene:wires", folder, "--signal", name, "--features", "off", *FEW]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["signal"]["kind"] == kind and compared["signal"]["brought"]["shape"][-2:] == [8, 8]
    told = []
    for signal in ([], [name]):
        assert cli.main(["evaluate", "scene:wires", *signal, "--truth", name, *FEW]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1] and told[0]["signal"] == compared["status"]["signal"]


@pytest.mark.parametrize("words", [["compare", "OUT", "--signal"], ["evaluate", "--truth"]])
@pytest.mark.parametrize(("picture", "name"), [("photo.png", "scene:depth"), ("scene:wires", "scene:wires")])
def test_what_no_scene_knows_is_said_alike(tmp_path, capsys, monkeypatch, words, picture, name):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save("photo.png")
    assert cli.main([words[0], picture, *words[1:], name, *FEW]) == 2
    assert "built-in scenes have scene:depth and scene:labels" in json.loads(capsys.readouterr().out)["error"]


def test_a_scene_that_is_none_is_told_those_that_are():
    with pytest.raises(GsjbuError, match="the built-in scenes are"):
        scenes.image_of("scene:nowhere")
