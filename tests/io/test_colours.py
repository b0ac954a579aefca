"""Colour maps: their ends, their order, the circle, and class colours that can be told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gsjbu.io import colours


def luminance(rgb: np.ndarray) -> np.ndarray:
    linear = (np.asarray(rgb, float) / 255) ** 2.2
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("name", ["viridis", "inferno"])
def test_value_maps_grow_steadily_lighter(name):
    light = luminance(colours.table(name))
    assert (np.diff(light) > -1e-3).all() and light[-1] > light[0] + 0.5


def test_ends_and_clipping():
    out = colours.paint(np.array([[-5.0, 0.0, 10.0, 99.0]]), 0, 10)
    np.testing.assert_array_equal(out[0, 0], out[0, 1])
    np.testing.assert_array_equal(out[0, 2], out[0, 3])
    assert colours.hexadecimal(out[0, 0]) == "#440154" and colours.hexadecimal(out[0, 2]) == "#fde725"


def test_a_flat_panel_and_gaps():
    out = colours.paint(np.array([[3.0, np.nan]]), 3, 3)
    assert tuple(out[0, 1]) == colours.NOTHING and tuple(out[0, 0]) != colours.NOTHING


def test_angles_go_round_with_period_pi():
    theta = np.linspace(-math.pi, math.pi, 50)[None]
    one, other = colours.hue(theta), colours.hue(theta + math.pi)
    assert np.abs(one.astype(int) - other).max() <= 3
    ends = colours.hue(np.array([[0.0, math.pi - 1e-6, math.pi / 2]]))[0].astype(int)
    assert np.abs(ends[0] - ends[1]).max() <= 3
    assert np.abs(ends[0] - ends[2]).max() > 100


def test_bar_carries_the_gradient():
    bar = colours.ColourBar(1, 64, "px", "viridis").as_dict()
    assert bar["low"] == 1 and bar["high"] == 64 and bar["unit"] == "px"
    assert bar["stops"][0] == "#440154" and bar["stops"][-1] == "#fde725"


@pytest.mark.parametrize("count", [1, 8, 21, 150, 1000, 2791, 4096, 65536])
def test_class_colours_differ(count):
    found = colours.palette(count)
    assert found.shape == (count, 3) and found.dtype == np.uint8
    assert len({tuple(c) for c in found.tolist()}) == count


def test_more_classes_leave_the_colours_of_the_first_as_they_are():
    most = colours.palette(65536)
    for count in (1, 12, 2700, 2701, 4096):
        np.testing.assert_array_equal(colours.palette(count), most[:count])
    assert [colours.hexadecimal(c) for c in most[:3]] == ["#59a5eb", "#a85d6e", "#a6ffab"]
    assert colours.NOTHING not in {tuple(c) for c in most.tolist()}


def test_the_first_class_colours_are_easy_to_tell_apart():
    p = colours.palette(12).astype(int)
    gaps = np.abs(p[:, None] - p[None]).sum(-1) + 1000 * np.eye(12, dtype=int)
    assert gaps.min() > 60
