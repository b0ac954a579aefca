"""The documented name of :mod:`gsjbu.io.signals`: what lies there may be imported from here as well.

``read_signal``, ``from_array`` and ``mixed`` are older names; ``understand`` and ``Kernel.render(mask=…)`` do the same.
"""

from typing import Any

from torch import Tensor

from gsjbu.core.gaps import leaving_out
from gsjbu.core.interpolation import Upsampler
from gsjbu.io.kinds import KINDS, Kind
from gsjbu.io.signals import Signal, understand

__all__ = ["KINDS", "Kind", "Signal", "from_array", "mixed", "read_signal", "understand"]


def read_signal(data: bytes, filename: str = "", kind: str | None = None) -> Signal:
    """A signal from a file's bytes; ``filename`` is not looked at. Raises SignalError."""
    del filename
    return understand(bytes(data), kind=kind)


def from_array(array: Any, kind: str | None = None) -> Signal:
    """A signal from an array or tensor. Raises SignalError."""
    return understand(array, kind=kind)


def mixed(way: Upsampler, signal: Signal, pure: bool = True) -> Tensor:
    """``signal`` upsampled by ``way``, its gaps left out where ``way`` is ``pure``."""
    return leaving_out(way, signal.mask)(signal.values) if pure else way(signal.values)
