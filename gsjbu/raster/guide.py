"""The fine raster, read tile by tile: bands to [0, 1], and where there is nothing to follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsjbu.io.stretching import ENDS
from gsjbu.raster.legend import has_colours
from gsjbu.raster.opening import check_real, reading

#: The scale of the bands is taken from so many patches a side, of so many pixels a side, over the whole scene. (A
#: reduced copy would be nearer at hand, but without overviews GDAL takes minutes to make one.)
PATCHES, PATCH = 16, 64


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
        """Look at patches of it once, so that every tile is scaled alike."""
        check_real(data, "guide")
        bands = _sample(data, clouds)
        ends = np.array([np.percentile(band, ENDS) if band.size else (0, 1) for band in bands])
        low, high = ends[:, 0, None, None], np.maximum(ends[:, 1], ends[:, 0] + 1e-12)[:, None, None]
        usual = np.array([np.median(band) if band.size else 0.0 for band in bands])[:, None, None]
        return cls(data, clouds, low, high, (usual - low) / (high - low))

    def tile(
        self, top: int, left: int, height: int, width: int, step: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """float32 [G, height, width] of whole cells, and bool [height, width]: where there is something to follow.

        A pixel without anything takes its cell's mean, so that it weighs on no colour; a single band stands for three,
        and distances over other numbers of bands are brought to those over three, which σr is meant for.
        """
        from rasterio.windows import Window

        first_row, first_col = max(0, top), max(0, left)
        last_row, last_col = min(self.data.height, top + height), min(self.data.width, left + width)
        window = Window(first_col, first_row, last_col - first_col, last_row - first_row)
        inside = np.s_[first_row - top : last_row - top, first_col - left : last_col - left]
        part = _bands(self.data, window)
        seen = np.zeros((height, width), bool)
        seen[inside] = ~np.ma.getmaskarray(part).any(axis=0) & np.isfinite(part.data).all(axis=0)
        if self.clouds is not None:
            seen[inside] &= _clear(self.clouds, window)
        values = np.zeros((len(part), height, width), np.float32)
        for band, plane, low, high in zip(part.data, values, self.low, self.high, strict=True):
            plane[inside] = np.clip((band - low) / (high - low), 0, 1)  # one at a time, as it takes float64
        if len(values) == 1:
            values = values.repeat(3, axis=0)
        cells = (len(values), height // step[0], step[0], width // step[1], step[1])
        share = np.float32(np.sqrt(3 / len(values)))
        values *= share
        if seen.all():
            return values, seen
        count = seen.reshape(cells[1:]).sum(axis=(1, 3))
        sums = np.where(seen, values, 0).reshape(cells).sum(axis=(2, 4), dtype=np.float64)
        means = np.where(count > 0, sums / np.maximum(count, 1), self.usual * share).astype(np.float32)
        return np.where(seen, values, means.repeat(step[0], axis=1).repeat(step[1], axis=2)), seen


def _sample(data: Any, clouds: Any) -> list[np.ndarray]:
    """Each band's finite numbers in patches all over the scene, or in all of a small one."""
    patches: list[list[np.ndarray]] = []
    for window in _patches(*data.shape):
        clear = True if clouds is None else _clear(clouds, window)
        patches.append([p.data[~np.ma.getmaskarray(p) & np.isfinite(p.data) & clear] for p in _bands(data, window)])
    return [np.concatenate(found).astype(np.float64) for found in zip(*patches, strict=True)]


def _bands(data: Any, window: Any) -> np.ma.MaskedArray:
    """[G, H, W] of a window: of a picture with a palette its colours, not their numbers."""
    with reading(data.name):
        part = data.read(window=window, masked=True)
    if len(part) > 1 or not has_colours(data):
        return part
    table = data.colormap(1)
    colours = np.array([table.get(n, (0, 0, 0, 0)) for n in range(max(table) + 1)], np.uint8)  # [N, RGBA]
    found = colours[np.clip(part.data[0], 0, len(colours) - 1)].transpose(2, 0, 1)
    hidden = np.ma.getmaskarray(part)[0] | (found[3] == 0)
    return np.ma.MaskedArray(found[:3], np.broadcast_to(hidden, found[:3].shape))


def _clear(clouds: Any, window: Any) -> np.ndarray:
    """bool [H, W] of a window: where there are no clouds."""
    with reading(clouds.name):
        return np.asarray(clouds.read(1, window=window) == 0)


def _patches(height: int, width: int) -> Iterator[Any]:
    from rasterio.windows import Window

    if height * width <= (PATCHES * PATCH) ** 2:
        yield Window(0, 0, width, height)
        return
    tops, lefts = (np.unique(np.linspace(0, max(0, n - PATCH), PATCHES).astype(int)) for n in (height, width))
    for top in tops:
        for left in lefts:
            yield Window(int(left), int(top), min(PATCH, width - int(left)), min(PATCH, height - int(top)))
