"""OpenEXR files: one layer of one part, laid over the whole picture."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsjbu.errors import SignalError
from gsjbu.extras import lacking
from gsjbu.io.arrays import SeveralArrays, entry_of
from gsjbu.io.brought import Brought, check
from gsjbu.io.layouts import shape_text

#: Channels of a depth, whatever their layer is called; those of a layer of this name may be called otherwise.
_DEPTHS = ("z", "depth")
#: The order of colours.
_COLOURS = "RGBA"


@dataclass(frozen=True)
class _Window:
    """Columns and rows, the last included, as headers have them."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of(cls, corners: Any) -> _Window:
        (left, top), (right, bottom) = corners
        return cls(int(left), int(top), int(right), int(bottom))

    @property
    def shape(self) -> tuple[int, int]:
        return max(0, self.bottom - self.top + 1), max(0, self.right - self.left + 1)


@dataclass(frozen=True, eq=False)
class _Channel:
    """``name`` with its layer and part, as FILE:ENTRY says it; ``pixels`` cover the ``data`` window of ``whole``."""

    name: str
    pixels: np.ndarray
    data: _Window
    whole: _Window

    @property
    def layer(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def own(self) -> str:
        """The name without the layer."""
        return self.name.rpartition(".")[2]


def read_exr(data: bytes, max_values: int, entry: str | None = None) -> Brought:
    """The layer or channel of the name ``entry``, otherwise the depth, or the only layer; of several it is asked.

    A data window is laid into the picture's whole: what lies beside it has no value, and what lies beyond is cut off.
    """
    if why := lacking("exr", "Reading .exr"):
        raise SignalError("signal_type", why)
    channels = _channels(data, max_values)
    layers = _layers(channels)
    if entry is None:
        chosen = _usual(channels, layers)
    else:
        chosen = entry_of(".exr", layers | _colours(layers) | {one.name: [one] for one in channels}, entry)
    first = chosen[0]
    if any((one.pixels.shape, one.data) != (first.pixels.shape, first.data) for one in chosen):
        raise SignalError("signal_shape", f"The channels of the .exr ({_names(chosen)}) differ in size; name one.")
    check(np.dtype(np.float32), (len(chosen), *first.whole.shape), max_values)
    laid = [_laid(one) for one in chosen]
    known = laid[0][1]
    source = f"EXR, {'channels' if len(chosen) > 1 else 'channel'} {_names(chosen)}"
    if left := len(channels) - len(chosen):
        source += f" of {left + len(chosen)}"
    if first.data != first.whole:
        source += f", its data window of {shape_text(first.data.shape)} in {shape_text(first.whole.shape)}"
    planes = [plane for plane, _ in laid]
    if len(planes) == 1:
        return Brought(planes[0], source, known=known)
    return Brought(np.stack(planes), source, layout="CHW", known=known)


def _channels(data: bytes, max_values: int) -> list[_Channel]:
    """Those of all parts."""
    import OpenEXR

    with tempfile.TemporaryDirectory() as folder:  # it reads from paths only
        path = Path(folder) / "signal.exr"
        path.write_bytes(data)
        for part in OpenEXR.File(str(path), header_only=True).parts:
            check(np.dtype(np.float32), (1, *_Window.of(part.header["dataWindow"]).shape), max_values)
        parts = OpenEXR.File(str(path), separate_channels=True).parts
    found = []
    for part in parts:
        window, whole = (_Window.of(part.header[name]) for name in ("dataWindow", "displayWindow"))
        whole = window if whole.shape == (1, 1) else whole  # left as it was by who wrote it
        named = f"{part.name()}." if len(parts) > 1 and part.name() else ""
        for name, channel in part.channels.items():
            full = name if name.startswith(named) else named + name
            found.append(_Channel(full, np.asarray(channel.pixels), window, whole))
    return found


def _layers(channels: list[_Channel]) -> dict[str, list[_Channel]]:
    """Channels by their layer, colours in their order; one without a name has its channels' names."""
    held = defaultdict(list)
    for one in channels:
        held[one.layer].append(one)
    layers = {name: sorted(some, key=_place) for name, some in held.items()}
    return {name or _own(some): some for name, some in layers.items()}


def _place(one: _Channel) -> int:
    """Where a channel stands among those of its layer: colours first."""
    return _COLOURS.index(one.own) if one.own in _COLOURS else len(_COLOURS)


def _colours(layers: dict[str, list[_Channel]]) -> dict[str, list[_Channel]]:
    """The colours alone of layers that hold more."""
    found = {}
    for some in layers.values():
        colours = [one for one in some if one.own in _COLOURS]
        if 1 < len(colours) < len(some):
            layer = colours[0].layer
            found[f"{layer}.{_own(colours)}" if layer else _own(colours)] = colours
    return found


def _own(channels: list[_Channel]) -> str:
    """The channels' own names as one word."""
    return "".join(one.own for one in channels)


def _usual(channels: list[_Channel], layers: dict[str, list[_Channel]]) -> list[_Channel]:
    """What is taken where nobody says: the depth, a luminance, or the only layer."""
    depths = [one for some in layers.values() for one in some if _is_depth(one, some)]
    if len(depths) == 1:
        return depths
    if len(layers) > 1 or not channels:
        raise SeveralArrays(".exr", list(layers))
    (only,) = layers.values()
    grey = [one for one in only if one.own.upper() == "Y"]
    return grey if grey and not any(one.own.upper() == "X" for one in only) else only


def _is_depth(one: _Channel, layer: list[_Channel]) -> bool:
    """Whether a channel of a ``layer`` is depth, and no coordinate beside others."""
    alone = len(layer) == 1 and one.layer.rpartition(".")[2].lower() in _DEPTHS
    return alone or (one.own.lower() in _DEPTHS and not any(other.own.upper() == "X" for other in layer))


def _laid(one: _Channel) -> tuple[np.ndarray, np.ndarray | None]:
    """The channel over the whole picture, and where it has values if not everywhere."""
    data, whole = one.data, one.whole
    if data == whole:
        return one.pixels, None
    plane, known = np.zeros(whole.shape, one.pixels.dtype), np.zeros(whole.shape, bool)
    top, bottom = max(data.top, whole.top), min(data.bottom, whole.bottom) + 1
    left, right = max(data.left, whole.left), min(data.right, whole.right) + 1
    if top < bottom and left < right:
        here = np.s_[top - whole.top : bottom - whole.top, left - whole.left : right - whole.left]
        plane[here] = one.pixels[top - data.top : bottom - data.top, left - data.left : right - data.left]
        known[here] = True
    return plane, None if known.all() else known


def _names(channels: list[_Channel]) -> str:
    return ", ".join(one.name for one in channels)
