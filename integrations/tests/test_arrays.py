"""DataArrays keep their coordinates, whichever way they run, with rioxarray and without."""

from __future__ import annotations

import numpy as np
import pytest
import xarray
from rasterio.transform import from_origin

from gsjbu.errors import GsjbuError
from gsjbu.raster import upsample, upsample_xarray

S, ROWS, COLS = 8, 9, 11
RNG = np.random.default_rng(0)
GUIDE = RNG.integers(0, 9_000, (4, ROWS * S - 3, COLS * S - 5), np.uint16)
LOW = RNG.normal(0, 1, (2, ROWS, COLS)).astype(np.float32)


def array(values, step, start=0.0, north_first=True, names=("y", "x"), **more):
    """Pixel centres from the corner (1000, 500): y downwards from 1000, x from 500."""
    y = 1000 - start - step * (np.arange(values.shape[-2]) + 0.5)
    x = 500 + start + step * (np.arange(values.shape[-1]) + 0.5)
    dims = (*("band", "time")[: values.ndim - 2], *names)
    made = xarray.DataArray(values, dims=dims, coords={names[0]: y, names[1]: x}, **more)
    return made if north_first else made.sortby(names[0])


@pytest.fixture(scope="module")
def plain():
    return array(GUIDE, 10, 30), array(LOW, 80, name="heat", attrs={"units": "K"})


def test_coordinates_name_and_attributes_stay(plain):
    guide, low = plain
    low = low.assign_coords(band=["a", "b"])
    full = upsample_xarray(guide, low)
    assert full.dims == ("band", "y", "x") and full.shape == (2, *GUIDE.shape[1:])
    assert full.y.equals(guide.y) and full.x.equals(guide.x) and full.band.equals(low.band)
    assert (full.name, full.attrs, full.dtype) == ("heat", {"units": "K"}, np.float32)
    assert np.isfinite(full).all()


def test_it_is_what_files_give(plain, tmp_path):
    import rasterio

    for name, data, place in (("guide", plain[0], from_origin(530, 970, 10, 10)),
                              ("low", plain[1], from_origin(500, 1000, 80, 80))):  # fmt: skip
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", count=len(data), height=data.shape[1],
            width=data.shape[2], dtype=data.dtype.name, crs="EPSG:3857", transform=place,
        ) as file:  # fmt: skip
            file.write(data.values)
    upsample(tmp_path / "guide.tif", tmp_path / "low.tif", tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(upsample_xarray(*plain).values, file.read())


def test_south_first_and_one_band_and_nothing_else_changes(plain):
    guide, low = plain
    turned = upsample_xarray(guide.sortby("y"), low[0].sortby("y"))
    assert turned.dims == ("y", "x") and float(turned.y[0]) < float(turned.y[-1])
    one = upsample_xarray(guide, low[0])
    np.testing.assert_array_equal(turned.sortby("y", ascending=False).values, one.values)


def test_a_projection_is_kept_and_heard(plain):
    import rioxarray  # noqa: F401

    guide, low = (data.rio.write_crs("EPSG:32633") for data in plain)
    full = upsample_xarray(guide, low)
    assert full.rio.crs.to_epsg() == 32633 and "spatial_ref" in full.coords
    np.testing.assert_array_equal(full.values, upsample_xarray(*plain).values)
    elsewhere = low.rio.reproject("EPSG:4326")
    there = upsample_xarray(guide, elsewhere)
    known = np.isfinite(there)
    assert there.rio.crs.to_epsg() == 32633 and float(known.mean()) > 0.8
    assert float(abs(there - full).where(known).mean()) < 0.5 * float(full.std())


def test_gaps_and_clouds(plain):
    guide, low = plain
    holed = low.where((low.x < 1100) | (low.band == 5))
    full = upsample_xarray(guide, holed, kind="features", clouds=array(np.ones(GUIDE.shape[1:], bool), 10, 30))
    assert np.isnan(full[:, :, -5:]).all() and np.isfinite(full[:, :, :40]).all()


@pytest.mark.parametrize("fault", ["axes", "bare", "uneven"])
def test_what_has_no_place_is_refused(plain, fault):
    guide, low = plain
    wrong = {
        "axes": low.transpose("y", "x", "band"),
        "bare": low.drop_vars("x"),
        "uneven": low.assign_coords(x=low.x**2),
    }[fault]
    with pytest.raises(GsjbuError) as caught:
        upsample_xarray(guide, wrong)
    assert caught.value.code == "raster_axes" and "signal" in caught.value.message


def test_whole_numbers_without_a_fill_value_say_which_one_stands_in_a_gap(plain):
    guide, low = plain
    classes = (low[0] > low[0].mean()).astype(np.uint8)
    assert "_FillValue" not in upsample_xarray(guide, classes, kind="labels").attrs
    part = upsample_xarray(guide, classes[:, :-5], kind="labels")
    assert part.attrs["_FillValue"] == 255 and (part[:, -5:] == 255).all() and int(part[:, :40].max()) == 1
