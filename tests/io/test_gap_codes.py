"""Cells without a value: what stands for them, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.errors import SignalError
from gsjbu.io import gaps

RNG = np.random.default_rng(0)
DEPTH = 0.8 + 3 * RNG.random((1, 10, 14))
HOLE = np.zeros((10, 14), bool)
HOLE[3:6, 4:8] = True


def with_hole(value: float, dtype: str = "f4", scale: float = 1.0) -> np.ndarray:
    return np.where(HOLE, value, DEPTH * scale).astype(dtype)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0, -1, -9999, -32768, 1e10, 65504, 1e20])
def test_codes_for_no_value_in_float_depth(value):
    found = gaps.find(with_hole(value), "depth")
    np.testing.assert_array_equal(found.known, ~HOLE)
    assert "12 of 140 cells are" in found.sentence


@pytest.mark.parametrize(("value", "dtype"), [(0, "u2"), (65535, "u2"), (0, "i4"), (0, "u1"), (-1, "i2")])
def test_codes_for_no_value_in_whole_depth(value, dtype):
    found = gaps.find(with_hole(value, dtype, 50 if dtype == "u1" else 1000), "depth")
    np.testing.assert_array_equal(found.known, ~HOLE)
    assert found.codes == (value,) and found.guessed == (value == -1)


@pytest.mark.parametrize("value", [0.7, 4.0, 5.0])
def test_what_is_near_the_others_is_a_value(value):
    assert gaps.find(with_hole(value), "depth").known.all()


def test_nought_is_a_value_where_others_come_down_to_it():
    ramp = np.arange(140, dtype=np.uint8).reshape(1, 10, 14)
    ramp[0, 0, :3] = 0
    assert gaps.find(ramp, "depth").known.all()


def test_a_single_far_value_is_no_code():
    spike = DEPTH.copy()
    spike[0, 5, 5] = 300.0
    assert gaps.find(spike, "depth").known.all()


def test_255_is_ignored_in_labels_unless_it_is_a_level():
    labels = np.array([0, 3, 15])[RNG.integers(0, 3, (1, 10, 14))].astype(np.uint8)
    ignored = np.where(HOLE, 255, labels)
    assert gaps.find(ignored, "labels").codes == (255,)
    assert gaps.find(np.where(HOLE, 255, 0)[None].astype(np.uint8), "labels").known.all()
    assert gaps.find(np.where(HOLE, 255, labels // 15 * 127)[None][0], "labels").known.all()


CLASSES = np.array([0, 2, 13, 5])[np.arange(140).reshape(1, 10, 14) // 35]


@pytest.mark.parametrize("dtype", ["i1", "i2", "<i4", ">i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("code", [-1, -100])
def test_what_losses_ignore_is_no_class(code, dtype):
    found = gaps.find(np.where(HOLE, code, CLASSES).astype(dtype), "labels")
    np.testing.assert_array_equal(found.known, ~HOLE)
    assert found.codes == (code,) and found.guessed and f"12 of 140 cells are {code}" in found.sentence


@pytest.mark.parametrize("dtype", ["u2", "u4", "u8"])
def test_a_minus_1_that_unsigned_integers_hold_is_no_class(dtype):
    classes = np.where(HOLE, np.iinfo(dtype).max, CLASSES.astype(dtype))
    np.testing.assert_array_equal(gaps.find(classes, "labels").known, ~HOLE)
    assert gaps.find(np.where(HOLE, np.iinfo(dtype).max, np.zeros(1, dtype))[None], "labels").known.all()


def test_several_of_them_are_no_classes_and_255_beside_them_neither():
    several = np.where(HOLE, -1, CLASSES)
    several[0, 9, 9:], several[0, 0, :3] = -100, 255
    found = gaps.find(several, "labels")
    assert set(found.codes) == {-1, -100, 255} and int(found.known.sum()) == 140 - 12 - 5 - 3


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        (np.where(CLASSES == 0, -1, CLASSES)[:, :, ::-1], ""),
        (np.where(CLASSES < 5, -1, CLASSES), "-1 is taken for a class"),  # the ground of instances
        (np.where(HOLE, -1, 0)[None], "-1 is taken for a class"),
        (np.where(HOLE, -1, 1)[None], "-1 is taken for a class"),
        (CLASSES - 5, ""),  # not alone: numbers of any sign
    ],
)
def test_a_ground_of_minus_1_is_a_class_and_asked_for(values, doubt):
    found = gaps.find(values.astype(np.int64), "labels")
    assert found.doubt.startswith(doubt) and (found.known.all() or not doubt)


def test_ids_far_from_others_are_no_code():
    ids = np.array([7001, 11000, 26012])[np.arange(140).reshape(1, 10, 14) // 47]
    assert gaps.find(ids, "depth").known.all()
    assert not gaps.find(np.where(HOLE, 32767, DEPTH * 1000).astype("i4"), "depth").known.all()


def test_what_a_person_says_counts():
    array = with_hole(0, "u2", 1000)
    assert gaps.find(array, "depth", gaps.NONE).known.all()
    assert gaps.find(array, "depth", (float(array.max()),)).known.sum() == 139
    np.testing.assert_array_equal(gaps.find(array, "depth", gaps.parse("65535, 0")).known, ~HOLE)


def test_a_mask_that_came_along_counts():
    np.testing.assert_array_equal(gaps.find(DEPTH, "depth", "auto", ~HOLE).known, ~HOLE)


@pytest.mark.parametrize(
    ("said", "parsed"),
    [("auto", "auto"), (None, "none"), ("None", "none"), (0, (0.0,)), ("0,65535", (0.0, 65535.0)), ([1, 2], (1, 2))],
)
def test_words_for_gaps(said, parsed):
    assert gaps.parse(said) == parsed


@pytest.mark.parametrize("said", ["zero", "", [], {}, object()])
def test_other_words_are_refused(said):
    with pytest.raises(SignalError, match="auto, none, a number"):
        gaps.parse(said)


def test_filling_takes_the_nearest():
    known = np.array([[True, False, False, True]])
    np.testing.assert_array_equal(gaps.fill(np.array([[[1.0, 9, 9, 2]]]), known), [[[1, 1, 2, 2]]])
    with pytest.raises(SignalError, match="no value at all"):
        gaps.fill(DEPTH, np.zeros((10, 14), bool))


@pytest.mark.parametrize("dtype", ["f4", "u2"])
def test_a_number_that_many_cells_have_may_be_a_value(dtype):
    """The ground of heights above ground."""
    heights = np.where(RNG.random((1, 10, 14)) < 0.4, DEPTH * 1000, 0).astype(dtype)
    found = gaps.find(heights, "depth")
    assert found.codes == (0,) and found.guessed
    assert not gaps.find(with_hole(0, dtype, 1000), "depth").guessed


def test_a_code_of_minus_1_is_told_beside_a_0_that_was_rounded():
    depth = with_hole(-1)
    depth[:, 0, 0] = -1e-8
    assert gaps.find(depth, "depth").codes == (-1.0,)


@pytest.mark.parametrize(
    ("code", "least", "span", "dtype"),
    [(-16, 100, 900, "i2"), (-99, 502, 2600, "f4"), (-999, 502, 2600, "f8"), (-1, 0, 900, "i2")],
)
def test_a_lone_negative_number_that_repeats_is_a_code(code, least, span, dtype):
    values = np.where(HOLE, code, least + span * RNG.random((1, 10, 14))).astype(dtype)
    found = gaps.find(values, "depth")
    assert found.codes == (code,) and found.guessed
    np.testing.assert_array_equal(found.known, ~HOLE)


@pytest.mark.parametrize(
    "values",
    [
        np.where(HOLE, -2, RNG.integers(0, 30, (1, 10, 14))),  # degrees
        np.where(HOLE, -28.4, 500 * RNG.random((1, 10, 14))),  # no code is a fraction
        np.where(HOLE, -16, RNG.integers(-40, 900, (1, 10, 14))),  # not alone
    ],
)
def test_negative_values_beside_others_are_values(values):
    assert gaps.find(values, "depth").known.all()


def test_one_class_and_255_are_two_levels_and_asked_for():
    two = np.where(HOLE, 255, 1)[None].astype(np.uint8)
    for level, asked in [(1, True), (128, True), (254, False)]:
        found = gaps.find(np.where(two == 1, level, two).astype(np.uint8), "labels")
        assert found.known.all() and ("255 is taken for a class" in found.doubt) == asked
    assert not gaps.find(np.where(HOLE, 255, 0)[None], "labels").doubt
    third = two.copy()
    third[0, 0] = 2
    np.testing.assert_array_equal(gaps.find(third, "labels").known, ~HOLE)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4"])
@pytest.mark.parametrize("code", [-9999, -32768])
def test_a_known_code_in_all_channels_is_a_gap_and_asked_for(code, dtype):
    planes = np.concatenate([with_hole(code, dtype, 100), with_hole(code, dtype, 3000)])
    found = gaps.find(planes, "features")
    np.testing.assert_array_equal(found.known, ~HOLE)
    assert found.codes == (code,) and found.guessed and not found.doubt
    assert gaps.find(planes, "features", gaps.NONE).known.all()
    assert gaps.find(np.full((2, 6, 8), code, dtype), "features").known.all()  # there is nothing else


def test_a_known_code_in_some_channels_alone_is_told():
    planes = np.concatenate([with_hole(-9999), DEPTH.astype("f4"), with_hole(-9999)])
    found = gaps.find(planes, "features")
    assert found.known.all() and "of 12 of 140 cells" in found.doubt
    assert not gaps.find(planes, "logits").doubt  # rules classes out
    planes[:, 9] = -9999
    found = gaps.find(planes, "features")
    assert not found.known[9].any() and found.known[:9].all() and "of 12 of 140 cells" in found.doubt
    far = DEPTH.astype("f4") * 5000 - 15000
    far[0, 3, 3] = -9999
    assert not gaps.find(np.concatenate([far, far]), "features").codes  # within the others


def test_nought_among_few_levels_as_far_apart_is_asked_for():
    """Cells at borders are mixed: from 0 on, as between the others."""
    levels = np.array([0, 20, 40, 60, 80, 100, 200])[np.arange(14) // 2][None, None].repeat(10, 1)
    found = gaps.find(levels.astype("f4"), "depth")
    assert found.codes == (0,) and found.guessed
    low = gaps.find(np.where(levels == 200, 255, levels).astype(np.uint8), "depth")
    assert low.known.all() and low.doubt.startswith("0 is taken for a value")


def test_the_least_of_levels_that_were_stretched_is_a_value():
    rising = np.linspace(14, 255, 140).astype(np.uint8).reshape(1, 10, 14)
    rising[0, 0, 0] = 0
    assert gaps.find(rising, "depth").known.all() and not gaps.find(rising, "depth").doubt
    rising[0, 0, :3] = 0
    assert gaps.find(rising, "depth").doubt


@pytest.mark.parametrize("dtype", ["f4", "u2", "u1"])
def test_holes_of_depth_stay_gaps_without_a_doubt(dtype):
    """Levels that were divided by the largest reach 255, too."""
    depth = np.rint(with_hole(0, "f8") * 255 / DEPTH[0][~HOLE].max()).astype(dtype)
    found = gaps.find(depth, "depth")
    np.testing.assert_array_equal(found.known, ~HOLE)
    assert not found.guessed and not found.doubt


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4"])
@pytest.mark.parametrize("code", [1666666752.0, 2e9, 1e9, 1e6, -1e6])
def test_a_number_far_from_all_others_in_all_channels_is_a_gap_and_asked_for(code, dtype):
    """Motion that is unknown, in the numbers of several data sets."""
    code = np.dtype(dtype).type(np.copysign(6e4, code) if dtype == "f2" else code)
    planes = np.concatenate([with_hole(code, dtype, 20), with_hole(code, dtype, -8)])
    found = gaps.find(planes, "features")
    np.testing.assert_array_equal(found.known, ~HOLE)
    assert found.codes == (float(code),) and found.guessed
    planes[0, 9, 9] = code  # a value of one channel
    assert gaps.find(planes, "features").known.all()


@pytest.mark.parametrize("flag", [0, -1])
@pytest.mark.parametrize("dtype", ["u2", "i4", "f4"])
def test_a_channel_of_0_and_1_says_where_nothing_is(dtype, flag):
    """KITTI's motion, as its files and as OpenCV have it."""
    motion = np.concatenate([np.where(HOLE, 0, DEPTH * 64 * n + 32768) for n in (1, -3)])
    planes = np.insert(motion, 0 if flag == 0 else 2, ~HOLE, axis=0).round().astype(dtype)
    found = gaps.find(planes, "features")
    np.testing.assert_array_equal(found.known, ~HOLE)
    assert found.codes == (0,) and found.guessed
    planes[-1 if flag == 0 else 0, 9, 9] = 0  # a quantity that is 0 elsewhere, too
    assert gaps.find(planes, "features").known.all()


def test_nothing_among_directions_is_a_gap():
    around = 6 * RNG.random((10, 14))
    normals = np.stack([np.sin(around) * 0.6, np.cos(around) * 0.6, np.full((10, 14), 0.8)])
    np.testing.assert_array_equal(gaps.find(np.where(HOLE, 0, normals), "features").known, ~HOLE)
    assert gaps.find(np.where(HOLE, 0, 2 * normals), "features").known.all()
    one_hot = (np.arange(3)[:, None, None] == np.arange(14) // 5).repeat(10, 1) & ~HOLE
    assert gaps.find(one_hot.astype("f4"), "features").known.all()


@pytest.mark.parametrize("shape", [(3, 10, 14), (64, 10, 14)])
def test_features_that_are_0_in_whole_cells_keep_them(shape):
    planes = np.maximum(RNG.normal(0, 1, shape), 0)
    planes[:, HOLE] = 0
    assert gaps.find(planes, "features").known.all()


@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_nought_among_negative_disparities_is_a_gap_and_asked_for(dtype):
    found = gaps.find(np.where(HOLE, 0, -DEPTH * 100).astype(dtype), "depth")
    np.testing.assert_array_equal(found.known, ~HOLE)
    assert found.codes == (0,) and found.guessed
    shore = -np.arange(140.0).reshape(1, 10, 14).clip(20) + 20
    assert gaps.find(shore, "depth").known.all()
    assert gaps.find(np.zeros((1, 10, 14), dtype), "depth").known.all()
