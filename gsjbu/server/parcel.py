"""Anything on its way between two processes: pickled, its arrays beside it as they lie, with nothing left to be made.

Only between the server and a worker that it has started: to unpickle is to trust.
"""

from __future__ import annotations

import io
import pickle
import threading
from typing import Any

import torch
from torch import Tensor

from gsjbu.run.later import Later
from gsjbu.run.once import Once
from gsjbu.server import wire

_LOCK = type(threading.Lock())


def send(pipe: Any, thing: Any) -> None:
    """``thing``, of which what is made later is made now; arrays are not copied unless they have gaps."""
    text, arrays = io.BytesIO(), []
    _Packer(text, 5, buffer_callback=lambda buffer: arrays.append(buffer.raw())).dump(thing)
    wire.send(pipe, {"sizes": [array.nbytes for array in arrays]}, text.getvalue())
    for array in arrays:
        wire.write(pipe, array)


def receive(pipe: Any) -> Any:
    """What ``send`` sent, each array in memory of its own; EOFError where the other end has gone."""
    head, text = wire.receive(pipe)
    return pickle.loads(text, buffers=[wire.read(pipe, size) for size in head["sizes"]])


class _Packer(pickle.Pickler):
    """Knows the things of a run that pickle does not, and tensors without a copy."""

    def reducer_override(self, thing: Any) -> Any:
        """Called for everything but the plainest things."""
        if isinstance(thing, Later):
            return _itself, (thing.now,)
        if isinstance(thing, Once):
            return _made, (thing.value,)
        if type(thing) is Tensor and _is_plain(thing):
            return torch.from_numpy, (thing.detach().contiguous().numpy(),)
        if isinstance(thing, BaseException):
            return _error, (type(thing), thing.args, vars(thing))
        if isinstance(thing, _LOCK):
            return threading.Lock, ()
        return NotImplemented


def _is_plain(tensor: Tensor) -> bool:
    """Whether numpy can hold it."""
    in_memory = tensor.device.type == "cpu" and tensor.layout is torch.strided
    return in_memory and tensor.dtype is not torch.bfloat16 and not tensor.is_conj() and not tensor.is_neg()


def _itself(thing: Any) -> Any:
    return thing


def _made(value: Any) -> Once[Any]:
    once: Once[Any] = Once(lambda: value)
    assert once.value is value
    return once


def _error(kind: type[BaseException], args: tuple[Any, ...], said: dict[str, Any]) -> BaseException:
    """As it was, whatever its ``__init__`` would want."""
    error = kind.__new__(kind, *args)
    vars(error).update(said)
    return error
