"""The signal of a picture, by names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gsjbu.batch import signal_files
from gsjbu.batch.items import Blob, Item


@pytest.mark.parametrize(
    ("signals", "is_ending", "beside"),
    [
        ("beside", False, True), (".depth.npy", True, True), (".PNG", True, True), ("features", False, False),
        (".depth/npy", False, False), (".txt", False, False), ("backbone", False, False),
    ],
)  # fmt: skip
def test_the_word_says_where_signals_are(signals, is_ending, beside):
    assert signal_files.is_ending(signals) is is_ending and signal_files.are_beside(signals) is beside


def test_endings_are_tried_likeliest_first():
    assert signal_files.endings_of("beside") == signal_files.SIGNALS
    assert signal_files.endings_of(".Depth.NPY") == (".depth.npy",)
    assert signal_files.endings_of("folder")[: len(signal_files.SIGNALS)] == signal_files.SIGNALS
    assert set(signal_files.IMAGES) <= set(signal_files.endings_of("folder"))


def test_a_picture_whose_name_ends_as_signals_do_is_a_signal():
    assert signal_files.is_picture("a.PNG", "beside") and not signal_files.is_picture("a.npy", "beside")
    assert signal_files.is_picture("a.png", ".seg.png") and not signal_files.is_picture("a.SEG.png", ".seg.png")


def test_the_first_ending_that_is_there_is_taken_and_the_expected_name_is_said(tmp_path):
    picture = Blob(str(tmp_path / "a.png"), "a.png")
    where = Path(tmp_path / "a")
    missing = signal_files.signal_file(picture, where, "beside")
    assert missing is not None and missing.name == "a.npy" and not Path(missing.path).exists()
    (tmp_path / "a.pfm").touch()
    (tmp_path / "a.npz").touch()
    found = signal_files.signal_file(picture, where, "beside")
    assert found is not None and found.name == "a.npz"
    assert signal_files.signal_file(picture, where, "backbone") is None


def test_a_likelier_file_that_comes_later_goes_before(tmp_path):
    signal = Blob(str(tmp_path / "a.pfm"), "a.pfm")
    assert signal_files.goes_before(tmp_path / "a.npy", signal)
    assert not signal_files.goes_before(tmp_path / "a.exr", signal)
    assert not signal_files.goes_before(tmp_path / "b.npy", signal)


def test_a_mask_has_the_pictures_name_with_or_without_its_ending(tmp_path):
    item = Item("a", Blob("x/a.png", "a.png"), None)
    (tmp_path / "a.png").touch()
    assert signal_files.mask_file(str(tmp_path), item).name == "a.png"
    both = Item("a.jpg", Blob("x/a.jpg", "a.jpg"), None)  # there is an a.png, too
    assert signal_files.mask_file(str(tmp_path), both).name == "a.png"
    (tmp_path / "a.jpg.npy").touch()
    assert signal_files.mask_file(str(tmp_path), both).name == "a.jpg.npy"
