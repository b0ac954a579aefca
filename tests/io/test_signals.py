"""Signals that a person brings: every accepted form is read exactly, every bad one refused with a sentence."""

from __future__ import annotations

import io
import pickle
import struct
import time
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gsjbu
from gsjbu.core import interpolation
from gsjbu.core.gaps import ENOUGH
from gsjbu.core.grid import Grid
from gsjbu.errors import SignalError
from gsjbu.io import signals
from gsjbu.io.pictures import decode
from gsjbu.signals import mixed

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data beside the repository")
RNG = np.random.default_rng(0)


def npy(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def png(picture: Image.Image | np.ndarray) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(buffer, "PNG")
    return buffer.getvalue()


def header(text: str, body: bytes = b"", version: int = 1) -> bytes:
    raw = text.encode("latin1")
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(raw))
        + raw
        + body
    )


def refusal(data: bytes, **options) -> SignalError:
    with pytest.raises(SignalError) as caught:
        signals.read_signal(data, "x.npy", **options)
    assert caught.value.message.endswith(".") and len(caught.value.message) > 20
    return caught.value


DEPTH = RNG.random((6, 8)) * 5 + 1
FEATURES = RNG.standard_normal((20, 6, 8))
PROBS = RNG.dirichlet(np.ones(4), (6, 8)).transpose(2, 0, 1)


# ---------------------------------------------------------------------------------------- accepted


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
def test_floats_of_every_size_and_order(dtype):
    s = signals.read_signal(npy(DEPTH.astype(dtype)))
    assert s.kind == "depth" and s.values.dtype == torch.float32 and s.mask.all()
    np.testing.assert_allclose(s.values[0].numpy(), DEPTH.astype(dtype).astype(np.float32))


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "<i2", ">i4", "<u8"])
def test_few_whole_numbers_are_labels(dtype):
    labels = (np.arange(48).reshape(6, 8) % 3).astype(dtype)
    s = signals.read_signal(npy(labels))
    assert s.kind == "labels" and s.values.sum(0).eq(1).all()
    np.testing.assert_array_equal(np.array(s.codes)[s.values.argmax(0).numpy()], labels.astype(int))
    assert s.names[0] == f"class {s.codes[0]}"


def test_many_whole_numbers_are_depth_unless_told():
    ramp = np.arange(48, dtype=np.uint16).reshape(6, 8)
    assert signals.read_signal(npy(ramp)).kind == "depth"
    assert signals.read_signal(npy(ramp), kind="labels").values.shape == (48, 6, 8)
    assert signals.read_signal(npy(ramp % 3), kind="depth").kind == "depth"


@pytest.mark.parametrize("turn", [(0, 1, 2), (1, 2, 0)])
@pytest.mark.parametrize("batch", [False, True])
def test_layouts_and_batches_of_one(turn, batch):
    array = FEATURES.transpose(turn)
    s = signals.read_signal(npy(array[None] if batch else array))
    assert s.kind == "features" and s.shape == (20, 6, 8)
    np.testing.assert_allclose(s.values.numpy(), FEATURES.astype(np.float32))


def test_fortran_order():
    s = signals.read_signal(npy(np.asfortranarray(FEATURES)))
    np.testing.assert_allclose(s.values.numpy(), FEATURES.astype(np.float32))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_header_versions(version):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, DEPTH, version=version)
    np.testing.assert_allclose(
        signals.read_signal(buffer.getvalue()).values[0].numpy(), DEPTH.astype(np.float32)
    )


def test_probabilities_are_recognised():
    s = signals.read_signal(npz(arr=PROBS.astype(np.float16)))
    assert s.kind == "probabilities" and len(s.names) == 4
    assert signals.read_signal(npy(PROBS), kind="features").kind == "features"


def test_grey_png_is_depth():
    eight = RNG.integers(0, 256, (6, 8), dtype=np.uint8)
    sixteen = RNG.integers(0, 65536, (6, 8)).astype(np.uint16)
    for levels in (eight, sixteen):
        s = signals.read_signal(png(levels))
        assert s.kind == "depth" and s.unit == "level"
        np.testing.assert_array_equal(s.values[0].numpy(), levels)


def test_palette_png_is_labels_by_number():
    picture = Image.fromarray(np.array([[0, 5], [5, 2]], np.uint8)).convert("P")
    picture.putpalette(list(range(256)) * 3)
    picture.putdata([0, 5, 5, 2])
    s = signals.read_signal(png(picture))
    assert s.kind == "labels" and s.codes == (0, 2, 5) and s.names == ("class 0", "class 2", "class 5")


def test_rgb_png_is_labels_by_colour():
    rgb = np.array([[[255, 0, 0], [0, 0, 255]], [[0, 0, 255], [1, 2, 3]]], np.uint8)
    s = signals.read_signal(png(rgb))
    assert s.kind == "labels" and set(s.names) == {"#ff0000", "#0000ff", "#010203"}
    back = np.asarray(Image.open(io.BytesIO(signals.result_png(s, s.values))))
    np.testing.assert_array_equal(back, rgb)


# ---------------------------------------------------------------------------------------- refused


def test_python_objects_are_never_unpickled(tmp_path):
    mark = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (mark.write_text, ("ran",))

    evil = np.empty(1, object)
    evil[0] = Evil()
    assert refusal(npy(np.array([[evil[0]]], object), allow_pickle=True)).code == "signal_pickled"
    assert refusal(npz(a=np.array([[evil[0]]], object))).code == "signal_pickled"
    assert refusal(pickle.dumps(Evil())).code == "signal_type"
    assert not mark.exists()


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.float32(3), "signal_shape"),
        (np.zeros(5), "signal_shape"),
        (np.zeros((1, 1, 1, 2, 2)), "signal_shape"),
        (np.zeros((2, 3, 4, 4)), "signal_shape"),
        (np.zeros((0, 4)), "signal_shape"),
        (np.zeros((4, 4), complex), "signal_type"),
        (np.zeros((4, 4), "U3"), "signal_type"),
        (np.zeros((4, 4), "M8[s]"), "signal_type"),
        (np.zeros((4, 4), [("a", "f4")]), "signal_type"),
        (np.zeros((4, 4), np.longdouble), "signal_type"),
        (np.full((4, 4), np.nan), "signal_not_finite"),
        (np.zeros((1, 5000)), "signal_too_large"),
        (np.zeros((5000, 2, 3)), "signal_too_large"),
    ],
)
def test_arrays_that_cannot_be_signals(array, code):
    assert refusal(npy(array)).code == code
    assert refusal(npz(a=array)).code == code


@pytest.mark.parametrize(
    "data",
    [
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (10000000, 32, 32), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (4000, 4000), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (4000, 4000, 4000), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (-4, -4), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (4.0, 4), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': 16, }"),
        header("{'descr': 'zzz', 'fortran_order': False, 'shape': (4, 4), }"),
        header("{'descr': '<f4', 'shape': (4, 4), }"),
        header("[" * 3000),
        header("__import__('os').system('true')"),
        header("x" * 70000, version=2),
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00\x10\x00",
        npy(DEPTH)[:-1],
        npz(a=DEPTH)[:60],
        npz(a=DEPTH, b=DEPTH),
        npz(),
        png(np.zeros((4, 4), np.uint8))[:40],
        b"\x89PNG\r\n\x1a\n",
        b"PK\x03\x04 not a zip",
        b"",
        b"depth: 1 2 3",
    ],
)
def test_bad_files_are_refused_at_once_and_take_no_memory(data):
    tracemalloc.start()
    start = time.perf_counter()
    refusal(data)
    took, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 1 and peak < 20e6


def test_a_zip_bomb_never_unfolds():
    body = header("{'descr': '<f4', 'fortran_order': False, 'shape': (30000, 30000), }") + bytes(300_000_000)
    liar = header("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }") + bytes(300_000_000)
    for content, refused in ((body, True), (liar, False)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", content)
        assert len(buffer.getvalue()) < 1e6
        tracemalloc.start()
        if refused:
            assert refusal(buffer.getvalue()).code == "signal_too_large"
        else:  # what follows the promised array is never read
            assert signals.read_signal(buffer.getvalue(), kind="depth").shape == (1, 4, 4)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20e6


def test_too_many_colours_are_no_labels():
    noisy = RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert refusal(png(noisy)).code == "signal_classes"


def test_a_huge_png_is_refused_by_its_header():
    data = bytearray(png(np.zeros((4, 4), np.uint8)))
    data[16:24] = struct.pack(">II", 60000, 60000)
    assert refusal(bytes(data)).code == "signal_too_large"


def test_unknown_kinds_are_refused():
    assert refusal(npy(DEPTH), kind="heat").code == "signal_kind"
    assert refusal(npy(DEPTH), kind="labels").code == "signal_kind"


# ------------------------------------------------------------------------------------ with an image


@pytest.mark.parametrize(
    ("size", "image", "fits"),
    [
        ((45, 60), (360, 480), True),
        ((32, 32), (375, 500), True),  # square network outputs of images that are not square
        ((13, 20), (427, 640), True),
        ((1, 3), (40, 100), True),
        ((60, 45), (360, 480), False),  # turned
        ((10, 100), (300, 300), False),
        ((32, 64), (300, 300), False),
        ((400, 400), (300, 300), False),
    ],
)
def test_shapes_against_the_image(size, image, fits):
    s = signals.read_signal(npy(RNG.random(size)))
    if fits:
        assert s.fitted(*image) is s
        return
    with pytest.raises(SignalError) as caught:
        s.fitted(*image)
    assert (
        caught.value.code in ("signal_aspect", "signal_size")
        and f"{size[1]}×{size[0]}" in caught.value.message
    )


@pytest.mark.parametrize("turn", [(0, 1, 2), (1, 2, 0)])
def test_the_image_settles_a_doubtful_layout(turn):
    """45×60 cells of 64 channels: read either way by sizes alone, one way with a 4:3 image."""
    features = RNG.standard_normal((64, 45, 60)).astype(np.float32)
    s = signals.read_signal(npy(features.transpose(turn))).fitted(360, 480)
    assert s.shape == (64, 45, 60)
    np.testing.assert_array_equal(s.values.numpy(), features)


# -------------------------------------------------------------------------------------------- gaps


def test_gaps_take_their_nearest_neighbour_and_are_counted():
    depth = np.full((5, 7), 2.0)
    depth[:, 4:] = 9.0
    depth[2, 1], depth[0, 6], depth[4, 3] = np.nan, np.inf, -np.inf
    s = signals.read_signal(npy(depth))
    assert "3 of 35 cells" in s.note and int((~s.mask).sum()) == 3
    assert torch.isfinite(s.values).all()
    assert s.values[0, 2, 1] == 2 and s.values[0, 0, 6] == 9 and s.values[0, 4, 3] in (2, 9)


def test_beyond_float32_is_a_gap():
    s = signals.read_signal(npy(np.array([[1.0, 1e300], [2.0, 3.0]])))
    assert not bool(s.mask[0, 1]) and torch.isfinite(s.values).all()


@pytest.mark.parametrize("way_name", ["bilinear", "kernel"])
def test_gaps_take_no_part_in_the_mix(way_name):
    grid = Grid.from_stride(40, 48, 8)
    image = torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(0))
    kernel = gsjbu.fit(image, stride=8, iters=2)
    way = kernel.render if way_name == "kernel" else (lambda x: interpolation.bilinear(x, grid))
    depth = RNG.random((5, 6)) + 4
    depth[1:3, 2] = np.nan
    s = signals.read_signal(npy(depth))
    out = mixed(way, s, pure=True)
    assert out.shape == (1, 40, 48) and torch.isfinite(out).all()
    known = depth[np.isfinite(depth)]
    assert float(out.min()) >= known.min() - 1e-5 and float(out.max()) <= known.max() + 1e-5
    # What the gaps were filled with changes nothing where known cells have a share.
    other = signals.replace(s, values=torch.where(s.mask, s.values, torch.tensor(1000.0)))
    touched = way(s.mask[None].float())[0] > ENOUGH
    torch.testing.assert_close(
        mixed(way, other, pure=True)[0][touched], out[0][touched], atol=1e-3, rtol=1e-4
    )


def test_a_large_hole_is_filled_at_once_and_from_the_nearest():
    depth = np.full((600, 600), np.nan, np.float32)
    depth[10, 10], depth[500, 580] = 1, 2
    start = time.process_time()
    s = signals.read_signal(npy(depth))
    assert time.process_time() - start < 1  # 0.02 s measured; 4.3 s when it went outwards cell by cell
    assert s.values[0, 0, 0] == 1 and s.values[0, 599, 599] == 2
    d1 = np.hypot(*(np.indices((600, 600)) - np.array([10, 10])[:, None, None]))
    d2 = np.hypot(*(np.indices((600, 600)) - np.array([500, 580])[:, None, None]))
    clear = abs(d1 - d2) > 1e-6
    np.testing.assert_array_equal(s.values[0].numpy()[clear], np.where(d1 < d2, 1, 2)[clear])


def test_what_would_need_too_much_memory_is_refused_before_it_is_taken():
    gappy = np.full((2100, 2100), np.nan, np.float32)
    gappy[0, 0] = 1
    assert "fill them first" in refusal(npy(gappy)).message
    many = np.tile(np.arange(32, dtype=np.uint8), (1024, 32))
    assert "32 classes on 1024×1024" in refusal(npy(many), max_values=2**24).message
    assert signals.read_signal(npy(many)).shape == (32, 1024, 1024)


@pytest.mark.parametrize("top", [3e38, 1e16, 1e-16, 1e-40])
def test_values_that_float32_has_no_room_to_square_are_refused(top):
    assert refusal(npy(np.full((3, 8, 8), top, np.float32))).code == "signal_range"


@pytest.mark.parametrize("codes", [[3], [0, 255], [-5, 7, 2**40], [0, 1, 2, 2**24]])
def test_classes_are_their_numbers_in_rising_order(codes):
    labels = RNG.choice(codes, (9, 11))
    labels.flat[: len(codes)] = codes
    s = signals.from_array(labels, kind="labels")
    assert s.codes == tuple(codes)
    np.testing.assert_array_equal(np.array(codes)[s.values.argmax(0).numpy()], labels)
    assert torch.equal(s.values.sum(0), torch.ones(9, 11))


def test_gaps_do_no_harm_to_a_kernel_that_gives_means_back():
    """Back-projection has weights below zero: scaling up those of the known cells would divide by next to nothing."""
    image = torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(0))
    depth = 2 + 3 * np.add.outer(np.arange(12), np.arange(12)) / 22
    depth[RNG.random((12, 12)) < 0.4] = np.nan
    s = signals.read_signal(npy(depth))
    kernel = gsjbu.fit(image, stride=8, objective="auto", signal=s.values)
    assert not kernel.is_pure
    out = kernel.render(s.values, mask=s.mask)
    assert float(out.min()) > 1.5 and float(out.max()) < 5.5


def test_without_gaps_mixing_is_the_way_itself():
    grid = Grid.from_stride(40, 48, 8)
    s = signals.from_array(RNG.random((5, 6)))
    assert torch.equal(
        mixed(lambda x: interpolation.bilinear(x, grid), s, pure=True),
        interpolation.bilinear(s.values, grid),
    )


# ------------------------------------------------------------------------------------------ results


def test_depth_results_are_sixteen_bit():
    levels = RNG.integers(0, 65536, (6, 8)).astype(np.uint16)
    s = signals.read_signal(png(levels))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(signals.result_png(s, s.values)))), levels)
    s = signals.from_array(DEPTH)
    back = np.asarray(Image.open(io.BytesIO(signals.result_png(s, s.values)))).astype(float)
    assert back.min() == 0 and back.max() == 65535
    np.testing.assert_allclose(back / 65535 * np.ptp(DEPTH) + DEPTH.min(), DEPTH, atol=1e-4)


def test_label_results_keep_the_files_numbers():
    labels = np.array([[0, 7], [200, 7]], np.uint8)
    s = signals.read_signal(npy(labels))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(signals.result_png(s, s.values)))), labels)


# ----------------------------------------------------------------------------------------- real data


@needs_data
def test_the_papers_own_probabilities_with_their_photo():
    s = signals.read_signal((DATA / "probs" / "ua_2009_003810_predlow_probs.npy").read_bytes())
    image = decode((DATA / "probs" / "ua_2009_003810.jpg").read_bytes())
    assert s.shape == (21, 32, 32) and s.fitted(*image.shape[1:]) is s
    assert s.kind == "probabilities"


@needs_data
@pytest.mark.parametrize("name", ["mb05_art", "mb03_cones", "nyu_000433"])
def test_measured_depth_reduced_by_eight(name):
    truth = torch.from_numpy(np.load(DATA / "depth" / name / "gt.npy").astype(np.float32))
    image = decode((DATA / "depth" / name / "rgb.png").read_bytes())
    grid = Grid.from_stride(*truth.shape, 8)
    low = grid.cell_means(truth[None])[0].numpy()
    s = signals.read_signal(npy(low)).fitted(*image.shape[1:])
    assert s.kind == "depth" and int((~s.mask).sum()) == int(np.isnan(low).sum())


def test_numbers_that_a_picture_cannot_hold_are_not_clipped():
    labels = np.array([[-1, 0], [1, 300]])
    s = signals.from_array(labels, kind="labels")
    shown = np.asarray(Image.open(io.BytesIO(signals.result_png(s, s.values))))
    np.testing.assert_array_equal(shown, [[0, 1], [2, 3]])
    s = replace(signals.from_array(np.array([[-5.0, 0.0], [10.0, 100000.0]]), kind="depth"), unit="level")
    shown = np.asarray(Image.open(io.BytesIO(signals.result_png(s, s.values)))).astype(float)
    np.testing.assert_allclose(shown / 65535 * 100005 - 5, s.values[0], atol=1)
