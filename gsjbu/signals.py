"""The documented name of :mod:`gsjbu.io.signals`: what lies there may be imported from here as well."""

from collections.abc import Callable

from torch import Tensor

from gsjbu.core.gaps import leaving_out
from gsjbu.io.signals import KINDS, Kind, Signal, from_array, read_signal, result_png

__all__ = ["KINDS", "Kind", "Signal", "from_array", "mixed", "read_signal", "result_png"]


def mixed(way: Callable[[Tensor], Tensor], signal: Signal, pure: bool) -> Tensor:
    """``signal`` upsampled by ``way``, its gaps left out; ``Kernel.render(values, mask=…)`` does the same."""
    return leaving_out(way, signal.mask, pure)(signal.values)
