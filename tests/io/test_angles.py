"""Angles are told where they jump between both ends of a turn, and nothing else is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gsjbu.io.angles import doubt
from gsjbu.io.signals import understand

ROWS, COLS = np.mgrid[:24, :32]
NOISE = np.random.default_rng(0).normal(0, 0.1, (24, 32))
AROUND = np.arctan2(ROWS - 11.5, COLS - 15.5)  # all directions, once round
FIRST = np.ones((24, 32), bool)


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        (np.rad2deg(AROUND + NOISE) % 360, "0 and 360"),
        (np.rint(np.rad2deg(AROUND + NOISE) % 360 / 2) % 180, "0 and 180"),  # hue of OpenCV
        (
            (COLS / 3 + NOISE + math.pi) % (2 * math.pi) - math.pi,
            "-3.142 and 3.142",
        ),  # a phase, five times round
    ],
)
def test_angles_are_told(values, ends):
    assert f"jump between {ends}" in doubt(values, FIRST)
    assert any("atan2" in said for said in understand(values, kind="depth").doubts)


@pytest.mark.parametrize(
    "values",
    [
        360 * COLS / 31,  # a ramp
        np.where(COLS < 16, 2.0, 357.0) + 20 * NOISE.clip(-0.1, 0.1),  # near and far
        np.where(
            (ROWS // 6 + COLS // 8) % 2, 360 * ROWS / 23, 180 - 7.8 * (ROWS - 11.5)
        ),  # edges of all heights
        np.random.default_rng(1).uniform(0, 360, (24, 32)),
        np.rad2deg(AROUND) % 360 + 5,  # beyond a turn
    ],
)
def test_other_values_are_not(values):
    assert doubt(values, FIRST) == ""
