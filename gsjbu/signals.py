"""The documented name of :mod:`gsjbu.io.signals`: what lies there may be imported from here as well."""

from gsjbu.io.kinds import KINDS, Kind
from gsjbu.io.signals import Signal, understand

__all__ = ["KINDS", "Kind", "Signal", "understand"]
