"""A result's file: written by its form, and what its numbers mean beside it, where the file does not tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from gsjbu.errors import GsjbuError
from gsjbu.io import float_maps, levels, restoring
from gsjbu.io.kinds import CLASS_KINDS
from gsjbu.io.signals import Signal
from gsjbu.io.writers import result_dtype, write, write_bytes, write_notes


def shape_in_file(form: str, signal: Signal, shape: tuple[int, ...]) -> list[int]:
    """A result's shape as its file has it: a picture holds one channel, and of shares of classes the largest's map."""
    return list(shape[-2:] if form == "png" and (shape[0] == 1 or signal.kind in CLASS_KINDS) else shape)


@dataclass(frozen=True)
class Result:
    """``signal`` upsampled: ``blocks`` of whole channels in order, or itself as one, which pictures have to be.

    ``facts``: what its reader has to know, those of :func:`gsjbu.io.restoring.facts` and more. ``shares``: whether
    shares of classes were asked for.
    """

    signal: Signal
    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Iterable[np.ndarray]
    facts: dict[str, Any]
    shares: bool = False

    @classmethod
    def whole(cls, signal: Signal, array: np.ndarray, facts: dict[str, Any], shares: bool = False) -> Result:
        """A result that is there."""
        return cls(signal, array.shape, array.dtype, [array], facts, shares)

    @staticmethod
    def check(signal: Signal, form: str, shape: tuple[int, ...], shares: bool = False) -> None:
        """Refuse, before the work, a ``form`` that does not hold a result of this ``shape``. Raises GsjbuError."""
        if form == "png":
            levels.check_png(signal, shape, shares)
        elif form in float_maps.CHANNELS:
            float_maps.check(form, shape)
            if form == "flo" and signal.kind in CLASS_KINDS:
                raise GsjbuError("output_format", float_maps.NO_MOTION)
            if signal.dtype == "float64":
                float_maps.check_digits(form, signal.offset, signal.scale)

    def write(
        self, path: Path, form: str, half: bool = False, alone: Callable[[], bool] = lambda: True, notes: bool = True
    ) -> dict[str, Any]:
        """Write the file, and the notes beside it where they are due and wanted; ``half``, ``alone``: as for
        :func:`gsjbu.io.writers.write`. Returns shape and dtype in the file, and what levels of a picture mean."""
        blocks = iter(self.blocks)
        first = next(blocks)
        dtype = "float32" if form in float_maps.CHANNELS else result_dtype(self.dtype, half).name
        about: dict[str, Any] = {"shape": shape_in_file(form, self.signal, self.shape), "dtype": dtype}
        due = False
        if form == "png":
            write_bytes(path, levels.png(self.signal, first, self.shares), alone)
            scale = levels.scale(self.signal, first, self.shares)
            about, due = about | scale, bool(scale)
        elif form == "tiff":
            write_bytes(path, levels.tiff(self.signal, first, self.shares), alone)
        elif form in float_maps.CHANNELS:
            self.check(self.signal, form, self.shape, self.shares)
            write_bytes(path, float_maps.encoded(form, first), alone)
        else:
            due = form == "npy" and notes and not restoring.says_enough(self.facts, first)
            write(path, form, self.shape, chain([first], blocks), half, alone, self.dtype, self.facts)
        if due:
            write_notes(path, self.facts | about, alone)
        return about
