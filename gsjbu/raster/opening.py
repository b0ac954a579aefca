"""Rasters as rasterio opens them, and a sentence where it cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gsjbu.errors import GsjbuError
from gsjbu.extras import lacking
from gsjbu.io import addresses


def need_rasterio() -> Any:
    """The package, or a sentence on how to get it."""
    if why := lacking("raster", "Upsampling rasters"):
        raise GsjbuError("raster_missing", why)
    import rasterio

    return rasterio


def opened(path: str | os.PathLike[str]) -> Any:
    """The dataset at ``path``, a file or another address of GDAL's. Raises GsjbuError."""
    addresses.named(path)
    with reading(path):
        return need_rasterio().open(path)


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """What rasterio raises of a raster that is read, as a refusal of ``path``."""
    from rasterio.errors import RasterioError, RasterioIOError

    try:
        yield
    except (RasterioError, RasterioIOError) as error:
        if os.path.isdir(path):
            why = f"{path} is a folder; a raster is needed."
        elif os.path.exists(path):
            said = str(error.__cause__ or error).splitlines()[0].rstrip(".")
            why = f"{path} cannot be read as a raster, by GDAL: {said.removeprefix(f'{path}: ')}."
        else:
            why = addresses.missing(path)
        raise GsjbuError("raster_unreadable", why) from error


def check_real(data: Any, name: str) -> None:
    """Refuse complex numbers, as a radar's are."""
    if any("complex" in dtype for dtype in data.dtypes):
        place = Path(data.name)
        raise GsjbuError(
            "raster_complex",
            f"The {name} {place.name} holds complex numbers; bring their magnitude (gdal_translate "
            f"DERIVED_SUBDATASET:AMPLITUDE:{place.name}), or their parts as bands.",
        )
