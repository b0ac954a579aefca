"""Signals from files whose layout is agreed: ``[C, h, w]`` or ``[h, w]``, in .npy, .npz or .safetensors, or a PNG.

The page guesses which side the channels are on; a command and a night's batch must not.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

from gsjbu.errors import SignalError
from gsjbu.io import signals
from gsjbu.io.signals import Signal


def read(data: bytes, name: str) -> Signal:
    """The signal in a file's bytes, told by its content; ``name`` only appears in sentences.

    Raises SignalError if it is none, holds several arrays, or no finite value.
    """
    if data.startswith(b"\x89PNG"):
        return signals.read_signal(data, name)
    array = _array(data, name)
    if array.ndim not in (2, 3) or array.size == 0:
        raise SignalError(
            "signal_shape", f"{name} is {list(array.shape)}; a signal must be [C, h, w] or [h, w]."
        )
    return signals.from_array(array, source=name, layout="CHW")


def _array(data: bytes, name: str) -> Any:
    try:
        if data.startswith(b"\x93NUMPY"):
            return np.load(io.BytesIO(data), allow_pickle=False)
        if data.startswith(b"PK"):
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return _only(dict(arrays), name)
        if data[8:9] == b"{":
            from safetensors.torch import load

            # bfloat16 has no NumPy type; float32 holds all of it
            return _only({key: value.float().numpy() for key, value in load(data).items()}, name)
    except SignalError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, SyntaxError) as error:
        if "allow_pickle" in str(error):  # NumPy's own advice, which is not to be followed
            raise SignalError(
                "signal_pickled", f"{name} holds Python objects (pickled); save plain numbers instead."
            ) from error
        raise SignalError("signal_corrupt", f"{name} is damaged or cut short.") from error
    raise SignalError("signal_type", f"{name} is no signal; .npy, .npz, .safetensors and .png are read.")


def _only(arrays: dict[str, Any], name: str) -> Any:
    if len(arrays) != 1:
        raise SignalError("signal_several", f"{name} holds {len(arrays)} arrays; one is needed.")
    return next(iter(arrays.values()))
