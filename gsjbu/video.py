"""The documented name of :mod:`gsjbu.core.video`: what lies there may be imported from here as well."""

from gsjbu.core.video import Steadiness, kernels

__all__ = [
    "Steadiness",
    "kernels",
]
