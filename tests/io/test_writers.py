"""Files that the usual readers read back, whole or not at all."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from gsjbu.core.files import Unwritable
from gsjbu.errors import GsjbuError
from gsjbu.io import writers

VALUES = np.random.default_rng(0).standard_normal((5, 33, 47), dtype=np.float32)
BLOCKS = [VALUES[:2], VALUES[2:4], VALUES[4:]]


def read(path, form):
    if form == "npy":
        return np.load(path, allow_pickle=False)
    if form == "safetensors":
        return load_file(path)["values"]
    import zarr

    return zarr.open_array(str(path), mode="r")[:]


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("form", ["npy", "safetensors", "zarr"])
def test_what_is_written_is_read_back(tmp_path, form, half):
    path = writers.result_path(tmp_path, "deep/down/a", form)
    writers.write(path, form, VALUES.shape, BLOCKS, half)
    back = read(path, form)
    assert back.dtype == (np.float16 if half else np.float32)
    np.testing.assert_array_equal(back, VALUES.astype(back.dtype))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_npy_is_what_numpy_writes_itself(tmp_path):
    writers.write(tmp_path / "ours.npy", "npy", VALUES.shape, BLOCKS, half=True)
    np.save(tmp_path / "theirs.npy", VALUES.astype(np.float16))
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_a_worker_whose_run_is_gone_leaves_nothing(tmp_path):
    writers.write(tmp_path / "a.npy", "npy", VALUES.shape, BLOCKS, half=False, alone=lambda: False)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    class Broken:
        def save(self, path):
            path.write_bytes(b"half a ker")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        writers.write_kernel(tmp_path / "a.kernel.safetensors", Broken())
    assert list(tmp_path.iterdir()) == []


def test_sweep_removes_parts_and_only_parts(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/.a.npy.123.part").write_bytes(b"half")
    (tmp_path / ".b.zarr.7.part").mkdir()
    (tmp_path / "c.npy").write_bytes(b"whole")
    writers.sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["c.npy", "deep"]


def test_zarr_missing_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(GsjbuError, match=r"gsjbu\[zarr\]"):
        writers.write(tmp_path / "a.zarr", "zarr", VALUES.shape, BLOCKS, half=False)
    assert list(tmp_path.iterdir()) == []


def test_safetensors_header_is_aligned(tmp_path):
    writers.write(tmp_path / "a.safetensors", "safetensors", VALUES.shape, BLOCKS, half=False)
    data = (tmp_path / "a.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length])["values"]["shape"] == [5, 33, 47]


@pytest.mark.parametrize(
    ("refusal", "said"),
    [(FileNotFoundError(2, "No such file or directory"), "No file can be made there"),
     (PermissionError(13, "Permission denied"), "Permission denied")],
)  # fmt: skip
def test_what_cannot_be_written_is_named_as_it_was_asked_for(tmp_path, refusal, said):
    class Refused:
        def save(self, path):
            refusal.filename = str(path)
            raise refusal

    with pytest.raises(OSError, match=said) as caught:
        writers.write_kernel(tmp_path / "a.kernel.safetensors", Refused())
    assert caught.value.filename == str(tmp_path / "a.kernel.safetensors")
    assert caught.value.errno == refusal.errno and not isinstance(caught.value, FileNotFoundError)


def test_what_was_said_of_an_earlier_result_goes_with_it(tmp_path):
    path, notes = tmp_path / "a.npy", tmp_path / "a.npy.json"
    writers.write(path, "npy", VALUES.shape, [VALUES])
    writers.write_notes(path, {"kind": "heat_map", "gaps": {}, "brought": {}})
    assert notes.is_file()
    writers.write(path, "npy", VALUES.shape, [VALUES], alone=lambda: False)
    assert notes.is_file()
    writers.write(path, "npy", VALUES.shape, [VALUES])
    assert not notes.exists()
    for stranger in ("{}", "no JSON", '{"kind": "depth"}'):
        notes.write_text(stranger)
        writers.write(path, "npy", VALUES.shape, [VALUES])
        assert notes.read_text() == stranger


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one_and_its_file_is_written(tmp_path, there):
    target, link = tmp_path / "far" / "a.npy", tmp_path / "link.npy"
    target.parent.mkdir()
    if there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    writers.write(link, "npy", VALUES.shape, BLOCKS)
    assert link.is_symlink() and not target.is_symlink()
    np.testing.assert_array_equal(np.load(target), VALUES)


def test_a_full_disk_names_the_file(tmp_path):
    def full(_part):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Unwritable) as caught:
        writers._replace(tmp_path / "a.npy", lambda: True, full)
    assert caught.value.filename == str(tmp_path / "a.npy") and list(tmp_path.iterdir()) == []
