"""Float16 is written where it holds the values, and refused in words where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.errors import GsjbuError
from gsjbu.io import writers
from gsjbu.io.halving import halved

DEPTH = (4 + 8 * np.random.default_rng(0).random((30, 40))).astype(np.float32)


@pytest.mark.parametrize(
    ("blocks", "right"),
    [
        ([DEPTH + 30000], "without its offset"),
        ([-(DEPTH + 3000)], "without its offset"),
        ([DEPTH * 1e-8], "makes its numbers larger"),
        ([np.full_like(DEPTH, 1e-8)], "makes its numbers larger"),
        ([np.stack([DEPTH, DEPTH + 30000])], "without its offset"),
        ([DEPTH[None] + 30000, DEPTH[None]], "without its offset"),
        ([np.where(DEPTH > 9, np.nan, DEPTH + 30000)], "without its offset"),
    ],
)
def test_what_float16_would_lose_is_refused(tmp_path, blocks, right):
    shape = blocks[0].shape if blocks[0].ndim == 2 else (sum(len(b) for b in blocks), *DEPTH.shape)
    for form in ("npy", "safetensors"):
        with pytest.raises(GsjbuError, match=right) as caught:
            writers.write(tmp_path / f"a.{form}", form, shape, blocks, half=True)
        assert caught.value.code == "float16_range" and "rite float32" in caught.value.message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "block",
    [
        DEPTH,
        DEPTH + 100,
        DEPTH * 1e-4,
        np.zeros_like(DEPTH),
        np.full_like(DEPTH, 30000.3),
        np.full_like(DEPTH, np.nan),
        (30000 * (1 + 1e-7 * (DEPTH > 9))).astype(np.float32),  # the same but for rounding
        np.stack([DEPTH, 1e-9 * DEPTH]),  # a channel of next to nothing, beside one of something
    ],
)
def test_what_float16_holds_is_written(block):
    (half,) = halved([block], 0.0)
    np.testing.assert_array_equal(half, block.astype(np.float16))


def test_shares_of_nearly_nothing_are_shares(tmp_path):
    writers.write(tmp_path / "a.npy", "npy", DEPTH.shape, [DEPTH * 1e-9], half=True, facts={"kind": "probabilities"})
    assert (np.load(tmp_path / "a.npy") < 1e-6).all()


def test_what_came_as_float16_goes_as_float16():
    """Its own steps are what they are."""
    block = (DEPTH + 30000).astype(np.float16)
    (half,) = halved([block], 0.0)
    np.testing.assert_array_equal(half, block)
