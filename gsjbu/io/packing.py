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

_PLAIN = ("kind", "reason", "runner_up", "names", "codes", "colours", "dtype", "offset", "scale", "gap_codes", "gaps",
          "gaps_guessed", "layout", "layout_note", "layout_doubt", "flat", "as_large", "source")  # fmt: skip


def pack(signal: Signal) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What to tell of a signal, and its arrays in order: values, mask, what was brought, its mask, its classes."""
    arrays = [signal.values.numpy(), signal.mask.numpy()]
    told: dict[str, Any] = {name: getattr(signal, name) for name in _PLAIN}
    told |= {"asked": asdict(signal.asked), "palette": signal.palette.hex()}
    brought = signal.brought
    if brought is not None:
        arrays.append(np.ascontiguousarray(brought.array))
        arrays += [] if brought.known is None else [brought.known]
        told["brought"] = {
            "source": brought.source, "layout": brought.layout, "kind": brought.kind, "codes": brought.codes,
            "colours": brought.colours, "lossy": brought.lossy, "names": list(brought.names.items()),
            "told": brought.told, "classes": brought.classes, "gap": brought.gap, "masked": brought.known is not None,
        }  # fmt: skip
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
    plain = {name: _tupled(told[name]) for name in _PLAIN}
    palette = bytes.fromhex(told["palette"])
    brought = None
    if "brought" in told:
        about = told["brought"] | {"names": {int(k): str(v) for k, v in told["brought"]["names"]}}
        del about["masked"]
        about |= {name: tuple(about[name]) for name in ("codes", "classes")}
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
