"""Whatever a batch is given – folder, list, glob, shards – becomes the same items."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from gsjbu.batch import BatchConfig, _tell_apart, run
from gsjbu.batch.items import Blob, SourceError
from gsjbu.batch.signal_files import mask_file
from gsjbu.batch.sources import find, passed_over
from tests.files import put, shard


def test_folder_is_searched_to_the_bottom_and_signals_lie_beside(folder):
    items = find(str(folder))
    assert [item.key for item in items] == ["b", "deep/a"]
    assert [(item.image.read(), item.signal.read()) for item in items] == [
        (b"picture b", b"signal b"),
        (b"picture a", b"signal a"),
    ]


def test_glob_and_list_give_the_same_keys_as_the_folder(folder):
    by_glob = find(str(folder / "**" / "*.[jP]*"))
    assert [item.key for item in by_glob] == ["b", "deep/a"]
    listed = put(folder / "these.txt", b"# photos\nb.jpg\n\ndeep/a.PNG\n")
    assert [item.key for item in find(str(listed))] == ["b", "deep/a"]
    put(folder / "b\u2028c.png")
    listed = put(folder / "these.txt", "b.jpg\r\nb\u2028c.png\r\n".encode())
    assert [item.key for item in find(str(listed))] == ["b", "b\u2028c"]


def test_signals_from_another_folder_and_from_the_backbone(folder, tmp_path):
    put(tmp_path / "signals/b.npz", b"other b")
    items = find(str(folder), str(tmp_path / "signals"))
    assert items[0].signal.read() == b"other b"
    with pytest.raises(FileNotFoundError, match=r"a\.npy"):
        items[1].signal.read()
    assert [item.signal for item in find(str(folder), "backbone")] == [None, None]


def test_a_folder_of_signals_that_is_not_there_is_refused(folder, tmp_path):
    with pytest.raises(SourceError, match="There is no folder nope of signals"):
        find(str(folder), "nope")
    for words in ({"signals": str(tmp_path / "nope")}, {"asked": BatchConfig(guide_masks="nope")}):
        with pytest.raises(SourceError, match="There is no folder"):
            run(str(folder), str(tmp_path / "out"), **words)
    assert not (tmp_path / "out").exists()


def test_two_endings_of_one_name_stay_two_items(folder):
    put(folder / "b.png", b"another b")
    assert [item.key for item in find(str(folder))] == ["b.jpg", "b.png", "deep/a"]


@pytest.mark.parametrize("names", [("Caf\u00e9", "caf\u00e9"), ("caf\u00e9", "cafe\u0301")])
def test_names_that_are_one_to_the_disk_of_the_results_are_refused(tmp_path, monkeypatch, names):
    items = find(str(shard(tmp_path / "s.tar", {f"{name}.png": b"x" for name in names})), "backbone")
    if sys.platform == "linux":
        _tell_apart(items, tmp_path)
    monkeypatch.setattr("pathlib.Path.exists", lambda path: len(list(path.parent.iterdir())) == 1)
    with pytest.raises(SourceError, match="would be one file in"):
        _tell_apart(items, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["s.tar"]


@pytest.mark.parametrize("endings", [(".npy", ".npy"), (".npy", ".npz"), (".npz", ".npy")])
def test_a_name_goes_before_the_same_in_other_letters(tmp_path, endings):
    for name, ending in zip(("Dog", "dog"), endings, strict=True):
        put(tmp_path / f"in/{name}.jpg", name.encode())
        put(tmp_path / f"signals/{name}{ending}", name.encode())
        put(tmp_path / f"in/{name}{ending}", name.encode())
    if len(list((tmp_path / "signals").iterdir())) < 2:
        pytest.skip("Dog and dog are one name to this disk")
    for signals in ("beside", str(tmp_path / "signals")):
        items = find(str(tmp_path / "in"), signals)
        assert [(item.image.read(), item.signal.read()) for item in items] == [(b"Dog", b"Dog"), (b"dog", b"dog")]
    assert [mask_file(str(tmp_path / "signals"), item).read() for item in items] == [b"Dog", b"dog"]
    for where in ("in", "signals"):
        (tmp_path / f"{where}/dog{endings[1]}").unlink()
    for signals in ("beside", str(tmp_path / "signals")):  # Dog's is not taken for dog's
        assert not Path(find(str(tmp_path / "in"), signals)[1].signal.path).exists()
    assert not Path(mask_file(str(tmp_path / "signals"), items[1]).path).exists()


def test_links_to_folders_are_searched_once_each_and_never_from_within(folder, tmp_path):
    put(tmp_path / "real/c.png")
    put(tmp_path / "real/c.npy")
    (folder / "more").symlink_to(tmp_path / "real")
    (tmp_path / "real/back").symlink_to(folder)
    (folder / "deep/up").symlink_to(folder)
    assert [item.key for item in find(str(folder))] == ["b", "deep/a", "more/c"]
    assert passed_over(str(folder), find(str(folder))) == ["notes.md"]


def test_pictures_of_one_name_in_two_folders_of_a_list_are_two(folder, tmp_path):
    for camera in "AB":
        put(tmp_path / f"{camera}/IMG_0001.JPG")
    put(tmp_path / "A/deep/IMG_0002.JPG")
    names = ["A/IMG_0001.JPG", "B/IMG_0001.JPG", "A/deep/IMG_0002.JPG"]
    keys = ["A/IMG_0001", "A/deep/IMG_0002", "B/IMG_0001"]
    for lines in ([str(tmp_path / name) for name in names], [f"../{name}" for name in names]):
        listed = put(folder / "these.txt", "\n".join(lines).encode())
        assert [item.key for item in find(str(listed), "backbone")] == keys
    listed = put(folder / "these.txt", str(tmp_path / "A/IMG_0001.JPG").encode())
    assert [item.key for item in find(str(listed), "backbone")] == ["IMG_0001"]
    listed = put(folder / "these.txt", f"deep/../b.jpg\n{folder / 'deep/a.PNG'}".encode())
    assert [item.key for item in find(str(listed), "backbone")] == ["b", "deep/a"]


def test_a_file_cut_short_since_it_was_listed_is_an_error(tmp_path):
    path = put(tmp_path / "a.tar", b"0123456789")
    assert Blob(str(path), "a.jpg", 2, 3).read() == b"234"
    with pytest.raises(OSError, match="5 of 8 bytes"):
        Blob(str(path), "a.jpg", 5, 8).read()


@pytest.mark.parametrize("source", ["nowhere", "*.jpg", "in/notes.md", "in/empty", "packed.tar"])
def test_what_cannot_be_listed_is_refused_with_a_sentence(folder, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (folder / "empty").mkdir()
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as tar:
        tar.add(folder / "b.jpg")
    with pytest.raises(SourceError) as refusal:
        find(source)
    assert refusal.value.code == "batch_source_invalid"
    assert refusal.value.message.endswith((".", "needed.", "glob."))


def test_two_items_of_one_key_are_refused(tmp_path):
    shard(tmp_path / "in/x.tar", {"a.jpg": b"1"})
    put(tmp_path / "in/x/a.jpg")
    with pytest.raises(SourceError, match="x/a"):
        find(str(tmp_path / "in"))


def test_a_picture_that_is_listed_twice_is_named_as_that(folder):
    listed = put(folder / "these.txt", b"b.jpg\ndeep/a.PNG\ndeep/../b.jpg\n")
    with pytest.raises(SourceError, match=r"these\.txt lists b\.jpg 2 times"):
        find(str(listed))


def test_a_list_may_begin_with_a_mark_and_must_be_text(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.png\n")
    assert [item.key for item in find(str(tmp_path / "list.txt"))] == ["a"]
    (tmp_path / "list.txt").write_bytes(b"\xff\xfea\x00")
    with pytest.raises(SourceError, match="not UTF-8"):
        find(str(tmp_path / "list.txt"))


def test_files_that_are_passed_over_are_named(folder, tmp_path):
    put(folder / "c.gif")
    put(folder / "deep/lonely.npy")
    put(folder / "b.npy.json", b"{}")  # what the signal's numbers mean
    assert sorted(passed_over(str(folder), find(str(folder)))) == ["c.gif", "deep/lonely.npy", "notes.md"]
    put(tmp_path / "signals/B.NPY")
    put(tmp_path / "signals/sub/other.npy")
    items = find(str(folder), str(tmp_path / "signals"))
    assert items[0].signal.name == "B.NPY"
    assert "sub/other.npy" in passed_over(str(folder), items, str(tmp_path / "signals"))


def test_names_that_begin_with_a_dot_are_no_pictures(folder, tmp_path):
    before = find(str(folder))
    for name in (".hidden.png", "._a.jpg", ".cache/c.png", ".thumbs/x.tar"):
        put(folder / name)
    put(tmp_path / "signals/._a.npy")
    assert find(str(folder)) == before
    assert not any(name.startswith(".") or name == "c.png" for name in passed_over(str(folder), before))
    assert "._a.npy" not in passed_over(str(folder), before, str(tmp_path / "signals"))
    (tmp_path / "list.txt").write_text(str(folder / ".hidden.png"))
    assert len(find(str(tmp_path / "list.txt"), "backbone")) == 1, "one that is named is meant"


@pytest.mark.parametrize(
    ("source", "out", "form", "signals"),
    [
        ("in", "in/full", "png", "backbone"),
        ("in", "in", "png", "backbone"),
        ("in/**/*.*", "in/full", "png", "backbone"),
        ("in/*.*", "in", "png", "backbone"),
        ("in", "signals", "npy", "signals"),
    ],
)
def test_a_result_that_would_be_an_input_of_the_next_run_is_refused(
    folder, tmp_path, monkeypatch, source, out, form, signals
):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "signals/b.npz")
    with pytest.raises(SourceError, match="would pass for an input when this is run again"):
        run(source, out, BatchConfig(form), signals=signals)
    assert not (tmp_path / "in/full").exists()


def test_results_in_a_folder_of_the_source_are_not_passed_over(folder):
    put(folder / "full/settings.json")
    assert passed_over(str(folder), find(str(folder)), out=folder / "full") == ["notes.md"]


def test_pictures_that_differ_in_their_endings_share_a_mask_as_they_share_a_signal(folder, tmp_path):
    put(folder / "b.png", b"another b")
    masks = tmp_path / "masks"
    put(masks / "b.npy")
    put(masks / "b.png.png")
    assert [mask_file(str(masks), item).name for item in find(str(folder))[:2]] == ["b.npy", "b.png.png"]


def test_tiff_bmp_and_avif_are_images(tmp_path):
    for ending in (".tif", ".TIFF", ".bmp", ".avif", ".webp"):
        put(tmp_path / f"{ending[1:]}{ending}")
    assert len(find(str(tmp_path), "backbone")) == 5


def test_a_missing_signal_says_what_was_looked_for_and_what_is_there(folder, tmp_path):
    from gsjbu.batch.config import BatchConfig
    from gsjbu.batch.work import Worker

    put(folder / "b.npy").unlink()
    put(folder / "b.h5")
    Image.new("RGB", (32, 32)).save(folder / "b.jpg")
    told = Worker(str(tmp_path / "out"), BatchConfig())(find(str(folder))[0])["error"]
    assert ".npy, .npz" in told and ".jpg" not in told.replace("b.jpg", "") and "b.h5 is there" in told
    put(tmp_path / "signals/b.h5")
    other = Worker(str(tmp_path / "out"), BatchConfig())(find(str(folder), str(tmp_path / "signals"))[0])["error"]
    assert ".mat, .jpg" in other and "b.h5 is there" in other
