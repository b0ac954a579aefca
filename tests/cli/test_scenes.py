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


def test_what_was_done_to_a_picture_is_said_where_the_page_says_it(tmp_path, capsys):
    from gsjbu.io.pictures import png_bytes

    y, x = np.mgrid[:32, :32]
    (tmp_path / "dim.png").write_bytes(png_bytes(np.stack([5 + x // 2, 5 + y // 2, 5 + x // 2], 2).astype("u1")))
    np.save(tmp_path / "depth.npy", 1 + (x + y) / 64)
    said = "The image fills only 0.0196 to 0.0784 of its range 0–1, and is stretched to all of it."
    dim, truth = str(tmp_path / "dim.png"), str(tmp_path / "depth.npy")
    few = [word for word in FEW if word != "--quiet"]
    assert cli.main(["evaluate", dim, "--truth", truth, *few]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["image"] == said and said in told.err
    assert cli.main(["compare", dim, str(tmp_path / "out"), "--features", "off", *few]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["status"]["image"] == said and said in told.err


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
