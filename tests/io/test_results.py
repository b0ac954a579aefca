"""A result in one piece and in blocks is the same, and its file says, or has beside it, what its numbers mean."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import gsjbu
from gsjbu.io import restoring
from gsjbu.io.results import Result
from gsjbu.io.signals import understand

RNG = np.random.default_rng(0)
IMAGE = RNG.random((3, 24, 32), dtype=np.float32)
SHARES = RNG.dirichlet(np.ones(3), (6, 8)).transpose(2, 0, 1).astype(np.float32)
SIGNALS = {
    "depth": (RNG.integers(500, 900, (6, 8)).astype(np.uint16), {}),
    "one channel": (RNG.standard_normal((1, 6, 8)), {"kind": "features"}),
    "features": (RNG.standard_normal((5, 6, 8)).astype(np.float32), {"fill": True}),
    "probabilities": (SHARES, {}),
    "labels": (np.arange(48).reshape(6, 8) // 12, {"kind": "labels"}),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_blocks_are_the_whole_and_shape_and_dtype_are_known_before(name):
    array, words = SIGNALS[name]
    signal = understand(array, (24, 32), **words)
    kernel = gsjbu.fit(IMAGE, lr_size=signal.shape[1:], iters=0)
    for shares in {False, signal.kind == "labels"}:
        whole = restoring.restored(signal, kernel, shares)
        blocks = list(restoring.in_blocks(signal, kernel, 2 * 4 * 24 * 32, shares))  # of two channels
        assert np.array_equal(np.concatenate(blocks), whole, equal_nan=True)
        assert len(blocks) == {"features": 3, "probabilities": 2}.get(name, 1)
        assert restoring.result_shape(signal, (24, 32), shares) == whole.shape
        assert restoring.result_dtype(signal, shares) == whole.dtype


@pytest.mark.parametrize("name", sorted(SIGNALS.keys() - {"features"}))
def test_the_shape_that_is_told_is_the_picture_s(tmp_path, name):
    array, words = SIGNALS[name]
    signal = understand(array, (24, 32), **words)
    whole = restoring.restored(signal, gsjbu.fit(IMAGE, lr_size=signal.shape[1:], iters=0))
    about = Result.whole(signal, whole, restoring.facts(signal)).write(tmp_path / "out.png", "png")
    with Image.open(tmp_path / "out.png") as picture:
        assert about["shape"] == list(np.asarray(picture).shape) == [24, 32]


def labels() -> Result:
    signal = understand(np.arange(48).reshape(6, 8) // 12, kind="labels")
    return Result.whole(signal, np.zeros((24, 32), np.int64), restoring.facts(signal))


@pytest.mark.parametrize(("wanted", "there"), [(True, True), (False, False)])
def test_notes_lie_beside_an_array_if_they_are_wanted(tmp_path, wanted, there):
    about = labels().write(tmp_path / "out.npy", "npy", notes=wanted)
    beside = tmp_path / "out.npy.json"
    assert about == {"shape": [24, 32], "dtype": "int64"}
    assert beside.exists() == there
    assert not there or json.loads(beside.read_text("utf-8")).items() >= about.items()


def test_what_a_file_says_itself_is_not_said_beside_it(tmp_path):
    labels().write(tmp_path / "out.safetensors", "safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["out.safetensors"]


def test_half_precision_is_told(tmp_path):
    signal = understand(SHARES)
    result = Result.whole(signal, SHARES, restoring.facts(signal))
    assert result.write(tmp_path / "out.npy", "npy", half=True)["dtype"] == "float16"
    assert np.load(tmp_path / "out.npy").dtype == np.float16
