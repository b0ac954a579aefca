"""Which of a folder's files is which frame's: none is shifted in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gsjbu.cli import series
from gsjbu.errors import GsjbuError


def checked(folder: Path, names: str, frames: int = 0) -> tuple[list[str], list[str]]:
    """What is taken, in order, and what is said."""
    for name in names.split():
        (folder / name).write_bytes(b"")
    found = series.files(folder)
    return [path.name for path in found], series.check(found, frames)


@pytest.mark.parametrize(
    "names",
    [
        "0.npy 1.npy 2.npy 10.npy.txt",
        "1.npy 2.npy 3.png",
        " ".join(f"f_{number}.npy" for number in range(12)),
        "cam2_0005.npy cam2_0010.npy cam2_0015.npy",  # every fifth of a longer film
        "IMG_2.npy img_1.npy IMG_3.npy",
        "7.npy",
        "mean.npy",
    ],
)
def test_what_counts_up_is_taken_without_a_word(tmp_path: Path, names: str) -> None:
    found, said = checked(tmp_path, names)
    numbers = [int(re.findall(r"\d+", name)[-1]) for name in found if name != "mean.npy"]
    assert numbers == sorted(numbers) and said == []


@pytest.mark.parametrize(
    ("names", "two"),
    [
        ("d_0.npy d_0.png d_1.npy", "d_0.npy and d_0.png"),
        ("d_01.npy d_1.npy d_2.npy", "d_01.npy and d_1.npy"),
        ("D_1.npy d_1.npy d_2.npy", "D_1.npy and d_1.npy"),
        ("a.npy a.tif b.npy", "a.npy and a.tif"),
    ],
)
@pytest.mark.parametrize("frames", [1, 3])
def test_two_files_of_one_frame_are_refused(tmp_path: Path, names: str, two: str, frames: int) -> None:
    with pytest.raises(GsjbuError, match=f"has {re.escape(two)}, and a frame has one signal"):
        checked(tmp_path, names, frames)


@pytest.mark.parametrize(
    ("names", "odd"),
    [
        ("0.npy 1.npy 2.npy mean.npy", "mean.npy is not called as 0.npy and 1.npy are"),
        ("d_0.npy d_1.npy d_2.npy intrinsics_3.npy", "intrinsics_3.npy is not called as d_0.npy"),
        ("d_0.npy d_0_preview.png d_1.npy d_1_preview.png", "d_0_preview.png is not called as d_0.npy"),
        ("a_0.npy b_0.npy c_0.npy a_1.npy b_1.npy c_1.npy", "b_0.npy is not called as a_0.npy and a_1.npy"),
    ],
)
def test_files_of_two_series_are_refused(tmp_path: Path, names: str, odd: str) -> None:
    with pytest.raises(GsjbuError, match=re.escape(odd)):
        checked(tmp_path, names)


@pytest.mark.parametrize(
    ("names", "frames", "hole", "takes"),
    [
        ("f_000.npy f_001.npy f_003.npy f_004.npy", 4, "no f_002 between f_001.npy and f_003.npy", "the 2 frames"),
        ("8.npy 9.npy 11.npy", 3, "no 10 between 9.npy and 11.npy", "the 2 frames"),
        ("0.npy 2.npy 3.npy", 3, "no 1 between 0.npy and 2.npy", "the first frame, 0.npy"),
        ("1.npy 2.npy 3.npy 7.npy", 9, "no 4 between 3.npy and 7.npy", "the 3 frames"),
        ("s2_010_x.npy s2_020_x.npy s2_040_x.npy", 3, "no s2_030_x between", "the 2 frames"),
    ],
)
def test_a_number_that_is_missing_is_named(tmp_path: Path, names: str, frames: int, hole: str, takes: str) -> None:
    with pytest.raises(GsjbuError, match=re.escape(hole)) as refusal:
        checked(tmp_path, names, frames)
    many = int(re.findall(r"--frames (\d+)", str(refusal.value))[0])
    assert f"takes {takes}" in str(refusal.value)
    series.check(series.files(tmp_path), many)  # and then it is as was said


@pytest.mark.parametrize(
    "names",
    [
        "1305031102.160407.npy 1305031102.226738.npy 1305031103.012345.npy",  # seconds
        "0.npy 33.npy 67.npy 100.npy",  # milliseconds
        "a.npy b.npy c.npy",
        "0_9af.npy 1_b3c.npy 2_77a.npy 3_cd1.npy",
    ],
)
def test_where_names_do_not_count_the_order_that_is_taken_is_said(tmp_path: Path, names: str) -> None:
    found, (said,) = checked(tmp_path, names)
    assert found == names.split() and said.endswith(f"one a frame, from {found[0]} on.")


def test_a_series_that_begins_late_is_said(tmp_path: Path) -> None:
    _, (said,) = checked(tmp_path, "f_4.npy f_5.npy f_6.npy")
    assert "begin with f_4.npy, which is taken for the film's first frame" in said
