"""Signals in picture files, as those who made them see them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from gsjbu.errors import GsjbuError
from gsjbu.io import pictures
from gsjbu.io.guides import to_guide
from gsjbu.io.readers import read
from gsjbu.signals import understand
from tests.server.hostile import chunk

tifffile = pytest.importorskip("tifffile")
WAYS = range(1, 9)
LABELS = np.array([3, 7, 11, 26], np.uint8)[np.arange(48).reshape(6, 8) // 7 % 4]
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
BACK = {6: 8, 8: 6}  # all other ways undo themselves


def saved(pixels: np.ndarray, form: str, way: int, **more: object) -> bytes:
    """A file whose pixels lie so that its orientation, ``way``, brings them upright."""
    exif = Image.Exif()
    exif[pictures.EXIF_ORIENTATION] = way
    stream = io.BytesIO()
    Image.fromarray(pictures.turned(pixels, BACK.get(way, way))).save(stream, form, exif=exif, **more)
    return stream.getvalue()


def as_tiff(pixels: np.ndarray, way: int, **more: object) -> bytes:
    stream = io.BytesIO()
    tag = (pictures.EXIF_ORIENTATION, "H", 1, way, True)
    tifffile.imwrite(stream, pixels, metadata=None, extratags=[tag], **more)
    return stream.getvalue()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_a_signal_is_turned_as_its_exif_says(form, way):
    more = {"lossless": True} if form == "WEBP" else {}
    found = read(saved(LABELS, form, way, **more))
    np.testing.assert_array_equal(found.array, LABELS)
    assert ("turned as its" in found.source) == (way != 1)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_known_of_a_picture_is_turned_with_it(way):
    alpha = np.where(np.arange(48).reshape(6, 8) < 5, 0, 255).astype(np.uint8)
    found = read(saved(np.dstack([COLOURS, alpha]), "PNG", way))
    np.testing.assert_array_equal(found.array, COLOURS)
    np.testing.assert_array_equal(found.known, alpha > 0)


@pytest.mark.parametrize("way", WAYS)
def test_pages_and_planes_of_a_tiff_are_turned(way):
    plane = pictures.turned(LABELS.astype(np.float32), BACK.get(way, way))
    pages = read(as_tiff(np.stack([plane, plane + 1]), way, photometric="minisblack"))
    np.testing.assert_array_equal(pages.array, np.stack([LABELS, LABELS + 1]))
    turned = pictures.turned(COLOURS, BACK.get(way, way))
    planes = np.ascontiguousarray(np.moveaxis(turned, -1, 0)).astype(np.uint16)
    found = read(as_tiff(planes, way, photometric="rgb", planarconfig="separate"))
    np.testing.assert_array_equal(np.moveaxis(found.array, 0, -1), COLOURS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("more", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg", "quality": 100}])
def test_an_image_is_turned_as_its_tiff_says(way, more):
    smooth = np.linspace(0, 200, 48).reshape(6, 8, 1) * [1, 0.5, 0.25]
    guide = to_guide(saved(smooth.astype(np.uint8), "TIFF", way, **more))
    np.testing.assert_allclose(255 * guide.pixels.permute(1, 2, 0), smooth, atol=40 if "quality" in more else 1)
    assert guide.pixels.shape == (3, 6, 8)


def test_a_tiff_that_only_pillow_reads_keeps_its_nodata():
    """Of LZW with a predictor tifffile reads nothing without a further package."""
    values = np.where(LABELS == 3, -9999, 100 + np.arange(48).reshape(6, 8)).astype(np.float32)
    stream = io.BytesIO()
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[42113], tags[317] = "-9999", 2
    tags.tagtype[42113] = 2
    Image.fromarray(values.astype(np.int32)).save(stream, "TIFF", compression="tiff_lzw", tiffinfo=tags)
    found = read(stream.getvalue())
    assert found.codes == (-9999,)
    np.testing.assert_array_equal(found.array, values)


@pytest.mark.parametrize("way", [read, to_guide])
@pytest.mark.parametrize(("tag", "value", "said"), [(259, 34887, "compression LERC"), (258, 24, "has 24 bits a value")])
def test_what_no_reader_knows_of_a_tiff_is_named(way, tag, value, said):
    """It was said to be damaged."""
    data = bytearray(as_tiff(np.arange(48, dtype=np.uint16).reshape(6, 8), 1, byteorder="<"))
    at = data.index(struct.pack("<HH", tag, 3))
    data[at + 8 : at + 10] = struct.pack("<H", value)
    with pytest.raises(GsjbuError, match=said) as caught:
        way(bytes(data))
    assert "damaged" not in caught.value.message and "COMPRESS=DEFLATE" in caught.value.message


def test_nothing_is_logged_of_a_nodata_that_is_none(caplog):
    tags = [(42113, "s", 0, "-3.4028234663852886e+38", True)]
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.ones((6, 8), np.float32), metadata=None, extratags=tags)
    assert read(stream.getvalue()).codes == (-3.4028234663852886e38,)
    assert not caplog.records


def test_every_door_turns_a_file(tmp_path: Path):
    for name, pixels in (("image", COLOURS), ("signal", LABELS), ("mask", (LABELS == 3).astype(np.uint8))):
        (tmp_path / f"{name}.png").write_bytes(saved(pixels, "PNG", 6))
    guide = to_guide(tmp_path / "image.png", guide_mask=tmp_path / "mask.png")
    np.testing.assert_array_equal(guide.seen, LABELS != 3)
    signal = understand(tmp_path / "signal.png", (12, 16))
    assert signal.kind == "labels" and "turned as its EXIF says" in signal.note


@pytest.mark.parametrize("bits", [2, 4])
def test_levels_that_a_png_scales_are_told(bits):
    """Class numbers 0, 1, 2 of 2 bits are read as 0, 85, 170."""
    top = 2**bits - 1
    rows = b"".join(b"\0" + _packed(row % 4, bits) for row in LABELS)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, body)
        for name, body in (
            (b"IHDR", struct.pack(">IIBBBBB", 8, 6, bits, 0, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )
    found = read(data)
    np.testing.assert_array_equal(found.array, LABELS % 4 * (255 // top))
    assert f"{bits}-bit grey PNG, whose levels 0 to {top} stand for 0 to 255" in found.source


def _packed(row: np.ndarray, bits: int) -> bytes:
    ones = (row[:, None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(ones.astype(np.uint8)).tobytes()


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_colours_of_cielab_rise_through_neutral(dtype):
    """a* and b* are signed by their bits, and wrapped beside 0."""
    half = 1 << (8 * np.dtype(dtype).itemsize - 1)
    signed = np.stack([np.full((6, 8), half), *2 * [np.arange(48).reshape(6, 8) - 24]], axis=-1)
    found = read(as_tiff(signed.astype(dtype), 1, photometric="cielab"))
    expected = signed + np.array([0, half, half])
    np.testing.assert_array_equal(found.array, expected)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_levels_are_those_that_are_stored_whichever_way_they_are_shown(dtype: str, monkeypatch) -> None:
    """As GDAL and ImageJ have them: numbers of classes, and quantities, are not turned over with the picture."""
    levels = np.arange(0, 240, 5, dtype).reshape(6, 8)
    data = as_tiff(levels, 1, photometric="miniswhite")
    np.testing.assert_array_equal(read(data).array, levels)
    if dtype == "u1":

        def lacking(page: tifffile.TiffPage) -> None:
            raise ValueError("requires the 'imagecodecs' package")

        monkeypatch.setattr(tifffile.TiffPage, "asarray", lacking)  # as of a compression that Pillow alone knows
        np.testing.assert_array_equal(read(data).array, levels)
    ink = read(as_tiff(levels > 100, 1, photometric="miniswhite")).array  # two levels are black and white
    np.testing.assert_array_equal(ink, levels <= 100)
