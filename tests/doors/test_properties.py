"""What holds of any signal: its unit, its range, its turn, and that anything at all is a result or a sentence."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import gsjbu
from gsjbu import cli
from gsjbu.batch.items import Blob, Item
from gsjbu.batch.work import BatchConfig, Worker
from gsjbu.errors import GsjbuError, SignalWarning
from tests.doors.conftest import by_page, zipped
from tests.npy import npy

H, W, ROWS, COLS = 32, 40, 8, 10
_y, _x = np.mgrid[:H, :W]
INSIDE = np.hypot(_y - 15, _x - 21) < 10
SHARE = INSIDE.reshape(ROWS, H // ROWS, COLS, W // COLS).mean((1, 3))
QUICKLY = settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 1 << 16)


def photo(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    flat = np.where(INSIDE[..., None], random.random(3), random.random(3))
    return np.clip(flat + 0.04 * random.standard_normal((H, W, 3)), 0, 1)


def signal_of(kind: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed + 1)
    noise = random.standard_normal((6, ROWS, COLS))
    softmax = np.exp(2 * noise) / np.exp(2 * noise).sum(0)
    shares = np.stack([SHARE, 1 - SHARE])
    return {
        "depth": 1 + 2 * SHARE + 0.1 * noise[0], "samples": np.where(SHARE > 0.5, 1, 5) + 0.05 * noise[0],
        "gaps": np.where(random.random((ROWS, COLS)) < 0.2, np.nan, 1 + 2 * SHARE + 0.1 * noise[0]),
        "features": noise, "labels": np.array([0, 3, 9])[random.integers(0, 3, (ROWS, COLS))],
        "soft_labels": shares, "probabilities": softmax, "heat_map": 0.1 + 0.8 * SHARE,
        "logits": 4 * noise, "millimetres": np.rint(1000 * (1 + 2 * SHARE)).astype(np.uint16),
    }[kind]  # fmt: skip


KINDS = ("depth", "samples", "gaps", "features", "labels", "soft_labels", "probabilities", "heat_map", "logits")
MEASURED = ("depth", "samples", "gaps")


def upsampled(image: np.ndarray, signal: np.ndarray, kind: str) -> np.ndarray:
    kind = "depth" if kind in (*MEASURED, "millimetres") else kind
    return gsjbu.upsample(image, signal, kind=kind, iters=3, threads=1).numpy()


def spread(array: np.ndarray) -> float:
    return float(np.nanmax(array) - np.nanmin(array)) or 1.0


@QUICKLY
@given(st.sampled_from((*MEASURED, "features")), SEEDS, st.integers(-12, 9), st.floats(-50, 3000))
def test_the_unit_does_not_matter(kind, seed, power, offset):
    scale, offset = 10.0**power, 0.0 if kind == "features" else offset
    image, signal = photo(seed), signal_of(kind, seed)
    plain = upsampled(image, signal, kind)
    other = upsampled(image, scale * (signal + offset), kind)
    np.testing.assert_allclose(other / scale - offset, plain, atol=1e-4 * spread(plain))


def turns(way: str, array: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """``array`` with its axes ``rows`` and ``cols`` turned."""
    ways = {
        "transposed": lambda a: np.swapaxes(a, rows, cols), "mirrored": lambda a: np.flip(a, cols),
        "upside down": lambda a: np.flip(a, (rows, cols)), "on its side": lambda a: np.rot90(a, 1, (rows, cols)),
    }  # fmt: skip
    return np.ascontiguousarray(ways[way](array))


@QUICKLY
@given(st.sampled_from(KINDS), SEEDS)
@pytest.mark.parametrize("way", ["transposed", "mirrored", "upside down", "on its side"])
def test_a_turned_picture_with_its_signal_gives_the_result_turned(way, kind, seed):
    image, signal = photo(seed), signal_of(kind, seed)
    plain = turns(way, upsampled(image, signal, kind), -2, -1)
    other = upsampled(turns(way, image, 0, 1), turns(way, signal, -2, -1), kind)
    if kind == "labels":
        assert (plain == other).mean() > 0.999  # of two classes as strong either is right
    else:
        np.testing.assert_allclose(other, plain, atol=1e-4 * spread(plain))


@QUICKLY
@given(st.sampled_from(KINDS), SEEDS)
def test_every_pixel_is_in_the_range_of_its_window(kind, seed):
    signal = signal_of(kind, seed)
    out = upsampled(photo(seed), signal, kind).reshape(-1, H, W)
    if kind == "labels":
        assert set(np.unique(out)) <= set(np.unique(signal))
        return
    if kind in ("logits", "soft_labels", "probabilities", "heat_map"):
        assert np.nanmin(out) >= 0 and np.nanmax(out) <= 1
        return
    low = signal.reshape(-1, ROWS, COLS)
    for row in range(ROWS):
        for col in range(COLS):
            window = low[:, max(0, row - 2) : row + 3, max(0, col - 2) : col + 3]
            cell = out[:, 4 * row : 4 * row + 4, 4 * col : 4 * col + 4]
            slack = 1e-5 * spread(signal)
            assert (cell >= np.nanmin(window, (1, 2))[:, None, None] - slack).all()
            assert (cell <= np.nanmax(window, (1, 2))[:, None, None] + slack).all()


@QUICKLY
@given(st.sampled_from(["u1", "u2", "i2", "i4", "i8"]), SEEDS)
def test_whole_numbers_come_back_as_whole_numbers_of_the_same_unit(dtype, seed):
    signal = (np.rint(40 * signal_of("depth", seed))).astype(dtype)
    out = upsampled(photo(seed), signal, "millimetres")
    assert out.dtype == signal.dtype and signal.min() <= out.min() and out.max() <= signal.max()
    assert abs(out.astype(float).mean() - signal.mean()) < 0.1 * spread(signal.astype(float))


# ------------------------------------------------------------------------------------- any array

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, max_side=9)
DTYPES = st.one_of(
    arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes(),
    arrays.complex_number_dtypes(), arrays.unicode_string_dtypes(), arrays.datetime64_dtypes(),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("any")
    Image.fromarray(np.rint(255 * photo(0)).astype(np.uint8)).save(path / "photo.png")
    return path


@settings(QUICKLY, max_examples=10)
@given(arrays.arrays(DTYPES, SHAPES))
@pytest.mark.parametrize("door", ["command line", "batch", "page", "api"])
def test_any_array_is_a_result_or_a_sentence(door, folder, client, array):
    """The library's own is in tests/io/test_restoring.py."""
    image, path = folder / "photo.png", folder / "signal.npy"
    path.write_bytes(npy(array))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)
        if door == "command line":
            words = ["upsample", str(image), str(path), "-o", str(folder / "out.npy"), "--iters", "0", "--quiet"]
            assert cli.main(words) in (0, 2)
        elif door == "batch":
            item = Item("one", Blob(str(image), image.name), Blob(str(path), path.name))
            (folder / "one.npy").unlink(missing_ok=True)
            outcome = Worker(str(folder), BatchConfig(iters=0), threads=None)(item)
            assert outcome["status"] == "done" or (outcome["code"] != "unexpected" and outcome["error"].endswith("."))
        else:
            try:
                _ = zipped(image, path, client) if door == "api" else by_page(image, path, folder)
            except GsjbuError as refusal:
                assert refusal.message.endswith(".") and refusal.code != "internal"  # noqa: PT017
