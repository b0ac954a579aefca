"""The documented name of :mod:`gsjbu.core.interpolation`: what lies there may be imported from here as well."""

from gsjbu.core.interpolation import bicubic, bilinear, nearest

__all__ = ["bicubic", "bilinear", "nearest"]
