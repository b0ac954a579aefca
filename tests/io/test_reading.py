"""Signals in the layout that commands agree on, and refusals for what is none."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from safetensors.torch import save

from gsjbu.errors import SignalError
from gsjbu.io.reading import read

VALUES = np.random.default_rng(0).standard_normal((6, 6, 8), dtype=np.float32)


def packed(how, *arrays) -> bytes:
    out = io.BytesIO()
    how(out, *arrays)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        packed(np.save, VALUES),
        packed(np.savez_compressed, VALUES),
        save({"anything": torch.from_numpy(VALUES)}),
        packed(np.save, np.asfortranarray(VALUES)),
    ],
)
def test_channels_come_first_whatever_the_sizes_suggest(data):
    signal = read(data, "a")
    assert signal.kind == "features"
    np.testing.assert_array_equal(signal.values.numpy(), VALUES)


def test_half_precisions_are_read():
    half = read(packed(np.save, VALUES.astype(np.float16)), "a")
    brain = read(save({"x": torch.from_numpy(VALUES).bfloat16()}), "a")
    assert half.values.dtype == brain.values.dtype == torch.float32
    assert (brain.values - torch.from_numpy(VALUES)).abs().max() < 0.02


def test_a_plane_is_one_channel_and_few_integers_are_classes():
    assert read(packed(np.save, VALUES[0]), "a").kind == "depth"
    labels = read(packed(np.save, (VALUES[0] > 0).astype(np.uint8)), "a")
    assert (labels.kind, labels.shape) == ("labels", (2, 6, 8))


def test_gaps_are_told():
    gappy = VALUES[:1].copy()
    gappy[0, 2, 3] = np.nan
    signal = read(packed(np.save, gappy), "a")
    assert int((~signal.mask).sum()) == 1
    assert bool(torch.isfinite(signal.values).all())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "signal_type"),
        (b"\xff\xd8\xff", "signal_type"),
        (packed(np.save, VALUES)[:100], "signal_corrupt"),
        (packed(np.savez, VALUES)[:-40], "signal_corrupt"),
        (packed(np.savez, VALUES, VALUES), "signal_several"),
        (save({"a": torch.ones(2, 2), "b": torch.ones(2, 2)}), "signal_several"),
        (packed(np.save, np.array([{"an": "object"}], dtype=object)), "signal_pickled"),
        (packed(np.save, np.ones(4)), "signal_shape"),
        (packed(np.save, np.ones((0, 3, 3))), "signal_shape"),
        (packed(np.save, np.full((2, 3, 3), np.nan)), "signal_not_finite"),
    ],
)
def test_what_is_no_signal_is_refused(data, code):
    with pytest.raises(SignalError) as refusal:
        read(data, "a.npy")
    assert refusal.value.code == code
