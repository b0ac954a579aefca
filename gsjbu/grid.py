"""The documented name of :mod:`gsjbu.core.grid`: what lies there may be imported from here as well."""

from gsjbu.core.grid import Grid

__all__ = ["Grid"]
