"""Maps: a coarse raster along the edges of a fine one, aligned by georeference, tile by tile. Extra: ``raster``."""

from __future__ import annotations

from gsjbu.raster.arrays import upsample_xarray
from gsjbu.raster.scene import Report, upsample

__all__ = ["Report", "upsample", "upsample_xarray"]
