"""The image that a fit follows: every usual form and scale gives the same guide, or a sentence."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from gsjbu.errors import ImageError
from gsjbu.io.guides import MEAN, STD, to_guide
from gsjbu.io.pictures import png_bytes

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
RIGHT = torch.from_numpy(PIXELS.transpose(2, 0, 1).astype(np.float32) / np.float32(255))


def file(form: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, form, **options)
    return stream.getvalue()


FORMS = {
    "array [H, W, C]": PIXELS,
    "array [C, H, W]": PIXELS.transpose(2, 0, 1),
    "array [1, C, H, W]": PIXELS.transpose(2, 0, 1)[None],
    "array [1, H, W, C]": PIXELS[None],
    "uint16": PIXELS.astype(np.uint16) * 257,
    "float": PIXELS / 255,
    "tensor": RIGHT,
    "tensor of a batch": RIGHT[None],
    "tensor [H, W, C]": torch.from_numpy(PIXELS),
    "PIL": Image.fromarray(PIXELS),
    "PNG": file("PNG"),
    "BMP": file("BMP"),
    "TIFF": file("TIFF"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_guide(name):
    guide = to_guide(FORMS[name])
    torch.testing.assert_close(guide.pixels, RIGHT, atol=1e-6, rtol=0)
    assert not guide.notes


def test_a_path_is_a_picture(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(file("PNG"))
    torch.testing.assert_close(to_guide(str(path)).pixels, RIGHT)
    with pytest.raises(ImageError, match="There is no"):
        to_guide(tmp_path / "other.png")


def test_a_pil_picture_is_taken_as_it_holds_its_pixels_and_a_file_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = file("PNG", exif=exif)
    with Image.open(io.BytesIO(turned)) as image:
        assert to_guide(image).pixels.shape == (3, 20, 30)
    assert to_guide(turned).pixels.shape == (3, 30, 20)


def test_twelve_bits_in_sixteen_are_stretched_and_said():
    guide = to_guide(PIXELS.astype(np.uint16) * 16)
    torch.testing.assert_close(guide.pixels, (RIGHT - RIGHT.min()) / (RIGHT.max() - RIGHT.min()), atol=1e-4, rtol=0)
    assert "stretched" in guide.notes[0]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (PIXELS.astype(np.float32), "levels of 8 bits"),
        (PIXELS / 127.5 - 1, "−1 to 1"),
        ((PIXELS / 255 - np.array(MEAN)) / np.array(STD), "ImageNet"),
    ],
)
def test_other_scales_are_noticed_and_said(array, said):
    guide = to_guide(array)
    torch.testing.assert_close(guide.pixels, RIGHT, atol=1e-5, rtol=0)
    assert said in guide.notes[0]


def test_a_normalisation_that_is_named_is_undone():
    normed = (PIXELS / 255 - 0.5) / 0.25
    torch.testing.assert_close(to_guide(normed, [0.5] * 3, [0.25] * 3).pixels, RIGHT, atol=1e-5, rtol=0)
    with pytest.raises(ImageError, match="one number for each"):
        to_guide(normed, [0.5] * 2, [0.25] * 2)
    with pytest.raises(ImageError, match="go together"):
        to_guide(normed, [0.5] * 3)


def tiff(pixels, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def without_data(code: str) -> dict:
    return {"extratags": [(42113, "s", 0, code, True)]}


GREY = PIXELS[..., 1].copy()
IN_GREY = {
    "tensor [1, H, W]": torch.from_numpy(GREY)[None],
    "tensor [H, W]": torch.from_numpy(GREY),
    "array [1, H, W]": GREY[None],
    "PIL": Image.fromarray(GREY),
    "PNG": png_bytes(GREY),
    "TIFF": tiff(GREY),
    "TIFF of 16 bits": tiff(GREY.astype(np.uint16) * 257),
    "TIFF of floats": tiff(GREY / np.float32(255)),
    "TIFF of three equal bands": tiff(np.stack([GREY] * 3, -1), photometric="rgb"),
}


@pytest.mark.parametrize("form", IN_GREY)
def test_a_grey_picture_is_one_guide_whatever_it_comes_in(form):
    assert torch.equal(to_guide(IN_GREY[form]).pixels, to_guide(GREY).pixels)
    assert len(to_guide(GREY).pixels) == 3


def test_equal_bands_are_as_far_apart_however_many_they_are():
    x = torch.from_numpy(GREY / np.float32(255))

    def step(bands, **words):
        pixels = to_guide(x.expand(bands, -1, -1), **words).pixels
        return float((pixels[:, 3, 4] - pixels[:, 5, 6]).square().sum())

    for words in ({}, {"stretch": (0, 1)}):
        for bands in (1, 2, 5, 12):
            assert step(bands, **words) == pytest.approx(step(3, **words), rel=1e-5)
    for bands in (1, 2):
        assert step(bands, mean=[0.0], std=[1.0]) == pytest.approx(step(3), rel=1e-5)


@pytest.mark.parametrize(
    ("dtype", "code"), [("f4", "-9999"), ("f4", "nan"), ("f8", "-3.40282e+38"), ("i2", "-32768"), ("u2", "0")]
)
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_what_a_tiff_says_is_no_data_is_masked(dtype, code, bands):
    scale = 1 / 255 if dtype[0] == "f" else 100
    pixels = ((1.0 + PIXELS[..., [0, 1, 2, 0][:bands]]) * scale).astype(dtype).squeeze()
    holed = pixels.copy()
    holed[:6, :9] = float(code)
    hole = np.zeros((20, 30), bool)
    hole[:6, :9] = True
    found = to_guide(
        tiff(holed, photometric="minisblack", planarconfig="contig" if bands > 1 else None, **without_data(code))
    )
    right = to_guide(pixels, guide_mask=hole)
    assert torch.equal(found.seen, torch.from_numpy(~hole))
    assert torch.equal(found.pixels, right.pixels) and "masked" in found.notes[-1]


def test_a_level_of_colours_of_8_bits_is_no_data_only_where_all_channels_have_it():
    pixels = np.maximum(PIXELS, 1)
    pixels[2:4, 2:4, 0] = 0
    pixels[7:9, 7:9] = 0
    right = torch.ones(20, 30, dtype=torch.bool)
    right[7:9, 7:9] = False
    for form in ({"photometric": "rgb"}, {"photometric": "rgb", "planarconfig": "separate"}):
        brought = np.moveaxis(pixels, -1, 0) if "planarconfig" in form else pixels
        assert torch.equal(to_guide(tiff(brought, **form, **without_data("0"))).seen, right)


@pytest.mark.parametrize("dtype", ["i2", "i4", "i8"])
def test_whole_numbers_that_are_no_levels_are_stretched_as_floats_of_the_same_are(dtype):
    hounsfield = GREY.astype(dtype) * 8 - 1000
    right = to_guide(hounsfield.astype("f8"))
    for form in (hounsfield, torch.from_numpy(hounsfield), tiff(hounsfield)):
        found = to_guide(form)
        assert torch.equal(found.pixels, right.pixels) and found.notes == right.notes
        assert "stretched" in found.notes[0]
    assert to_guide(GREY.astype("u4") * 1000).notes[0].endswith("stretched to it.")


def test_a_stack_of_many_pages_is_no_picture():
    for count in (17, 40):
        with pytest.raises(ImageError, match=f"TIFF has {count} pages or bands; at most 16"):
            to_guide(tiff(RNG.random((count, 20, 30)).astype("f4"), photometric="minisblack"))
    assert to_guide(tiff(RNG.random((16, 20, 30)).astype("f4"), photometric="minisblack")).size == (20, 30)


def test_bands_count_less_the_more_there_are():
    bands = RNG.random((20, 30, 12))
    guide = to_guide(bands)
    assert guide.pixels.shape == (12, 20, 30)
    np.testing.assert_allclose(guide.pixels.numpy(), bands.transpose(2, 0, 1) * 0.5, atol=1e-6)
    stream = io.BytesIO()
    tifffile.imwrite(stream, (bands * 65535).astype(np.uint16), photometric="minisblack", planarconfig="contig")
    np.testing.assert_allclose(to_guide(stream.getvalue()).pixels, guide.pixels, atol=1e-4)


@pytest.mark.parametrize(
    ("x", "hint"),
    [
        (np.zeros((40, 50, 60)), "no axis of channels"),
        (np.zeros((2, 3, 40, 50)), "batch of 2"),
        (np.array(["a"]), "array of numbers"),
        (object(), "array of numbers"),
        (np.full((20, 30), np.nan), "NaN"),
        (b"no picture", "not a JPEG, PNG, WebP or AVIF"),
        (file("TIFF")[:40], "damaged"),
        (torch.zeros(3, 4, 5, dtype=torch.complex64), "real"),
    ],
)
def test_what_is_no_image_is_refused(x, hint):
    with pytest.raises(ImageError, match=hint):
        to_guide(x)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_levels_of_8_bits_may_be_held_in_more(dtype):
    levels = np.random.default_rng(0).integers(0, 256, (12, 16, 3))
    levels[0, 0], levels[0, 1] = 0, 255
    right = to_guide(levels.astype(np.uint8))
    found = to_guide(levels.astype(dtype))
    assert torch.equal(found.pixels, right.pixels) and found.notes == right.notes == ()
    if dtype != np.uint32:
        assert torch.equal(to_guide(torch.from_numpy(levels.astype(dtype)).permute(2, 0, 1)).pixels, right.pixels)
    dark = to_guide((levels / 4).astype(np.uint16))  # 16 bits say what they are
    assert "stretched" in dark.notes[0]


@pytest.mark.parametrize("batch", [np.zeros((2, 3, 8, 9)), torch.zeros(2, 3, 8, 9)])
def test_a_batch_of_images_is_told_where_to_go(batch):
    with pytest.raises(ImageError, match="batch of 2: give them one by one"):
        to_guide(batch)


LEVELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "levels",
    [LEVELS, LEVELS.astype(np.int64), LEVELS.astype(np.uint16) * 257, torch.from_numpy(LEVELS).permute(2, 0, 1),
     Image.fromarray(LEVELS), png_bytes(LEVELS)],
)  # fmt: skip
@pytest.mark.parametrize("words", [{"mean": MEAN}, {"std": STD}, {"mean": MEAN, "std": STD}])
def test_levels_are_not_normalised(levels, words):
    with pytest.raises(ImageError, match="leave mean= and std= out"):
        to_guide(levels, **words)


def test_mean_and_std_that_lead_elsewhere_are_refused():
    with pytest.raises(ImageError, match="in parts of 1"):
        to_guide(LEVELS.astype(np.float32), MEAN, STD)
    normalised = (LEVELS / 255 - MEAN) / STD
    with pytest.raises(ImageError, match="in parts of 1"):
        to_guide(normalised, [255 * v for v in MEAN], [255 * v for v in STD])
    np.testing.assert_allclose(to_guide(normalised, MEAN, STD).pixels[0], LEVELS[..., 0] / 255, atol=1e-6)


SMOOTH = np.linspace(0, 1, 20 * 30 * 3, dtype=np.float32).reshape(20, 30, 3)
HAZY = 0.55 + 0.45 * SMOOTH


def with_least(pixels: np.ndarray, least: float) -> np.ndarray:
    return np.where(pixels == pixels.min(), np.float32(least), pixels)


@pytest.mark.parametrize(
    ("rounded", "right"),
    [
        (HAZY * np.float32(1 + 1.2e-7), HAZY),
        (HAZY * np.float32(1 + 5e-6), HAZY),
        (HAZY.astype(np.float64) * (1 + 3e-16), HAZY),
        (HAZY.astype(np.float16) * np.float16(1.001), HAZY),
        (torch.from_numpy(HAZY).permute(2, 0, 1).to(torch.bfloat16) * 1.008, HAZY),
        (with_least(SMOOTH, -1e-7), SMOOTH),
        (with_least(SMOOTH[..., :1], -1e-9), SMOOTH[..., [0, 0, 0]]),
    ],
)
def test_a_step_of_rounding_beyond_the_range_moves_no_colour(rounded, right):
    guide = to_guide(rounded)
    assert not guide.notes and float(guide.pixels.min()) >= 0 and float(guide.pixels.max()) <= 1
    np.testing.assert_allclose(guide.pixels.permute(1, 2, 0), right, atol=0.01)


@pytest.mark.parametrize(
    ("levels", "said"),
    [(255 * HAZY * np.float32(1 + 2e-7), "levels of 8 bits"), (with_least(255 * SMOOTH, -3e-6), "levels of 8 bits"),
     ((2 * SMOOTH - 1) * np.float32(1 + 2e-7), "taken as −1 to 1")],
)  # fmt: skip
def test_other_ranges_are_told_in_spite_of_rounding(levels, said):
    guide = to_guide(levels)
    right = HAZY if levels.min() > 1 else SMOOTH
    assert said in guide.notes[0] and float(guide.pixels.min()) >= 0 and float(guide.pixels.max()) <= 1
    np.testing.assert_allclose(guide.pixels.permute(1, 2, 0), right, atol=1e-5)


@pytest.mark.parametrize("ends", [(-0.04, 1.0), (-0.1, 1.1), (-0.02, 0.9), (0.0, 1.1)])
def test_what_resizing_overshoots_is_no_normalisation(ends):
    low, high = ends
    guide = to_guide(low + (high - low) * SMOOTH)
    assert "stretched to it" in guide.notes[0]
    assert float(guide.pixels.max() - guide.pixels.min()) == pytest.approx(1)


def test_an_opaque_alpha_is_told_in_spite_of_rounding():
    rgba = np.concatenate([SMOOTH, np.full((20, 30, 1), 1, np.float32)], axis=2)
    rgba[3, 4, 3] += 1.2e-7
    assert to_guide(rgba).pixels.shape[0] == 3


def test_a_mean_and_std_that_round_stay_within():
    normalised = (np.where(SMOOTH > 0.5, 1, SMOOTH) - np.float32(MEAN)) / np.float32(STD)
    pixels = to_guide(normalised.astype(np.float32), MEAN, STD).pixels
    assert float(pixels.min()) >= 0 and float(pixels.max()) <= 1


def animated(form: str) -> bytes:
    stream, picture = io.BytesIO(), Image.fromarray(PIXELS)
    more = {"lossless": True} if form == "WEBP" else {}
    picture.save(stream, form, save_all=True, append_images=[picture.rotate(180)], **more)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["TIFF", "PNG", "WEBP", "GIF"])
def test_of_several_pictures_the_first_is_followed_and_said(form):
    guide = to_guide(animated(form))
    assert guide.notes == ("The file holds 2 pictures, of which the first is followed.",)
    torch.testing.assert_close(guide.pixels, RIGHT, atol=1e-6 if form != "GIF" else 0.5, rtol=0)


@pytest.mark.parametrize(
    ("mode", "info"),
    [("RGBA", {}), ("LA", {}), ("P", {"transparency": 0}), ("L", {"transparency": 0}), ("I;16", {"transparency": 0})],
)
def test_transparent_parts_are_said(mode, info):
    seen = Image.fromarray(np.full((4, 4), 255, np.uint8))
    picture = seen.convert("L" if mode == "I;16" else mode)
    for clear in (False, True):
        if clear and mode in ("RGBA", "LA"):
            picture.putalpha(Image.radial_gradient("L").resize((4, 4)))
        elif clear:
            picture.putpixel((0, 0), 0)
        stream = io.BytesIO()
        (picture.convert(mode) if mode == "I;16" else picture).save(stream, "PNG", **info)
        for brought in (stream.getvalue(), Image.open(stream)):
            said = to_guide(brought).notes
            assert said == (("Transparent parts of the picture are taken as white.",) if clear else ())


@pytest.mark.parametrize(
    ("compression", "said"),
    [(None, "marks its channel 4 as alpha"), ("tiff_lzw", "transparent parts are followed as they are")],
)
def test_what_becomes_of_a_tiffs_alpha_is_said(compression, said):
    picture = Image.fromarray(np.repeat(PIXELS[..., :1], 4, axis=2) // 2)
    picture.putpixel((0, 0), (0, 0, 0, 0))
    stream = io.BytesIO()
    picture.save(stream, "TIFF", compression=compression)
    assert said in to_guide(stream.getvalue()).notes[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_the_first_colour_page_of_a_tiff_is_the_image(dtype, planar):
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    pages = [(PIXELS / 255 * top).astype(dtype), (PIXELS[::-1] / 255 * top).astype(dtype)]
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tiff:
        for page in pages:
            tiff.write(page if planar == "contig" else page.transpose(2, 0, 1), photometric="rgb", planarconfig=planar)
    guide = to_guide(stream.getvalue())
    assert "2 pictures" in guide.notes[0]
    torch.testing.assert_close(guide.pixels, RIGHT, atol=0.01, rtol=0)


def test_a_float_map_may_be_the_picture():
    values = np.linspace(0, 1, 4 * 5 * 3, dtype="<f4").reshape(4, 5, 3)
    pixels = to_guide(b"PF\n5 4\n-1.0\n" + values[::-1].tobytes()).pixels
    np.testing.assert_array_equal(pixels, values.transpose(2, 0, 1))


@pytest.mark.parametrize("form", ["array", "tensor", "npy"])
def test_a_fourth_channel_that_may_be_an_alpha_is_said(form, tmp_path):
    rng = np.random.default_rng(0)
    rgb, alpha = rng.integers(0, 256, (24, 32, 3), np.uint8), rng.integers(0, 256, (24, 32, 1), np.uint8)

    def notes(picture: np.ndarray) -> tuple[str, ...]:
        if form == "npy":
            np.save(tmp_path / "x.npy", picture)
            return to_guide(tmp_path / "x.npy").notes
        return to_guide(picture if form == "array" else torch.from_numpy(picture).permute(2, 0, 1)).notes

    for fourth in (alpha, 0 * alpha, np.where(alpha > 99, 255, 0).astype(np.uint8)):
        (said,) = notes(np.dstack([rgb, fourth]))
        assert said.endswith("if it is an alpha, leave it out.")
    assert notes(np.dstack([rgb, 0 * alpha + 255])) == (
        "The fourth channel is the same everywhere, an opaque alpha: it is left out.",
    )
    cut_out = np.where(alpha > 99, 1.0, 0.0)
    assert any("alpha" in note for note in notes(np.dstack([rgb / 255, cut_out])))
    assert not notes(np.dstack([rgb, alpha]) / 255) and not notes(rgb)  # four bands
