"""Maps of floats come back as they were written; what they have no room for is refused before the work."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gsjbu import cli
from gsjbu.errors import GsjbuError
from gsjbu.io import float_maps, readers

RNG = np.random.default_rng(0)
FLAT = RNG.standard_normal((5, 7)).astype(np.float32)
FLAT[1, 2] = np.nan


@pytest.mark.parametrize(
    ("form", "channels"), [("pfm", None), ("pfm", 1), ("pfm", 3), ("flo", 2), ("exr", None), ("exr", 3), ("exr", 4)]
)
def test_what_is_written_is_read(form, channels):
    if form == "exr":
        pytest.importorskip("OpenEXR")
    planes = FLAT if channels is None else np.stack([FLAT + n for n in range(channels)])
    found = readers.read(float_maps.encoded(form, planes))
    array = np.moveaxis(found.array, -1, 0) if found.layout == "HWC" else found.array
    np.testing.assert_array_equal(array, planes[0] if channels == 1 else planes)


@pytest.mark.parametrize(("form", "channels"), [("pfm", 2), ("flo", 1), ("flo", 3), ("exr", 9)])
def test_other_numbers_of_channels_are_refused(form, channels):
    with pytest.raises(GsjbuError, match=rf"A \.{form} holds .* channels, and the result has {channels};"):
        float_maps.check(form, (5, 7) if channels == 1 else (channels, 5, 7))


def test_whole_numbers_beyond_those_of_float32_are_refused():
    float_maps.encoded("pfm", np.array([[1 << 24, -5]]))
    with pytest.raises(GsjbuError, match="whole numbers up to 16777216"):
        float_maps.encoded("pfm", np.array([[0, (1 << 24) + 1]]))


def test_the_command_writes_them_and_refuses_before_it_fits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("photo.npy", RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8))
    np.save("depth.npy", RNG.random((4, 6)) + 1)
    assert cli.main(["upsample", "photo.npy", "depth.npy", "-o", "full.pfm", "--iters", "0"]) == 0
    assert readers.bring("full.pfm").array.shape == (32, 48)
    assert cli.main(["upsample", "photo.npy", "depth.npy", "-o", "full.flo"]) == 2
    assert "A .flo holds 2 channels" in capsys.readouterr().err


def test_shares_of_two_classes_are_no_motion(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("photo.npy", RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8))
    share = RNG.random((4, 6))
    np.save("shares.npy", np.stack([share, 1 - share]))
    np.save("motion.npy", RNG.standard_normal((2, 4, 6)))
    assert cli.main(["upsample", "photo.npy", "shares.npy", "-o", "full.flo"]) == 2
    assert "A .flo holds motion" in capsys.readouterr().err
    assert cli.main(["upsample", "photo.npy", "motion.npy", "-o", "full.flo", "--iters", "0"]) == 0
    np.save("large.npy", np.repeat(np.repeat(np.stack([share, 1 - share]), 8, 1), 8, 2))
    assert cli.main(["refine", "photo.npy", "large.npy", "-o", "other.flo", "--iters", "0"]) == 2
    assert "A .flo holds motion" in capsys.readouterr().err


@pytest.mark.parametrize(("about", "fits"), [(0, True), (1e3, True), (1e7, False)])
def test_digits_that_float32_has_not_are_refused_before_the_fit(tmp_path, monkeypatch, capsys, about, fits):
    monkeypatch.chdir(tmp_path)
    np.save("photo.npy", RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8))
    np.save("depth.npy", about + np.add.outer(np.arange(4) * 0.1, np.arange(6) * 0.1))
    words = ("upsample", "photo.npy", "depth.npy", "--iters", "0", "--json", "-o")
    status = cli.main([*words, "full.pfm"])
    said = capsys.readouterr()
    assert (status, "too few digits" in said.err) == ((0, False) if fits else (2, True))
    assert not fits or json.loads(said.out)["dtype"] == "float32"
    for name in ("full.png", "full.tif", "full.npy"):
        assert cli.main([*words, name]) == 0
    right = np.load("full.npy")
    np.testing.assert_allclose(readers.bring("full.png").array, right, rtol=0, atol=np.ptp(right) / 65535)
    np.testing.assert_array_equal(readers.bring("full.tif").array, right)


def test_an_exr_that_cannot_be_written_is_said_in_a_sentence(tmp_path, monkeypatch, capsys):
    """As where the folder for temporary files is full."""
    exr = pytest.importorskip("OpenEXR")

    def full(_file: object, name: str) -> None:
        raise RuntimeError(f'Failed to write pixel data to image file "{name}"')

    monkeypatch.setattr(exr.File, "write", full)
    monkeypatch.chdir(tmp_path)
    np.save("photo.npy", RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8))
    np.save("depth.npy", RNG.random((4, 6)) + 1)
    assert cli.main(["upsample", "photo.npy", "depth.npy", "-o", "full.exr", "--iters", "0"]) == 3
    assert "gsjbu: OpenEXR cannot write its temporary file; the disk may be full (" in capsys.readouterr().err
    assert not (tmp_path / "full.exr").exists()
