"""Names, pipes, folders and links that a batch meets: that item is told of, the rest is done, again and again."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from gsjbu import batch, cli
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


def test_files_that_no_run_made_are_no_results_and_stay(source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    own = np.zeros((6, 6, 8), np.float32)
    np.save(out / "p1.npy", own)
    for _ in range(2):  # nothing of the first refusal makes it pass for a result
        with pytest.raises(batch.ResumeError, match=r"p1\.npy is in the place of a result, and no run"):
            batch.run(str(source), str(out), ASKED, workers=1)
    assert not (out / "settings.json").exists() and not (out / "p0.npy").exists()
    (out / "p1.npy").rename(tmp_path / "p1.npy")
    assert batch.run(str(source), str(out), ASKED, workers=1).done == 2
    for ending in (".png", ".npy"):
        shutil.copy(source / f"p0{ending}", source / f"p2{ending}")
    np.save(out / "p2.npy", own)  # among the results of a run
    with pytest.raises(batch.ResumeError, match=r"p2\.npy is in"):
        batch.run(str(source), str(out), ASKED, workers=1)
    np.testing.assert_array_equal(np.load(out / "p2.npy"), own)


@pytest.mark.parametrize("what", ["signal", "image", "mask"])
def test_what_has_changed_is_made_again_and_told(source, tmp_path, what):
    out, masks = tmp_path / "out", tmp_path / "masks"
    masks.mkdir()
    for name in ("p0.npy", "p1.npy"):
        np.save(masks / name, np.zeros((48, 64), np.uint8))
    asked = replace(ASKED, guide_masks=str(masks))
    assert batch.run(str(source), str(out), asked, workers=1).done == 2
    before = {name: (out / name).read_bytes() for name in ("p0.npy", "p1.npy")}
    if what == "signal":
        np.save(source / "p0.npy", 10 * np.load(source / "p0.npy"))
    elif what == "image":
        shutil.copy(source / "p1.png", source / "p0.png")
    else:
        np.save(masks / "p0.npy", np.eye(48, 64, dtype=np.uint8) + np.eye(48, 64, 9, dtype=np.uint8))
    report = batch.run(str(source), str(out), asked, workers=1)
    assert (report.done, report.found, report.again) == (1, 1, ["p0"])
    assert (out / "p0.npy").read_bytes() != before["p0.npy"]
    assert (out / "p1.npy").read_bytes() == before["p1.npy"]
    report = batch.run(str(source), str(out), asked, workers=1)
    assert (report.done, report.found, report.again) == (0, 2, [])


def test_a_run_killed_while_it_makes_a_result_again_goes_on_with_that(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    batch.run(str(source), str(out), ASKED, workers=1)
    before = (out / "p0.npy").read_bytes()
    np.save(source / "p0.npy", 10 * np.load(source / "p0.npy"))
    with monkeypatch.context() as patch:
        patch.setattr(batch.local, "run", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            batch.run(str(source), str(out), ASKED, workers=1)
    report = batch.run(str(source), str(out), ASKED, workers=1)
    assert (report.done, report.found) == (1, 1)
    assert (out / "p0.npy").read_bytes() != before


def test_a_command_says_what_was_made_again(source, tmp_path, capsys):
    words = ["batch", str(source), str(tmp_path / "out"), "--iters", "1"]
    assert cli.main(words) == 0
    os.utime(source / "p1.npy", (1, 1))
    capsys.readouterr()
    assert cli.main(words) == 0
    said = capsys.readouterr()
    assert "1 result made again, as the image, signal or mask has changed since: p1." in said.err
    assert said.out.startswith("1 done, 1 there already, 0 failed")


def test_files_of_several_arrays_have_one_named(source, tmp_path):
    for name in ("p0", "p1"):
        np.savez(source / f"{name}.npz", depth=np.load(source / f"{name}.npy"), weight=np.ones(3, np.float32))
    batch.run(str(source), str(tmp_path / "alone"), ASKED, workers=1)
    (source / "p0.npy").unlink()
    failed, report = twice(source, tmp_path / "out")
    assert report.done == 1 and "entry (--entry) names that of every file" in failed["p0"]["error"]
    (source / "p1.npy").unlink()
    words = [str(source), str(tmp_path / "named"), "--entry", "depth", "--objective", "rgb", "--iters", "1"]
    assert cli.main(["batch", *words, "--workers", "1"]) == 0
    for name in ("p0.npy", "p1.npy"):
        assert (tmp_path / "named" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert cli.main(["batch", *words[:2], "--entry", "depth", "--signals", "backbone"]) == 2
