"""Paths, FILE:ENTRY and addresses of the net, as people write them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from scipy.io import savemat

import gsjbu
from gsjbu import batch
from gsjbu.errors import GsjbuError, ImageError, SignalError
from gsjbu.io import addresses, films
from gsjbu.io.guides import to_guide
from gsjbu.io.names import names_of
from gsjbu.io.pictures import png_bytes
from gsjbu.io.readers import bring
from gsjbu.io.writers import check_folder

DEPTH = np.random.default_rng(0).random((6, 8), dtype=np.float32)
CONF = DEPTH > 0.5
IMAGE = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def _zarr(path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(path), mode="w")
    for name, array in {"depth": DEPTH, "conf": CONF}.items():
        group.create_array(name, data=array)


FILES = {
    "a.npz": lambda path: np.savez(path, depth=DEPTH, conf=CONF),
    "a.safetensors": lambda path: save_file({"conf": CONF, "depth": DEPTH}, path),
    "a.pt": lambda path: torch.save({"depth": torch.from_numpy(DEPTH), "conf": torch.from_numpy(CONF)}, path),
    "a.mat": lambda path: savemat(path, {"depth": DEPTH, "conf": CONF, "unit": "m"}, do_compression=True),
    "a.zarr": _zarr,
}


@pytest.mark.parametrize("name", FILES)
def test_an_entry_is_named_and_a_refusal_says_how(tmp_path, name):
    path = tmp_path / name
    FILES[name](path)
    for address in (f"{path}:depth", Path(f"{path}:depth")):
        np.testing.assert_array_equal(bring(address).array, DEPTH)
    np.testing.assert_array_equal(bring(f"{path}:conf").array, CONF)
    with pytest.raises(SignalError, match=rf"FILE:ENTRY names one of several: {name}:(depth|conf)\."):
        bring(path)
    with pytest.raises(SignalError, match=r"no entry 'height'; it holds (depth, conf|conf, depth)"):
        bring(f"{path}:height")


@pytest.mark.parametrize("form", ["safetensors", "zarr"])
def test_arrays_are_listed_by_their_names(tmp_path, form):
    names = [*"hgfedcba"]
    path = tmp_path / f"a.{form}"
    if form == "zarr":
        group = pytest.importorskip("zarr").open_group(str(path), mode="w")
        for name in names:
            group.create_array(name, data=DEPTH)
    else:
        save_file(dict.fromkeys(names, DEPTH), path)
    for _ in range(5):  # in any order, a library says
        with pytest.raises(SignalError, match=r"holds 8 arrays \(a, b, c, d, e\); .* a\.\w+:a\."):
            bring(path)


def test_a_saved_kernel_is_no_signal(tmp_path):
    path = tmp_path / "kept.safetensors"
    kernel = gsjbu.fit(np.random.default_rng(0).random((16, 16, 3)), stride=4, iters=1)
    kernel.save(path)
    for what in (path, path.read_bytes()):
        with pytest.raises(SignalError, match="a saved kernel, and no signal: gsjbu render"):
            bring(what)
    np.testing.assert_array_equal(bring(f"{path}:raw").array, kernel.raw)


def test_an_entry_may_be_nested_and_one_of_a_list_has_its_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file({"net/depth": DEPTH, "net:conf": CONF}, "a.safetensors")
    np.testing.assert_array_equal(bring("a.safetensors:net/depth").array, DEPTH)
    np.testing.assert_array_equal(bring("a.safetensors:net:conf").array, CONF)
    torch.save([torch.from_numpy(CONF), torch.from_numpy(DEPTH)], "a.pt")
    np.testing.assert_array_equal(bring("a.pt:1").array, DEPTH)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no colons in names")
def test_a_file_whose_own_name_has_a_colon_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a:depth.npz", x=DEPTH, y=CONF)
    Path("a:depth.npz").rename("a.npz:depth")
    np.savez("a.npz", depth=CONF)
    assert addresses.parted("a.npz:depth") == (Path("a.npz:depth"), None)
    np.testing.assert_array_equal(bring("a.npz:depth:x").array, DEPTH)


@pytest.mark.parametrize("written", [r"C:\x.npz", "C:/x.npz", "c:x.npz", r"C:\x.npz:depth"])
def test_a_drive_is_no_file(tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    for name in "Cc":
        (tmp_path / name).write_bytes(b"")
    assert addresses.parted(written) == (Path(written), None)


def test_where_there_are_no_entries_the_word_is_left_out(tmp_path):
    np.save(tmp_path / "a.npy", DEPTH)
    torch.save(torch.from_numpy(DEPTH), tmp_path / "a.pt")
    for name in ("a.npy:x", "a.pt:x"):
        with pytest.raises(SignalError, match="leave the name x out"):
            bring(tmp_path / name)


def test_the_image_may_be_an_entry(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, image=IMAGE, depth=DEPTH)
    assert torch.equal(to_guide(f"{path}:image").pixels, to_guide(IMAGE).pixels)
    full = gsjbu.upsample(f"{path}:image", f"{path}:depth", kind="depth", iters=0)
    assert full.shape == (48, 64)
    with pytest.raises(ImageError, match=r"names one of several: a\.npz:image"):
        to_guide(path)


ADDRESSES = ["http://localhost/a.npy", "https://x.org/a.png", "s3://bucket/a.npy", "file:///tmp/a.npy"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("read", [bring, to_guide])
@pytest.mark.parametrize("kind", [str, Path])
def test_an_address_is_named_whole_and_not_fetched(address, read, kind):
    with pytest.raises(GsjbuError) as caught:
        read(kind(address))
    assert caught.value.message.startswith(f"{address.replace('///', '//')} is no path")
    assert "addresses are not fetched" in caught.value.message


@pytest.mark.posix
def test_no_output_takes_the_place_of_an_input_by_whatever_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a.npy"
    file.write_bytes(b"a")
    (tmp_path / "soft.npy").symlink_to(file)
    (tmp_path / "hard.npy").hardlink_to(file)
    (tmp_path / "loop.npy").symlink_to("loop.npy")
    for name in ("a.npy", "./a.npy", str(file), "soft.npy", "hard.npy"):
        with pytest.raises(GsjbuError, match="place of an input") as caught:
            addresses.spare(["nowhere.npy", file], name)
        assert caught.value.code == "output_is_input"
    for name in ("b.npy", "loop.npy"):
        addresses.spare([file], name)
    assert addresses.identity("b.npy") == addresses.identity(tmp_path / "x" / ".." / "b.npy")


@pytest.mark.parametrize(
    "use",
    [
        lambda: bring(""),
        lambda: to_guide(""),
        lambda: names_of(""),
        lambda: check_folder(""),
        lambda: addresses.spare([], ""),
        lambda: batch.find(""),
        lambda: batch.find(".", ""),
        lambda: batch.run(".", ""),
        lambda: films.Reader(""),
        lambda: films.Writer(""),
    ],
)
def test_an_empty_path_is_not_the_current_folder(tmp_path, monkeypatch, use):
    np.save(tmp_path / "a.npy", DEPTH)
    (tmp_path / "a.png").write_bytes(png_bytes(IMAGE))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GsjbuError, match=r"is empty, .*; name a file or a folder") as caught:
        use()
    assert caught.value.code == "path_empty" and len(os.listdir()) == 2
