"""A panel whose picture is made when somebody first looks at it: what is on no screen costs a run nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from gsjbu.run.once import Once
from gsjbu.run.panels import Panel


class Later:
    """As a :class:`Panel`, of which ``head`` knows all but the picture [h, w, 3] and the values [C, h, w]."""

    def __init__(self, head: Panel, size: tuple[int, int], make: Callable[[], Panel]) -> None:
        self.name, self.group, self.title, self.sentence = head.name, head.group, head.title, head.sentence
        self.unit, self.bar, self.legend = head.unit, head.bar, head.legend
        self.head = head
        self.height, self.width = size
        self._panel = Once(make)

    @property
    def is_made(self) -> bool:
        """Whether somebody has looked."""
        return self._panel.is_made

    @property
    def now(self) -> Panel:
        """The panel itself."""
        return self._panel.value

    @property
    def picture(self) -> np.ndarray:
        """uint8 [h, w, 3]."""
        return self.now.picture

    @property
    def values(self) -> Tensor:
        """float32 [C, h, w] behind it."""
        return self.now.values

    def png(self) -> bytes:
        """The picture as a PNG file."""
        return self.now.png()

    def as_dict(self) -> dict[str, Any]:
        """Everything but pixels and values, for JSON; it makes nothing."""
        return self.head.described(self.width, self.height)
