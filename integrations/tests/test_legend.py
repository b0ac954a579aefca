"""What a file says of its numbers is said of the result: a thermal band as MODIS and Landsat store it."""

from __future__ import annotations

import numpy as np
import rasterio
from rasterio.transform import from_origin

import gsjbu.raster
from gsjbu.raster.legend import has_colours


def test_scale_offset_unit_names_and_tags_are_the_signals(tmp_path):
    place = {"driver": "GTiff", "crs": "EPSG:32633", "dtype": "uint16"}
    fine, coarse = (from_origin(500_000, 5_000_000, size, size) for size in (10, 80))
    rng = np.random.default_rng(0)
    with rasterio.open(tmp_path / "g.tif", "w", height=48, width=48, count=1, transform=fine, **place) as out:
        out.write(rng.integers(0, 9000, (1, 48, 48)).astype(np.uint16))
    with rasterio.open(tmp_path / "s.tif", "w", height=6, width=6, count=2, transform=coarse, **place) as out:
        out.write(rng.integers(13000, 16000, (2, 6, 6)).astype(np.uint16))
        out.scales, out.offsets, out.units, out.descriptions = (0.02, 1), (1, 0), ("K", ""), ("LST", None)
        out.update_tags(SENSOR="MODIS", AREA_OR_POINT="Point")
        out.update_tags(1, long_name="Land surface temperature", STATISTICS_MEAN="14000")
    gsjbu.raster.upsample(tmp_path / "g.tif", tmp_path / "s.tif", tmp_path / "o.tif")
    with rasterio.open(tmp_path / "o.tif") as made:
        assert (made.scales, made.offsets) == ((0.02, 1), (1, 0))
        assert made.units[0] == "K" and not made.units[1]
        assert made.descriptions == ("LST", None)
        assert made.tags(1) == {"long_name": "Land surface temperature"} and made.tags(2) == {}
        assert made.tags() == {"SENSOR": "MODIS", "AREA_OR_POINT": "Area"}
        assert not has_colours(made)
