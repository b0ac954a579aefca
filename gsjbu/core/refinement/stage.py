"""The refinement stage of ``auto``: what is made of a mixture that mixing alone cannot make.

    base    = (1 − graph)·mix + graph·(the guided Laplacian's answer from there)
    x       = base, or counts matched to it
    x       = lines·smoothed(x) + (1 − lines)·base, and counts matched again; once for each strength

It is no linear map of the signal (but for smoothing alone), so it stands after mixing, and ``Kernel.render`` leaves it
out where gradients are asked for. Each step has a compiled form, and one in numpy and torch (portable.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from gsjbu.core.gaps import nearest_known
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import nearest
from gsjbu.core.refinement import portable
from gsjbu.core.refinement.recipe import Refinement

# Where the graph gives nearly every pixel of mixed cells to one class (mean of Σp²: drawn ground and thin curves 0.83
# to 0.93, photographs 0.72 to 0.87, halftones, which it must not follow, 0.87), its answer alone is better than its
# mean with the mixture: ground ×8 95.9 → 96.6 mIoU.
UNSURE, SURE, MIXED = 0.88, 0.92, 0.98
LEAST = 1e-3  # probability: what is less counts as this much, or one network's 0 would rule a class out


def refined(
    mixed: Tensor,  # [C, H, W]
    signal: Tensor,  # [C, h, w] what was mixed
    guide: Tensor,  # [G, H, W]
    grid: Grid,
    recipe: Refinement,
    threads: int | None = None,
    mask: Tensor | None = None,  # bool [h, w]: cells that have a value; None: all
    compiled: bool = True,  # by the compiled forms
) -> Tensor:
    """The mixture refined, [C, H, W] float32 on the CPU; classes without any share are not computed.

    Cells without a value hold nothing: the graph fills them from all round, and no counts are matched in them. What
    is NaN in the mixture stays NaN.
    """
    given = signal.detach().to("cpu", torch.float32).contiguous().numpy()
    mix = mixed.detach().to("cpu", torch.float32).contiguous().numpy()
    known = None if mask is None or bool(mask.all()) else mask.numpy()
    by = _compiled_forms() if compiled else PORTABLE
    nothing = np.isnan(mix)  # no cell of the window has a value
    if mask is not None and nothing.any():
        mix = np.where(nothing, nearest(torch.from_numpy(nearest_known(given, mask.numpy())), grid).numpy(), mix)
    there = (given > portable.LEAST).any(axis=(1, 2)) if recipe.counts else np.ones(len(given), bool)
    if there.all():
        out = _steps(mix, given, guide, grid, recipe, threads, known, by)
    else:
        out = np.zeros_like(mix)  # of pages that nobody touches
        if there.any():
            out[there] = _steps(mix[there], given[there], guide, grid, recipe, threads, known, by)
    if nothing.any():
        out = np.where(nothing, np.float32(np.nan), out)
    return torch.from_numpy(out)


class Forms(NamedTuple):
    """One form of each step."""

    colours: Callable[..., np.ndarray]
    solved: Callable[..., np.ndarray]
    matched: Callable[..., np.ndarray]
    smoothed: Callable[..., np.ndarray]


PORTABLE = Forms(portable.colours, portable.solved, portable.matched, portable.smoothed)


def _compiled_forms() -> Forms:
    from gsjbu.core.refinement import counts, graph, lab, lines  # they load the compiler

    return Forms(lab.colours, graph.solved, counts.matched, lines.smoothed)


def compile_all() -> None:
    """Every step once, on next to nothing: compiled, or read from the cache."""
    grid = Grid.from_stride(8, 8, 4)
    shares = torch.tensor([0.0, 1.0, 0.5, 0.25], dtype=torch.float32).reshape(1, 2, 2)
    shares = torch.cat([shares, 1 - shares])
    every = Refinement(graph=0.5, steps=2, counts=True, strengths=(10.0,), lines=0.5)
    guide = torch.linspace(0, 1, 192, dtype=torch.float32).reshape(3, 8, 8)
    refined(nearest(shares, grid), shares, guide, grid, every, threads=1)


def _steps(
    mix: np.ndarray,
    signal: np.ndarray,
    guide: Tensor,
    grid: Grid,
    recipe: Refinement,
    threads: int | None,
    known: np.ndarray | None,
    by: Forms,
) -> np.ndarray:
    base = mix
    # Of cells that are no whole pixels shares may count those that the grid gives them, or be of cells as they lie.
    whole = grid.step_y % 1 == grid.step_x % 1 == 0
    by_area = recipe.counts and not whole and not grid.are_counts(signal)

    def of_pixels(x: np.ndarray) -> np.ndarray:
        return _of_pixels(signal, x, grid) if by_area else signal

    if recipe.graph:
        spans = _mixed_cells(signal) if recipe.counts and known is None else None
        lone = 0.0 if recipe.counts else portable.LONE

        def solved(start: np.ndarray, means: np.ndarray) -> np.ndarray:
            # colours have no name here: they are as large as the guide, and go as soon as the graph is made of them
            seen = by.colours(guide.numpy(), threads)
            return by.solved(start, means, known, seen, grid, recipe.steps, threads, spans, lone)

        wanted = of_pixels(mix)
        answer, share = solved(mix, wanted), recipe.graph
        sure = _surety(answer, signal, grid) if recipe.counts else 0.0
        if sure > 0:  # what the means still lack is asked for once more
            share += (1 - share) * sure
            means = grid.cell_means(torch.from_numpy(answer)).numpy()
            answer = solved(answer, 2 * wanted - means)
        if recipe.logs:
            answer = _as_near_cells(
                answer,
                signal if known is None else nearest_known(signal, known),
                grid,
            )
        base = _between(mix, answer, share)

    def matched(x: np.ndarray) -> np.ndarray:
        return by.matched(x, of_pixels(x), grid, threads, known)

    x = matched(base) if recipe.counts else base
    if recipe.strengths:
        likeness = portable.edges(guide.numpy(), recipe.tolerance)
        for strength in recipe.strengths:
            smooth = _smoothed(x, likeness, strength, recipe, threads, by)
            x = _between(base, smooth, recipe.lines)
            if recipe.counts:
                x = matched(x)
    return x


def _of_pixels(shares: np.ndarray, x: np.ndarray, grid: Grid) -> np.ndarray:
    """``shares`` of cells as they lie as those of their pixels: what they are more or less by is taken from ``x``."""
    now = torch.from_numpy(x)
    found = shares + (grid.cell_means(now) - grid.area_means(now)).numpy()
    np.clip(found, 0, 1, out=found)
    found *= shares.sum(axis=0) / np.maximum(found.sum(axis=0), np.float32(LEAST))
    return found


def _surety(answer: np.ndarray, shares: np.ndarray, grid: Grid) -> float:
    """0…1: how nearly the graph gives each pixel of mixed cells to one class, by the mean of Σp²."""
    mixed = np.square(shares).sum(axis=0) < MIXED
    if not mixed.any():
        return 0.0
    there = nearest(torch.from_numpy(mixed)[None], grid)[0].numpy()
    found = float(np.square(answer[:, there].clip(0, 1)).sum(axis=0).mean())
    return min(1.0, max(0.0, (found - UNSURE) / (SURE - UNSURE)))


def _between(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """(1 − share)·one + share·other, written over ``other``."""
    if share < 1:
        other -= one
        other *= np.float32(share)
        other += one
    return other


def _as_near_cells(x: np.ndarray, signal: np.ndarray, grid: Grid) -> np.ndarray:
    """``x`` held to what the nine cells around have of each class, and then each pixel's sum kept; written over ``x``.

    To keep the means the graph lets a class win a few pixels that wins in no cell, often one that is not there.
    """
    total = x.sum(axis=0)
    cells = torch.from_numpy(signal)
    for c in range(len(x)):
        most, least = (sign * max_pool2d(sign * cells[c : c + 1], 3, 1, 1) for sign in (1, -1))
        np.clip(x[c], nearest(least, grid)[0].numpy(), nearest(most, grid)[0].numpy(), out=x[c])
    x *= total / np.maximum(x.sum(axis=0), np.float32(LEAST))
    return x


def _smoothed(
    x: np.ndarray,
    likeness: tuple[np.ndarray, np.ndarray],
    strength: float,
    recipe: Refinement,
    threads: int | None,
    by: Forms,
) -> np.ndarray:
    """Along lines; of probabilities geometric instead of arithmetic means, with each pixel's sum kept."""
    if not recipe.logs:
        return by.smoothed(x, likeness, strength, recipe.turns, threads)
    total = x.sum(axis=0)
    out = np.exp(by.smoothed(np.log(np.maximum(x, LEAST)), likeness, strength, recipe.turns, threads))
    out *= total / out.sum(axis=0)
    return out


def _mixed_cells(shares: np.ndarray) -> np.ndarray:
    """Per class and row of cells, the span of columns of cells near one that is not pure, int64 [C, h, 2]."""
    mixed = (shares > portable.LEAST) & (shares < 1 - portable.LEAST)
    near = np.pad(mixed, ((0, 0), (1, 1), (1, 1)))
    near = near[:, :-2] | near[:, 1:-1] | near[:, 2:]
    near = near[:, :, :-2] | near[:, :, 1:-1] | near[:, :, 2:]
    width = near.shape[2]
    first, last = near.argmax(axis=2), width - near[:, :, ::-1].argmax(axis=2)
    any_ = near.any(axis=2)
    return np.stack([np.where(any_, first, 0), np.where(any_, last, 0)], axis=-1).astype(np.int64)
