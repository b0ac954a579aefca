"""The picture to follow, in whatever file or array a person has it, through every door: the same result, or why not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import gsjbu
from gsjbu.errors import GsjbuError, SignalWarning
from gsjbu.io.guides import MEAN, STD
from tests.doors.conftest import REGION, ROWS, H, W, cells
from tests.npy import npy

METRES = cells(np.array([0.9, 1.5, 2.3, 3.1])[REGION]).astype("f4")


def saved(image: Image.Image, form: str, **how: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **how)
    return stream.getvalue()


def of_four_bands(image: Image.Image) -> np.ndarray:
    """[H, W, 4] uint16, the fourth band the mean of the others."""
    wide = np.asarray(image).astype(np.uint16) * 257
    return np.dstack([wide, wide.mean(axis=2).astype(np.uint16)])


def tiff(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, photometric="minisblack", planarconfig="contig")
    return stream.getvalue()


#: Ending -> a file, and the doors that take it; the others must say which pictures they take.
FILES: dict[str, tuple[Callable[[Image.Image], bytes], set[str]]] = {
    ".jpg": (lambda image: saved(image, "JPEG", quality=98), {"library", "command line", "batch", "api"}),
    ".webp": (lambda image: saved(image, "WEBP", lossless=True), {"library", "command line", "batch", "api"}),
    ".avif": (lambda image: saved(image, "AVIF", quality=98), {"library", "command line", "batch", "api"}),
    ".bmp": (lambda image: saved(image, "BMP"), {"library", "command line", "batch"}),
    ".tif": (lambda image: tiff(of_four_bands(image)), {"library", "command line", "batch"}),
    ".npy": (lambda image: npy(of_four_bands(image)), {"library", "command line"}),
}


@pytest.mark.parametrize("ending", FILES)
def test_every_file_of_the_picture_gives_what_its_png_gives(ending, gate, photo, tmp_path, request):
    make, takes = FILES[ending]
    signal = tmp_path / "depth.npy"
    np.save(signal, METRES)
    other = tmp_path / f"photo{ending}"
    other.write_bytes(make(Image.open(photo).convert("RGB")))
    if request.node.callspec.params["gate"] not in takes:
        with pytest.raises(GsjbuError, match=r"JPEG|\.jpg"):
            gate(other, signal)
        return
    high = gate(other, signal)
    assert high.shape == (H, W)
    truth = np.array([0.9, 1.5, 2.3, 3.1])[REGION]
    assert np.abs(high - truth).mean() < 0.03  # bilinear: 0.046


FORMS = {
    "[1, 3, H, W] tensor": lambda rgb: torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None] / 255,
    "[3, H, W] array": lambda rgb: np.moveaxis(rgb, -1, 0),
    "[H, W, 4] array": lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]),
    "float64 in [0, 1]": lambda rgb: rgb / 255.0,
    "16 bits": lambda rgb: rgb.astype(np.uint16) * 257,
    "PIL": Image.fromarray,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_picture_in_the_library(form, photo):
    rgb = np.asarray(Image.open(photo).convert("RGB"))
    right = gsjbu.upsample(rgb, METRES, iters=2).numpy()
    assert right.shape == (H, W)
    np.testing.assert_allclose(gsjbu.upsample(FORMS[form](rgb), METRES, iters=2).numpy(), right, atol=1e-6)


def test_a_normalised_picture_is_noticed_and_brought_back(photo):
    rgb = (np.asarray(Image.open(photo).convert("RGB")) / 255.0).astype(np.float32)
    normalised = (rgb - np.float32(MEAN)) / np.float32(STD)
    with pytest.warns(SignalWarning, match="normalised"):
        high = gsjbu.upsample(normalised, METRES, iters=2).numpy()
    right = gsjbu.upsample(rgb, METRES, iters=2).numpy()
    np.testing.assert_allclose(high, right, atol=0.05)
    given = gsjbu.upsample(normalised, METRES, iters=2, mean=MEAN, std=STD).numpy()
    np.testing.assert_allclose(given, right, atol=1e-4)


@pytest.mark.parametrize("damage", [lambda b: b[:-50], lambda b: b[:40] + b"\0" * 40, lambda b: b[:6]])
def test_a_damaged_array_of_a_picture_is_said_to_be_one(damage, tmp_path):
    path: Path = tmp_path / "photo.npy"
    path.write_bytes(damage(npy(np.zeros((ROWS * 8, 64, 4), np.uint16))))
    with pytest.raises(GsjbuError) as raised:
        gsjbu.upsample(str(path), METRES)
    assert raised.value.code.startswith("image_")
