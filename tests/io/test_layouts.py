"""Which axis is what, by the image that a signal lies over; what does not go with it is refused with a hint."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gsjbu.errors import SignalError
from gsjbu.io import layouts


def lay(shape: tuple[int, ...], size: tuple[int, int] | None, dtype: str = "f4", **options) -> layouts.Laid:
    return layouts.lay(np.zeros(shape, dtype), size, **options)


@pytest.mark.parametrize(
    ("shape", "size", "planes", "layout"),
    [
        ((30, 40), (480, 640), (1, 30, 40), "CHW"),
        ((64, 30, 40), (480, 640), (64, 30, 40), "CHW"),
        ((30, 40, 64), (480, 640), (64, 30, 40), "HWC"),
        ((1, 30, 40, 64), (480, 640), (64, 30, 40), "HWC"),
        ((1, 384, 19, 28), (304, 448), (384, 19, 28), "CHW"),
        ((21, 32, 32), (333, 500), (21, 32, 32), "CHW"),
        ((1, 533, 384), (304, 448), (384, 19, 28), "tokens"),
        ((537, 384), (304, 448), (384, 19, 28), "tokens"),
        ((7, 7), (1080, 1920), (1, 7, 7), "CHW"),
        ((20, 6, 8), None, (20, 6, 8), "CHW"),
        ((8, 6, 6), None, (8, 6, 6), "CHW"),
        ((6, 8, 50), None, (50, 6, 8), "HWC"),
    ],
)
def test_axes_by_the_image(shape, size, planes, layout):
    laid = lay(shape, size)
    assert (laid.planes.shape, laid.layout) == (planes, layout)


@pytest.mark.parametrize(
    ("shape", "size", "hint"),
    [
        ((40, 30), (480, 640), "turned by 90°"),
        ((28, 19), (304, 448), "turned by 90°"),
        ((576, 768), (384, 512), "raise the resolution"),
        ((16, 16), (100, 900), "padded or cropped"),
        ((10, 30), (480, 640), "22 rows × 30 columns would fit"),
        ((2, 8, 30, 40), (480, 640), "batch of 2"),
        ((1, 530, 384), (304, 448), "530 tokens are no grid"),
        ((5,), (480, 640), r"\[5\]"),
    ],
)
def test_a_mismatch_names_its_cause(shape, size, hint):
    with pytest.raises(SignalError, match=hint):
        lay(shape, size)


def test_words_for_layouts():
    assert layouts.parse(None) == ("auto", None)
    assert layouts.parse("BHWC") == ("HWC", None)
    assert layouts.parse("19x28") == ("auto", (19, 28))
    with pytest.raises(SignalError, match="auto, chw, hwc, tokens"):
        layouts.parse("whc")


def test_a_layout_that_is_said_is_not_guessed_over():
    assert lay((30, 40, 64), None, layout="HWC").planes.shape == (64, 30, 40)
    with pytest.raises(SignalError, match="shapes differ"):
        lay((30, 40, 96), (480, 640), layout="CHW")


def test_a_map_that_is_larger_than_the_image_is_called_so():
    with pytest.raises(
        SignalError,
        match=r"300 rows × 400 columns and the image 128 rows × 160 columns: it is larger .* layout='ROWSxCOLS'",
    ) as refusal:
        lay((300, 400), (128, 160))
    assert refusal.value.code == "signal_size"


def test_a_grid_that_the_map_has_not_is_told_with_the_maps_own_size():
    with pytest.raises(SignalError, match="as a map the signal has 32 rows × 32 columns, as tokens 32"):
        lay((32, 32), (512, 512), grid=(16, 64))


def test_tokens_of_a_named_grid():
    assert lay((530, 384), (304, 448), grid=(23, 23)).planes.shape == (384, 23, 23)
    with pytest.raises(SignalError, match="530, where such a grid has 532"):
        lay((530, 384), (304, 448), grid=(19, 28))


def test_a_named_grid_that_goes_with_the_image_the_other_way_round_is_a_doubt():
    turned = lay((532, 384), (304, 448), grid=(28, 19))
    assert turned.planes.shape == (384, 28, 19) and "28 rows × 19 columns" in turned.sentence
    assert turned.doubt == "one of 19 rows × 28 columns (layout='19x28')"
    for grid in ((19, 28), (23, 23)):
        assert lay((532, 384), (304, 448), grid=grid).doubt == ""
    assert lay((240, 384), (480, 512), grid=(16, 15)).doubt and not lay((240, 384), (480, 512), grid=(15, 16)).doubt


def test_tokens_keep_their_order():
    flat = np.arange(1 + 6 * 9, dtype="f4")[:, None].repeat(64, 1)
    laid = layouts.lay(flat, (96, 144))
    np.testing.assert_array_equal(laid.planes[0], np.arange(1, 55).reshape(6, 9))


@pytest.mark.parametrize("shape", [(768, 1536), (1, 768, 1536), (1, 768, 1537), (768, 1536, 1), (384, 1537)])
@pytest.mark.parametrize("words", [{}, {"layout": "tokens"}, {"grid": (32, 48)}])
def test_transposed_tokens_are_told(shape, words):
    x = np.random.default_rng(0).standard_normal(shape).astype("f4")
    if shape[0] == 384 and words.get("layout"):
        return  # 384 are 16 × 24 patches, and somebody says that they are tokens
    if shape[-1] == 1 and words:
        return
    with pytest.raises(SignalError, match=r"32 rows × 48 columns.* \[C, N\].* transpose it to tokens \[N, C\]"):
        layouts.lay(x, (256, 384), **words)


@pytest.mark.parametrize(
    ("shape", "size", "doubted"),
    [
        ((1, 1536, 384), (256, 384), True),  # both axes are whole patches
        ((1, 257, 1024), (256, 256), True),
        ((1, 197, 768), (384, 512), True),
        ((1, 196, 768), (480, 640), False),  # 768 is 24 × 32 only by chance
        ((1, 256, 768), (480, 640), False),
        ((1537, 768), (256, 384), False),
    ],
)
def test_tokens_stay_tokens_where_their_channels_fit_too(shape, size, doubted):
    laid = layouts.lay(np.random.default_rng(0).standard_normal(shape).astype("f4"), size)
    assert laid.layout == "tokens" and ("[C, N]" in laid.doubt) == doubted


@pytest.mark.parametrize("shape", [(128, 96), (1, 128, 96), (3, 128, 96), (128, 96, 3), (1, 3, 128, 96)])
def test_rows_and_columns_that_are_named_need_not_have_the_images_shape(shape):
    with pytest.raises(SignalError, match="cells 2 pixels high and 4 wide, layout='128x96' says so"):
        lay(shape, (256, 384))
    laid = lay(shape, (256, 384), grid=(128, 96))
    assert laid.planes.shape[1:] == (128, 96) and laid.layout == ("HWC" if shape[-1] == 3 else "CHW")
    with pytest.raises(SignalError, match="larger than the image"):
        lay(shape, (100, 384), grid=(128, 96))


def test_a_map_of_unequal_ratios_that_might_be_tokens_is_a_doubt():
    assert lay((96, 256), (256, 384)).doubt == "a map [h, w] (layout='96x256')"
    assert lay((96, 256), (256, 384), grid=(96, 256)).planes.shape == (1, 96, 256)
    with pytest.raises(SignalError, match=r"layout='16x192' says so.* layout='tokens'"):
        lay((16, 192), (256, 384))


def test_a_grid_that_is_neither_the_maps_nor_the_tokens_is_refused():
    with pytest.raises(SignalError, match="as a map it has not 12 rows × 12 columns"):
        lay((3, 128, 96), (256, 384), grid=(12, 12))


@pytest.mark.parametrize("shape", [(36, 64), (30, 64), (12, 64), (27, 64), (64, 128), (16, 192), (196, 768)])
def test_a_map_that_changes_evenly_is_not_taken_for_tokens(shape):
    rows, cols = shape
    map_ = np.add.outer(np.arange(rows) * 3.0, np.arange(cols) * 2.0).astype("f4") + 900
    with pytest.raises(SignalError, match=f"^The signal is {rows} rows × {cols} columns"):
        layouts.lay(map_, (512, 512))
    tokens_ = map_[:, np.random.default_rng(0).permutation(cols)]
    try:
        laid = layouts.lay(tokens_, (512, 512))
    except SignalError:  # of both: what it may be is asked
        return
    assert laid.layout == "tokens" and (laid.doubt or cols == 768)
    assert layouts.lay(map_[None], (512, 512)).layout == "tokens", "a batch of one is said to be tokens"


def test_an_even_map_that_suits_is_one_though_it_has_the_tokens_of_a_grid():
    map_ = np.add.outer(np.arange(256) * 3.0, np.arange(320) * 2.0).astype("f4")
    assert layouts.lay(map_, (512, 512)).layout == "CHW"
    assert layouts.lay(map_[:, ::-1][:, np.random.default_rng(0).permutation(320)], (512, 512)).layout == "tokens"


def _waves(*shape: int) -> np.ndarray:
    """[C, h, w] that changes evenly along rows and columns, and not from channel to channel."""
    channels, rows, cols = shape
    at = np.random.default_rng(0).random((2, channels, 1, 1))
    return np.sin(at[0] * np.arange(rows)[:, None] / 9 + at[1] * np.arange(cols) / 9).astype("f4")


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 96, 128, 128), (384, 512)), ((48, 64, 64), (384, 512)), ((14, 20, 20), (224, 320))]
)
def test_one_ratio_on_both_axes_goes_before_a_squashed_square(shape, size):
    """Of noise, which may be either; of what is smooth its neighbours decide."""
    laid = layouts.lay(np.random.default_rng(0).standard_normal(shape).astype("f4"), size)
    assert laid.layout == "HWC" and "layout='chw'" in laid.doubt
    rows, cols, channels = shape[-3:]
    laid = layouts.lay(_waves(channels, rows, cols).transpose(1, 2, 0), size)
    assert (laid.layout, laid.doubt) == ("HWC", "")
    laid = layouts.lay(_waves(rows, cols, channels), size)
    assert laid.layout == "CHW" and "hwc" not in laid.doubt


def test_a_square_that_may_be_channels_last_of_nearly_one_ratio_is_asked_for():
    assert "layout='hwc'" in lay((21, 32, 32), (333, 500)).doubt


@pytest.mark.parametrize("shape", [(64, 64), (3, 64, 64), (1, 257, 100)])
@pytest.mark.parametrize("layout", ["auto", "said"])
def test_a_squashed_square_is_a_doubt_unless_its_grid_is_named(shape, layout):
    is_tokens = shape[-1] == 100
    said = {"layout": "tokens" if is_tokens else "CHW"} if layout == "said" else {}
    laid = lay(shape, (480, 640), **said)
    assert "a square signal over the whole picture, squashed" in laid.sentence
    assert "padded to a square" in laid.doubt
    rows, cols = laid.planes.shape[1:]
    assert f"layout='{rows}x{cols}' says that it is squashed" in laid.doubt
    assert lay(shape, (480, 640), grid=(rows, cols)).doubt == ""
    assert lay(shape, (480, 480), **said).doubt == ""


def test_padding_that_is_plain_to_see_is_refused_with_its_cut():
    logits = np.random.default_rng(0).standard_normal((3, 64, 64)).astype("f4")
    logits[:, 48:] = -12
    with pytest.raises(SignalError, match=r"its last 16 rows hold one value.*x\[\.\.\., :48, :\]"):
        layouts.lay(logits, (384, 512))
    assert layouts.lay(logits[..., :48, :], (384, 512)).doubt == ""
    assert layouts.lay(logits, (384, 512), grid=(64, 64)).doubt == ""
    mask = (logits > 1).astype("u1")
    mask[:, 40] = 0  # other rows are flat as well
    assert "x[..., :48, :]" in layouts.lay(mask, (384, 512)).doubt


@pytest.mark.parametrize("shape", [(48, 64), (3, 48, 64), (48, 64, 3)])
def test_rows_and_columns_that_were_swapped_are_told(shape):
    with pytest.raises(SignalError, match=r"48 rows × 64 columns, and 64 rows × 48 columns .*layout='48x64'"):
        lay(shape, (384, 512), grid=(64, 48))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 1000), (224, 224)), ((196, 768), (224, 224)), ((700, 300), (100, 100)), ((50, 300), (100, 200)),
     ((900, 4000), (20, 20)), ((768, 570), (384, 512)), ((300, 20), (200, 200))],
)  # fmt: skip
def test_no_refusal_advises_what_would_be_refused(shape, size):
    with pytest.raises(SignalError) as refusal:
        lay(shape, size, dtype="u2")
    advised = re.findall(r"(\d+) rows × (\d+) columns would fit", refusal.value.message)
    advised += re.findall(r"(\d+)x(\d+) has|layout='(\d+)x(\d+)'", refusal.value.message)
    for numbers in advised:
        rows, cols = (int(number) for number in numbers if number)
        assert rows <= size[0] and cols <= size[1]
        assert lay((rows, cols), size, grid=(rows, cols)).planes.shape == (1, rows, cols)


@pytest.mark.parametrize("shape", [(4, 196, 768), (4, 197, 384)])
@pytest.mark.parametrize("layout", ["auto", "tokens"])
def test_tokens_of_several_images_are_a_batch(shape, layout):
    with pytest.raises(SignalError, match=r"a batch of 4 of tokens \[N, C\]"):
        lay(shape, (224, 224), layout=layout)


@pytest.mark.parametrize("shape", [(1, 196, 5), (1024, 1), (1, 1024, 1), (197, 3)])
def test_tokens_of_few_channels_are_told_by_the_word_that_takes_them(shape):
    with pytest.raises(SignalError, match="layout='tokens' says so"):
        lay(shape, (448, 448))
    assert lay(shape, (448, 448), layout="tokens").planes.shape[0] == shape[-1]
    with pytest.raises(SignalError, match="turned by 90°"):
        lay((48, 32), (96, 144))


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("size", [(64, 64), (90, 64)])
def test_a_map_over_another_picture_is_refused_as_a_map(size, gaps):
    """Kept beside a picture of another shape: 80 columns may be channels, but its values lie in rows and columns."""
    y, x = np.mgrid[:60, :80].astype(np.float32)
    depth = 2 + np.sin(x / 9) + y / 30
    if gaps:
        depth[:, :20] = np.nan
    for array in (depth, depth[None]):
        with pytest.raises(SignalError) as refused:
            layouts.lay(array, size)
        assert refused.value.code in ("signal_aspect", "signal_size") and "token" not in refused.value.message


def test_what_is_said_to_have_one_channel_is_refused_as_a_map():
    noise = np.random.default_rng(0).random((60, 80), np.float32)
    with pytest.raises(SignalError) as refused:
        layouts.lay(noise, (64, 64), one_channel=True)
    assert refused.value.code == "signal_aspect" and "token" not in refused.value.message


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("nchw", ("CHW", None)),
        ("NHWC", ("HWC", None)),
        ("12 x 16", ("auto", (12, 16))),
        (" 12×16 ", ("auto", (12, 16))),
    ],
)
def test_words_as_people_write_them(word, read):
    assert layouts.parse(word) == read


def _flat(channels: int, rows: int, cols: int) -> np.ndarray:
    """[C, h, w]: two regions of random features."""
    values = np.random.default_rng(1).normal(size=(channels, 2))
    return values[:, (np.arange(cols) >= cols // 2).astype(int)][:, None].repeat(rows, 1).astype("f4")


def _one_hot(channels: int, rows: int, cols: int) -> np.ndarray:
    return np.eye(channels, dtype=bool)[:, np.zeros((rows, 1), int) + np.arange(cols) * 4 // cols]


AMBIGUOUS = [
    ((21, 12, 16), (96, 128)), ((22, 12, 16), (96, 128)), ((64, 36, 48), (144, 192)), ((9, 12, 16), (96, 128)),
    ((12, 16, 12), (128, 96)), ((16, 14, 14), (112, 112)), ((16, 16, 16), (128, 128)), ((28, 37, 28), (518, 392)),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "size"), AMBIGUOUS)
@pytest.mark.parametrize("make", [_flat, _waves])
def test_rows_and_columns_that_are_in_order_are_told_from_channels(make, shape, size):
    planes = make(*shape)
    first, last = layouts.lay(planes, size), layouts.lay(planes.transpose(1, 2, 0), size)
    assert (first.layout, last.layout) == ("CHW", "HWC")
    assert first.planes.shape == last.planes.shape == shape


@pytest.mark.parametrize(("shape", "size"), AMBIGUOUS)
@pytest.mark.parametrize("dtype", ["bool", "u1", "i4", "i8", "f2", "f4", "255", "log"])
def test_classes_of_any_dtype_say_which_axis_they_are(dtype, shape, size):
    planes = _one_hot(*shape)
    with np.errstate(divide="ignore"):
        planes = (
            np.log(planes.astype("f4")) if dtype == "log"
            else planes * np.uint8(255) if dtype == "255"
            else planes.astype(dtype)
        )  # fmt: skip
    for laid in (layouts.lay(planes, size), layouts.lay(planes.transpose(1, 2, 0), size)):
        np.testing.assert_array_equal(laid.planes, planes)
        assert laid.doubt == ""


def test_square_cells_go_before_nearly_square_ones_and_it_is_asked():
    """Of noise, which may be either."""
    noise = np.random.default_rng(0).standard_normal((12, 16, 21)).astype("f4")
    laid = layouts.lay(noise, (96, 128))
    assert laid.layout == "HWC" and "layout='chw'" in laid.doubt
    assert laid.sentence == "[h, w, C], 12 rows × 16 columns of 21 channels"
    laid = layouts.lay(noise[:10], (128, 168))  # 16 × 21 of 10 channels, or 10 × 16, nearly
    assert (laid.layout, laid.doubt) == ("CHW", "")
    both = layouts.lay(np.random.default_rng(0).standard_normal((36, 48, 64)), (144, 192))
    assert both.layout == "CHW" and "layout='hwc'" in both.doubt
