"""What holds arrays is refused with the one to bring."""

from __future__ import annotations

import io
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gsjbu.errors import SignalError
from gsjbu.io.guides import to_guide
from gsjbu.io.signals import understand

T = torch.randn(4, 6, 8)


class Output(OrderedDict):
    """As a ModelOutput."""


@pytest.mark.parametrize(
    ("x", "said", "brought"),
    [
        ({"out": T[None], "aux": T}, "A dict with ['out'], ['aux']", "x['out']"),
        ([{"height": 6, "sem_seg": T}], "A list of 1", "x[0]['sem_seg']"),
        (Output(scores=T), "An Output with ['scores']", "x['scores']"),
        ({"model": {"decoder": T}}, "A dict with ['model']", "x['model']['decoder']"),
        (SimpleNamespace(loss=None, sem=T), "A SimpleNamespace with .loss, .sem", "x.sem"),
        ((T[None],), "A tuple of 1", "x[0]"),
        ((T.clone().requires_grad_(), T), "A tuple of 2", "x[0]"),
        ([np.zeros((1, 4, 6, 8))] * 3, "A list of 3", "x[0]"),
        ([T[0], T[1, :3]], "A list of 2", "x[0]"),
    ],
)
def test_a_container_is_named_with_the_part_to_bring(x, said, brought):
    with pytest.raises(SignalError) as refusal:
        understand(x)
    assert refusal.value.message == f"{said} is no signal itself: bring {brought}."
    assert understand(eval(brought, {"x": x})).shape[1:] == (6, 8)


def test_a_stream_and_what_holds_nothing():
    with pytest.raises(SignalError, match=r"its bytes, x\.getvalue\(\)"):
        understand(io.BytesIO(b"abc"))
    with pytest.raises(SignalError, match="it holds no array"):
        understand([{"score": 0.5}])


def test_lists_of_numbers_and_of_channels_are_arrays():
    assert understand([[0.0, 1.5], [2.5, 9.0]]).shape == (1, 2, 2)
    assert understand([T[0].numpy(), T[1].numpy()]).shape == (2, 6, 8)
    assert understand((T,)).shape == T.shape


class Lent(SimpleNamespace):
    """What hands over its memory by DLPack."""

    def __dlpack__(self, **_):
        return T[0].__dlpack__()

    def __dlpack_device__(self):
        return T[0].__dlpack_device__()


@pytest.mark.parametrize("x", [memoryview(T[0].numpy()), Lent(), T[0].numpy().astype(np.longdouble)])
def test_views_of_memory_and_long_floats_are_arrays(x):
    assert torch.equal(understand(x, kind="features").values[0], T[0])
    if not isinstance(x, np.ndarray):
        assert to_guide(x).pixels.shape[-2:] == (6, 8)


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="longdouble is float64 here")
def test_floats_beyond_64_bits_are_no_gaps():
    with pytest.raises(SignalError, match="beyond float64's range"):
        understand(T[0].numpy() * np.longdouble("1e400"))


class Nullable:
    """As a pandas frame of a type of its own, whose gaps are objects."""

    def __init__(self) -> None:
        self._values = [[1.0, None], [2.5, 4.0]]

    def __array__(self, dtype=None, copy=None):
        return np.array(self._values, object)

    def to_numpy(self, dtype, na_value):
        return np.array([[na_value if v is None else v for v in row] for row in self._values], dtype)


def test_gaps_that_are_objects_are_gaps():
    signal = understand(Nullable(), kind="depth")
    assert signal.mask.tolist() == [[True, False], [True, True]]


def test_run_lengths_of_a_mask_are_named():
    with pytest.raises(SignalError, match=r"run lengths .* pycocotools\.mask\.decode"):
        understand({"size": [12, 16], "counts": b"abc"})


def test_names_that_are_private_are_not_shown():
    with pytest.raises(SignalError) as refusal:
        understand(SimpleNamespace(_hidden=1, score=0.5))
    assert "_hidden" not in refusal.value.message
