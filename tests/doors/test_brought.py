"""What people bring, through every door: the right value comes out, or a sentence on what to do."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from gsjbu.errors import GsjbuError
from tests.doors.conftest import COLS, REGION, ROWS, H, W, cells
from tests.npy import npy

RNG = np.random.default_rng(0)
METRES = np.array([0.9, 1.5, 2.3, 3.1])[REGION]
MM = np.rint(1000 * cells(METRES)).astype(np.uint16)
HOLE = np.zeros((ROWS, COLS), bool)
HOLE[5:9, 10:14] = True
HOLE[:, 0] = True
CODES = np.array([0, 3, 15, 18], np.uint8)
LABELS = CODES[REGION[4::8, 4::8]]
IGNORED = np.where(np.arange(ROWS)[:, None] == 0, 255, LABELS).astype(np.uint8)
LOGITS = 8.0 * (np.arange(21)[:, None, None] == LABELS) + RNG.normal(0, 0.5, (21, ROWS, COLS))
IDS = RNG.permutation(14 * ROWS).reshape(ROWS, 14).repeat(2, axis=1) * 1_000_003 + 2**40
FEATURES = RNG.normal(size=(64, ROWS, COLS)).astype("f4")


def picture(image: Image.Image | np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, form)
    return stream.getvalue()


def palette() -> bytes:
    image = Image.fromarray(IGNORED).convert("P")
    image.putdata(IGNORED.ravel().tolist())
    image.putpalette(RNG.integers(0, 256, 768, dtype=np.uint8).tobytes())
    return picture(image)


def tiff(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array)
    return stream.getvalue()


def pt(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    torch.save({"features": torch.from_numpy(array)}, stream)
    return stream.getvalue()


def safetensors(array: np.ndarray) -> bytes:
    from safetensors.numpy import save

    return save({"features": array})


def pfm(array: np.ndarray) -> bytes:
    return b"Pf\n%d %d\n-1.0\n" % array.shape[::-1] + array[::-1].astype("<f4").tobytes()


def is_depth_in(low: float, high: float, dtype: str) -> Callable[[np.ndarray], None]:
    def check(out: np.ndarray) -> None:
        assert out.shape == (H, W) and out.dtype == np.dtype(dtype)
        known = out[np.isfinite(out)]
        rounding = 1e-6 * high  # of lines smoothed in float32
        assert low - rounding <= known.min() and known.max() <= high + rounding
        inside = np.abs(out.astype(float)[H // 4, W // 4] - low) < 0.2 * (high - low)
        assert inside, "the flat region far from any border is what was measured there"

    return check


def are_classes(dtype: str) -> Callable[[np.ndarray], None]:
    def check(out: np.ndarray) -> None:
        assert out.shape == (H, W) and out.dtype == np.dtype(dtype)
        assert set(np.unique(out)) == {0, 3, 15, 18}
        assert (out == CODES[REGION]).mean() > 0.95

    return check


def are_ids(out: np.ndarray) -> None:
    assert out.shape == (H, W) and out.dtype == np.int64 and set(np.unique(out)) <= set(np.unique(IDS))
    assert len(np.unique(IDS)) > 256 and (out[4::8, 4::8] == IDS).mean() > 0.6


def are_shares(channels: int) -> Callable[[np.ndarray], None]:
    def check(out: np.ndarray) -> None:
        assert out.shape == (channels, H, W) and out.min() >= 0 and out.max() <= 1
        if channels > 1:
            np.testing.assert_allclose(out.sum(0), 1, atol=1e-4)
            assert (out.argmax(0) == CODES[REGION]).mean() > 0.95

    return check


def are_features(out: np.ndarray) -> None:
    assert out.shape == (64, H, W) and out.dtype == np.float32
    correlation = np.corrcoef(out[0, 4::8, 4::8].ravel(), FEATURES[0].ravel())[0, 1]
    assert correlation > 0.3  # of the first channel with itself


@dataclass
class Case:
    data: bytes
    ending: str
    check: Callable[[np.ndarray], None]


TOKENS = FEATURES.reshape(64, -1).T
CASES = {
    "16-bit depth in mm, 0 is no return": Case(
        picture(np.where(HOLE, 0, MM).astype(np.uint16)), ".png", is_depth_in(900, 3100, "u2")
    ),
    "depth in m, NaN": Case(npy(np.where(HOLE, np.nan, MM / 1000).astype("f4")), ".npy", is_depth_in(0.9, 3.1, "f4")),
    "depth in m, infinite": Case(
        npy(np.where(HOLE, np.inf, MM / 1000).astype("f4")), ".npy", is_depth_in(0.9, 3.1, "f4")
    ),
    "depth in m, -9999": Case(npy(np.where(HOLE, -9999, MM / 1000).astype("f4")), ".npy", is_depth_in(0.9, 3.1, "f4")),
    "depth in float64": Case(npy(MM / 1000), ".npy", is_depth_in(0.9, 3.1, "f8")),
    "depth as TIFF": Case(tiff((MM / 1000).astype("f4")), ".tif", is_depth_in(0.9, 3.1, "f4")),
    "depth as 16-bit TIFF": Case(tiff(MM), ".tif", is_depth_in(900, 3100, "u2")),
    "depth as PFM": Case(pfm(MM / 1000), ".pfm", is_depth_in(0.9, 3.1, "f4")),
    "depth as grey JPEG": Case(picture((MM // 16).astype(np.uint8), "JPEG"), ".jpg", is_depth_in(50, 200, "u1")),
    "depth as grey saved as RGB": Case(
        picture(np.repeat((cells(METRES + np.linspace(0, 1, W)) * 60)[..., None], 3, 2).astype(np.uint8)),
        ".png",
        is_depth_in(54, 245, "u1"),
    ),
    "grey class numbers, 255 ignored": Case(picture(IGNORED), ".png", are_classes("u1")),
    "palette": Case(palette(), ".png", are_classes("u1")),
    "class numbers as int64": Case(npy(IGNORED.astype("i8")), ".npy", are_classes("i8")),
    "class numbers as floats": Case(npy(LABELS.astype("f4")), ".npy", are_classes("f4")),
    "more ids than have a channel each": Case(npy(IDS), ".npy", are_ids),
    "class logits": Case(npy(LOGITS[None].astype("f4")), ".npy", are_shares(21)),
    "mask logits": Case(
        npy((np.where(LABELS > 3, 9.0, -11.0) + RNG.normal(0, 0.4, (ROWS, COLS)))[None, None].astype("f4")),
        ".npy",
        are_shares(1),
    ),
    "features with a batch": Case(npy(FEATURES[None]), ".npy", are_features),
    "features, channels last": Case(npy(FEATURES.transpose(1, 2, 0).copy()), ".npy", are_features),
    "features.pt": Case(pt(FEATURES[None]), ".pt", are_features),
    "features.safetensors": Case(safetensors(FEATURES), ".safetensors", are_features),
    "tokens": Case(npy(TOKENS[None].copy()), ".npy", are_features),
    "tokens with class and registers": Case(
        npy(np.concatenate([np.ones((5, 64), "f4"), TOKENS])[None]), ".npy", are_features
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_right_value_comes_out(name, door, photo, tmp_path):
    case = CASES[name]
    signal = tmp_path / f"signal{case.ending}"
    signal.write_bytes(case.data)
    case.check(door(photo, signal))


REFUSED = {
    "a signal of the other orientation": (npy(FEATURES.transpose(0, 2, 1).copy()), ".npy"),
    "tokens of no grid": (npy(TOKENS[None, :530].copy()), ".npy"),
    "colours of a photo": (picture(RNG.integers(0, 256, (ROWS, COLS, 3), dtype=np.uint8)), ".png"),
    "a batch of two": (npy(np.stack([FEATURES, FEATURES])), ".npy"),
    "no number at all": (npy(np.full((ROWS, COLS), np.nan)), ".npy"),
    "16-bit colours": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + ROWS.to_bytes(4, "big") * 2 + b"\x10\x02\0\0\0" + bytes(99),
        ".png",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_with_a_sentence(name, door, photo, tmp_path):
    data, ending = REFUSED[name]
    signal = tmp_path / f"signal{ending}"
    signal.write_bytes(data)
    with pytest.raises(GsjbuError):
        door(photo, signal)


def test_what_a_hole_holds_does_not_matter(door, photo, tmp_path):
    """A hole does not change its neighbours: the same pixels come out whatever number stands in it."""
    outs = []
    for number, code in enumerate((np.nan, np.inf, -9999.0)):
        signal = tmp_path / f"signal{number}.npy"
        signal.write_bytes(npy(np.where(HOLE, code, MM / 1000).astype("f4")))
        inner = tmp_path / str(number)
        inner.mkdir()
        outs.append(signal)
    from tests.doors.conftest import by_library

    first, *others = (by_library(photo, signal, tmp_path) for signal in outs)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6)


def test_a_hole_in_a_flat_scene_leaves_it_flat(door, photo, tmp_path):
    signal = tmp_path / "signal.png"
    signal.write_bytes(picture(np.where(HOLE, 0, 1000).astype(np.uint16)))
    assert set(np.unique(door(photo, signal))) == {1000}


def test_a_photo_of_the_wrong_turn_is_named(photo, tmp_path):
    """The signal lies over the unturned picture: refused with that as the cause."""
    from tests.doors.conftest import by_library

    turned = tmp_path / "turned.jpg"
    image = Image.open(photo)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(turned, exif=exif)
    signal = tmp_path / "signal.npy"
    signal.write_bytes(npy(FEATURES))
    with pytest.raises(GsjbuError, match="EXIF"):
        by_library(turned, signal, Path(tmp_path))
