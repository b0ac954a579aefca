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
        ((COLS / 3 + NOISE + math.pi) % (2 * math.pi) - math.pi, "-3.142 and 3.142"),  # a phase, five times round
    ],
)
def test_angles_are_told(values, ends):
    assert f"jump between {ends}" in doubt(values, FIRST)
    assert any("atan2" in said for said in understand(values, kind="depth").doubts)


def terrain(cells):
    """A drawn one, [cells, cells]."""
    waves = np.random.default_rng(cells).uniform(-8, 8, (9, 3))
    y, x = np.mgrid[:cells, :cells] / cells
    return sum(np.sin(a * x + b * y + c) for a, b, c in waves)


@pytest.mark.parametrize("cells", [(12, 16), (32, 32), (64, 64), (128, 128)])
def test_aspects_are_told_at_any_size(cells):
    y, x = np.mgrid[: cells[0], : cells[1]]
    hill = np.rad2deg(np.arctan2(y - cells[0] / 2, x - cells[1] / 2)) % 360
    assert "0 and 360" in doubt(hill, np.ones(cells, bool))
    aspects = np.arctan2(*np.gradient(terrain(2 * cells[0])[::2, ::2]))
    assert "-3.142 and 3.142" in doubt(aspects, np.ones(aspects.shape, bool))


@pytest.mark.parametrize("top", [360, 3.14])
@pytest.mark.parametrize("cells", [16, 64, 128])
def test_sharp_objects_whose_values_reach_both_ends_are_no_angles(cells, top):
    y, x = np.mgrid[:cells, :cells] / cells
    drawn = np.random.default_rng(cells)
    depth = np.where(y > 0.4, ((1 - y) / 0.6) ** 2, 0.99)  # a floor, before a wall
    for height in (0, 0.02, 0.3, 0.9):
        row, col, tall, wide = drawn.uniform(0.1, 0.5, 4)
        depth = np.where(
            (abs(y - row) < tall / 2) & (abs(x - 2 * col) < wide / 2), height + 0.1 * (y - row) ** 2, depth
        )
    assert doubt(top * depth, np.ones(depth.shape, bool)) == ""
    low = terrain(cells)
    assert doubt(top * (low - low.min()) / np.ptp(low), np.ones(low.shape, bool)) == ""


@pytest.mark.parametrize(
    "values",
    [
        360 * COLS / 31,  # a ramp
        np.where(COLS < 16, 2.0, 357.0) + 20 * NOISE.clip(-0.1, 0.1),  # near and far
        np.where((ROWS // 6 + COLS // 8) % 2, 360 * ROWS / 23, 180 - 7.8 * (ROWS - 11.5)),  # edges of all heights
        np.random.default_rng(1).uniform(0, 360, (24, 32)),
        np.rad2deg(AROUND) % 360 + 5,  # beyond a turn
    ],
)
def test_other_values_are_not(values):
    assert doubt(values, FIRST) == ""


@pytest.mark.parametrize(
    "phase", [0.3 * COLS + 0.2 * ROWS, (COLS - 12) ** 2 / 20 + (ROWS - 8) ** 2 / 20, 0.9 * COLS - 0.4 * ROWS + NOISE]
)
def test_fringes_are_angles_and_no_logits(phase):
    """They keep away from 0 as a mask's logits do, and came back as its sigmoid."""
    wrapped = np.angle(np.exp(1j * phase))
    signal = understand(wrapped.astype("f4"))
    assert (signal.kind, signal.runner_up) == ("depth", "logits")
    assert any("atan2" in said for said in signal.doubts)
    assert understand(wrapped, kind="logits").kind == "logits"
