"""What is as large as its image, on a coarser grid: as pixels (blocks), samples (enlargements) or means over cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.linalg import solveh_banded
from scipy.sparse import csr_matrix

from gsjbu.core.grid import Grid
from gsjbu.io import gaps
from gsjbu.io.signals import OWN_CHANNEL, Looked, Signal, codes_in, of_classes, sharing, with_values

PIXELS, SAMPLES, MEANS = "pixels", "samples", "means"


def reduced(seen: Looked, grid: Grid, how: str) -> Signal:
    """``seen``, as large as the image of ``grid``, as a signal on that grid.

    how: pixels (of each cell's middle), samples (those that a bilinear enlargement was made from) or means over what is
    known of the cell. Labels are never sampled: their means are shares. A cell of which nothing is known is a gap.
    """
    if seen.guess.kind == "labels":
        return _classes(seen, grid, how)
    known = seen.found.known
    how = MEANS if how == SAMPLES and not known.all() else how
    weight = _taken(known.astype(np.float64), grid, how)
    there = weight > 0.5 if how == PIXELS else weight > 0
    planes = []
    for plane in seen.planes:
        taken = _taken(plane if known.all() else np.where(known, plane, 0), grid, how)
        low = np.divide(taken, weight, out=np.zeros(weight.shape), where=there)
        # Samples that give back nearly, not exactly, would go beyond what was brought.
        planes.append(np.clip(low, plane[known].min(), plane[known].max()))
    array = np.stack(planes)
    if seen.planes.dtype.kind in "iu":
        array = np.rint(array)
    signal = replace(seen.empty, mask=torch.from_numpy(there))
    return with_values(signal, array.astype(seen.planes.dtype), there)


def _classes(seen: Looked, grid: Grid, how: str) -> Signal:
    """Each class's share of each cell; all or nothing of it where pixels are taken, and of more than OWN_CHANNEL
    classes, whose shares would need a channel each."""
    numbers, known = seen.planes[0], seen.found.known
    codes = codes_in(numbers, known)
    index = np.where(known, np.searchsorted(codes, numbers), -1)
    signal = of_classes(seen.empty, codes)
    if len(codes) > OWN_CHANNEL:
        low = _taken(index, grid, PIXELS).astype(np.int64)
        signal = replace(signal, mask=torch.from_numpy(low >= 0))
        return sharing(signal, gaps.fill(low[None], low >= 0)[0])
    if how == PIXELS:
        values = (_taken(index, grid, PIXELS) == np.arange(len(codes))[:, None, None]).astype(np.float64)
    else:
        values = grid.shares(index, len(codes)).astype(np.float64)
    weight = values.sum(axis=0)
    there = weight > 0
    values = gaps.fill(np.divide(values, weight, out=np.zeros_like(values), where=there), there)
    array = np.ascontiguousarray(values, np.float32)
    return replace(signal, values=torch.from_numpy(array), mask=torch.from_numpy(there))


def _taken(x: np.ndarray, grid: Grid, how: str) -> np.ndarray:
    """[H, W] → [h, w] float64."""
    if how == MEANS:
        return grid.cell_means(torch.from_numpy(np.ascontiguousarray(x, np.float64))).double().numpy()
    if how == SAMPLES:
        for axis in grid.axes:
            x = _unbent(x, *axis).T  # twice turned is as it was
        return np.ascontiguousarray(x)
    return middles(x, grid).astype(np.float64)


def middles(x: np.ndarray, grid: Grid) -> np.ndarray:
    """The pixel in the middle of each cell of [..., H, W], [..., h, w]."""
    rows, cols = (
        np.minimum(((np.arange(cells) + 0.5) * step).astype(np.int64), size - 1) for size, cells, step in grid.axes
    )
    return x[..., rows, :][..., cols]


def _unbent(x: np.ndarray, size: int, cells: int, step: float) -> np.ndarray:
    """[size, m] → [cells, m]: what, joined by straight lines between centres, comes nearest to ``x``."""
    at = np.clip((np.arange(size) + 0.5) / step - 0.5, 0, cells - 1)
    low = np.minimum(at.astype(np.int64), max(0, cells - 2))
    part = at - low
    ends = np.concatenate([low, np.minimum(low + 1, cells - 1)])
    places = np.concatenate([np.arange(size)] * 2)
    lines = csr_matrix((np.concatenate([1 - part, part]), (ends, places)), (cells, size))
    square = lines @ lines.T
    bands = np.zeros((2, cells))
    bands[1] = square.diagonal()
    bands[0, 1:] = square.diagonal(1)
    return solveh_banded(bands, lines @ x.astype(np.float64))
