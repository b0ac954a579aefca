"""LR pixels without a value: left out of every mix, whose other weights are scaled up to sum to 1.

Only weights of one sign can bear that: among gaps a bicubic member gives way to the bilinear one, and back-projection
asks for the means of known cells only. A pixel that has no known LR pixel in its window is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.interpolation import Upsampler
from gsjbu.core.pieces import pieces
from gsjbu.core.plain import as_tensor, unmasked, why_unreadable
from gsjbu.errors import ShapeError

#: So many cells that all hold the mean of the others hold it in place of a value; fewer may by chance.
FEWEST_STAND_INS = 4
#: Of filled gaps: how many cells a patch has at most, how many patches there are and what share of all cells lies in
#: them at least. Numbers that all lie so far apart, in parts of their span, were rounded.
LARGEST_PATCH, FEWEST_PATCHES, REPEATED, ROUNDED = 16, 15, 0.2, 1 / 4096
#: The digits of a float32 that half precision has not: where all are 0, values were rounded to it.
FINER_THAN_HALF = 0x1FFF
#: Known share of a pixel's weights below which there is nothing to scale up: float32 holds no more.
ENOUGH = 1e-6


def leaving_out(mix: Upsampler, mask: Tensor) -> Upsampler:
    """``mix`` (linear, no weight below zero) for signals whose cells are known only where ``mask`` [h, w] holds."""
    if bool(mask.all()):
        return mix
    share = mix(mask[None].to(torch.float32))

    def masked(values: Tensor) -> Tensor:
        mixed = mix(only(values, mask))
        known = share.to(mixed)
        return torch.where(known > ENOUGH, mixed / known.clamp_min(ENOUGH), torch.nan)

    return masked


def back_projected(
    signal: Tensor,  # [C, h, w]
    mask: Tensor,  # bool [h, w]
    means: Callable[[Tensor], Tensor],  # cell means of what a signal is upsampled to, on the LR grid
    passes: int,
) -> Tensor:
    """The signal sharpened so that its known cells' means give it back, from known cells alone; 0 elsewhere."""
    values = only(signal, mask)
    share = means(mask[None].to(values)).clamp_min(ENOUGH)
    sharp = values
    for _ in range(passes):
        sharp = sharp + only(values - means(sharp) / share, mask)
    return sharp


def checked_mask(mask: object, rows: int, cols: int) -> Tensor | None:
    """``mask`` as bool [h, w]; None stays. Raises ShapeError if it is of another size."""
    if mask is None:
        return None
    given, hidden = unmasked(mask)
    known = as_tensor(given, "mask", f"an array or a tensor [{rows}, {cols}]")
    if why := why_unreadable(known):
        raise ShapeError(f"mask {why}.")
    known = known.to("cpu", torch.bool)
    if hidden is not None:
        known = known & torch.from_numpy(~hidden)
    if tuple(known.shape) != (rows, cols):
        raise ShapeError(f"mask is {list(known.shape)}; it must be [{rows}, {cols}].")
    return known


def parted(signal: Any) -> tuple[Any, Tensor | None]:
    """A masked array [..., C, h, w] or [h, w] as its numbers, and bool [h, w] where it has some: a cell of which a
    channel is masked has no value, and its nearest one's number. Whatever else a signal may be stays as it is; None.

    Raises ShapeError for a batch whose signals are masked in different cells.
    """
    values, hidden = unmasked(signal)
    if hidden is None or hidden.ndim < 2:
        return values, None
    stack = hidden.reshape(-1, *hidden.shape[-3:]) if hidden.ndim > 2 else hidden[None, None]
    cells = np.asarray(stack.any(axis=1))
    if (cells != cells[0]).any():
        raise ShapeError("The signals of the batch are masked in different cells; give them one by one.")
    known = ~cells[0]
    if known.any():  # what a mask hides may be any number, and is looked at with the others
        values = nearest_known(values.reshape(-1, *known.shape), known).reshape(values.shape)
    return values, torch.from_numpy(known)


def both(mask: Tensor | None, known: Tensor | None) -> Tensor | None:
    """Where both hold, bool [h, w]; None holds everywhere."""
    if mask is None or known is None:
        return known if mask is None else mask
    return mask & known


def missing_nearby(known: Tensor) -> float:
    """Share of cells without a value among those at or beside the ``known`` ones (bool [h, w]); 0 if none is known.

    Large gaps, as a frame or half of an image without data, hardly count.
    """
    known = known.float()
    around = torch.nn.functional.pad(known[None, None], (1, 1, 1, 1), mode="replicate")
    near = torch.nn.functional.avg_pool2d(around, 3, stride=1)[0, 0]
    return 1 - float((near * known).sum() / known.sum()) if bool(known.any()) else 0.0


def only(values: Tensor, mask: Tensor) -> Tensor:
    """``values`` [C, h, w] where ``mask`` holds, 0 elsewhere; what they were there does not matter, NaN included."""
    return torch.where(mask.to(values.device), values, torch.zeros_like(values))


def nearest_known(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``values`` [C, h, w] with every cell that is not ``known`` (bool [h, w]) taking the nearest known one's."""
    from scipy.ndimage import distance_transform_edt

    y, x = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[:, y, x]


def fill(values: Tensor, known: Tensor) -> Tensor:
    """:func:`nearest_known` of tensors."""
    return values if bool(known.all()) else torch.from_numpy(nearest_known(values.numpy(), known.numpy()))


def is_filled(signal: Tensor) -> bool:
    """Whether many cells of ``signal`` [C, h, w] only repeat a neighbour: gaps that somebody filled.

    They are small patches of one number each, which no other place holds, beside each other at least half as often as
    by chance. Flat regions are large, or have cells between them that an edge crosses; what was rounded has the same
    numbers everywhere.
    """
    cells = signal.numpy()
    down, across = (
        (cells[:, 1:] == cells[:, :-1]).all(axis=0),
        (cells[..., 1:] == cells[..., :-1]).all(axis=0),
    )
    patch = pieces(down, across)
    size = np.bincount(patch.ravel())
    small = (size >= 2) & (size <= LARGEST_PATCH)
    patches, repeated = int(small.sum()), int(size[small].sum())
    if patches < FEWEST_PATCHES or repeated < REPEATED * patch.size:
        return False
    there = small[patch]
    beside = np.concatenate([there[1:][~down & there[:-1]], there[:, 1:][~across & there[:, :-1]]])
    if beside.mean() < repeated / patch.size / 2:
        return False
    values = np.unique(next(channel for channel in cells if np.ptp(channel) > 0))  # patches differ in one
    coarse = bool(np.diff(values).min() > ROUNDED * (values[-1] - values[0]))
    rounded = coarse or not (values.astype(np.float32).view(np.uint32) & FINER_THAN_HALF).any()
    return not rounded and patches <= 1.2 * np.unique(cells[:, there], axis=1).shape[1]


def without_stand_ins(signal: Tensor) -> Tensor | None:
    """bool [h, w]: the cells of ``signal`` [C, h, w] that hold values of their own; None: all.

    Whoever has cells without a value often fills them with the mean of the others. That value, the same bits in
    several cells and equal to the mean of all, is no value, unless it is at home there: the middle of a ramp, or
    half-and-half cells along an edge, lie between their neighbours.
    """
    # The first channel alone says it mostly, and there may be hundreds.
    if int(_at_the_mean(signal[:1]).sum()) < FEWEST_STAND_INS:
        return None
    near = _at_the_mean(signal)
    if bool((signal == signal[:, :1, :1]).all()):  # before what sorts all of a flat signal's cells
        return None
    values, counts = torch.unique(signal[:, near], dim=1, return_counts=True)
    if max(counts.tolist(), default=0) < FEWEST_STAND_INS:
        return None
    same = (signal == values[:, counts.argmax(), None, None]).all(dim=0)  # others are near by chance
    out_of_place = (_outside_neighbours(signal, ~same) & same).sum()
    return ~same if 2 * int(out_of_place) >= int(same.sum()) else None


def _at_the_mean(signal: Tensor) -> Tensor:
    """bool [h, w]: cells that hold the mean of all cells, in each channel."""
    mean = signal.mean(dim=(1, 2), dtype=torch.float64)
    span = (signal.amax(dim=(1, 2)) - signal.amin(dim=(1, 2))).double()
    return ((signal - mean[:, None, None]).abs() <= 1e-5 * span[:, None, None]).all(dim=0)


def _outside_neighbours(signal: Tensor, known: Tensor) -> Tensor:
    """bool [h, w]: cells whose values lie outside those of all known cells at most two away, in any channel."""
    nothing = torch.tensor(-torch.inf, dtype=torch.float32)
    most = _largest_near(torch.where(known, signal, nothing))
    least = -_largest_near(torch.where(known, -signal, nothing))
    return ((signal > most) | (signal < least)).any(dim=0)


def _largest_near(x: Tensor) -> Tensor:
    return torch.nn.functional.max_pool2d(x[None], 5, stride=1, padding=2)[0]
