"""A signal goes to another process and comes back as it was, whatever it has."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from gsjbu.io.brought import Brought
from gsjbu.io.packing import pack, unpack
from gsjbu.io.signals import Signal, understand

RNG = np.random.default_rng(0)
VECTORS = RNG.standard_normal((3, 6, 8))
LABELS = np.array([0, 3, 15])[np.repeat(np.arange(3), 16)].reshape(6, 8)


def sent(signal: Signal) -> Signal:
    """``signal`` as the other process has it."""
    told, arrays = pack(signal)
    return unpack(json.loads(json.dumps(told)), b"".join(array.tobytes() for array in arrays))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray | torch.Tensor):
        return np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")
    if isinstance(a, Brought):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    return bool(a == b) and type(a) is type(b)


@pytest.mark.parametrize(
    "signal",
    [
        understand(VECTORS / np.linalg.norm(VECTORS, axis=0)),
        understand(np.ma.masked_array(LABELS, LABELS == 3, fill_value=-1), names=["ground"]),
        understand(Brought(LABELS, "palette PNG", kind="labels", palette=bytes(48), names={3: "tree"}, pages=2)),
        understand(RNG.standard_normal((257, 384)).astype("f4"), (480, 640)),
        understand(np.where(LABELS == 3, np.nan, 3.0 + LABELS), invalid=(15.0,), grid=(6, 8), fill=True),
    ],
)
def test_all_that_a_signal_has_comes_back(signal):
    back = sent(signal)
    for field in fields(Signal):
        assert same(getattr(signal, field.name), getattr(back, field.name)), field.name
    assert (back.note, back.doubts) == (signal.note, signal.doubts)


def test_a_result_of_a_signal_without_what_was_brought_is_sent_too():
    signal = replace(understand(LABELS), brought=None)
    assert sent(signal).brought is None and sent(signal).codes == (0, 3, 15)
