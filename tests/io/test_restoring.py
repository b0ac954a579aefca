"""What comes out: unit, class numbers, dtype and gaps of what came in, whatever format it goes through."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import gsjbu
from benchmarks.maps import cells
from gsjbu.core.kernel import Kernel
from gsjbu.errors import GsjbuError, SignalError
from gsjbu.io import levels, restoring, signals
from gsjbu.io.readers import read
from gsjbu.io.signals import Signal, understand
from gsjbu.io.writers import write

RNG = np.random.default_rng(0)
IMAGE = torch.from_numpy(RNG.random((3, 48, 64), dtype=np.float32))
DEPTH = 0.8 + 3 * RNG.random((6, 8))
HOLE = np.zeros((6, 8), bool)
HOLE[:, :7] = True
LABELS = np.array([0, 3, 15])[np.repeat(np.arange(3), 16)].reshape(6, 8)


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return gsjbu.fit(IMAGE, lr_size=(6, 8), iters=0, radius=1)


@pytest.fixture(scope="module")
def sharpened() -> Kernel:
    """One that back-projects, and so leaves the range of what it is given."""
    signal = torch.from_numpy(DEPTH.astype("f4"))[None]
    return gsjbu.fit(IMAGE, lr_size=(6, 8), iters=3, objective="auto", signal=signal, kind="depth")


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<i4", "<f4", "<f8"])
def test_numbers_keep_their_unit_and_dtype(kernel, dtype):
    array = (DEPTH * (60 if dtype == "u1" else 1000)).astype(dtype)
    out = restoring.restored(understand(array, kind="depth"), kernel)
    assert out.dtype == np.dtype(dtype) and out.shape == (48, 64)
    assert array.min() <= out.min() and out.max() <= array.max()


@pytest.mark.parametrize("dtype", ["?", "u1", "<i2", "<i8", "<f4"])
def test_class_maps_come_back_as_class_maps(kernel, dtype):
    labels = (LABELS - (5 if np.dtype(dtype).kind == "i" else 0)).astype(dtype)
    out = restoring.restored(understand(labels, kind="labels"), kernel)
    assert out.dtype == np.dtype(dtype) and set(np.unique(out)) == set(np.unique(labels))


IDS = np.random.default_rng(2).permutation(600)[cells(48, 64, 600)] * 7 + 3


@pytest.mark.parametrize("dtype", ["<u2", "<i4", "<i8", "<u8", "<f8"])
def test_ids_come_back_exactly_however_many(dtype):
    ids = IDS.astype(dtype) + np.array(0 if dtype == "<u2" else 2**40 if dtype == "<f8" else 0, dtype)
    ids = np.where(ids == ids.max(), np.array(2**62 + 1 if dtype in ("<i8", "<u8") else 60_000), ids).astype(dtype)
    signal = understand(ids, size=(192, 256))
    assert signal.kind == "labels" and signal.runner_up is None and len(signal.codes) > 256 > 4 * len(signal.values)
    assert f"{len(signal.codes)} classes on 48 rows" in signal.note
    out = gsjbu.upsample(torch.rand(3, 192, 256, generator=torch.Generator().manual_seed(0)), ids).numpy()
    assert out.dtype == np.dtype(dtype) and set(np.unique(out)) <= set(np.unique(ids))
    assert (out[2::4, 2::4] == ids).mean() > 0.9


@pytest.mark.parametrize(
    ("radius", "objective", "fill"),
    [(1, "rgb", False), (2, "rgb", True), (3, "rgb", False), (1, "auto", True), (2, "auto", False), (3, "auto", True)],
)
def test_classes_that_share_channels_give_the_map_of_a_channel_each(monkeypatch, radius, objective, fill):
    image = np.random.default_rng(3).random((192, 256, 3))
    ids = np.where(np.hypot(*np.mgrid[-24:24, -32:32]) < 8, -1, IDS)
    words = {"invalid": -1, "fill": fill, "radius": radius, "objective": objective, "iters": 2}
    shared = gsjbu.upsample(image, ids, **words)
    monkeypatch.setattr(signals, "OWN_CHANNEL", 1000)
    assert understand(ids).shared is None
    own = gsjbu.upsample(image, ids, **words)
    assert torch.equal(shared, own) and ((shared == -1).any() != fill)


@pytest.mark.parametrize("ids", [IDS, IDS % 3], ids=["shared", "own"])
def test_pixels_that_no_known_class_has_a_share_of_are_gaps_as_they_are_of_a_quantity(ids):
    image = np.random.default_rng(3).random((192, 256, 3))
    hole = np.hypot(*np.mgrid[-24:24, -32:32]) < 8
    classes, depth = (
        gsjbu.upsample(image, np.where(hole, -1, ids), objective="rgb", iters=2, invalid=-1, kind=kind)
        for kind in ("labels", "depth")
    )
    assert torch.equal(classes == -1, depth == -1)


def test_shares_of_more_classes_than_have_channels_are_refused():
    with pytest.raises(SignalError, match=r"at most 256: ask for the map of classes"):
        gsjbu.upsample(np.random.default_rng(3).random((192, 256, 3)), IDS, probabilities=True)


def test_ids_in_pictures(tmp_path):
    image = np.random.default_rng(3).random((192, 256, 3))
    signal = understand(IDS, size=(192, 256))
    high = gsjbu.upsample(image, IDS, iters=0).numpy()
    back = understand(levels.png(signal, high))
    assert back.kind == "labels" and set(back.codes) == set(np.unique(high).tolist())
    with pytest.raises(GsjbuError, match=r"0 to 65535; write \.npy, \.tif"):
        levels.check_png(understand(IDS * 70), (192, 256))


def test_shares_come_in_the_order_of_their_codes(kernel):
    signal = understand(LABELS)
    out = restoring.restored(signal, kernel, probabilities=True)
    assert out.shape == (3, 48, 64) and restoring.facts(signal)["codes"] == [0, 3, 15]
    np.testing.assert_allclose(out.sum(0), 1, atol=1e-5)


def test_gaps_out_of_reach_are_gaps_or_filled(kernel):
    metres = understand(np.where(HOLE, np.nan, DEPTH))
    assert np.isnan(restoring.restored(metres, kernel)).any()
    filled = restoring.restored(understand(np.where(HOLE, np.nan, DEPTH), fill=True), kernel)
    assert np.isfinite(filled).all()
    mm = understand(np.where(HOLE, 0, DEPTH * 1000).astype("u2"))
    out = restoring.restored(mm, kernel)
    assert (out == 0).any() and out[out > 0].min() >= 800
    ignored = restoring.restored(understand(np.where(HOLE, 255, LABELS).astype("u1")), kernel)
    assert set(np.unique(ignored)) <= {0, 3, 15, 255} and (ignored == 255).any()


@pytest.mark.parametrize(
    ("dtype", "invalid", "code"),
    [
        ("<i2", -1, -1), ("u1", 255, 255), ("u1", "-1,200", 200), ("u1", "1e20,255", 255), ("<i4", "0.5,-3", -3),
        ("u1", "nan", 255), ("u1", "1e20", 255), ("<f4", "nan", np.nan), ("<f4", "-1", -1),
    ],
)  # fmt: skip
def test_a_gap_in_a_class_map_has_the_first_code_that_its_dtype_holds(kernel, dtype, invalid, code):
    labels = LABELS.astype(dtype)
    signal = understand(labels, kind="labels", invalid=invalid)
    signal = replace(signal, mask=torch.from_numpy(~HOLE))  # as of a picture with an alpha channel
    out = restoring.restored(signal, kernel)
    assert out.dtype == np.dtype(dtype)
    others = out[~np.isin(out, [0, 3, 15])]
    np.testing.assert_array_equal(np.unique(others), [code])
    assert restoring.facts(signal)["gaps"]["codes"] == ([] if np.isnan(code) else [code])
    if code < 0:
        for write_it in (lambda: levels.check_png(signal, out.shape), lambda: levels.png(signal, out)):
            with pytest.raises(GsjbuError, match="holds 0 to 65535"):
                write_it()


@pytest.mark.parametrize(
    ("labels", "none", "dtype"),
    [
        (LABELS.astype("f4"), np.nan, "f4"), (LABELS.astype("u1"), 255, "u1"), (LABELS.astype("i1"), -1, "i1"),
        (LABELS.astype("<i8"), 255, "i8"), (LABELS > 0, 255, "u1"),
        (np.where(LABELS > 0, 255, 0).astype("u1"), 254, "u1"),
        (np.where(LABELS > 0, 255, 7).astype("u2"), 65535, "u2"),
    ],
)  # fmt: skip
def test_a_class_map_without_a_code_of_its_own_has_255_or_nan_in_gaps(kernel, labels, none, dtype):
    signal = understand(np.ma.masked_array(labels, HOLE), kind="labels", invalid="none")
    out = restoring.restored(signal, kernel)
    gap = np.isnan(out) if np.isnan(none) else out == none
    assert out.dtype == np.dtype(dtype) == restoring.result_dtype(signal) and gap[:, :40].all()
    assert not gap[:, 56:].any() and set(np.unique(out[~gap])) <= set(np.unique(labels).astype(float))
    if none != -1:  # which no picture holds
        assert (read(levels.png(signal, out)).array[:, :40] == (255 if np.isnan(none) else none)).all()
    filled = understand(np.ma.masked_array(labels, HOLE), kind="labels", invalid="none", fill=True)
    whole = restoring.restored(filled, kernel)
    assert whole.dtype == labels.dtype and set(np.unique(whole)) <= set(np.unique(labels))


def test_the_picture_of_shares_with_gaps_has_255_in_them(kernel):
    shares = np.where(HOLE, np.nan, np.arange(3)[:, None, None] == LABELS // 7).astype("f4")
    signal = understand(shares, kind="probabilities")
    picture = understand(levels.png(signal, restoring.restored(signal, kernel)))
    assert (picture.brought.array[:, :40] == 255).all() and not bool(picture.mask[:, :40].any())


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_transparent_class_numbers_are_gaps(kernel, mode):
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250]], np.uint8)[np.searchsorted([0, 3, 15], LABELS)]
    picture = Image.fromarray(colours if mode == "RGBA" else LABELS.astype(np.uint8)).convert(mode[:-1])
    picture.putalpha(Image.fromarray(np.where(HOLE, 0, 255).astype(np.uint8)))
    signal = understand(picture, kind="labels")
    out = restoring.restored(signal, kernel)
    assert (out[:, :40] == (0xFFFFFF if mode == "RGBA" else 255)).all()
    again = read(levels.png(signal, out)).array
    assert (again[:, :40] == 255).all() and not (again[:, 56:] == 255).any()


def test_results_stay_in_the_range_of_their_window_unless_asked(sharpened):
    signal = understand(np.where(np.arange(8) < 4, 0.8, 5.0)[None].repeat(6, 0), kind="depth")
    held = restoring.restored(signal, sharpened)
    free = restoring.restored(signal, sharpened, clip=False)
    assert held.min() >= 0.8 - 1e-6 and held.max() <= 5.0 + 1e-6
    assert free.max() > 5.001 or free.min() < 0.799


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e6])
@pytest.mark.parametrize("offset", [0.0, 3000.0])
def test_results_do_not_depend_on_the_unit(scale, offset):
    plain = gsjbu.upsample(IMAGE, DEPTH, iters=5, kind="depth").numpy()
    other = gsjbu.upsample(IMAGE, DEPTH * scale + offset * scale, iters=5, kind="depth").numpy()
    np.testing.assert_allclose(other / scale - offset, plain, atol=1e-4 * np.ptp(DEPTH))


@pytest.mark.parametrize("name", ["depth", "gaps", "labels", "shares"])
@pytest.mark.parametrize("form", ["npy", "safetensors", "zarr", "png", "tiff"])
def test_what_is_written_is_read_again(kernel, name, form, tmp_path: Path):
    array = {
        "depth": (DEPTH * 1000).astype("u2"), "gaps": np.where(HOLE, np.nan, DEPTH).astype("f4"),
        "labels": LABELS.astype("u1"), "shares": (np.arange(3)[:, None, None] == LABELS // 7).astype("f4"),
    }[name]  # fmt: skip
    signal = understand(array, (48, 64))
    out = restoring.restored(signal, kernel)
    if form in ("png", "tiff"):
        again = read(levels.png(signal, out) if form == "png" else levels.tiff(signal, out)).array
    else:
        path = tmp_path / f"out.{form}"
        write(path, form, out.shape, [out], dtype=out.dtype, facts=restoring.facts(signal))
        again = understand(path, kind="features" if out.ndim == 3 else None).brought.array
    if name == "shares" and form == "png":
        np.testing.assert_array_equal(again, out.argmax(0))  # a picture holds the largest share's class
        return
    precision = np.ptp(out[np.isfinite(out)]) / 65535 if form == "png" and out.dtype.kind == "f" else 0
    np.testing.assert_allclose(again, out, atol=precision)


def test_a_palette_survives(kernel):
    image = Image.fromarray(LABELS.astype(np.uint8)).convert("P")
    image.putdata(LABELS.ravel().tolist())
    image.putpalette(RNG.integers(0, 256, 768, dtype=np.uint8).tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG")
    signal = understand(stream.getvalue())
    with Image.open(io.BytesIO(levels.png(signal, restoring.restored(signal, kernel)))) as back:
        assert back.mode == "P" and back.getpalette()[:48] == image.getpalette()[:48]
        assert set(np.unique(np.asarray(back))) == {0, 3, 15}


def test_class_numbers_that_no_picture_holds_are_refused(kernel):
    signal = understand(LABELS - 1)
    with pytest.raises(GsjbuError, match=r"-1 to 14.*npy"):
        levels.png(signal, restoring.restored(signal, kernel))


@pytest.mark.parametrize("number", [1e19, 1e30, -1e19])
def test_numbers_beyond_64_bits_are_no_classes(number):
    array = np.full((3, 4), number)
    assert (gsjbu.upsample(IMAGE, array, iters=0).numpy() == number).all()
    with pytest.raises(SignalError, match="at most 64 bits"):
        gsjbu.upsample(IMAGE, array, iters=0, kind="labels")
    array[0, 0] = 2
    assert gsjbu.upsample(IMAGE, array, iters=0).dtype == torch.float64


SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, max_side=9)
DTYPES = st.one_of(
    arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes(),
    arrays.complex_number_dtypes(), arrays.unicode_string_dtypes(),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(arrays.arrays(DTYPES, SHAPES))
def test_any_array_gives_a_result_or_a_refusal(array):
    """Of at most four dimensions, of any dtype."""
    try:
        out = gsjbu.upsample(IMAGE, array, iters=0)
    except GsjbuError as refusal:
        assert refusal.message.endswith(".")  # noqa: PT017  # one of two is right
    else:
        assert out.shape[-2:] == (48, 64)


def test_a_signal_without_a_guess_is_as_good(kernel):
    plain = Signal(torch.rand(2, 6, 8), torch.ones(6, 8, dtype=torch.bool), "features")
    assert restoring.restored(plain, kernel).shape == (2, 48, 64)
    assert restoring.restored(replace(plain, values=plain.values[:1], flat=True), kernel).shape == (48, 64)


@pytest.mark.parametrize(("dtype", "top"), [("u1", 255), ("u2", 65535), ("i8", 255)])
@pytest.mark.parametrize(
    ("kind", "channels"),
    [("probabilities", 1), ("probabilities", 3), ("soft_labels", 1), ("soft_labels", 3), ("heat_map", 1)],
)
def test_levels_of_shares_are_parts_of_the_largest(kernel, dtype, top, kind, channels):
    shares = np.linspace(0, 0.9, channels * 48).reshape(channels, 6, 8)
    levels = np.rint(top * shares).astype(dtype)
    signal = understand(levels, kind=kind)
    np.testing.assert_allclose(signal.values, shares, atol=0.51 / top)
    out = restoring.restored(signal, kernel)
    same = kind != "probabilities" and channels == 1
    assert out.dtype == (np.dtype(dtype) if same else np.float32)
    assert out.min() >= 0 and 0.5 < out.max() / (top if same else 1) <= 0.9 + 1 / top


@pytest.mark.parametrize("dtype", [np.uint64, np.int64])
def test_whole_numbers_of_64_bits_keep_to_their_ends(kernel, dtype):
    top = np.iinfo(dtype).max
    depth = np.linspace(0.5, 1, 48).reshape(6, 8) * float(top)
    depth = np.minimum(depth, np.nextafter(float(top), 0)).astype(dtype)
    depth[:, -1] = top
    out = restoring.restored(understand(depth, kind="depth", invalid="none"), kernel)
    assert out.dtype == dtype and out.min() >= depth.min() * 0.999 and out.max() > 0.99 * float(top)
    labels = np.where(np.arange(48).reshape(6, 8) < 24, dtype(3), dtype(top))
    assert set(np.unique(restoring.restored(understand(labels, kind="labels"), kernel))) == {3, top}
    labels[:, -1] = 7
    ignored = restoring.restored(understand(labels, kind="labels", invalid=7), kernel)
    assert set(np.unique(ignored)) <= {3, 7, top}


@pytest.mark.parametrize(("dtype", "comes"), [("f2", "f4"), ("f4", "f4"), ("f8", "f8")])
@pytest.mark.parametrize("kind", ["depth", "probabilities", "soft_labels", "logits", "features", "heat_map"])
def test_fractions_come_as_float32_or_float64(kernel, kind, dtype, comes):
    """As docs/outputs.md has it."""
    out = restoring.restored(understand(RNG.random((6, 8)).astype(dtype), kind=kind), kernel)
    assert out.dtype == np.dtype(comes)


def test_shares_that_are_brought_as_a_quantity_are_the_same_in_blocks():
    image, low = np.random.default_rng(0).random((48, 64, 3)), np.random.default_rng(1).random((3, 6, 8))
    image[:, 30:] *= 0.3
    signal = understand((low / low.sum(0)).astype(np.float32), size=(48, 64), kind="depth")
    kernel = gsjbu.fit(image, lr_size=(6, 8), iters=2, objective="auto", signal=signal.values, kind="depth")
    whole = restoring.restored(signal, kernel)
    blocks = np.concatenate(list(restoring.in_blocks(signal, kernel, 4 * 48 * 64)))
    np.testing.assert_array_equal(whole, blocks)
