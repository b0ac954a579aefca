"""The fine raster, read tile by tile: bands to [0, 1], and where there is nothing to follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SAMPLE = 1024  # pixels a side of the reduced copy that the scale of the bands is taken from
ENDS = (2, 98)  # per cent of a band's values that become 0 and 1


@dataclass(frozen=True)
class Guide:
    """An open dataset, a mask of clouds on the same grid (not 0: cloud) or None, and each band's ends."""

    data: Any
    clouds: Any
    low: np.ndarray  # [G, 1, 1]
    high: np.ndarray
    usual: np.ndarray  # a band's median, where a whole cell has nothing

    @classmethod
    def over(cls, data: Any, clouds: Any = None) -> Guide:
        """Look at a reduced copy once, so that every tile is scaled alike."""
        shape = (min(SAMPLE, data.height), min(SAMPLE, data.width))
        seen = data.read(out_shape=(data.count, *shape), masked=True).astype(np.float64)
        if clouds is not None:
            seen = np.ma.masked_where(np.broadcast_to(clouds.read(1, out_shape=shape) != 0, seen.shape), seen)
        bands = [plane.compressed() for plane in seen]
        ends = np.array([np.percentile(b[np.isfinite(b)], ENDS) if b.size else (0, 1) for b in bands])
        low, high = ends[:, 0, None, None], np.maximum(ends[:, 1], ends[:, 0] + 1e-12)[:, None, None]
        usual = np.array([np.median(b[np.isfinite(b)]) if b.size else 0.0 for b in bands])[:, None, None]
        return cls(data, clouds, low, high, (usual - low) / (high - low))

    def tile(
        self, top: int, left: int, height: int, width: int, stride: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """float32 [G, height, width] of whole cells, and bool [height, width]: where there is something to follow.

        A pixel without anything takes its cell's mean, so that it weighs on no colour; distances over many bands are
        brought to those over three, which σr is meant for.
        """
        from rasterio.windows import Window

        window = Window(left, top, width, height)
        read = self.data.read(window=window, boundless=True, masked=True, fill_value=0)
        seen = ~np.ma.getmaskarray(read).any(axis=0) & np.isfinite(read.data).all(axis=0)
        rows, cols = np.arange(top, top + height), np.arange(left, left + width)
        seen &= ((rows >= 0) & (rows < self.data.height))[:, None] & ((cols >= 0) & (cols < self.data.width))
        if self.clouds is not None:
            seen &= self.clouds.read(1, window=window, boundless=True, fill_value=1) == 0
        values = np.clip((read.data.astype(np.float64) - self.low) / (self.high - self.low), 0, 1)
        cells = (len(values), height // stride, stride, width // stride, stride)
        count = seen.reshape(cells[1:]).sum(axis=(1, 3))
        sums = np.where(seen, values, 0).reshape(cells).sum(axis=(2, 4))
        means = np.where(count > 0, sums / np.maximum(count, 1), np.broadcast_to(self.usual, sums.shape))
        values = np.where(seen, values, means.repeat(stride, axis=1).repeat(stride, axis=2))
        return (values * np.sqrt(3 / max(3, len(values)))).astype(np.float32), seen
