"""What is as large as its image, on a coarser grid: as pixels (blocks), samples (enlargements) or means over cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from gsjbu.core.grid import Grid
from gsjbu.io import gaps
from gsjbu.io.class_codes import OWN_CHANNEL, codes_in
from gsjbu.io.enlarging import LINEAR, Samples, Way, middles
from gsjbu.io.signals import Looked, Signal, of_classes, sharing, with_values

PIXELS, SAMPLES, MEANS = "pixels", "samples", "means"


def reduced(seen: Looked, grid: Grid, how: str, way: Way = LINEAR) -> Signal:
    """``seen``, as large as the image of ``grid``, as a signal on that grid.

    how: pixels (of each cell's middle), samples (those that it was enlarged from in this ``way``) or means over what is
    known of the cell. Labels are never sampled: their means are shares. A cell of which nothing is known is a gap.
    """
    if seen.guess.kind == "labels":
        return _classes(seen, grid, how)
    known = seen.found.known
    samples = Samples(grid, way, known) if how == SAMPLES else None
    weight = _taken(known.astype(np.float64), grid, how)
    there = weight > 0.5 if how == PIXELS else weight > 0
    planes = []
    for plane in seen.planes:
        if samples is None:
            taken = _taken(plane if known.all() else np.where(known, plane, 0), grid, how)
            low = np.divide(taken, weight, out=np.zeros(weight.shape), where=there)
        else:
            low = samples.of(plane)
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
    """[H, W] → [h, w] float64: a pixel of each cell, or means over cells."""
    if how == PIXELS:
        return middles(x, grid).astype(np.float64)
    return grid.cell_means(torch.from_numpy(np.ascontiguousarray(x, np.float64))).double().numpy()
