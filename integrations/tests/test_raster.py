"""Rasters by georeference against rasterio: tiles, offsets, nodata, clouds, labels, projections, COG."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin

import gsjbu.raster
from gsjbu.errors import GsjbuError
from gsjbu.raster import scene

S = 8  # guide pixels to a signal pixel
RNG = np.random.default_rng(0)


def write(path, data, transform, crs="EPSG:32633", nodata=None, colours=None):
    data = np.asarray(data)
    with rasterio.open(
        path, "w", driver="GTiff", height=data.shape[1], width=data.shape[2], count=len(data), dtype=data.dtype,
        crs=crs, transform=transform, nodata=nodata,
    ) as out:  # fmt: skip
        out.write(data)
        if colours:
            out.write_colormap(1, colours)
    return path


def fields(height: int, width: int) -> np.ndarray:
    """Plots of land: int [H, W]."""
    seeds = np.random.default_rng(1).uniform(0, 1, (24, 2)) * (height, width)
    y, x = np.mgrid[:height, :width]
    return np.hypot(y[None] - seeds[:, 0, None, None], x[None] - seeds[:, 1, None, None]).argmin(axis=0)


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    """A guide of six uint16 bands, 203×187 of 10 m, and a signal of 80 m whose first pixel begins 5 rows above it."""
    folder = tmp_path_factory.mktemp("land")
    plots = fields(208, 192)
    colours = RNG.uniform(500, 4000, (24, 6))
    bands = (colours[plots].transpose(2, 0, 1) + RNG.normal(0, 60, (6, 208, 192))).astype(np.uint16)
    truth = RNG.uniform(0, 300, 24)[plots]
    low = truth.reshape(26, S, 24, S).mean(axis=(1, 3))[None].astype(np.float32)
    guide = write(folder / "guide.tif", bands[:, 5:, 5:], from_origin(500_050, 5_000_000 - 50, 10, 10))
    signal = write(folder / "signal.tif", low, from_origin(500_000, 5_000_000, 80, 80))
    return folder, guide, signal, truth[5:, 5:], plots[5:, 5:]


def read(path):
    with rasterio.open(path) as data:
        return data.read(), data


def rmse(a, b, where=...):
    return float(np.sqrt(np.nanmean((a - b)[where] ** 2)))


def bilinear(folder, guide, signal):
    """What GDAL makes of the signal on the guide's grid."""
    from rasterio.warp import Resampling, reproject

    with rasterio.open(guide) as fine, rasterio.open(signal) as coarse:
        out = np.empty(fine.shape)
        reproject(
            coarse.read(1).astype(float), out, src_transform=coarse.transform, src_crs=coarse.crs,
            dst_transform=fine.transform, dst_crs=fine.crs, resampling=Resampling.bilinear,
        )  # fmt: skip
    return out


def test_tiles_are_one_piece_and_better_than_bilinear(land):
    folder, guide, signal, truth, _ = land
    whole = gsjbu.raster.upsample(guide, signal, folder / "whole.tif")
    tiles = gsjbu.raster.upsample(guide, signal, folder / "tiles.tif", tile=40)
    (one, about), (many, _) = read(folder / "whole.tif"), read(folder / "tiles.tif")
    assert whole.tiles == 1 and tiles.tiles > 20 and whole.stride == S and one.shape == (1, 203, 187)
    assert np.isfinite(one).all() and np.abs(one - many).max() <= 1e-5 * np.abs(one).max()
    assert about.crs.to_epsg() == 32633 and about.transform == rasterio.open(guide).transform
    with rasterio.open(folder / "whole.tif") as opened:
        assert opened.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and opened.overviews(1) is not None
    assert rmse(one[0], truth) < 0.7 * rmse(bilinear(folder, guide, signal), truth)


def test_under_clouds_it_is_bilinear_and_better_outside(land):
    folder, guide, signal, truth, _ = land
    y, x = np.mgrid[:203, :187]
    cloud = np.zeros((203, 187), bool)
    for cy, cx in ((50, 60), (150, 120)):
        cloud |= np.hypot(y - cy, x - cx) < 35
    assert 0.18 < cloud.mean() < 0.22
    with rasterio.open(guide) as fine:
        bands, transform = fine.read(), fine.transform
    bands[:, cloud] = 9000
    cloudy = write(folder / "cloudy.tif", bands, transform)
    mask = write(folder / "clouds.tif", cloud[None].astype(np.uint8), transform)
    gsjbu.raster.upsample(cloudy, signal, folder / "out.tif", clouds=mask)
    plain, made = bilinear(folder, guide, signal), read(folder / "out.tif")[0][0]
    assert rmse(made, truth, cloud) <= 1.001 * rmse(plain, truth, cloud)
    assert rmse(made, truth, ~cloud) < 0.8 * rmse(plain, truth, ~cloud)


def test_nodata_takes_no_part_and_stays_where_nothing_is_in_reach(land):
    folder, guide, signal, *_ = land
    with rasterio.open(signal) as coarse:
        low, transform = coarse.read(), coarse.transform
    low[:, :, 14:] = -9999
    low[:, 3, 3] = -9999
    holed = write(folder / "holed.tif", low, transform, nodata=-9999)
    gsjbu.raster.upsample(guide, holed, folder / "holes.tif")
    made, about = read(folder / "holes.tif")
    assert about.nodata == -9999 and (made[0, :, -8:] == -9999).all()
    assert (made[made != -9999] > -50).all() and (made[0, 20:28, 20:28] != -9999).all()


def test_labels_keep_their_numbers_and_colours(land):
    folder, guide, _, _, plots = land
    classes = (plots % 5 * 10).astype(np.uint8)
    full = np.pad(classes, ((5, 0), (5, 0)), mode="edge")
    low = full[S // 2 :: S, S // 2 :: S][None]
    colours = {n: (n, 255 - n, 0, 255) for n in range(0, 50, 10)}
    coded = write(folder / "classes.tif", low, from_origin(500_000, 5_000_000, 80, 80), nodata=255, colours=colours)
    report = gsjbu.raster.upsample(guide, coded, folder / "labels.tif")
    made, _ = read(folder / "labels.tif")
    assert report.kind == "labels" and set(np.unique(made)) <= set(range(0, 50, 10)) and made.dtype == np.uint8
    assert rasterio.open(folder / "labels.tif").colormap(1)[10] == (10, 245, 0, 255)
    nearest = low[0].repeat(S, 0).repeat(S, 1)[5:, 5:]
    assert (made[0] == classes).mean() > (nearest == classes).mean()


def test_more_classes_than_have_a_channel_each_give_the_same_map(land, monkeypatch):
    folder, guide, *_ = land
    low = np.random.default_rng(0).permutation(26 * 12).reshape(26, 12).repeat(2, axis=1)[None].astype(np.int32) * 100
    coded = write(folder / "ids.tif", low, from_origin(500_000, 5_000_000, 80, 80))
    gsjbu.raster.upsample(guide, coded, folder / "shared.tif", kind="labels")
    monkeypatch.setattr(scene, "OWN_CHANNEL", 1000)
    gsjbu.raster.upsample(guide, coded, folder / "own.tif", kind="labels")
    assert np.array_equal(read(folder / "shared.tif")[0], read(folder / "own.tif")[0])
    assert set(np.unique(read(folder / "own.tif")[0])) <= set(np.unique(low))


def test_class_0_is_a_class_and_what_has_no_value_another_number(land):
    folder, guide, _, _, plots = land
    low = (np.pad(plots, ((5, 0), (5, 0)), mode="edge")[S // 2 :: S, S // 2 :: S] % 5)[None].astype(np.uint8)
    coded = write(folder / "from0.tif", low, from_origin(500_000, 5_000_000, 80, 80))
    report = gsjbu.raster.upsample(guide, coded, folder / "all.tif", kind="labels")
    made, about = read(folder / "all.tif")
    assert about.nodata is None and (made == 0).mean() > 0.1 and len(report.notes) == 2
    half = write(folder / "half.tif", low[..., :12], from_origin(500_000, 5_000_000, 80, 80))
    for kind, tile in (("labels", 768), ("labels", 40), ("depth", 40)):
        report = gsjbu.raster.upsample(guide, half, folder / "gap.tif", kind=kind, tile=tile)
        made, about = read(folder / "gap.tif")
        assert about.nodata == 255 and (made[..., -8:] == 255).all() and (made[..., :80] < 5).all()
        assert "are 255" in report.notes[-1]


@pytest.mark.parametrize("tile", [768, 40])
def test_a_quantity_stays_in_the_range_of_its_window_and_shares_sum_to_1(land, tile):
    folder, guide, *_ = land
    share = np.random.default_rng(2).uniform(-1, 2, (26, 24)).clip(0, 1).astype(np.float32)
    both = write(folder / "shares.tif", np.stack([share, 1 - share]), from_origin(500_000, 5_000_000, 80, 80))
    gsjbu.raster.upsample(guide, both, folder / "held.tif", tile=tile)
    made, about = read(folder / "held.tif")
    assert made.min() == 0 and made.max() == 1 and about.nodata is None
    np.testing.assert_allclose(made.sum(axis=0), 1, atol=1e-6)
    one = write(folder / "share.tif", share[None], from_origin(500_000, 5_000_000, 80, 80))
    gsjbu.raster.upsample(guide, one, folder / "one.tif", tile=tile)
    values = read(folder / "one.tif")[0][0]
    near = np.pad(share, 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(near, (5, 5)).repeat(S, 0).repeat(S, 1)[5:, 5:]
    assert (values >= windows.min(axis=(2, 3))).all() and (values <= windows.max(axis=(2, 3))).all()


def test_no_input_is_replaced(land):
    folder, guide, signal, *_ = land
    place = folder / "links"
    place.mkdir()
    before = signal.read_bytes(), guide.read_bytes()
    (place / "soft.tif").symlink_to(signal)
    (place / "hard.tif").hardlink_to(guide)
    mosaic = place / "mosaic.vrt"
    rasterio.shutil.copy(signal, mosaic, driver="VRT")
    for low, output in (
        (signal, signal), (signal, guide), (signal, place / "soft.tif"), (signal, place / "hard.tif"),
        (signal, place / ".." / "signal.tif"), (mosaic, signal),
    ):  # fmt: skip
        with pytest.raises(GsjbuError, match="take the place of an input"):
            gsjbu.raster.upsample(guide, low, output)
    assert (signal.read_bytes(), guide.read_bytes()) == before


def test_another_projection_and_whole_numbers(land):
    from rasterio.warp import calculate_default_transform, reproject

    folder, guide, signal, truth, _ = land
    with rasterio.open(signal) as coarse:
        to, width, height = calculate_default_transform(
            coarse.crs, "EPSG:4326", coarse.width, coarse.height, *coarse.bounds
        )
        warped = np.zeros((1, height, width), np.int16)
        reproject(
            coarse.read(1).astype(float), warped[0], src_transform=coarse.transform, src_crs=coarse.crs,
            dst_transform=to, dst_crs="EPSG:4326", dst_nodata=-1,
        )  # fmt: skip
    there = write(folder / "there.tif", warped, to, crs="EPSG:4326", nodata=-1)
    report = gsjbu.raster.upsample(guide, there, folder / "warped.tif")
    made, _ = read(folder / "warped.tif")
    assert made.dtype == np.int16 and "resampled" in report.notes[0]
    known = made[0] != -1
    assert known.mean() > 0.9 and rmse(made[0].astype(float), truth, known) < 40


def test_the_command_writes_what_the_library_writes(land, capsys):
    from gsjbu.cli import main

    folder, guide, signal, *_ = land
    output = folder / "new" / "told.tif"
    words = ["raster", str(guide), str(signal), "-o", str(output), "--tile", "64", "--json", "--quiet"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    report = gsjbu.raster.upsample(guide, signal, folder / "same.tif", tile=64)
    assert told == json.loads(json.dumps({"output": str(output), **asdict(report)})) and report.tiles == 12
    np.testing.assert_array_equal(read(output)[0], read(folder / "same.tif")[0])
    assert main(["raster", str(guide), str(signal), "-o", str(signal)]) == 2
    assert "would take the place of an input" in capsys.readouterr().err
    assert main(["raster", str(guide), str(folder / "none.tif"), "-o", str(output)]) in (2, 3)
    assert "none.tif" in capsys.readouterr().err


@pytest.mark.parametrize(("down", "across", "flipped"), [(8, 16, False), (16, 8, True), (8, 8, True), (1, 16, False)])
def test_cells_of_whole_numbers_of_pixels_on_each_axis_are_used_as_they_are(land, down, across, flipped):
    """Whichever way their rows run."""
    folder, guide, _, truth, _ = land
    height, width = 208 // down, 176 // across
    full = np.pad(truth, ((5, 0), (5, 0)), mode="edge")[: height * down, : width * across]
    low = full.reshape(height, down, width, across).mean(axis=(1, 3))[None].astype(np.float32)
    place = from_origin(500_000, 5_000_000, 10 * across, 10 * down)
    if flipped:
        low = low[:, ::-1]
        place = rasterio.Affine(10 * across, 0, 500_000, 0, 10 * down, 5_000_000 - 10 * down * height)
    signal = write(folder / "oblong.tif", low, place)
    made = gsjbu.raster.upsample(guide, signal, folder / "oblong-fine.tif", tile=64)
    assert (made.stride, made.stride_x) == (down, across) and "own pixels" in made.notes[0]
    fine = read(folder / "oblong-fine.tif")[0][0]
    inside = np.s_[: height * down - 5, : width * across - 5]
    assert rmse(fine, truth, inside) < 0.7 * rmse(bilinear(folder, guide, signal), truth, inside)


@pytest.mark.parametrize("fault", ["unplaced", "apart", "finer", "clouds"])
def test_what_cannot_be_laid_over_each_other_is_told(land, fault):
    folder, guide, signal, *_ = land
    place = from_origin(
        900_000 if fault == "apart" else 500_000, 5_000_000, *((5, 5) if fault == "finer" else (80, 80))
    )
    other = write(
        folder / f"{fault}.tif",
        np.zeros((1, 9, 9), np.float32),
        place,
        None if fault == "unplaced" else "EPSG:32633",
    )
    with pytest.raises(GsjbuError) as caught:
        if fault == "clouds":
            gsjbu.raster.upsample(guide, signal, folder / "no.tif", clouds=other)
        else:
            gsjbu.raster.upsample(guide, other, folder / "no.tif")
    if fault == "unplaced":
        assert "has a transform, and no projection" in caught.value.message
    assert caught.value.code.startswith("raster_") and caught.value.message.endswith(".")
    assert not (folder / "no.tif").exists()


NORTH_WEST = from_origin(500_000, 5_000_000, 80, 80)


def test_an_undeclared_code_for_no_value_is_found_as_upsample_finds_it(land):
    folder, guide, signal, *_ = land
    low = read(signal)[0]
    low[0, :, -5:] = -9999
    holed = write(folder / "holed.tif", low, NORTH_WEST)
    report = gsjbu.raster.upsample(guide, holed, folder / "unholed.tif")
    made, about = read(folder / "unholed.tif")
    assert about.nodata == -9999 and (made[..., -16:] == -9999).all()
    assert made[made != -9999].min() >= low[low != -9999].min()
    assert any("are -9999, which means no value" in note for note in report.notes)
    report = gsjbu.raster.upsample(guide, holed, folder / "unholed.tif", invalid="none")
    assert read(folder / "unholed.tif")[1].nodata is None and "no value" not in "".join(report.notes)
    own = write(folder / "own-nodata.tif", low, NORTH_WEST, nodata=float(low[0, 0, 0]))
    gsjbu.raster.upsample(guide, own, folder / "unholed.tif", invalid=-9999)
    made, about = read(folder / "unholed.tif")
    assert about.nodata == -9999 and (made != -9999).mean() > 0.8  # a person goes before the file


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_class_numbers_are_told_without_a_colour_table_and_none_is_invented(land, dtype):
    folder, guide, _, _, plots = land
    codes = np.array([7, 11, 26])
    low = codes[np.pad(plots, ((5, 0), (5, 0)), mode="edge")[S // 2 :: S, S // 2 :: S] % 3].astype(dtype)
    low[3:6, 3:6] = 255
    mapped = write(folder / "mapped.tif", low[None], NORTH_WEST, nodata=255)
    report = gsjbu.raster.upsample(guide, mapped, folder / "fine-map.tif")
    assert report.kind == "labels" and "taken for labels (" in report.notes[1]
    made, about = read(folder / "fine-map.tif")
    assert set(np.unique(made)) <= {*codes, 255} and made.dtype == dtype and about.nodata == 255


def test_class_numbers_that_no_float_holds_stay_what_they_are(land):
    folder, guide, _, _, plots = land
    ids = np.array([2**53 + 1, 2**60 + 3, 5])
    low = ids[np.pad(plots, ((5, 0), (5, 0)), mode="edge")[S // 2 :: S, S // 2 :: S] % 3]
    mapped = write(folder / "ids.tif", low[None], NORTH_WEST)
    gsjbu.raster.upsample(guide, mapped, folder / "fine-ids.tif", kind="labels", tile=40)
    made, about = read(folder / "fine-ids.tif")
    assert set(np.unique(made)) == set(ids) and made.dtype == np.int64 and about.nodata is None


def test_a_guide_with_a_palette_is_followed_by_its_colours(land):
    folder, guide, signal, _, plots = land
    place = rasterio.open(guide).transform
    colours = {n: (*(int(v) for v in RNG.integers(0, 256, 3)), 255) for n in range(24)}
    table = np.array([colours[n][:3] for n in range(24)], np.uint8)
    indexed = write(folder / "indexed.tif", plots[None].astype(np.uint8), place, colours=colours)
    direct = write(folder / "direct.tif", table[plots].transpose(2, 0, 1), place)
    for tile in (768, 40):
        for name in ("indexed", "direct"):
            gsjbu.raster.upsample({"indexed": indexed, "direct": direct}[name], signal, folder / f"by-{name}.tif",
                                  tile=tile)  # fmt: skip
        np.testing.assert_array_equal(read(folder / "by-indexed.tif")[0], read(folder / "by-direct.tif")[0])


def test_neither_has_a_projection_they_lie_on_one_plane(land):
    folder, guide, signal, *_ = land
    gsjbu.raster.upsample(guide, signal, folder / "placed.tif")
    bare = [
        write(folder / f"bare-{path.name}", read(path)[0], rasterio.open(path).transform, crs=None)
        for path in (guide, signal)
    ]
    gsjbu.raster.upsample(*bare, folder / "bare.tif")
    made, about = read(folder / "bare.tif")
    assert about.crs is None
    np.testing.assert_array_equal(made, read(folder / "placed.tif")[0])
    odd = write(folder / "odd.tif", read(signal)[0], from_origin(500_003, 5_000_000, 81, 81), crs=None)
    assert "resampled" in gsjbu.raster.upsample(bare[0], odd, folder / "odd-fine.tif").notes[0]


@pytest.mark.parametrize("which", ["guide", "signal", "clouds"])
@pytest.mark.parametrize("fault", ["missing", "folder", "empty", "text", "cut", "complex"])
def test_a_raster_that_cannot_be_read_is_refused_with_a_sentence(land, capsys, which, fault):
    from gsjbu.cli import main

    if (which, fault) == ("clouds", "complex"):
        return  # there is a cloud where they are not 0
    folder, guide, signal, *_ = land
    model = signal if which == "signal" else guide
    bad = folder / f"bad-{fault}-{which}.tif"
    if fault == "folder":
        bad.mkdir()
    elif fault == "complex":
        values, about = read(model)
        write(bad, values[:1].astype(np.complex64), about.transform)
    elif fault != "missing":
        some = model.read_bytes()
        bad.write_bytes({"empty": b"", "text": b"no raster", "cut": some[: len(some) * 9 // 10]}[fault])
    given = {"guide": guide, "signal": signal, "clouds": guide, which: bad}
    words = ["raster", given["guide"], given["signal"], "--clouds", given["clouds"]]
    assert main([*map(str, words), "-o", str(folder / "bad-out.tif"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert bad.name in said and said.count("\n") == 1
    assert not (folder / "bad-out.tif").exists()


@pytest.mark.parametrize("name", ["out.png", "out", "out.nc"])
def test_a_result_is_called_what_it_is(land, name):
    folder, guide, signal, *_ = land
    with pytest.raises(GsjbuError, match=r"use \.tif or \.tiff") as caught:
        gsjbu.raster.upsample(guide, signal, folder / name)
    assert caught.value.code == "output_format" and not (folder / name).exists()


def test_where_nothing_can_be_written_the_results_name_is_told(land, capsys):
    from gsjbu.cli import main

    _, guide, signal, *_ = land
    assert main(["raster", str(guide), str(signal), "-o", "/proc/fine.tif", "--quiet"]) == 3
    assert "(/proc/fine.tif)." in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_copy_that_breaks_off_leaves_nothing(land, tmp_path, monkeypatch, error):
    _, guide, signal, *_ = land

    def copy(source, target, **_):
        target.write_bytes(source.read_bytes()[:1000])
        raise error

    monkeypatch.setattr(rasterio.shutil, "copy", copy)
    with pytest.raises(type(error)):
        gsjbu.raster.upsample(guide, signal, tmp_path / "out.tif")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_name_is_refused(land):
    folder, guide, signal, *_ = land
    for words in (("", signal, folder / "o.tif"), (guide, "", folder / "o.tif"), (guide, signal, "")):
        with pytest.raises(GsjbuError, match="is empty"):
            gsjbu.raster.upsample(*words)
