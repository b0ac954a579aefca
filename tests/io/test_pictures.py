"""Picture files in and out: what is accepted, exactly how it is read, and what is refused with a sentence."""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from gsjbu.errors import ImageError
from gsjbu.io import pictures
from gsjbu.server.codes import CODES
from tests.server.hostile import chunk

BAD = Path(__file__).resolve().parents[3] / "shared" / "data" / "bad_images"
needs_bad_images = pytest.mark.skipif(not BAD.is_dir(), reason="../shared/data/bad_images is not here")
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (24, 40, 3), dtype=np.uint8)


def file_of(picture: Image.Image | np.ndarray, format: str = "PNG", **options) -> bytes:
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def png_of(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body


def refusal(data: bytes, **options) -> ImageError:
    with pytest.raises(ImageError) as caught:
        pictures.decode(data, **options)
    assert caught.value.message.endswith(".") and len(caught.value.message) > 20
    return caught.value


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_files_come_back_exactly(format, options):
    x = pictures.decode(file_of(COLOURS, format, **options))
    assert x.dtype == torch.float32 and x.shape == (3, 24, 40)
    np.testing.assert_array_equal(pictures.to_uint8(x), COLOURS)


def test_jpeg_is_read_and_is_near():
    smooth = np.dstack([np.add.outer(np.arange(64), np.arange(64))] * 3).astype(np.uint8)
    x = pictures.decode(file_of(smooth, "JPEG", quality=95))
    assert np.abs(pictures.to_uint8(x).astype(int) - smooth).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[pictures.EXIF_ORIENTATION] = orientation
    x = pictures.decode_pixels(file_of(COLOURS, exif=exif))
    # The eight meanings, written out: where the stored first row and first column belong.
    upright = {
        1: COLOURS,
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.transpose(1, 0, 2),
        6: np.rot90(COLOURS, -1),
        7: np.rot90(COLOURS, 2).transpose(1, 0, 2),
        8: np.rot90(COLOURS, 1),
    }[orientation]
    np.testing.assert_array_equal(x, upright)


def test_damaged_exif_leaves_the_picture_readable():
    data = file_of(COLOURS, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert pictures.decode(data).shape == (3, 24, 40)


@pytest.mark.parametrize(("alpha", "expected"), [(0, 255), (255, 40), (128, 147)])
def test_alpha_lies_over_white(alpha, expected):
    rgba = np.full((4, 5, 4), 40, np.uint8)
    rgba[..., 3] = alpha
    assert (pictures.decode_pixels(file_of(rgba)) == expected).all()
    assert (pictures.decode_pixels(file_of(Image.fromarray(rgba).convert("LA"))) == expected).all()


def test_palette_transparency_lies_over_white():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 0])
    picture.putpixel((1, 0), 1)
    x = pictures.decode_pixels(file_of(picture, transparency=0))
    np.testing.assert_array_equal(x, [[[255, 255, 255], [200, 100, 0]]])


def test_colour_key_transparency_lies_over_white():
    x = pictures.decode_pixels(file_of(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), transparency=(1, 2, 3)))
    np.testing.assert_array_equal(x, [[[255, 255, 255], [4, 5, 6]]])


def test_sixteen_bit_colour_key_lies_over_white():
    rows = b"\0" + struct.pack(">6H", 300, 40000, 7, 65535, 0, 0)
    x = pictures.decode_pixels(png_of(2, 1, 16, 2, rows, chunk(b"tRNS", struct.pack(">3H", 300, 40000, 7))))
    np.testing.assert_array_equal(x, [[[65535, 65535, 65535], [65535, 0, 0]]])


def test_sixteen_bit_grey_keeps_its_precision():
    grey = np.array([[0, 1, 257], [32768, 65534, 65535]], np.uint16)
    x = pictures.decode(file_of(grey))
    np.testing.assert_allclose(x[0].numpy(), grey / 65535, rtol=0, atol=1e-7)
    assert torch.equal(x[0], x[1]) and torch.equal(x[0], x[2])


def test_sixteen_bit_grey_transparency_lies_over_white():
    rows = b"\0" + struct.pack(">2H", 1234, 5)
    x = pictures.decode_pixels(png_of(2, 1, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 1234))))
    np.testing.assert_array_equal(x, [[65535, 5]])


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_and_bilevel(mode):
    picture = Image.fromarray(COLOURS[:, :, 0]).convert(mode)
    x = pictures.decode(file_of(picture))
    np.testing.assert_allclose(x[0].numpy(), np.asarray(picture.convert("L")) / 255, atol=1e-7)


def test_cmyk_jpeg():
    assert pictures.decode(file_of(Image.fromarray(COLOURS).convert("CMYK"), "JPEG")).shape == (3, 24, 40)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_the_first_frame_of_an_animation(format):
    frames = [Image.new("RGB", (8, 8), (v, v, v)) for v in (10, 200)]
    data = file_of(
        frames[0], format, save_all=True, append_images=frames[1:], **({"lossless": True} if format == "WEBP" else {})
    )
    assert (pictures.decode_pixels(data) == 10).all()


def test_what_is_not_a_picture_is_refused():
    assert refusal(b"").code == "image_empty"
    assert refusal(b"just some text").code == "image_type"
    assert refusal(file_of(COLOURS, "GIF")).code == "image_type"
    assert refusal(file_of(COLOURS, "TIFF")).code == "image_type"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(format, share):
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = file_of(noise, format)
    assert refusal(data[: int(len(data) * share)]).code == "image_corrupt"


@pytest.mark.parametrize("side", [7000, 12000, 20000])
def test_a_huge_png_is_refused_by_its_header(side):
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = refusal(png_of(side, side, 8, 2, b""))
    assert error.code == "image_too_large" and time.perf_counter() - start < 0.2


def test_the_pixel_bound_is_exact_and_a_parameter():
    data = file_of(COLOURS)
    assert pictures.decode(data, max_pixels=24 * 40).shape == (3, 24, 40)
    assert refusal(data, max_pixels=24 * 40 - 1).code == "image_too_large"


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"lossless": True, "exif": b"Exif\0\0"}])
def test_webp_size_is_read_from_every_kind_of_header(options):
    assert pictures._webp_size(file_of(COLOURS, "WEBP", **options)) == (40, 24)


def test_a_huge_webp_is_refused_before_pillow_sees_it(monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *a, **k: pytest.fail("opened"))
    canvas = (16383 - 1).to_bytes(3, "little")
    data = b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas + canvas
    assert refusal(data).code == "image_too_large"


def test_metadata_bombs_are_refused_and_cheap():
    bomb = zlib.compress(bytes(200_000_000), 9)
    for name, head in ((b"zTXt", b"k\0\0"), (b"iCCP", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0")):
        data = png_of(1, 1, 8, 0, b"\0\0", chunk(name, head + bomb))
        start = time.perf_counter()
        with contextlib.suppress(ImageError):  # either it is refused or the metadata is left alone
            pictures.decode(data)
        assert time.perf_counter() - start < 0.5, name


def test_a_jpeg_of_endless_scans_is_refused():
    data = file_of(COLOURS, "JPEG", progressive=True)
    assert refusal(data[:-2] + b"\xff\xda" * 200 + data[-2:]).code == "image_too_large"


def test_a_large_jpeg_may_have_fewer_scans():
    file = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    assert pictures.decode_pixels(data).shape == (4000, 4000, 3)
    assert refusal(data[:-2] + b"\xff\xda" * 40 + data[-2:]).code == "image_too_large"


def test_many_text_chunks_are_read_past():
    info = PngImagePlugin.PngInfo()
    for i in range(50):
        info.add_text(f"key{i}", "x" * 100)
    assert pictures.decode(file_of(COLOURS, pnginfo=info)).shape == (3, 24, 40)


@needs_bad_images
@pytest.mark.parametrize("path", sorted((BAD / "pillow").glob("*")) if BAD.is_dir() else [], ids=lambda p: p.name)
def test_files_that_broke_decoders(path):
    start = time.perf_counter()
    assert refusal(path.read_bytes()).code in ("image_type", "image_corrupt", "image_too_large")
    assert time.perf_counter() - start < 1


@needs_bad_images
@pytest.mark.parametrize("path", sorted((BAD / "pngsuite").glob("*.png")) if BAD.is_dir() else [], ids=lambda p: p.name)
def test_pngsuite(path):
    if path.name.startswith("x"):
        assert refusal(path.read_bytes()).code in ("image_corrupt", "image_type")
        return
    x = pictures.decode(path.read_bytes())
    assert x.shape[0] == 3 and 0 <= float(x.min()) <= float(x.max()) <= 1


@needs_bad_images
def test_pngsuite_transparent_pictures_agree_with_each_other():
    """tbwn3p08 and tbbn3p08 are one picture with one transparent colour and two background hints."""
    one, two = (pictures.decode_pixels((BAD / "pngsuite" / f"tb{c}n3p08.png").read_bytes()) for c in "wb")
    np.testing.assert_array_equal(one, two)
    assert (one[0, 0] == 255).all()


def test_to_image_takes_what_people_have():
    expected = torch.from_numpy(COLOURS).permute(2, 0, 1) / 255
    assert torch.equal(pictures.to_image(COLOURS), expected)
    assert torch.equal(pictures.to_image(Image.fromarray(COLOURS)), expected)
    assert torch.equal(pictures.to_image(expected), expected)
    assert torch.allclose(pictures.to_image(COLOURS.astype(np.float64) / 255), expected)
    assert torch.equal(pictures.to_image(COLOURS[:, :, 0])[1], expected[0])
    assert pictures.to_image(torch.rand(7, 4, 5)).shape == (7, 4, 5)
    assert pictures.to_image(torch.rand(4, 5, dtype=torch.float64)).dtype == torch.float32


@pytest.mark.parametrize(
    ("x", "code"),
    [
        (np.zeros((4, 5, 2), np.uint8), "image_shape"),
        (np.zeros((0, 5, 3), np.uint8), "image_shape"),
        (np.zeros((4, 5), np.int64), "image_type"),
        (torch.zeros(2, 3, 4, 5), "image_shape"),
        (torch.zeros(3, 4, 5, dtype=torch.int64), "image_type"),
        (torch.full((3, 4, 5), float("nan")), "image_not_finite"),
        (np.full((4, 5), np.inf), "image_not_finite"),
        ("photo.jpg", "image_type"),
    ],
)
def test_to_image_refuses_the_rest(x, code):
    with pytest.raises(ImageError) as caught:
        pictures.to_image(x)
    assert caught.value.code == code


def test_shrink_is_the_mean_over_areas_and_never_enlarges():
    x = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(pictures.shrink(x, 20), torch.nn.functional.avg_pool2d(x, 4), atol=1e-6)
    assert pictures.shrink(x, 30).shape == (3, 22, 30)
    assert torch.allclose(pictures.shrink(x, 30).mean(), x.mean(), atol=1e-6)
    ramp = torch.arange(7.0).expand(1, 1, 7)
    expected = [(0 + 1 + 2 / 3) / (7 / 3), (4 / 3 + 3 + 8 / 3) / (7 / 3), (4 / 3 + 5 + 6) / (7 / 3)]  # by hand
    assert torch.allclose(pictures.resize_area(ramp, 1, 3)[0, 0], torch.tensor(expected), atol=1e-6)
    assert torch.equal(pictures.shrink(x, 80), x) and torch.equal(pictures.shrink(x, 500), x)
    assert pictures.shrink(torch.rand(5, 1, 300), 100).shape == (5, 1, 100)


@pytest.mark.parametrize("top", [5, 300, 65535])
def test_a_dark_16_bit_picture_keeps_its_levels(top):
    pixels = RNG.integers(0, top + 1, (90, 130)).astype(np.uint16)
    small = pictures.shrink(pictures.to_image(pixels), 50)
    assert torch.equal(small, pictures.shrink(pixels, 50))
    expected = pictures.resize_area(pictures.to_image(pixels), 35, 50)
    torch.testing.assert_close(small, expected, atol=0, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_shrinking_leaves_nothing_beyond_what_it_is_the_mean_of(dtype):
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    pixels = np.full((667, 1000) if dtype is np.uint16 else (667, 1000, 3), white, dtype)
    pixels[300:] = white * 0.6
    for resolution in (512, 333, 97):
        small = pictures.shrink(pixels, resolution)
        assert float(small.max()) == 1.0
    pale = torch.from_numpy(pixels.astype(np.float32).reshape(1, 667, -1)) / white - 3  # any range
    low, high = pictures.resize_area(pale, 97, 64).aminmax()
    assert pale.min() <= low and high <= pale.max()


def test_8_bits_saved_as_16_shrink_like_8():
    pixels = RNG.integers(0, 256, (90, 130)).astype(np.uint8)
    wide = pixels.astype(np.uint16) * 257
    small = pictures.shrink(pixels, 50)
    for other in (wide, pictures.to_image(wide), pictures.to_image(pixels)):
        assert torch.equal(pictures.shrink(other, 50), small)


def test_floats_between_levels_are_left_between_them():
    x = torch.full((3, 90, 130), 7e-5)
    torch.testing.assert_close(pictures.shrink(x, 50), torch.full((3, 35, 50), 7e-5), atol=0, rtol=1e-5)
    x = torch.rand(3, 90, 130, generator=torch.Generator().manual_seed(6)) * 3 - 1
    torch.testing.assert_close(pictures.shrink(x, 50), pictures.resize_area(x, 35, 50), atol=0, rtol=0)


@pytest.mark.parametrize("shape", [(90, 130, 3), (90, 130), (301, 77, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shrinking_a_photograph_is_shrinking_its_tensor(shape, dtype):
    if dtype is np.uint16 and len(shape) == 3:
        shape = shape[:2]
    pixels = RNG.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    assert torch.equal(pictures.shrink(pixels, 50), pictures.shrink(pictures.to_image(pixels), 50))


@pytest.mark.parametrize(
    "pixels",
    [
        COLOURS,
        COLOURS[:, :, 0],
        COLOURS[:1, :1],
        RNG.integers(0, 65536, (7, 9)).astype(np.uint16),
        np.zeros((5, 3), np.uint16),
    ],
)
def test_png_bytes_read_back_exactly(pixels):
    back = np.asarray(Image.open(io.BytesIO(pictures.png_bytes(pixels))))
    np.testing.assert_array_equal(back, pixels)


def test_png_bytes_refuses_other_arrays():
    for bad in (np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8)):
        with pytest.raises(ImageError):
            pictures.png_bytes(bad)


@pytest.mark.parametrize(("more", "refused"), [(0, False), (pictures.MAX_PNG_CHUNKS, True)])
def test_a_png_of_countless_chunks_is_refused_before_it_is_walked(more, refused):
    plain = file_of(COLOURS, "PNG")
    empty = b"\0\0\0\0tEXt" + zlib.crc32(b"tEXt").to_bytes(4, "big")
    data = plain[:33] + empty * more + plain[33:]  # after the header
    if not refused:
        assert pictures.decode_pixels(data).shape == (*COLOURS.shape[:2], 3)
        return
    with pytest.raises(ImageError, match="chunks") as caught:
        pictures.decode_pixels(data)
    assert caught.value.code == "image_too_large"


def test_whoever_is_asked_for_a_picture_is_told_every_format() -> None:
    root = Path(__file__).resolve().parents[2]
    with pytest.raises(ImageError) as refused:
        pictures.decode(b"no picture")
    told = [refused.value.message, CODES["image_type"][1]]
    told += [
        json.loads((root / "static" / "lang" / f"{one}.json").read_text("utf-8"))["picture.hint"]
        for one in ("en", "zh")
    ]
    page = (root / "templates" / "index.html").read_text("utf-8")
    accepted = re.search(r'id="file" accept="([^"]*)"', page)
    assert accepted is not None
    assert accepted[1].split(",") == [f"image/{one.lower()}" for one in pictures.FORMATS]
    for sentence in told:
        assert all(one in sentence.upper() for one in pictures.FORMATS), sentence


# ---------------------------------------------------------------------------------- colours of 16 bits


def deep_png(pixels: np.ndarray) -> bytes:
    """uint16 [H, W, C] as a PNG of that many channels."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png_of(width, height, 16, {2: 4, 3: 2, 4: 6}[channels], rows)


DEEP = np.random.default_rng(3).integers(0, 3000, (70, 9, 4), dtype=np.uint16)


def test_colours_of_16_bits_keep_them_all():
    found = pictures.decode_pixels(deep_png(DEEP[..., :3]))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, DEEP[..., :3])
    np.testing.assert_allclose(
        pictures.decode(deep_png(DEEP[..., :3])), DEEP[..., :3].transpose(2, 0, 1) / 65535, atol=1e-7
    )
    np.testing.assert_array_equal(pictures.shrink(found, 35), pictures.shrink(pictures.to_image(found), 35))


@pytest.mark.parametrize("channels", [2, 4])
def test_colours_of_16_bits_lie_over_white(channels):
    pixels = DEEP[..., 4 - channels :].copy()
    pixels[..., -1] = np.arange(630).reshape(70, 9) * 104
    share = pixels[..., -1:] / 65535
    white = pixels[..., :-1] * share + 65535 * (1 - share)
    found = pictures.decode_pixels(deep_png(pixels))
    assert found.dtype == np.uint16 and found.ndim == (2 if channels == 2 else 3)  # three equal channels are grey
    np.testing.assert_array_equal(found, np.rint(white)[..., 0] if channels == 2 else np.rint(white))


def test_a_png_is_written_from_an_array():
    with pytest.raises(ImageError, match="not Tensor; to_uint8"):
        pictures.png_bytes(torch.zeros(3, 4, 4))
    with pytest.raises(ImageError, match="not list"):
        pictures.png_bytes([[0]])
