"""Which picture goes with which signal and truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from gsjbu.cli import pairs
from gsjbu.errors import GsjbuError


@pytest.fixture
def folders(tmp_path) -> Path:
    for folder, names in {"a": "x.png y.jpg z.png", "b": "x.npy y.npy .hidden", "c": "x.png z.npy"}.items():
        (tmp_path / folder).mkdir()
        for name in names.split():
            (tmp_path / folder / name).write_bytes(b"")
    return tmp_path


def test_folders_are_paired_by_name(folders):
    a, b, c = (str(folders / name) for name in "abc")
    found = pairs.found(a, b, c)
    assert [(p.name, p.signal, p.truth_name) for p in found] == [
        ("x.png", str(folders / "b" / "x.npy"), str(folders / "c" / "x.png"))
    ]
    (one,) = pairs.found(a, b, c, "depth", "full")
    assert (one.signal, one.truth_name) == (str(folders / "b" / "x.npy:depth"), str(folders / "c" / "x.png:full"))
    assert pairs.passed_over(a, found) == ["y.jpg", "z.png"]
    assert [p.name for p in pairs.found(a, None, c)] == ["x.png", "z.png"]
    assert {p.signal for p in pairs.found(a, None, c)} == {None}


def test_one_of_each_is_a_pair():
    (one,) = pairs.found("photos/x.png", "d.npy", "t.npy")
    assert (one.name, one.signal, one.truth_name) == ("x.png", "d.npy", "t.npy")


def test_a_scene_has_its_own_truth():
    (one,) = pairs.found("scene:spheres", None, "scene:labels")
    assert one.truth().kind == "labels"
    assert one.image().pixels.shape == (3, 512, 512)


def test_what_is_no_pair_is_refused(folders):
    with pytest.raises(GsjbuError, match="is no folder"):
        pairs.found(str(folders / "a"), None, str(folders / "nowhere"))
    (folders / "empty").mkdir()
    with pytest.raises(GsjbuError, match="same name"):
        pairs.found(str(folders / "a"), None, str(folders / "empty"))


def test_a_signal_beside_its_picture_is_not_taken_for_the_picture(folders):
    (folders / "a" / "x.npy").write_bytes(b"")
    (folders / "a" / "x.json").write_bytes(b"")
    a, c = str(folders / "a"), str(folders / "c")
    (one,) = pairs.found(a, a, c)
    assert (one.name, one.signal) == ("x.png", str(folders / "a" / "x.npy"))


@pytest.mark.parametrize("twice", ["a/x.jpg", "b/x.png", "c/x.tif"])
def test_two_files_of_one_name_are_refused(folders, twice):
    (folders / twice).write_bytes(b"")
    with pytest.raises(GsjbuError, match=r"has x\.\w+ and x\.\w+; which is meant"):
        pairs.found(*(str(folders / name) for name in "abc"))
