"""Line smoothing: against dense linear systems, and by what must hold of any weighted mean."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.core.refinement import lines
from gsjbu.core.refinement.portable import edges
from tests.core.refinement.cases import THREADS, draw

SIZES = ((1, 1), (1, 9), (7, 1), (5, 16), (33, 17), (16, 50))


def dense(values: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """One line [C, n] smoothed by its system, joined [n − 1], in float64."""
    n = values.shape[1]
    system = np.eye(n)
    for i, w in enumerate(joined):
        system[[i, i + 1], [i, i + 1]] += w
        system[[i, i + 1], [i + 1, i]] -= w
    return np.linalg.solve(system, values.T).T


def slow(values: np.ndarray, likeness: tuple[np.ndarray, np.ndarray], strength: float, turns: int) -> np.ndarray:
    def rows(x: np.ndarray, now: float) -> np.ndarray:
        return np.stack([dense(x[:, y], now * likeness[0][y]) for y in range(x.shape[1])], axis=1)

    def cols(x: np.ndarray, now: float) -> np.ndarray:
        return np.stack([dense(x[:, :, i], now * likeness[1][:, i]) for i in range(x.shape[2])], axis=2)

    both = []
    for first, second in ((rows, cols), (cols, rows)):
        x = values.astype(np.float64)
        for turn in range(turns):
            now = 1.5 * strength * 4.0 ** (turns - 1 - turn) / (4.0**turns - 1)
            x = second(first(x, now), now)
        both.append(x)
    return (both[0] + both[1]) / 2


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("strength", "turns"), [(0.5, 3), (100.0, 3), (100.0, 1)])
def test_as_dense_systems(size, strength, turns) -> None:
    values = draw().random((3, *size)).astype(np.float32)
    values[1] = 0  # a class that is nowhere
    values[2, : size[0] // 2] = 0  # and one that is not everywhere
    likeness = edges(draw(1).random((3, *size)).astype(np.float32), 0.5)
    got = lines.smoothed(values, likeness, strength, turns, 1)
    # float32 sums along a line; 6e-7 at most was measured.
    np.testing.assert_allclose(got, slow(values, likeness, strength, turns), atol=5e-6)


def test_edges_are_likeness_of_neighbours() -> None:
    colours = np.array([[[0.0, 0.3], [0.0, 0.0]], [[0.0, 0.4], [0.0, 0.0]]], np.float32)
    across, down = edges(colours, 0.5)
    np.testing.assert_allclose(across, [[np.exp(-1)], [1]], rtol=1e-6)
    np.testing.assert_allclose(down, [[1, np.exp(-1)]], rtol=1e-6)


def test_within_the_values_range_with_their_mean_and_edges_kept() -> None:
    guide = np.zeros((1, 20, 30), np.float32)
    guide[:, :, 15:] = 1
    values = draw(2).random((2, 20, 30)).astype(np.float32)
    got = lines.smoothed(values, edges(guide, 0.02), 1000.0)
    for half in (slice(0, 15), slice(15, 30)):
        part, was = got[:, :, half], values[:, :, half]
        np.testing.assert_allclose(part.mean(axis=(1, 2)), was.mean(axis=(1, 2)), atol=1e-5)
        assert (part.std(axis=(1, 2)) < 0.2 * was.std(axis=(1, 2))).all()
        assert (part.max() <= was.max()) and (part.min() >= was.min())


def test_a_turned_picture_is_smoothed_alike() -> None:
    values, guide = draw(3).random((2, 20, 33)).astype(np.float32), draw(4).random((3, 20, 33))
    turned = np.ascontiguousarray(values.swapaxes(1, 2))
    one = lines.smoothed(values, edges(guide.astype(np.float32), 0.3), 100.0)
    other = lines.smoothed(turned, edges(guide.swapaxes(1, 2).astype(np.float32), 0.3), 100.0)
    np.testing.assert_allclose(other.swapaxes(1, 2), one, atol=1e-6)


def test_the_same_bits_for_any_number_of_threads() -> None:
    values = draw(3).random((2, 37, 41)).astype(np.float32)
    likeness = edges(draw(4).random((3, 37, 41)).astype(np.float32), 0.3)
    one = lines.smoothed(values, likeness, 30.0, threads=1)
    assert all(np.array_equal(lines.smoothed(values, likeness, 30.0, threads=n), one) for n in THREADS)
