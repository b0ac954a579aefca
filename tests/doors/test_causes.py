"""A refusal names the true cause and the step that mends it, through every door; what need not be refused is not."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

import gsjbu
from gsjbu.core import clipping, interpolation
from gsjbu.core.grid import Grid
from gsjbu.errors import GsjbuError
from tests.doors.conftest import COLS, ROWS, H, W
from tests.doors.test_brought import npy, picture
from tests.server.hostile import chunk

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(6, ROWS, COLS)).astype("f4")


def jpeg_of_12_bits() -> bytes:
    data = bytearray(picture(RNG.integers(0, 255, (ROWS, COLS), dtype=np.uint8), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = 0xC1, 12
    return bytes(data)


def labels_with_soft_edges() -> bytes:
    """Discs in colours, made smaller with smoothing."""
    y, x = np.mgrid[: 12 * ROWS, : 12 * COLS]
    flat = np.zeros((*y.shape, 3), np.uint8)
    for row, col, colour in zip((60, 120, 160), (70, 200, 280), RNG.integers(0, 255, (3, 3)), strict=True):
        flat[np.hypot(y - row, x - col) < 50] = colour
    return picture(Image.fromarray(flat).resize((3 * COLS, 3 * ROWS), Image.Resampling.BILINEAR))


def png_of_16_bits(colour: int, channels: int) -> bytes:
    head = struct.pack(">IIBBBBB", COLS, ROWS, 16, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + RNG.bytes(2 * channels * COLS) for _ in range(ROWS)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@dataclass
class Refused:
    data: bytes
    ending: str
    cause: str


REFUSED = {
    "larger than the image": Refused(npy(np.ones((2 * H, 2 * W)) + RNG.random((2 * H, 2 * W))), ".npy", "refine"),
    "transposed": Refused(npy(FEATURES.transpose(0, 2, 1).copy()), ".npy", "turned by 90"),
    "another shape": Refused(picture(RNG.integers(0, 65535, (8, 41), dtype=np.uint16)), ".png", "shapes differ"),
    "12 bits": Refused(jpeg_of_12_bits(), ".jpg", "12 bits a channel"),
    "classes with soft edges": Refused(labels_with_soft_edges(), ".png", "soft edges.*nearest"),
    "16 bits, grey and alpha": Refused(png_of_16_bits(4, 2), ".png", "16 bits and more than one channel"),
    "16 bits, colours": Refused(png_of_16_bits(2, 3), ".png", "16 bits and more than one channel"),
    "tokens of no grid": Refused(npy(RNG.random((1, 530, 64))), ".npy", "grid"),
    "no file of numbers": Refused(b"not a signal at all, but words", ".npy", "A signal is a .npy"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_true_cause_is_named(name, gate, photo, tmp_path):
    case = REFUSED[name]
    signal = tmp_path / f"signal{case.ending}"
    signal.write_bytes(case.data)
    with pytest.raises(GsjbuError, match=f"(?s){case.cause}") as refusal:
        gate(photo, signal)
    assert refusal.value.message.endswith(".")


def test_a_photo_on_its_side_is_named_as_the_cause(gate, photo, tmp_path):
    """The signal lies over the unturned pixels."""
    image = Image.open(photo)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "signal.npy").write_bytes(npy(FEATURES))
    with pytest.raises(GsjbuError, match="EXIF"):
        gate(tmp_path / "turned.jpg", tmp_path / "signal.npy")


def test_a_map_of_activation_is_interpolated_without_the_image(gate, photo, tmp_path):
    y, x = np.mgrid[:7, :7]
    cam = np.exp(-((y - 3) ** 2 + (x - 3.4) ** 2) / 6).astype("f4")
    (tmp_path / "signal.npy").write_bytes(npy(cam))
    low, grid = _tensor(cam), Grid.from_sizes(H, W, 7, 7)
    down, across = _areas(H, 7), _areas(W, 7)
    means = (down @ interpolation.catmull_rom(low, grid)[0].double().numpy() @ across.T)[None]
    sharp = 2 * low - torch.from_numpy(means).float()  # given back once
    held = clipping.clip_(interpolation.catmull_rom(sharp, grid), low, grid, 2)[0].numpy()
    np.testing.assert_allclose(gate(photo, tmp_path / "signal.npy"), held, atol=1e-5)


def _tensor(array: np.ndarray):
    return torch.from_numpy(array)[None]


def _areas(pixels: int, cells: int) -> np.ndarray:
    """How much of each cell each pixel is, [cells, pixels]."""
    borders, at = np.linspace(0, pixels, cells + 1), np.arange(pixels)
    parts = np.minimum(borders[1:, None], at + 1) - np.maximum(borders[:-1, None], at)
    return parts.clip(0) * cells / pixels


CODES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "65504 in half precision": lambda holes: np.where(holes, 65504, 1 + SENSED).astype("f2"),
    "-9999": lambda holes: np.where(holes, -9999, 1 + SENSED),
    "1e10": lambda holes: np.where(holes, 1e10, 1 + SENSED).astype("f4"),
}
SENSED = np.linspace(0, 3, ROWS * COLS).reshape(ROWS, COLS)


@pytest.mark.parametrize("name", CODES)
def test_numbers_far_from_all_others_are_gaps_and_asked_for(name, gate, photo, tmp_path):
    holes = RNG.random((ROWS, COLS)) < 0.2
    (tmp_path / "signal.npy").write_bytes(npy(CODES[name](holes)))
    out = gate(photo, tmp_path / "signal.npy")
    known = out[np.isfinite(out)]
    assert known.min() >= 0.99 and known.max() <= 4.01


def test_a_masked_array_keeps_its_mask_in_the_library(photo):
    holes = RNG.random((ROWS, COLS)) < 0.2
    hidden = gsjbu.upsample(str(photo), np.ma.MaskedArray(np.where(holes, 77.0, 1 + SENSED), holes), iters=2)
    plain = gsjbu.upsample(str(photo), np.where(holes, np.nan, 1 + SENSED), iters=2)
    np.testing.assert_allclose(hidden.numpy(), plain.numpy(), atol=1e-6)
