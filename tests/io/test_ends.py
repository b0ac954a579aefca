"""How fractions lie about 0 and 1: of shares, heat maps, and depth with holes that was divided by its largest value."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.io import ends
from gsjbu.io.signals import understand
from gsjbu.samples import SAMPLES

ROWS, COLS = np.mgrid[:24, :32]
EVERYWHERE = np.ones((24, 32), bool)
RELIEF = 0.5 + 0.01 * ROWS + 0.005 * COLS + 0.2 * (np.hypot(ROWS - 12, COLS - 20) < 7)  # 0.5 to 1.08
HOLES = (np.hypot(ROWS - 5, COLS - 6) < 3) | (COLS > 29)


def test_what_is_beside_a_0_but_for_speckles():
    plane = np.where(HOLES, 0, RELIEF)
    speckled = plane.copy()
    speckled[0, 29] = 0.01  # one of those beside it
    assert ends.nearest_to_zero(speckled, EVERYWHERE) == pytest.approx(ends.nearest_to_zero(plane, EVERYWHERE), 0.1)
    assert 0.7 < ends.off_zero(plane, EVERYWHERE) < 1.3
    for without in (RELIEF, 0 * RELIEF):
        assert ends.nearest_to_zero(without, EVERYWHERE) == ends.off_zero(without, EVERYWHERE) == 0
    assert ends.off_zero(plane, ~HOLES) == 0  # no 0 is known


def test_cells_that_touch_an_end_at_a_corner_are_not_inside():
    plane = np.full((5, 5), 0.5)
    assert ends.inside(plane, plane > 0) == 1
    plane[2, 2] = 1
    assert ends.inside(plane, plane > 0) == 16 / 24
    assert ends.inside(255 * plane, plane > 0, 255) == 16 / 24
    assert ends.inside(plane.round(), plane > 0) == 0  # all are 0 or 1


def cell_means(plane: np.ndarray, side: int) -> np.ndarray:
    height, width = (n // side * side for n in plane.shape)
    return plane[:height, :width].reshape(height // side, side, width // side, side).mean(axis=(1, 3))


def depth(name: str) -> np.ndarray:
    """A built-in scene's, sampled: [64, 64], float64."""
    return SAMPLES[name].depth.numpy().squeeze().astype(np.float64)[4::8, 4::8]


def holed(plane: np.ndarray) -> np.ndarray:
    away = np.hypot(*(np.indices(plane.shape) - np.array([20, 30])[:, None, None]))
    return np.where((away < 9) | (np.arange(plane.shape[1]) < 3), 0, plane)


DEPTHS = {
    "holes of 0": lambda plane: holed(plane / plane.max()),
    "metres below 1 with holes": lambda plane: holed(0.33 + 0.39 * (plane - plane.min()) / np.ptp(plane)),
    "a far plane": lambda plane: np.minimum(plane / np.quantile(plane, 0.55), 1),
    "disparity without a sky": lambda plane: np.where(plane > np.quantile(plane, 0.6), 0, plane.min() / plane),
}


@pytest.mark.parametrize("scene", ["paper", "spheres", "still_life"])
@pytest.mark.parametrize("what", DEPTHS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_depth_in_the_unit_range_is_depth_with_its_holes_or_asked_for(scene, what, dtype):
    plane = DEPTHS[what](depth(scene)).astype(dtype)
    found = understand(plane)
    assert found.kind == "depth" and found.runner_up in ("heat_map", "soft_labels"), found.note
    assert (found.mask.numpy() == (plane > 0)).all(), found.note
    assert any("may be" in doubt for doubt in found.doubts)


def test_levels_of_disparity_without_a_sky_and_near_things_at_the_top_are_no_matte():
    plane = np.where(ROWS < 14, 0, np.clip(100 + 12.0 * (ROWS - 14) + COLS, 0, 255)).astype(np.uint8)
    plane[20:, :] = 255
    found = understand(plane)
    assert (found.kind, found.runner_up) == ("depth", "soft_labels")
    assert (found.mask.numpy() == (plane > 0)).all()


def key_points(rng: np.random.Generator, cut: float) -> np.ndarray:
    """Bumps of width 1 to 3 that are highest at cells' centres; ``cut``: 0 below."""
    at = rng.integers((0, 0), (24, 32), (rng.integers(2, 6), 2))
    away = np.hypot(ROWS - at[:, :1, None], COLS - at[:, 1:, None])
    bumps = np.exp(-((away / rng.uniform(1, 3)) ** 2) / 2).max(axis=0)
    return np.where(bumps < cut, 0, bumps)


def activation(rng: np.random.Generator) -> np.ndarray:
    """Of smooth waves what is above 0, over its largest, as class activation maps are."""
    waves = [np.sin(ROWS * a + COLS * b + c) for a, b, c in rng.uniform(0.1, 0.6, (4, 3))]
    waves = np.sum(waves, axis=0)
    return np.maximum(waves, 0) / waves.max()


def matte(rng: np.random.Generator, soft: float, side: int) -> np.ndarray:
    rows, cols = np.mgrid[: 24 * side, : 32 * side] / side
    away = np.hypot(rows - rng.uniform(6, 18), cols - rng.uniform(8, 24))
    return cell_means(np.clip((rng.uniform(4, 9) - away) / soft + 0.5, 0, 1), side)


#: Each with its kind.
DRAWN = {
    **{f"key points {i}": (lambda i=i: key_points(np.random.default_rng(i), 0), "heat_map") for i in range(5)},
    **{
        f"key points cut off {i}": (lambda i=i: key_points(np.random.default_rng(i), 0.01), "heat_map")
        for i in range(5)
    },
    **{f"activation {i}": (lambda i=i: activation(np.random.default_rng(i)), "heat_map") for i in range(6)},
    **{f"matte {i}": (lambda i=i: matte(np.random.default_rng(i), i / 2 + 0.1, 8), "soft_labels") for i in range(8)},
    **{
        f"shares of {side}² pixels": (lambda side=side: matte(np.random.default_rng(side), 1e-3, side), "soft_labels")
        for side in (2, 3, 4, 8, 16)
    },
    **{
        f"shares of {name}": (lambda name=name: cell_means(SAMPLES[name].labels.numpy() == 1, 8), "soft_labels")
        for name in ("paper", "spheres", "wires", "still_life")
    },
}


@pytest.mark.parametrize("name", DRAWN)
def test_heat_maps_and_shares_are_no_depth(name):
    draw, kind = DRAWN[name]
    plane = draw()
    for turned in (plane, plane.T[::-1]):
        found = understand(turned.astype(np.float32))
        assert found.kind == kind and bool(found.mask.all()), found.note
        assert found.runner_up is None or kind == "heat_map"


def test_a_heat_map_that_was_cut_off_at_a_tenth_is_asked_for():
    found = understand(key_points(np.random.default_rng(3), 0.1).astype(np.float32))
    assert (found.kind, found.runner_up) == ("heat_map", "depth")
