"""Decoding in the test's own process: no helper has to start, which takes seconds."""

from __future__ import annotations

from typing import Any

from gsjbu.io.signals import Signal
from gsjbu.server import helper
from gsjbu.server.helper import Decoded


class Here:
    """In the place of :class:`gsjbu.server.decoder.Decoders`."""

    lost, broken = 0, False

    def __init__(self, _count: int, max_pixels: int, _seconds: float) -> None:
        self._max_pixels = max_pixels

    def start(self) -> None:
        """Nothing has to."""

    def close(self) -> None:
        """Nothing is open."""

    def decode(self, data: bytes, resolution: int, whole: bool) -> Decoded:
        """As the helper does."""
        return helper.decode(data, self._max_pixels, resolution, whole)

    def signal(
        self, data: bytes, name: str, max_values: int, words: dict[str, Any], entry: str | None = None
    ) -> Signal:
        """As the helper does."""
        return helper.understood(bytes(data), name, max_values, words, entry)
