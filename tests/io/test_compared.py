"""What is compared is what its figure is for, array or tensor, in a type that holds it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.errors import ImageError, ShapeError, SignalError
from gsjbu.io.compared import class_numbers, numbers, two_class_maps, two_maps, two_pictures
from gsjbu.metrics import miou, rmse

RAMP = np.linspace(0, 1, 60, dtype=np.float32).reshape(3, 4, 5)


@pytest.mark.parametrize(
    ("one", "other", "dtype"),
    [
        (np.float32, np.float32, np.float32), (np.float16, np.uint16, np.float32), (np.uint8, bool, np.float32),
        (np.float64, np.float32, np.float64), (np.float32, np.int32, np.float64), (np.int64, np.uint8, np.float64),
    ],
)  # fmt: skip
def test_maps_have_one_type_that_holds_both(one, other, dtype):
    a, b = two_maps(RAMP.astype(one), torch.from_numpy(RAMP.astype(other)))
    assert a.dtype == b.dtype == dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_are_fractions_of_their_largest(dtype):
    levels = (RAMP * np.iinfo(dtype).max).round().astype(dtype)
    a, b = two_pictures(levels, torch.from_numpy(RAMP))
    np.testing.assert_allclose(a, b, atol=0.6 / np.iinfo(dtype).max)


def test_what_swings_over_an_edge_is_a_picture_and_levels_as_floats_are_none():
    two_pictures(1.6 * RAMP - 0.3, RAMP)
    two_pictures(np.where(RAMP > 0.5, np.nan, RAMP), RAMP)
    for pair in ((255 * RAMP, RAMP), (RAMP, 255 * RAMP), (RAMP - 3, RAMP)):
        with pytest.raises(ImageError, match="divide it by the number that stands for white"):
            two_pictures(*pair)
    with pytest.raises(ImageError, match="int64; it must be floats"):
        two_pictures(RAMP.astype(np.int64), RAMP)


@pytest.mark.parametrize(
    ("what", "said"),
    [(torch.rand(3, 4, 5).to_sparse(), "is sparse"), (RAMP.astype(complex), "complex"), ([["a"]], "real numbers")],
)
def test_what_holds_no_numbers_is_refused(what, said):
    with pytest.raises(ImageError, match=said):
        numbers(what, "The picture")


def test_bfloat16_gradients_and_the_negative_bit_are_no_hindrance():
    tensor = torch.rand(3, 4, 5)
    np.testing.assert_array_equal(numbers(tensor.clone().requires_grad_(), "x"), tensor.numpy())
    assert numbers(tensor.bfloat16(), "x").dtype == np.float32
    assert numbers(torch.complex(tensor, tensor).conj().imag, "x").max() <= 0


def test_classes_are_whole_numbers_and_nan_is_none():
    np.testing.assert_array_equal(class_numbers(torch.tensor([[1.0, float("nan")]]).requires_grad_()), [[1, -1]])
    for wrong in ([[1.9]], [[np.inf]], [[2.0**63]], np.array([[2**64 - 1]], np.uint64)):
        with pytest.raises(SignalError, match=r"fractions|beyond 64 bits"):
            class_numbers(wrong)
    with pytest.raises(ShapeError, match=r"not \[1, 2\] and \[1, 1\]"):
        two_class_maps([[1, 2]], [[1]])


def test_shapes_that_differ_are_refused():
    with pytest.raises(ShapeError, match=r"not \[3, 4, 5\] and \[4, 5\]"):
        two_maps(RAMP, RAMP[0])


def test_what_a_masked_array_hides_is_not_compared():
    hidden = np.zeros((3, 4, 5), bool)
    hidden[:, 0] = True
    spoilt = np.ma.masked_array(np.where(hidden, -9999, RAMP).astype(np.float32), hidden)
    assert rmse(spoilt, RAMP) == rmse(RAMP, spoilt) == 0
    assert rmse(np.ma.masked_array(np.where(hidden, -9999, 7), hidden), np.full((3, 4, 5), 7)) == 0
    assert rmse(np.where(hidden, 9, RAMP), RAMP, mask=np.ma.masked_array(np.ones((4, 5)), hidden[0])) == 0
    levels = np.ma.masked_array(np.where(hidden, 255, 51).astype(np.uint8), hidden)
    (a, _) = two_pictures(levels, RAMP)
    assert np.isnan(a[:, 0]).all() and (a[:, 1:] == np.float32(0.2)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_what_a_masked_array_hides_is_of_no_class(dtype):
    classes = np.ma.masked_array(np.array([[1, 2], [7, 1]], dtype), [[False, False], [True, False]])
    np.testing.assert_array_equal(class_numbers(classes), [[1, 2], [-1, 1]])
    assert miou(np.array([[1, 2], [2, 1]]), classes) == 1
