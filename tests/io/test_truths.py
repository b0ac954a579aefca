"""Truths at full resolution: read as what their signal is, brought to a run's pixels, reduced to signals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import gsjbu
from gsjbu.core.grid import Grid
from gsjbu.errors import SignalError
from gsjbu.io import kinds
from gsjbu.io.brought import Brought
from gsjbu.io.pictures import png_bytes
from gsjbu.io.readers import bring
from gsjbu.io.restoring import class_map
from gsjbu.io.signals import understand
from gsjbu.io.truths import downsampled, truth_of

DRAW = np.random.default_rng(0)
DEPTH = (2 + DRAW.random((24, 32))).astype(np.float32)
LABELS = np.repeat(np.repeat(DRAW.integers(0, 4, (6, 8)), 4, axis=0), 4, axis=1).astype(np.uint8)


def low(kind: str, array: np.ndarray):
    return understand(array, kind=kind)


def test_a_depth_comes_to_the_pixels_by_their_means_and_gaps_stay_out():
    depth = DEPTH.copy()
    depth[0, :2] = np.nan
    depth[1, 1] = np.inf
    truth = truth_of(bring(depth), low("depth", DEPTH[::8, ::8]), 12, 16)
    assert truth.family == "depth"
    assert truth.values[0, 0, 0] == pytest.approx(float(depth[1, 0]))
    assert truth.values[0, 5, 7] == pytest.approx(float(depth[10:12, 14:16].mean()))
    assert bool(truth.known.all())
    depth[:2, :2] = np.nan
    assert not truth_of(bring(depth), low("depth", DEPTH[::8, ::8]), 12, 16).known[0, 0]


def test_classes_come_by_their_numbers_and_what_the_signal_lacks_is_a_class_more():
    signal = low("labels", np.where(LABELS[::4, ::4] == 3, 1, LABELS[::4, ::4]) + 10)
    there = (LABELS + 10).astype(np.uint8)
    there[0, 0] = 255
    truth = truth_of(bring(there), signal, 24, 32)
    assert truth.family == "classes"
    assert truth.names == ("class 10", "class 11", "class 12", "class 13")
    expected = LABELS.astype(int)
    assert not truth.known[0, 0]
    assert bool((truth.values[0].numpy() == expected)[truth.known.numpy()].all())


def test_an_alpha_of_eight_bits_is_a_share():
    alpha = np.where(LABELS > 1, 255, 0).astype(np.uint8)
    signal = low("heat_map", (alpha[::4, ::4] / 255).astype(np.float32))
    truth = truth_of(bring(alpha), signal, 24, 32)
    assert truth.family == "alpha"
    assert set(truth.values.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("kind", ["logits", "heat_map"])
def test_a_truth_beyond_shares_is_no_truth_of_shares(kind):
    signal = low(kind, DRAW.random((6, 8)).astype(np.float32))
    with pytest.raises(SignalError, match=r"between 2.* and 3.*gives shares between 0 and 1"):
        truth_of(bring(DEPTH), signal, 24, 32)
    rounded = np.clip(DEPTH - 2, 0, 1) + np.float32(1e-6)
    assert truth_of(bring(rounded), signal, 24, 32).family == "alpha"


@pytest.mark.parametrize("layout", [lambda x: x, lambda x: x.transpose(1, 2, 0), lambda x: x[None]])
def test_features_in_any_layout(layout):
    features = DRAW.normal(size=(9, 24, 32)).astype(np.float32)
    truth = truth_of(bring(layout(features)), low("features", features[:, ::8, ::8]), 24, 32)
    assert truth.values.numpy() == pytest.approx(features, abs=1e-6)


@pytest.mark.parametrize(
    ("array", "code", "said"),
    [
        (DEPTH[:8], "signal_aspect", "the image's shape"),
        (DEPTH[::2, ::2], "signal_size", "it must be no smaller\\.$"),
        (DEPTH[:, :24], "signal_aspect", "the image's shape"),
        (np.stack([DEPTH, DEPTH]), "signal_shape", "it must have 1 channel"),
    ],
)
def test_what_cannot_be_the_truth_is_refused(array, code, said):
    height, width = (24, 32) if code != "signal_aspect" else (12, 24)
    with pytest.raises(SignalError, match=said) as refusal:
        truth_of(bring(array), low("depth", DEPTH[::8, ::8]), height, width)
    assert refusal.value.code == code


def test_a_truth_that_is_smaller_is_measured_at_a_lower_resolution_where_there_is_one():
    with pytest.raises(SignalError, match=r"no smaller: lower the resolution to 64\.$"):
        truth_of(bring(np.kron(DEPTH, np.ones((2, 2)))), low("depth", DEPTH[::8, ::8]), 96, 128)
    with pytest.raises(SignalError, match="the image's shape"):  # no resolution makes it so
        truth_of(bring(np.kron(DEPTH, np.ones((2, 4)))), low("depth", DEPTH[::8, ::8]), 128, 128)


def test_two_units_are_noticed():
    truth = truth_of(bring(1000 * DEPTH), low("depth", DEPTH[::8, ::8]), 24, 32)
    assert "may not be in one unit" in truth.note


def test_a_depth_reduces_to_its_cell_means():
    depth = DEPTH.copy()
    depth[:4, :4] = np.nan
    signal = downsampled(bring(depth), 6, 8)
    assert signal.kind == "depth"
    means = Grid.from_sizes(24, 32, 6, 8).cell_means(torch.from_numpy(DEPTH)[None])[0]
    assert not signal.mask[0, 0]
    found = torch.from_numpy(signal.real(signal.values.numpy()))[0]
    assert torch.allclose(found[signal.mask].float(), means[signal.mask], atol=1e-5)


def test_labels_reduce_to_shares_with_their_names():
    brought = Brought(LABELS, kind="labels", names={0: "sky", 3: "sea"})
    signal = downsampled(brought, 3, 4)
    assert (signal.kind, signal.shape) == ("soft_labels", (4, 3, 4))
    assert signal.names == ("sky", "class 1", "class 2", "sea")
    assert signal.values.sum(0).numpy() == pytest.approx(1.0)
    assert truth_of(brought, signal, 24, 32).family == "classes"


COLOURS = np.array([[0, 0, 0], [200, 30, 30], [30, 200, 30], [0, 0, 255]], np.uint8)


def picture(numbers: np.ndarray) -> bytes:
    return png_bytes(COLOURS[numbers])


def test_a_truth_of_colours_is_of_classes_as_its_signal_is():
    some = np.where(LABELS == 3, 1, LABELS)
    signal = understand(picture(some[::4, ::4]))
    truth = truth_of(bring(picture(LABELS)), signal, 24, 32)
    assert truth.family == "classes" and bool(truth.known.all())
    assert truth.names == ("#000000", "#1ec81e", "#c81e1e", "#0000ff")
    named = np.array([truth.names[n] for n in truth.values[0].flatten()])
    assert (named == np.array(["#000000", "#c81e1e", "#1ec81e", "#0000ff"])[LABELS.ravel()]).all()


def test_a_truth_of_colours_reduces_to_shares_of_its_classes():
    brought = bring(picture(LABELS))
    signal = downsampled(brought, 6, 8)
    assert (signal.kind, signal.shape, signal.colours) == ("soft_labels", (4, 6, 8), True)
    assert signal.names == ("#000000", "#0000ff", "#1ec81e", "#c81e1e")
    truth = truth_of(brought, signal, 24, 32)
    best = signal.values.argmax(dim=0).repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert bool((truth.values[0] == best).all())


def test_colours_are_features_where_that_is_said():
    brought = bring(picture(LABELS))
    signal = downsampled(brought, 6, 8, kind="features")
    assert (signal.kind, signal.shape) == ("features", (3, 6, 8))
    truth = truth_of(brought, signal, 24, 32)
    np.testing.assert_array_equal(truth.values.numpy(), COLOURS[LABELS].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("signal", "pixels", "said"),
    [
        (picture(LABELS[::4, ::4]), DRAW.integers(0, 256, (24, 32, 3)).astype(np.uint8), "which are no classes"),
        (LABELS[::4, ::4], COLOURS[LABELS], "save the truth as class numbers"),
        (DEPTH[::4, ::4], COLOURS[LABELS], "it must have 1 channel"),
    ],
)
def test_a_picture_that_is_no_truth_is_refused(signal, pixels, said):
    with pytest.raises(SignalError, match=said):
        truth_of(bring(png_bytes(pixels)), understand(signal), 24, 32)


def test_a_photograph_reduces_to_no_classes():
    pixels = DRAW.integers(0, 256, (24, 32, 3)).astype(np.uint8)
    with pytest.raises(SignalError, match="which are no classes"):
        downsampled(bring(png_bytes(pixels)), 6, 8)


def test_fractions_are_no_classes():
    fractions = np.where(np.arange(32) < 3, np.nan, LABELS + np.float32(0.5))
    signal = low("labels", LABELS[::4, ::4])
    with pytest.raises(SignalError, match="The truth holds fractions"):
        truth_of(bring(fractions), signal, 24, 32)
    with pytest.raises(SignalError, match="The truth holds fractions"):
        downsampled(bring(fractions), 6, 8, kind="labels")
    whole = truth_of(bring(np.where(np.isnan(fractions), np.nan, LABELS)), signal, 24, 32)
    assert bool((whole.known.numpy() == ~np.isnan(fractions)).all())


def test_thousands_of_instances_reduce_to_the_share_that_each_has_of_the_known_pixels():
    instances = (1000 + np.arange(24 * 32) % 700).reshape(24, 32).astype(np.uint16)
    known = DRAW.random((24, 32)) > 0.3
    known[:8, :8] = False
    signal = downsampled(Brought(instances, known=known), 3, 4, kind="labels")
    assert signal.codes == tuple(np.unique(instances[known]))
    assert not signal.mask[0, 0] and int(signal.mask.sum()) == 11
    here = known[8:16, 16:24]
    for n, code in enumerate(signal.codes):
        share = (instances[8:16, 16:24] == code)[here].mean()
        assert float(signal.values[n, 1, 2]) == pytest.approx(share, abs=1e-6)


def test_class_numbers_of_64_bits_are_told_apart():
    ids = np.uint64(2**63) + np.array([0, 1, 2**62], np.uint64)
    there = ids[LABELS % 3]
    signal = downsampled(bring(there), 6, 8, kind="labels")
    assert signal.codes == tuple(map(int, ids)) and signal.names[1] == f"class {2**63 + 1}"
    truth = truth_of(bring(there), signal, 24, 32)
    assert bool(truth.known.all()) and bool((truth.values[0].numpy() == LABELS % 3).all())
    kernel = gsjbu.fit(DRAW.random((24, 32)), lr_size=(6, 8), iters=0)
    assert (class_map(signal, kernel, truth.values[0]) == there).all()
    few = truth_of(bring(there), low("labels", there[::4, ::4]), 24, 32)
    assert bool((few.values[0].numpy() == LABELS % 3).all())
    with pytest.raises(SignalError, match="more than 64 bits"):
        downsampled(bring(LABELS * 1e300), 6, 8, kind="labels")


def test_a_mask_that_rounding_took_beyond_1_is_a_truth_of_classes():
    mask = (LABELS > 1).astype(np.float32) * np.float32(1 + 2e-7)
    signal = low("labels", LABELS[::4, ::4] // 2)
    assert set(truth_of(bring(mask), signal, 24, 32).values.unique().tolist()) == {0, 1}
    assert downsampled(bring(mask), 6, 8).kind == "soft_labels"


@pytest.mark.parametrize("palette", [False, True])
def test_depth_is_not_measured_against_class_numbers(palette, tmp_path):
    depth = understand(1 + 9 * np.random.default_rng(0).random((6, 8)).astype("f4"))
    assert depth.kind == "depth"
    numbers = np.random.default_rng(1).integers(0, 19, (6, 8)).repeat(8, axis=0).repeat(8, axis=1)
    picture = Image.fromarray(numbers.astype(np.uint8))
    if palette:
        picture = picture.convert("P")
    picture.save(tmp_path / "truth.png")
    truth = bring(tmp_path / "truth.png")
    with pytest.raises(SignalError, match="map of class numbers"):
        truth_of(truth, depth, 48, 64)
    with pytest.raises(SignalError, match="without a palette" if palette else r"quantity, kind=depth \(--kind depth\)"):
        truth_of(truth, depth, 48, 64)
    said = understand(depth.brought.array, kind="depth")
    if palette:  # leaves no doubt
        with pytest.raises(SignalError, match="map of class numbers"):
            truth_of(truth, said, 48, 64)
    else:
        assert truth_of(truth, said, 48, 64).family == "depth"


NUMBERS = np.random.default_rng(1).integers(0, 19, (6, 8)).repeat(4, axis=0).repeat(4, axis=1).astype(np.uint8)


@pytest.mark.parametrize("kind", ["features", "heat_map", "logits", "probabilities"])
def test_class_numbers_are_no_truth_of_whatever_has_none(kind):
    signal = low(kind, DRAW.random((6, 8)).astype(np.float32))
    with pytest.raises(SignalError, match="map of class numbers") as refused:
        truth_of(bring(NUMBERS), signal, 24, 32)
    assert refused.value.code == "signal_kind"
    assert kind.replace("_", " ") in refused.value.message


def test_a_mask_is_the_truth_of_shares():
    for mask in (NUMBERS > 9, (NUMBERS > 9).astype(np.uint8), 255 * (NUMBERS > 9).astype(np.uint8)):
        for kind in ("heat_map", "logits", "probabilities"):
            signal = low(kind, DRAW.random((6, 8)).astype(np.float32))
            assert truth_of(bring(mask), signal, 24, 32).family == "alpha"


def test_a_quantity_is_no_truth_of_classes():
    millimetres = (1000 + np.add.outer(40 * np.arange(24), 25 * np.arange(32))).astype(np.uint16)
    assert kinds.guess(millimetres[None], np.ones(millimetres.shape, bool)).kind == "depth"
    with pytest.raises(SignalError, match="The truth is a measured quantity"):
        truth_of(bring(millimetres), low("labels", LABELS[::4, ::4]), 24, 32)
    assert truth_of(Brought(millimetres, told="labels"), low("labels", LABELS[::4, ::4]), 24, 32).family == "classes"


@pytest.mark.parametrize("dtype", ["f4", "u2"])
@pytest.mark.parametrize("off", [0, 5])
def test_few_levels_are_a_quantity_where_the_signal_is_their_mean(dtype, off):
    depth = np.array([20, 80, 110, 130], dtype)[np.roll(LABELS, (1, 2), axis=(0, 1))]
    assert kinds.guess(depth[None], np.ones(depth.shape, bool)).kind == "labels"
    means = depth.reshape(6, 4, 8, 4).mean(axis=(1, 3))
    signal = understand((means + off * DRAW.standard_normal(means.shape)).astype("f4"))
    found = truth_of(bring(depth), signal, 24, 32)
    assert found.family == "depth" and (found.values[0].numpy() == depth).all()
