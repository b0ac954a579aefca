"""Numbers and colours that stand for classes."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.errors import SignalError
from gsjbu.io import class_codes
from gsjbu.io.brought import Brought

Y, X = np.mgrid[:24, :36]
PALETTE = np.random.default_rng(0).integers(0, 256, (7, 3), dtype=np.uint8)
COLOURS = PALETTE[(Y // 8 + X // 12) % 6].transpose(2, 0, 1)  # [3, h, w]


def test_a_colour_is_its_hexadecimal_number():
    numbers = class_codes.colour_numbers(COLOURS)[0]
    red, green, blue = (int(v) for v in COLOURS[:, 5, 7])
    assert numbers[5, 7] == int(f"{red:02x}{green:02x}{blue:02x}", 16)
    assert class_codes.number_name(int(numbers[5, 7]), True) == f"#{red:02x}{green:02x}{blue:02x}"
    assert class_codes.number_name(3, False) == "class 3"
    assert class_codes.lie_in_patches(COLOURS) and class_codes.may_be_colours(COLOURS)


def test_smoothed_colours_and_photographs_are_no_classes():
    y, x = np.mgrid[:800, :960]
    discs = PALETTE[(np.hypot(y % 400 - 200, x % 320 - 160) < 140) * (1 + y // 400 + 2 * (x // 320))]
    smoothed = discs.reshape(100, 8, 120, 8, 3).mean((1, 3)).astype(np.uint8).transpose(2, 0, 1)
    with pytest.raises(SignalError, match="soft edges"):
        class_codes.colour_numbers(smoothed)
    with pytest.raises(SignalError, match="no classes") as refused:
        class_codes.colour_numbers(np.random.default_rng(1).integers(0, 256, (3, 40, 40), dtype=np.uint8))
    assert [(one.word, one.value) for one in refused.value.remedies] == [("kind", "features")]


def test_codes_are_those_of_known_cells_in_rising_order():
    plane = np.array([[7.0, 3.0], [np.nan, 3.0]])
    assert class_codes.codes_in(plane, np.isfinite(plane)).tolist() == [3, 7]
    with pytest.raises(SignalError, match="whole numbers"):
        class_codes.codes_in(plane + 0.5, np.isfinite(plane))
    with pytest.raises(SignalError, match="65600 different numbers"):
        class_codes.codes_in(np.arange(65600.0).reshape(100, 656), np.ones((100, 656), bool))


def test_transparent_colours_are_no_class():
    alpha = np.full(Y.shape, 255, np.uint8)
    alpha[:4] = 0
    brought, planes = class_codes.as_colours(Brought(np.zeros(1)), np.concatenate([COLOURS, alpha[None]]))
    assert brought.colours and np.array_equal(planes, COLOURS)
    assert brought.known is not None and np.array_equal(brought.known, alpha > 0)
