"""Members of tar shards by their names: one sample, its picture and its signal."""

from __future__ import annotations

import pytest

from gsjbu.batch import BatchConfig, run
from gsjbu.batch.sources import find, passed_over
from tests.files import put, shard


def test_shards_group_by_the_name_up_to_the_first_dot(tmp_path):
    members = {
        "n01/7.features.npy": b"signal 7",
        "n01/7.jpg": b"picture 7",
        "n01/7.cls": b"3",
        "n01/8.jpg": b"picture 8",
        "n01/9.cls": b"no picture",
    }
    path = shard(tmp_path / "s/train-000.tar", members)
    items = find(str(path))
    assert [item.key for item in items] == ["train-000/n01/7", "train-000/n01/8"]
    assert items[0].image.read() == b"picture 7"
    assert items[0].signal.read() == b"signal 7"
    assert items[1].signal is None
    assert items[1].refusal.startswith("8.jpg has no signal in train-000.tar: an ending of .npy, ")
    assert passed_over(str(path), items) == ["train-000.tar/n01/7.cls", "train-000.tar/n01/9.cls"]
    assert [item.key for item in find(str(tmp_path / "s" / "*.tar"), "backbone")] == [item.key for item in items]


def names_of(item):
    return item.key, item.image.name, item.signal and item.signal.name


MEANT = {
    "x/7": (["7.feat.npy", "7.feat_preview.png", "7.jpg"], "7.jpg", "7.feat.npy"),
    "x/8": (["8.seg.npy", "8.npy", "8.PNG", "8.b.png"], "8.PNG", "8.npy"),
    "x/9": (["9.npz", "9.rgb.png", "9.rgb.npy", "9.npy"], "9.rgb.png", "9.rgb.npy"),
}


@pytest.mark.parametrize("key", MEANT)
@pytest.mark.parametrize("order", [1, -1])
def test_a_member_of_a_shard_is_what_its_name_says_wherever_it_stands(tmp_path, key, order):
    members, picture, signal = MEANT[key]
    path = shard(tmp_path / "x.tar", {name: name.encode() for name in members[::order]})
    items = find(str(path))
    assert [names_of(item) for item in items] == [(key, picture, signal)]
    left = {f"x.tar/{name}" for name in members} - {f"x.tar/{picture}", f"x.tar/{signal}"}
    assert set(passed_over(str(path), items)) == left


@pytest.mark.parametrize("order", [1, -1])
def test_a_sample_with_several_signals_fails_and_an_ending_says_which(folder, tmp_path, order):
    members = ["0001.jpg", "0001.depth.npy", "0001.seg.npy", "0001.seg.png"][::order]
    path = str(shard(tmp_path / "x.tar", dict.fromkeys(members, b"x")))
    (item,) = find(path)
    assert "several signals in x.tar: 0001.depth.npy, 0001.seg.npy. " in item.refusal
    assert "--signals .depth.npy" in item.refusal and item.signal is None
    assert [names_of(item) for item in find(path, ".seg.npy")] == [("x/0001", "0001.jpg", "0001.seg.npy")]
    assert [names_of(item) for item in find(path, ".seg.png")] == [("x/0001", "0001.jpg", "0001.seg.png")]
    put(folder / "b.seg.png")
    put(folder / "deep/a.SEG.png")
    assert [item.signal.name for item in find(str(folder), ".seg.png")] == ["b.seg.png", "a.SEG.png"]


def test_names_with_further_dots_lose_no_sample_of_a_shard(tmp_path):
    dates = [f"cam1.2024010{day}" for day in (1, 2, 3)]
    path = shard(tmp_path / "x.tar", {date + ending: b"x" for date in dates for ending in (".npy", ".jpg")})
    items = find(str(path))
    assert [names_of(item) for item in items] == [(f"x/{date}", f"{date}.jpg", f"{date}.npy") for date in dates]
    assert not any(item.refusal for item in items) and passed_over(str(path), items) == []
    for some in (["v1.0_a.jpg", "v1.0_b.jpg", "v1.0_a.npy"], ["7.feat.png", "7.feat.npy", "7.rgb.png"]):
        path = shard(tmp_path / "y.tar", dict.fromkeys(some, b"x"))
        (item,) = find(str(path))
        assert all(name in item.refusal for name in some if not name.endswith("npy"))
        assert len(find(str(path), "backbone")) == 2


def test_a_sample_without_a_signal_is_told_what_was_looked_for_and_the_rest_is_done(tmp_path):
    members = {"0001.jpg": b"x", "0001.seg.png": b"x"}
    report = run(str(shard(tmp_path / "seg.tar", members)), str(tmp_path / "out"), BatchConfig(iters=0), workers=1)
    (failure,) = report.failed
    assert failure["code"] == "file_unreadable"
    assert failure["error"].startswith("0001.jpg has no signal in seg.tar: an ending of .npy, .npz")
    assert "0001.seg.png is there and is none of them (--signals .seg.png takes it)" in failure["error"]
    assert report.passed_over == ["seg.tar/0001.seg.png"]


def test_a_shard_cannot_name_places_outside_the_output(tmp_path):
    path = shard(tmp_path / "evil.tar", {"../../up.jpg": b"1", "/abs.jpg": b"2", "fine.jpg": b"3"})
    assert [item.key for item in find(str(path))] == ["evil/fine"]
