"""Bytes at rest: whole files, members of shards, and what is neither."""

from __future__ import annotations

import os
import pickle

import pytest

from gsjbu.batch.items import Blob, Item


def test_a_file_is_read_whole_and_a_member_by_its_place(tmp_path):
    path = tmp_path / "shard.tar"
    path.write_bytes(b"0123456789")
    assert Blob(str(path), "a.png").read() == b"0123456789" and not Blob(str(path), "a.png").is_member
    member = Blob(str(path), "b.npy", 3, 4)
    assert member.read() == b"3456" and member.is_member
    with pytest.raises(OSError, match="cut short: 2 of 4 bytes"):
        Blob(str(path), "b.npy", 8, 4).read()


@pytest.mark.posix
def test_a_pipe_is_refused_at_once_and_a_folder_says_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        Blob(str(tmp_path / "pipe"), "pipe").read()
    with pytest.raises(IsADirectoryError):
        Blob(str(tmp_path), "folder").read()


def test_a_stamp_differs_once_the_bytes_may_have_changed(tmp_path):
    path = tmp_path / "a.npy"
    blob = Blob(str(path), "a.npy")
    assert blob.stamp() is None
    path.write_bytes(b"one")
    before = blob.stamp()
    assert before == blob.stamp() != Blob(str(path), "a.npy", 1, 2).stamp()
    path.write_bytes(b"other")
    assert blob.stamp() != before


def test_items_go_to_other_processes():
    item = Item("folder/a", Blob("p", "a.png"), None, "why not")
    assert pickle.loads(pickle.dumps(item)) == item
