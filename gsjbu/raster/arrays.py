"""DataArrays of xarray: the same, by their coordinates; rioxarray is not needed, and what it says is heard."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gsjbu.errors import GsjbuError
from gsjbu.raster.opening import need_rasterio
from gsjbu.raster.scene import upsample

#: What the two axes on the ground are called.
AXES = (("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("northing", "easting"))
#: Of a step: coordinates that stray no further from even ones are even.
EVEN = 1e-3


def upsample_xarray(guide: Any, signal: Any, clouds: Any = None, **options: Any) -> Any:
    """``signal`` on the coordinates of ``guide``, along its edges.

    Args:
        guide, signal, clouds: DataArrays whose last two axes are y and x (or lat and lon, …), with even coordinates of
            pixel centres; what stands before them are bands. The projection is ``.rio.crs``, or the attribute
            ``crs_wkt`` of a coordinate such as ``spatial_ref``; if neither has one, they lie on one plane.
        options: ``kind``, ``invalid``, ``tile``, ``radius``, ``threads`` and ``progress`` of
            :func:`gsjbu.raster.upsample`.

    Returns:
        A DataArray with the guide's coordinates on the ground and its projection, and all else – bands, name,
        attributes, dtype – of the signal; what has no value is NaN, or the signal's ``_FillValue``; whole
        numbers without one are given one that no value is.

    Raises:
        GsjbuError: with a sentence, on what has no coordinates or cannot be laid over the other.
    """
    with tempfile.TemporaryDirectory(prefix="gsjbu-") as folder:
        place = {"guide": guide, "signal": signal} | ({} if clouds is None else {"clouds": clouds})
        files = {name: _write(array, Path(folder) / f"{name}.tif", name) for name, array in place.items()}
        output = Path(folder) / "out.tif"
        upsample(files["guide"], files["signal"], output, clouds=files.get("clouds"), **options)
        with need_rasterio().open(output) as file:
            values, gap = file.read(), file.nodata
    y, x = _axes(guide, "guide")
    values = values[:, :: 1 if guide[y][0] > guide[y][-1] else -1, :: 1 if guide[x][0] < guide[x][-1] else -1]
    own = signal.isel(dict.fromkeys(_axes(signal, "signal"), 0), drop=True)
    ground = {name: c for name, c in guide.coords.items() if set(c.dims) <= {y, x} and (c.dims or _wkt(c))}
    # Of whole numbers a gap that the signal does not name would pass for a value.
    chosen = values.dtype.kind in "iu" and gap is not None and _fill(signal) is None
    return type(guide)(
        values.reshape(*own.shape, *values.shape[1:]), dims=(*own.dims, y, x), name=signal.name,
        attrs=signal.attrs | ({"_FillValue": values.dtype.type(gap)} if chosen else {}),
        coords={name: c for name, c in own.coords.items() if not _wkt(c)} | ground,
    )  # fmt: skip


def _axes(array: Any, name: str) -> tuple[str, str]:
    """The names of the last two axes, if they are those of the ground and have coordinates."""
    last = array.dims[-2:]
    if last not in AXES or any(axis not in array.coords for axis in last):
        text = f"The {name} has the axes {array.dims}; the last two must be y and x, with coordinates on the ground."
        raise GsjbuError("raster_axes", text)
    return last


def _start_and_step(array: Any, axis: str, name: str) -> tuple[float, float]:
    """The lowest coordinate of ``axis``, and the way to the next."""
    at = np.sort(np.asarray(array[axis], np.float64))
    step = (at[-1] - at[0]) / max(1, len(at) - 1)
    if len(at) < 2 or np.abs(np.diff(at) - step).max() > EVEN * step:
        text = f"The {name}'s coordinates {axis} must be two or more with even steps between; regrid it first."
        raise GsjbuError("raster_axes", text)
    return float(at[0]), float(step)


def _write(array: Any, path: Path, name: str) -> Path:
    """As a GeoTIFF with north up."""
    y, x = _axes(array, name)
    (south, down), (west, across) = (_start_and_step(array, axis, name) for axis in (y, x))
    values = np.asarray(array.sortby(x).sortby(y, ascending=False))
    values = values.reshape(-1, *values.shape[-2:])
    values = values.astype(np.uint8) if values.dtype == bool else values
    rasterio = need_rasterio()
    top, left = south + (values.shape[1] - 0.5) * down, west - 0.5 * across
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1], width=values.shape[2],
        dtype=values.dtype.name, transform=rasterio.transform.from_origin(left, top, across, down),
        crs=_crs(array), nodata=_fill(array), bigtiff="if_safer",
    ) as file:  # fmt: skip
        file.write(values)
    return path


def _fill(array: Any) -> Any:
    """The number that stands for no value, if the array names one."""
    return array.encoding.get("_FillValue", array.attrs.get("_FillValue"))


def _crs(array: Any) -> Any:
    """What rioxarray says, or a coordinate's own words; None of a plane that has no name."""
    told = getattr(getattr(array, "rio", None), "crs", None)
    words = [wkt for c in array.coords.values() if (wkt := _wkt(c))]
    return told or (words[0] if words else "EPSG:4326" if array.dims[-2:] in AXES[1:3] else None)


def _wkt(coordinate: Any) -> str | None:
    return coordinate.attrs.get("crs_wkt") or coordinate.attrs.get("spatial_ref")
