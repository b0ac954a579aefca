"""What goes from one process to another arrives whole, whatever has to be made for it."""

from __future__ import annotations

import io
import threading
from typing import Any

import numpy as np
import pytest
import torch

from gsjbu.errors import ModelError, SettingError, ShapeError
from gsjbu.run.later import Later
from gsjbu.run.once import Once
from gsjbu.run.panels import Panel
from gsjbu.server import parcel


def sent(thing: Any) -> Any:
    pipe = io.BytesIO()
    parcel.send(pipe, thing)
    pipe.seek(0)
    return parcel.receive(pipe)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(2.5),
        torch.arange(12).reshape(3, 4).T,
        torch.ones(2, 3, dtype=torch.bool),
        torch.ones(5, dtype=torch.float16),
        torch.ones(5, dtype=torch.bfloat16),
        torch.ones(0, 3),
        torch.ones(3, requires_grad=True),
        torch.tensor([1 + 2j]).conj(),
    ],
)
def test_a_tensor_of_any_kind(tensor: torch.Tensor) -> None:
    found = sent({"it": tensor})["it"]
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(found, tensor.detach())


def test_arrays_come_in_memory_of_their_own_that_may_be_written() -> None:
    first, second = sent((np.ones((2, 3), np.float32), torch.zeros(4)))
    first[...] = 7
    second += 1
    assert first.sum() == 42 and second.sum() == 4


def test_what_would_be_made_later_is_made() -> None:
    panel = Panel("a", "rgb", "A", "A panel.", np.zeros((2, 3, 3), np.uint8), torch.rand(1, 2, 3))
    later = Later(panel, (2, 3), lambda: panel)
    found, once = sent((later, Once(lambda: torch.ones(2))))
    assert type(found) is Panel and torch.equal(found.values, panel.values)
    assert once.is_made and torch.equal(once.value, torch.ones(2))


def test_a_lock_is_a_new_lock() -> None:
    lock = threading.Lock()
    with lock:
        assert sent(lock).acquire(blocking=False)


@pytest.mark.parametrize(
    "error",
    [SettingError("stride", "No."), ShapeError("No.", code="no_features"), ModelError("model_missing", "No."),
     OSError(28, "No space"), MemoryError(), RuntimeError("can't allocate memory")],
)  # fmt: skip
def test_an_error_stays_what_it_is(error: Exception) -> None:
    error.add_note("where it was")
    found = sent(error)
    assert type(found) is type(error) and str(found) == str(error) and vars(found) == vars(error)
    assert getattr(found, "errno", None) == getattr(error, "errno", None)


def test_a_pipe_that_ends_in_the_middle_says_so() -> None:
    pipe = io.BytesIO()
    parcel.send(pipe, np.ones(1000))
    with pytest.raises(EOFError):
        parcel.receive(io.BytesIO(pipe.getvalue()[:-1]))
