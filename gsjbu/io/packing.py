"""A signal between two processes: what JSON holds of it, and its arrays as bytes."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import torch

from gsjbu.core.sharing import Shared
from gsjbu.io.brought import Brought
from gsjbu.io.signals import Asked, Signal


def _but(of: type, *others: str) -> list[str]:
    """The fields of a dataclass that JSON holds as they are: all but ``others``."""
    return [field.name for field in fields(of) if field.name not in others]


_SIGNAL = _but(Signal, "values", "mask", "palette", "brought", "asked", "shared")
_BROUGHT = _but(Brought, "array", "known", "palette", "names")


def pack(signal: Signal) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What to tell of a signal, and its arrays in order: values, mask, what was brought, its mask, its classes."""
    arrays = [signal.values.numpy(), signal.mask.numpy()]
    told: dict[str, Any] = {name: getattr(signal, name) for name in _SIGNAL}
    told |= {"asked": asdict(signal.asked), "palette": signal.palette.hex()}
    brought = signal.brought
    if brought is not None:
        arrays.append(np.ascontiguousarray(brought.array))
        arrays += [] if brought.known is None else [brought.known]
        told["brought"] = {name: getattr(brought, name) for name in _BROUGHT}
        told["brought"] |= {"names": list(brought.names.items()), "masked": brought.known is not None}
    if signal.shared is not None:
        arrays += [signal.shared.places, signal.shared.channels]
        told["reach"] = signal.shared.reach
    told["arrays"] = [(array.dtype.str, array.shape) for array in arrays]
    return told, arrays


def unpack(told: dict[str, Any], body: bytes | bytearray) -> Signal:
    """The signal that :func:`pack` took apart; ``body`` has its arrays one behind the other."""
    arrays, at = [], 0
    for kind, shape in told["arrays"]:
        dtype, count = np.dtype(kind), math.prod(shape)
        arrays.append(np.frombuffer(body, dtype, count, at).reshape(shape))
        at += count * dtype.itemsize
    plain = {name: _tupled(told[name]) for name in _SIGNAL}
    palette = bytes.fromhex(told["palette"])
    brought = None
    if "brought" in told:
        about = {name: _tupled(told["brought"][name]) for name in _BROUGHT}
        about["names"] = {int(k): str(v) for k, v in told["brought"]["names"]}
        known = arrays[3] if told["brought"]["masked"] else None
        brought = Brought(arrays[2], known=known, palette=palette, **about)
    shared = None
    if "reach" in told:
        shared = Shared(np.array(arrays[-2]), np.array(arrays[-1]), told["reach"])
    asked = Asked(**{field.name: _tupled(told["asked"][field.name]) for field in fields(Asked)})
    values, mask = (torch.from_numpy(np.array(array)) for array in arrays[:2])
    return Signal(values, mask, **plain, palette=palette, brought=brought, asked=asked, shared=shared)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
