"""The documented name of :mod:`gsjbu.io.signals`: what lies there may be imported from here as well."""

from gsjbu.io.signals import KINDS, Kind, Signal, from_array, mixed, read_signal, result_png

__all__ = [
    "KINDS",
    "Kind",
    "Signal",
    "from_array",
    "mixed",
    "read_signal",
    "result_png",
]
