"""Masks whose border lies beside the image's edges, as dilated ones do: by how much, and moved back.

Along a whole border the image's mean step across it is largest where the true border runs. A mask that was grown or
shrunk shows it at a distance.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter

from gsjbu.core.grid import Grid

LONGEST = 1024  # px: larger images are looked at reduced
REACH = 10  # px of that, either way
NEAR = 2  # px: what lies so near lies on the edge
CLEARLY = 1.3  # times the mean step near the border, from which on another place is where it belongs


def offset(guide: np.ndarray, inside: np.ndarray) -> float:
    """How far outside of the border of ``inside`` (bool [H, W]) the edges of ``guide`` [G, H, W] run, in pixels;
    negative: inside; 0: on it, or nobody can tell."""
    height, width = inside.shape
    factor = shrunk_by(height, width)
    if factor > 1:
        grid = Grid.from_stride(height, width, factor)
        guide = grid.cell_means(torch.from_numpy(guide)).numpy()
        inside = grid.cell_means(torch.from_numpy(inside.astype(np.float32))).numpy() >= 0.5
    if inside.all() or not inside.any():
        return 0.0
    steps = _steps_by_distance(guide, signed_distance(inside))
    if steps is None:
        return 0.0
    at = np.arange(-REACH, REACH + 1)
    best = int(steps.argmax())
    near = float(steps[np.abs(at) <= NEAR].max())
    if abs(at[best]) in (REACH, 0) or steps[best] <= CLEARLY * near:
        return 0.0
    return float(at[best] * factor)


def shrunk_by(height: int, width: int) -> int:
    """Pixels of an image to one of those that are looked at: what is told of a border is right to within so many."""
    return -(-max(height, width) // LONGEST)


def _steps_by_distance(guide: np.ndarray, distance: np.ndarray) -> np.ndarray | None:
    """The guide's mean step across the border, at each distance from it, [2·REACH + 1]; None: too few pixels."""
    down, across = np.gradient(gaussian_filter(distance, 1.0))
    length = np.hypot(down, across)
    band = (np.abs(distance) <= REACH + 1) & (length > 0.7)  # further off two parts of the border meet
    down, across = down[band] / length[band], across[band] / length[band]
    squares = np.zeros(down.size)
    for plane in guide:
        rise = np.gradient(gaussian_filter(plane, 0.7))
        squares += np.square(rise[0][band] * down + rise[1][band] * across)
    bins = np.rint(distance[band]).astype(np.int64) + REACH + 1
    count = np.bincount(bins, minlength=2 * REACH + 3)[1:-1]
    if count.min() < 2 * REACH:
        return None
    means = np.bincount(bins, weights=np.sqrt(squares), minlength=2 * REACH + 3)[1:-1] / count
    return np.convolve(np.pad(means, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")


def signed_distance(inside: np.ndarray) -> np.ndarray:
    """Distance of each pixel of [H, W] from the border, in pixels: negative inside."""
    return np.where(inside, 0.5 - distance_transform_edt(inside), distance_transform_edt(~inside) - 0.5)


def moved(numbers: np.ndarray, ground: int, by: float) -> np.ndarray:
    """Class numbers [H, W] with the border of all that is not ``ground`` moved outwards by so many pixels."""
    if by < 0:
        return np.where(distance_transform_edt(numbers != ground) - 0.5 > -by, numbers, ground)
    distance, near = distance_transform_edt(numbers == ground, return_indices=True)
    grown = (distance > 0) & (distance - 0.5 <= by)
    return np.where(grown, numbers[tuple(near)], numbers)
