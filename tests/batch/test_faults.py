"""Names, pipes, folders and links that a batch meets: that item is told of, the rest is done, again and again."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from gsjbu import batch
from gsjbu.batch.config import BatchConfig

pytestmark = pytest.mark.usefixtures("in_this_process")

ASKED = BatchConfig(objective="rgb", iters=1)


@pytest.fixture
def source(dataset, tmp_path):
    """Two good pictures with their signals."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("p0.png", "p0.npy", "p1.png", "p1.npy"):
        shutil.copy(dataset / name, folder / name)
    return folder


def twice(source, out):
    """The batch, and once more over its results: the same failures, the rest there already."""
    first = batch.run(str(source), str(out), ASKED, workers=1)
    again = batch.run(str(source), str(out), ASKED, workers=1)
    assert (again.done, again.found) == (0, first.done)
    assert again.failed and [f["key"] for f in again.failed] == [f["key"] for f in first.failed]
    return {f["key"]: f for f in first.failed}, first


@pytest.mark.posix
def test_a_signal_that_is_a_pipe_is_not_waited_for(source, tmp_path):
    shutil.copy(source / "p0.png", source / "pipe.png")
    os.mkfifo(source / "pipe.npy")
    failed, report = twice(source, tmp_path / "out")
    assert report.done == 2
    assert failed["pipe"]["code"] == "file_unreadable"
    assert failed["pipe"]["error"] == "pipe.npy cannot be read: it is not a regular file."


@pytest.mark.posix
def test_what_is_called_like_a_picture_and_is_none_is_told_of(source, tmp_path):
    (source / "dangling.png").symlink_to(source / "nowhere.png")
    (source / "folder.png").mkdir()
    os.mkfifo(source / "pipe.png")
    failed, report = twice(source, tmp_path / "out")
    assert report.done == 2
    assert sorted(failed) == ["dangling", "folder", "pipe"]
    assert all(f["error"].startswith(f"{key}.png ") for key, f in failed.items())


def test_a_missing_signal_is_not_said_to_be_the_pictures_fault(source, tmp_path):
    (source / "p1.npy").unlink()
    failed, _ = twice(source, tmp_path / "out")
    assert failed["p1"]["error"].startswith("p1.png has no signal: ")
    assert ".npy" in failed["p1"]["error"]


@pytest.mark.posix
def test_a_name_that_is_no_utf8_is_done_and_written_down(source, tmp_path):
    odd = os.fsdecode(b"caf\xe9")
    for ending in (".png", ".npy"):
        shutil.copy(source / f"p0{ending}", source / f"{odd}{ending}")
    (source / "p1.npy").unlink()
    failed, report = twice(source, tmp_path / "out")
    assert report.done == 2 and list(failed) == ["p1"]
    assert (tmp_path / "out" / f"{odd}.npy").is_file()
    items = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["items"]
    assert odd in [item["key"] for item in items]


@pytest.mark.parametrize("length", [245, 249, 251])
def test_a_name_as_long_as_names_can_be(source, tmp_path, length):
    """With its ending it has up to 255 bytes; names for the time of writing need not be longer."""
    name = "x" * length
    for ending in (".png", ".npy"):
        shutil.copy(source / f"p0{ending}", source / f"{name}{ending}")
    report = batch.run(str(source), str(tmp_path / "out"), ASKED, workers=1)
    assert (report.done, report.failed) == (3, [])


def test_a_result_whose_name_cannot_be_fails_alone(source, tmp_path):
    name = "x" * 245
    shutil.copy(source / "p0.png", source / f"{name}.png")
    shutil.copy(source / "p0.npy", source / f"{name}.npy")
    asked = BatchConfig(objective="rgb", iters=1, form="kernel")  # .kernel.safetensors
    report = batch.run(str(source), str(tmp_path / "out"), asked, workers=1)
    assert report.done == 2
    assert [(f["key"], f["code"]) for f in report.failed] == [(name, "output_name")]


def test_a_folder_in_a_results_place_is_no_result(source, tmp_path):
    (tmp_path / "out" / "p0.npy").mkdir(parents=True)
    failed, report = twice(source, tmp_path / "out")
    assert report.done == 1
    assert (failed["p0"]["code"], failed["p0"]["error"]) == (
        "output_name", "The result's name cannot be used: Is a directory."
    )  # fmt: skip
    assert np.load(tmp_path / "out" / "p1.npy").shape == (6, 48, 64)
