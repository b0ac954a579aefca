"""A result on its way into an archive: an array in blocks of channels, and a picture of it where one holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from gsjbu.core.kernel import Kernel
from gsjbu.core.strongest import Strongest
from gsjbu.errors import GsjbuError
from gsjbu.io import levels, restoring
from gsjbu.io.kinds import CLASS_KINDS
from gsjbu.io.signals import Signal


class Export:
    """A signal upsampled by a kernel: ``shape``, ``dtype``, its blocks in order, and then its picture."""

    def __init__(self, signal: Signal, kernel: Kernel, block_bytes: int) -> None:
        self.signal, self.kernel, self._block_bytes = signal, kernel, block_bytes
        self.shape = restoring.result_shape(signal, (kernel.grid.height, kernel.grid.width))
        self.dtype = restoring.result_dtype(signal).newbyteorder("<")
        self._whole: np.ndarray | None = None
        self._best = Strongest()

    def blocks(self) -> Iterator[np.ndarray]:
        """The result from its first channel to its last, in this order and dtype."""
        for block in restoring.in_blocks(self.signal, self.kernel, self._block_bytes):
            if self.signal.kind == "labels" or self.signal.shape[0] == 1:
                self._whole = block
            elif self.signal.kind in CLASS_KINDS:
                self._best.add_next(torch.from_numpy(block))
            yield np.ascontiguousarray(block, dtype=self.dtype)

    def facts(self) -> dict[str, Any]:
        """What the numbers mean, those of the picture too."""
        levels_of = {} if self._whole is None else levels.scale(self.signal, self._whole)
        return restoring.facts(self.signal) | ({"png": levels_of} if levels_of else {})

    def png(self) -> bytes | None:
        """A picture of what :meth:`blocks` gave; None where none holds it (features, class numbers below 0)."""
        with suppress(GsjbuError):
            if self._whole is not None:
                return levels.png(self.signal, self._whole)
            if self._best.index is not None:
                classes = restoring.class_map(self.signal, self.kernel, self._best.index)
                return levels.classes_png(self.signal, classes)
        return None
