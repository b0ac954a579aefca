"""The record of a batch survives being killed at any moment."""

from __future__ import annotations

import json

import pytest

from gsjbu.batch.manifest import JOURNAL, Journal, ResumeError, check_settings, read_journal, write_manifest


def test_journal_keeps_what_was_added(tmp_path):
    journal = Journal(tmp_path)
    journal.add({"key": "ä\u2028\x85", "status": "done"})
    assert read_journal(tmp_path) == [
        {"key": "ä\u2028\x85", "status": "done"}
    ]  # before it is closed: a kill loses nothing
    journal.close()


@pytest.mark.parametrize("cut", [b'{"key": "b", "sta', b'{"key": "b"', b"\xff\xfe"])
def test_a_line_cut_short_is_ignored_and_not_glued_to_the_next(tmp_path, cut):
    (tmp_path / JOURNAL).write_bytes(b'{"key": "a"}\n' + cut)
    journal = Journal(tmp_path)
    journal.add({"key": "c"})
    journal.close()
    assert [outcome["key"] for outcome in read_journal(tmp_path)] in (["a", "c"], ["a", "b", "c"])
    assert read_journal(tmp_path)[-1] == {"key": "c"}


def test_no_journal_is_no_outcome(tmp_path):
    assert read_journal(tmp_path) == []


def test_other_settings_are_refused_by_name_where_there_are_results(tmp_path):
    for iters in (50, 20, 50, 50):
        check_settings(tmp_path, {"iters": iters, "radius": 2})
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").touch()
    with pytest.raises(ResumeError, match="iters = 50, and now it is 20"):
        check_settings(tmp_path, {"iters": 20, "radius": 2})


def test_manifest_does_not_depend_on_the_order_of_work(tmp_path):
    outcomes = [{"key": "b", "status": "done"}, {"key": "a", "status": "failed", "error": "…"}]
    first = write_manifest(tmp_path, {"iters": 1}, outcomes).read_bytes()
    second = write_manifest(tmp_path, {"iters": 1}, outcomes[::-1]).read_bytes()
    assert first == second
    assert [item["key"] for item in json.loads(first)["items"]] == ["a", "b"]
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]
