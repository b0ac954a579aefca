"""Signals: what each kind becomes, with its reason; what is refused, with the step that mends it."""

from __future__ import annotations

import io
import time
import tracemalloc
import warnings

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from scipy.io import savemat

import gsjbu
from gsjbu.errors import GsjbuError, SignalError
from gsjbu.io.signals import Signal, understand

RNG = np.random.default_rng(0)
DEPTH = RNG.random((6, 8)) * 5 + 1
FEATURES = RNG.standard_normal((20, 6, 8))
PROBS = RNG.dirichlet(np.ones(4), (6, 8)).transpose(2, 0, 1)
LABELS = np.array([0, 3, 15])[np.repeat(np.arange(3), 16)].reshape(6, 8)


def png(picture: Image.Image | np.ndarray) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(buffer, "PNG")
    return buffer.getvalue()


def refusal(x: object, **options) -> GsjbuError:
    with pytest.raises(SignalError) as caught:
        understand(x, **options)
    assert caught.value.message.endswith(".") and len(caught.value.message) > 20
    return caught.value


# ------------------------------------------------------------------------------------------ kinds


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
def test_floats_of_every_size_and_order_are_read_as_they_are(dtype):
    s = understand(DEPTH.astype(dtype))
    assert s.kind == "depth" and s.values.dtype == torch.float32 and s.mask.all()
    np.testing.assert_allclose(s.values[0].numpy(), DEPTH.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(("scale", "offset"), [(1, 3000), (1e-20, 0), (1e30, 0), (1e-3, -1e6)])
def test_what_float32_does_not_hold_is_mixed_about_0_and_comes_back_in_its_unit(scale, offset):
    array = scale * DEPTH + offset
    s = understand(array)
    assert s.kind == "depth" and float(s.values.abs().max()) == 1
    np.testing.assert_allclose(s.real(s.values.numpy())[0] - offset, array - offset, atol=1e-6 * scale * 6)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "<i2", ">i4", "<u8", "<f4"])
def test_labels_are_one_hot_with_their_numbers(dtype):
    labels = LABELS.astype(dtype)
    s = understand(labels)
    assert s.kind == "labels" and s.values.sum(0).eq(1).all() and s.dtype == np.dtype(dtype).name
    np.testing.assert_array_equal(np.array(s.codes)[s.values.argmax(0).numpy()], labels.astype(int))
    assert s.names[0] == f"class {s.codes[0]}"


def test_negative_class_numbers_are_class_numbers():
    assert understand(np.where(LABELS == 3, -1, LABELS)).codes == (-1, 0, 15)


@pytest.mark.parametrize("code", [-1, -100])
def test_what_losses_ignore_is_mixed_with_no_class(code):
    brought = np.repeat(LABELS, 2, axis=1)
    brought[2:4, 5:8] = code
    s = understand(brought)
    assert s.codes == (0, 3, 15) and int(s.mask.sum()) == brought.size - 6 and "3 different" in s.reason
    assert any(f"6 of 96 cells are {code}" in said and "invalid=" in said for said in s.doubts)
    assert understand(brought, invalid="none").codes == (code, 0, 3, 15)


def test_a_class_far_from_the_others_is_counted():
    s = understand(np.where(LABELS == 3, 2, LABELS))
    assert s.kind == "labels" and s.reason.startswith("3 different") and s.codes == (0, 2, 15)


def test_logits_become_probabilities():
    logits = 6.0 * (np.arange(5)[:, None, None] == LABELS // 7) - 3
    s = understand(logits, (96, 128))
    assert s.kind == "logits"
    torch.testing.assert_close(s.values, torch.from_numpy(logits).softmax(0).float())
    mask = understand(np.where(LABELS > 3, 9.0, -11.0) + 0.01 * DEPTH)
    torch.testing.assert_close(
        mask.values[0], (torch.from_numpy(np.where(LABELS > 3, 9.0, -11.0) + 0.01 * DEPTH)).sigmoid().float()
    )


def test_a_matte_of_8_bits_is_mixed_from_0_to_1():
    matte = np.clip(np.arange(48).reshape(6, 8) * 13 - 200, 0, 255).astype(np.uint8)
    s = understand(matte)
    assert (s.kind, s.scale) == ("soft_labels", 255.0) and float(s.values.max()) == 1.0


def test_a_person_overrules_the_guess():
    assert understand(LABELS, kind="depth").kind == "depth"
    assert understand(DEPTH.astype("u1"), kind="labels").kind == "labels"
    assert understand(PROBS, kind="features").kind == "features"
    assert "as you said" in understand(LABELS, kind="depth").note


@pytest.mark.parametrize(
    ("array", "kind", "hint"),
    [
        (DEPTH, "labels", "whole numbers"),
        (FEATURES, "labels", "one number a cell"),
        (FEATURES, "heat_map", "one channel"),
        (DEPTH, "probabilities", "between 0 and 1"),
        (DEPTH, "colour", "depth, labels"),
        (np.arange(70_000).reshape(250, 280), "labels", "70000 different numbers"),
    ],
)
def test_a_kind_that_cannot_be_is_refused(array, kind, hint):
    assert hint in refusal(array, kind=kind).message


# ----------------------------------------------------------------------------------------- layouts


@pytest.mark.parametrize("turn", [(0, 1, 2), (1, 2, 0)])
@pytest.mark.parametrize("batch", [False, True])
def test_layouts_and_batches_of_one(turn, batch):
    array = FEATURES.transpose(turn)
    s = understand(array[None] if batch else array, (96, 128))
    assert s.kind == "features" and s.shape == (20, 6, 8)
    np.testing.assert_allclose(s.values.numpy(), FEATURES.astype(np.float32))


def test_an_image_corrects_what_the_sizes_alone_said():
    array = np.moveaxis(RNG.standard_normal((9, 8, 12)), 0, -1)  # [8, 12, 9]: channels may be first
    alone = understand(array)
    over = alone.fitted(80, 120)
    assert over.shape == (9, 8, 12) and over.layout == "HWC"
    assert alone.fitted(120, 90).shape == (8, 12, 9) and alone.fitted(120, 90).layout == "CHW"


def test_tokens_wait_for_their_image():
    tokens = RNG.standard_normal((1, 1 + 6 * 8, 384)).astype("f4")
    s = understand(tokens).fitted(96, 128)
    assert s.shape == (384, 6, 8) and "class token dropped" in s.note
    np.testing.assert_array_equal(s.values[:, 0, 0], tokens[0, 1])


def test_colours_are_classes_where_they_lie_in_patches():
    rgb = np.array([[255, 0, 0], [0, 0, 255], [1, 2, 3]], np.uint8)[LABELS % 7 % 3]
    s = understand(png(rgb))
    assert s.kind == "labels" and s.colours and set(s.names) <= {"#ff0000", "#0000ff", "#010203"}
    photo = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert "no classes" in refusal(png(photo)).message
    assert understand(png(photo), kind="features").shape == (3, 40, 50)


def test_classes_with_soft_edges_are_refused_with_the_step_that_mends_them():
    sharp = np.array([[200, 30, 30], [20, 30, 220], [30, 180, 40]], np.uint8)[LABELS % 7 % 3]
    big = Image.fromarray(sharp).resize((80, 60), Image.Resampling.NEAREST).rotate(10)
    soft = big.resize((40, 30), Image.Resampling.BICUBIC)
    assert "without smoothing" in refusal(png(soft)).message


# -------------------------------------------------------------------------------------------- gaps


def test_gaps_are_marked_and_filled_from_their_neighbours():
    holes = DEPTH.copy()
    holes[2:4, 3:5] = np.nan
    s = understand(holes)
    assert int((~s.mask).sum()) == 4 and torch.isfinite(s.values).all() and "4 of 48 cells" in s.note


def test_ignored_labels_are_gaps():
    ignored = LABELS.astype(np.uint8)
    ignored[0] = 255
    s = understand(ignored)
    assert s.codes == (0, 3, 15) and not s.mask[0].any() and s.gap_codes == (255,)


@pytest.mark.parametrize("dtype", ["f4", "i4"])
def test_a_masked_array_keeps_its_mask(dtype):
    array = np.ma.masked_array((DEPTH * 100).astype(dtype), DEPTH > 5)
    s = understand(array, kind="depth")
    np.testing.assert_array_equal(s.mask.numpy(), DEPTH <= 5)


@pytest.mark.parametrize("dtype", ["f4", "u2", "u1"])
@pytest.mark.parametrize("hides", [True, False])
@pytest.mark.parametrize(
    ("shape", "cell", "layout"),
    [
        ((14, 14, 14), np.s_[:, 2, 5], "chw"),
        ((14, 14, 14), np.s_[2, 5, :], "hwc"),
        ((20, 14, 14), np.s_[3, 2, 5], None),  # one channel of it hides a cell
        ((14, 14, 20), np.s_[2, 5, 7:], None),
        ((1, 20, 14, 14), np.s_[0, :, 2, 5], None),
        ((4, 14, 14), np.s_[:, 2, 5], None),
        ((196, 64), np.s_[2 * 14 + 5], "tokens"),
        ((1, 197, 64), np.s_[:, 1 + 2 * 14 + 5], "tokens"),
        ((196, 64), np.s_[2 * 14 + 5], "14x14"),
    ],
)
def test_a_masked_array_of_any_layout_hides_the_cell_that_it_masks(shape, cell, layout, hides, dtype):
    array = (200 * np.random.default_rng(0).random(shape)).astype(dtype)
    hidden = np.zeros(shape, bool)
    hidden[cell] = hides
    s = understand(np.ma.masked_array(array, hidden), size=(112, 112), kind="features", layout=layout)
    assert s.shape[1:] == (14, 14)
    assert np.argwhere(~s.mask.numpy()).tolist() == [[2, 5]] * hides


def test_nothing_but_gaps_is_refused():
    assert refusal(np.full((6, 8), np.nan)).code == "signal_not_finite"


def test_a_code_that_is_told_by_its_look_is_named_and_asked_for():
    holes = np.where(DEPTH > 5, -9999, DEPTH)
    s = understand(holes)
    assert (s.mask.numpy() == (DEPTH <= 5)).all()
    assert any("-9999" in said and "invalid=" in said for said in s.doubts)
    assert not understand(holes, invalid=-9999).doubts


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(("fill", "stands"), [(-9999, -9999), (None, 0), (3, 0)])
def test_whole_numbers_that_were_masked_are_their_fill_value_in_the_result(fill, stands):
    """But for NumPy's own, and one that is a value elsewhere."""
    array = np.arange(1, 401, dtype=np.int16).reshape(20, 20)
    hidden = np.zeros(array.shape, bool)
    hidden[4:16, 4:16] = True
    masked = np.ma.masked_array(np.where(hidden, 7, array), hidden, fill_value=fill)
    high = gsjbu.upsample(torch.rand(3, 80, 80), masked, kind="depth", iters=1)
    assert high.dtype == torch.int16 and high[40, 40] == stands
    assert high[:8, :8].min() >= 1


@pytest.mark.parametrize(
    ("x", "code"),
    [
        (np.zeros(5), "signal_shape"),
        (np.zeros((2, 2, 2, 2, 2)), "signal_shape"),
        (np.zeros((2, 4, 6, 8)), "signal_shape"),
        (np.zeros((0, 8)), "signal_shape"),
        (np.zeros((6, 8), complex), "signal_type"),
        (np.array([["a"]]), "signal_type"),
        (np.array([[None]]), "signal_type"),
        (object(), "signal_type"),
        (b"", "signal_empty"),
        (b"no signal at all", "signal_type"),
        ("/nowhere/at/all.npy", "signal_missing"),
        (np.zeros((5000, 2, 2)), "signal_too_large"),
        (np.zeros((2, 40_000)), "signal_too_large"),
    ],
)
def test_what_is_no_signal_is_refused(x, code):
    assert refusal(x).code == code


def test_many_classes_do_not_unfold_beyond_the_bound():
    tracemalloc.start()
    started = time.perf_counter()
    many = np.kron(np.arange(200).reshape(10, 20), np.ones((40, 40), int)).astype(np.uint8)[7:, 7:]
    assert refusal(many, kind="labels", max_values=1 << 20).code == "signal_too_large"
    assert tracemalloc.get_traced_memory()[1] < 100 << 20 and time.perf_counter() - started < 10
    tracemalloc.stop()


def test_the_note_says_what_it_is_and_why():
    s = understand(png((DEPTH * 1000).astype(np.uint16)))
    assert s.note.startswith("16-bit grey PNG: depth on 6 rows × 8 columns; ") and "different" in s.note
    assert isinstance(understand(s), Signal) and understand(s) is s


def test_class_colours_in_an_array_are_asked_for_and_taken():
    """A panoptic map as its library gives it; a photo is none."""
    colours = np.array([[0, 0, 0], [111, 3, 0], [7, 90, 200]], np.uint8)[np.searchsorted([0, 3, 15], LABELS)]
    s = understand(colours, (240, 320))
    assert s.kind == "features" and s.runner_up == "labels"
    taken = understand(colours, (240, 320), kind="labels")
    assert taken.kind == "labels" and set(taken.codes) <= {0, 0x6F0300, 0x075AC8}
    photo = np.random.default_rng(0).integers(0, 256, colours.shape, np.uint8)
    assert understand(photo, (240, 320)).runner_up is None


def test_a_signal_as_large_as_the_image_is_said():
    whole, half = (np.random.default_rng(0).random(size).astype(np.float32) + 3 for size in ((24, 32), (12, 16)))
    assert any("refine" in said for said in understand(whole, (24, 32)).doubts)
    assert not any("refine" in said for said in understand(half, (24, 32)).doubts)
    for words in ({}, {"layout": "chw"}):
        assert any("refine" in said for said in understand(whole, **words).fitted(24, 32).doubts)
        assert not any("refine" in said for said in understand(whole, (24, 32), **words).fitted(48, 64).doubts)


@pytest.mark.parametrize("wrong", ["foo", ["foo"], "0,x"])
def test_gaps_are_refused_as_they_were_given(wrong):
    with pytest.raises(SignalError) as refusal:
        understand(DEPTH, invalid=wrong)
    assert refusal.value.message.startswith(f"invalid is {wrong!r}; ")


@pytest.mark.parametrize("wrong", ["voc", 5])
def test_names_are_a_list(wrong):
    with pytest.raises(SignalError, match=f"names is '{wrong}'; it must be a list"):
        understand(DEPTH, names=wrong)


@pytest.mark.parametrize(
    ("field", "value", "said"), [("flags", 1, "encrypted"), ("method", 99, "compressed in a way that is not read")]
)
def test_an_archive_that_is_whole_and_cannot_be_unpacked_is_not_called_damaged(field, value, said):
    stream = io.BytesIO()
    np.savez(stream, depth=DEPTH)
    data = bytearray(stream.getvalue())
    place = {"flags": 0, "method": 2}[field]
    for at in (data.index(b"PK\3\4") + 6, data.index(b"PK\1\2") + 8):
        data[at + place] = value
    refused = refusal(bytes(data))
    assert refused.code == "signal_type" and said in refused.message and "damaged" not in refused.message


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_logits_that_rule_out_nearly_all_have_cells_without_a_class(dtype):
    """Where all classes of a cell are ruled out it is a gap, filled from cells that rule some out, too."""
    draw = np.random.default_rng(0)
    logits = np.where(draw.random((3, 16, 16)) < 0.9, -np.inf, draw.normal(0, 4, (3, 16, 16))).astype(dtype)
    s = understand(logits, kind="logits")
    np.testing.assert_array_equal(s.mask.numpy(), np.isfinite(logits).any(axis=0))
    shares = s.values[:, s.mask].numpy()
    ruled_out = np.isneginf(logits[:, s.mask.numpy()])
    assert (shares[ruled_out] == 0).all() and shares.sum(axis=0) == pytest.approx(1)
    assert "kind=logits says" in refusal(logits).message


@pytest.mark.parametrize("kind", ["heat_map", "soft_labels", "probabilities"])
def test_what_is_no_share_is_said_in_the_plural(kind):
    said = {"heat_map": "Heat maps", "soft_labels": "Soft labels", "probabilities": "Probabilities"}[kind]
    assert refusal(DEPTH - 2, kind=kind).message.startswith(f"{said} lie between 0 and 1")


@pytest.mark.parametrize("size", [(387, 509), (384, 512)])
@pytest.mark.parametrize("kind", ["depth", "heat_map"])
def test_what_is_said_to_have_one_channel_is_no_tokens(size, kind):
    """The image was resized to whole strides before; 48 tokens of 64 channels would make a grid, too."""
    values = np.random.default_rng(0).random((48, 64), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for array in (values, values[None]):
            found = understand(array, size, kind)
            assert found.layout == "CHW" and found.shape == (1, 48, 64) and not found.layout_doubt


@pytest.mark.parametrize("kind", ["soft_labels", "probabilities", "heat_map"])
def test_shares_a_thousandth_beyond_are_mixed_as_shares(kind):
    plane = np.linspace(-0.001, 1.001, 48).reshape(6, 8).astype(np.float32)
    values = understand(plane, kind=kind).values
    assert float(values.min()) == 0 and float(values.max()) == 1


def test_a_mask_that_was_rounded_is_a_mask():
    mask = (LABELS > 2).astype(np.float32) * np.float32(1 + 2e-7)
    for kind in (None, "labels"):
        signal = understand(mask, kind=kind)
        assert (signal.kind, signal.codes) == ("labels", (0, 1))


def mat(**held: object) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, held)
    return buffer.getvalue()


def test_a_matrix_of_matlab_is_what_it_is_there():
    signal = understand(mat(depth=DEPTH, note="m", camera={"f": 1}), (48, 64))
    assert signal.kind == "depth" and np.allclose(signal.real(signal.values[0].numpy()), DEPTH, rtol=1e-6)
    assert understand(mat(mask=DEPTH > 3)).dtype == "bool"
    assert understand(mat(x=FEATURES.transpose(1, 2, 0)), (48, 64)).shape == (20, 6, 8)


def test_what_is_no_matrix_of_matlab_is_refused_with_what_to_save():
    assert "holds 0 arrays" in refusal(mat(camera={"f": 1})).message
    assert "complex" in refusal(mat(x=DEPTH + 1j)).message
    assert "0.001 million values" in refusal(mat(x=np.zeros((100, 100))), max_values=1000).message
    newest = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM" + bytes(384) + b"\x89HDF\r\n\x1a\n"
    assert "'-v7'" in refusal(newest).message


def several(form: str, mode: str) -> bytes:
    buffer, one = io.BytesIO(), Image.fromarray((40 * DEPTH).astype(np.uint8)).convert(mode)
    more = {"lossless": True} if form == "WEBP" else {}
    one.save(buffer, form, save_all=True, append_images=[one.rotate(180)], **more)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "mode"), [("TIFF", "RGB"), ("TIFF", "P"), ("TIFF", "RGBA"), ("PNG", "L"), ("WEBP", "RGB")]
)
def test_of_several_pictures_none_is_taken_in_silence(form, mode):
    assert "holds 2 pictures, and a signal is one" in refusal(several(form, mode)).message


def test_pages_of_one_channel_are_channels_and_one_page_of_colours_has_all_of_them():
    assert understand(several("TIFF", "L"), kind="features").shape == (2, 6, 8)
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, FEATURES[:5].transpose(1, 2, 0).astype(np.float32), photometric="minisblack", planarconfig="contig"
    )
    assert understand(buffer.getvalue()).shape == (5, 6, 8)


# ------------------------------------------------------------------------------------- PGM and .flo

LEVELS = (700 * DEPTH).astype(np.uint16)  # 12 bits, as sensors have


@pytest.mark.parametrize(
    ("head", "levels"),
    [
        (b"P5\n8 6\n65535\n", LEVELS.astype(">u2").tobytes()),
        (b"P5 # of a sensor\n# 12 bits\n8\t6 4400\n", LEVELS.astype(">u2").tobytes()),
        (b"P2\n8 6\n4400\n", " ".join(map(str, LEVELS.ravel())).encode()),
        (b"P2\n8 6\n4400\n", b"# rows\n" + "\n".join(map(str, LEVELS.ravel())).encode() + b"\n"),
    ],
)
def test_the_levels_of_a_pgm_are_as_they_are(head, levels):
    signal = understand(head + levels)
    assert (signal.kind, signal.source, signal.dtype) == ("depth", "16-bit grey PGM", "uint16")
    np.testing.assert_array_equal(signal.brought.array, LEVELS)


def test_a_pgm_of_few_levels_is_a_class_map_and_a_ppm_has_colours():
    signal = understand(b"P5 8 6 15\n" + LABELS.astype(np.uint8).tobytes())
    assert (signal.kind, signal.codes) == ("labels", (0, 3, 15))
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)[np.searchsorted([0, 3, 15], LABELS)]
    for data in (b"P6 8 6 255\n" + colours.tobytes(), b"P3 8 6 255\n" + " ".join(map(str, colours.ravel())).encode()):
        signal = understand(data)
        assert (signal.kind, signal.codes) == ("labels", (0, 0xFF, 0xFF0000))
    assert understand(b"P6 8 6 4095\n" + bytes(2 * colours.size), kind="features").shape == (3, 6, 8)
    bits = np.packbits(LABELS > 2, axis=1).tobytes()
    assert understand(b"P4\n8 6\n" + bits).kind == "labels"


@pytest.mark.parametrize(
    "data",
    [b"P5 8 6 255\n" + bytes(47), b"P5 8 6 70000\n" + bytes(96), b"P5 8 6 0\n" + bytes(48), b"P2 8 6 9\n1 2 3",
     b"P2 2 2 9\n1 2 x 4", b"P2 2 2 9\n1 2 3 10", b"P2 2 2 9\n1 2 3 -1", b"P5 x", b"P5 2 2 9\n\1\2\3\x0a",
     b"PIEH" + bytes(3), b"PIEH\2\0\0\0\2\0\0\0" + bytes(31)],
)  # fmt: skip
def test_a_damaged_pgm_or_flo_is_refused(data):
    assert refusal(data).code == "signal_corrupt"


@pytest.mark.parametrize("unknown", [1.6666668e9, 1e9, -1e10])  # as the format says it, and other writers
def test_optical_flow_keeps_both_channels_and_its_unknown_cells(unknown):
    flow = np.stack([DEPTH, -2 * DEPTH], axis=-1).astype("<f4")
    flow[2, 3] = unknown
    signal = understand(b"PIEH" + np.array([8, 6], "<i4").tobytes() + flow.tobytes(), size=(48, 64))
    assert (signal.kind, signal.shape, signal.doubts) == ("features", (2, 6, 8), [])
    assert not signal.mask[2, 3] and int((~signal.mask).sum()) == 1
    np.testing.assert_array_equal(signal.values[:, 0, 0], flow[0, 0])


@pytest.mark.parametrize(("channels", "told"), [(2, True), (3, True), (4, True), (64, False)])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_vectors_of_length_1_are_told(channels, told, dtype):
    x = np.random.default_rng(0).standard_normal((channels, 12, 16))
    unit = (x / np.linalg.norm(x, axis=0)).astype(dtype)
    signal = understand(unit, (96, 128), kind="features")
    assert "vectors of length 1, which mixing does not keep" in signal.note
    assert any("divide each by its length" in doubt for doubt in signal.doubts) == told
    unit[:, 0, 0] = np.nan
    assert understand(unit, (96, 128), kind="features").unit_vectors
    for other in (2 * unit, x.astype(dtype)):
        assert not understand(other, (96, 128), kind="features").unit_vectors


def test_a_squashed_square_is_said_by_the_library_and_by_the_page():
    square = understand(DEPTH[:, :6], (48, 64))
    assert any("padded to a square" in said for said in square.doubts)
    for words in ({}, {"layout": "chw"}):
        assert understand(DEPTH[:, :6], **words).fitted(48, 64).doubts == square.doubts
    assert understand(DEPTH[:, :6], (48, 64), layout="6x6").doubts == []


def test_whole_numbers_in_floats_are_levels_as_those_in_integers_are():
    levels = np.rint(255 * PROBS).astype(np.uint8)
    for array, kind in ((levels, "auto"), (levels[0], "heat_map")):
        whole, held = (understand(array, (48, 64), kind=kind), understand(array.astype("f4"), (48, 64), kind=kind))
        assert (held.kind, held.scale) == (whole.kind, whole.scale) and torch.equal(held.values, whole.values)
    held = levels[0].astype("f4")
    held[2, 3] = np.nan  # is filled by fractions
    assert float(understand(held, kind="heat_map").values.max()) <= 1


def test_levels_of_probabilities_sum_to_1_again():
    levels = np.rint(255 * PROBS).astype(np.uint8)
    found = understand(levels, (48, 64))
    assert found.kind == "probabilities"
    np.testing.assert_allclose(found.values.sum(0), 1, atol=1e-6)


def saved(thing: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def test_of_what_a_pt_holds_tensors_count():
    depth = torch.from_numpy(DEPTH)
    assert understand(saved({"depth": depth, "epoch": 3})).kind == "depth"
    assert "holds 2 arrays (a, b)" in refusal(saved({"a": depth, "b": depth, "epoch": 3})).message
    nested = refusal(saved({"model": {"depth": depth}, "epoch": 3})).message
    assert "under model is nested" in nested and "torch.save(tensor, path)" in nested
    assert "under 0 is nested" in refusal(saved([[depth]])).message


@pytest.mark.parametrize("mode", ["P", "L"])
def test_what_a_png_calls_transparent_stays_a_value(mode):
    """Many tools make class 0 of a palette so; an alpha channel alone makes gaps."""
    picture = Image.fromarray(LABELS.astype(np.uint8))
    if mode == "P":
        picture.putpalette(bytes(range(48)))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=0)
    signal = understand(buffer.getvalue())
    assert (signal.kind, signal.codes) == ("labels", (0, 3, 15)) and bool(signal.mask.all())
    assert not understand(buffer.getvalue(), invalid=0).mask[0].any()


@pytest.mark.parametrize("levels", [LABELS.astype("u1"), (LABELS > 0) * np.uint8(255)])
@pytest.mark.parametrize("kind", [None, "labels"])
def test_classes_in_three_equal_channels_are_those_of_one(levels, kind):
    alone = understand(levels, kind=kind)
    for grey in (levels[..., None].repeat(3, 2), torch.from_numpy(levels)[None, None].repeat(1, 3, 1, 1)):
        found = understand(grey, kind=kind)
        assert (found.kind, found.codes, found.shape) == (alone.kind, alone.codes, alone.shape)
    assert understand(np.zeros((3, 6, 8), np.uint8)).shape[0] == 3  # three empty masks


def test_a_grey_picture_keeps_its_three_channels_and_a_person_is_told():
    """The shape of a result must not hang on what the picture shows."""
    found = understand((50 * DEPTH).astype("u1")[..., None].repeat(3, 2))
    assert found.shape == (3, 6, 8) and any("equal" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tags", [[(33550, "d", 3, (80.0, 80.0, 0.0))], [(34264, "d", 16, (1.0,) * 16)], []])
def test_a_georeference_that_has_no_part_is_told(compression, tags):
    depth = np.random.default_rng(0).uniform(5, 9, (16, 20)).astype(np.float32)
    file = io.BytesIO()
    tifffile.imwrite(file, depth, extratags=[(*tag, True) for tag in tags], compression=compression)
    said = [doubt for doubt in understand(file.getvalue(), (128, 160)).doubts if "gsjbu raster" in doubt]
    assert len(said) == len(tags)


def test_a_channel_without_a_value_is_named():
    planes = np.random.default_rng(0).random((5, 6, 8))
    planes[3] = np.nan
    with pytest.raises(SignalError, match="Channel 4 of 5 has no value in any cell"):
        understand(planes, layout="chw")


@pytest.mark.parametrize(
    ("dtype", "top", "asked"),
    [("i4", 93, True), ("f4", 100, True), ("u1", 100, True), ("u1", 93, False), ("i4", 255, False)],
)
def test_whole_shares_that_may_be_per_cent_are_asked(dtype, top, asked):
    shares = np.rint(np.linspace(0, top, 48)).reshape(6, 8).astype(dtype)
    doubts = understand(shares, kind="probabilities").doubts
    assert any("per cent" in doubt for doubt in doubts) is asked
