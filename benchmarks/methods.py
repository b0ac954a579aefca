"""The ways of upsampling that are compared. Each looks at the image and the signal once and returns a linear map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gsjbu
from gsjbu.core import interpolation
from gsjbu.core.auto import kind_of
from gsjbu.core.grid import Grid
from gsjbu.core.refinement import stage
from gsjbu.core.refinement.recipe import Refinement

Upsampler = Callable[[Tensor], Tensor]  # [C, h, w] → [C, H, W]
Method = Callable[[Tensor, Tensor, Grid, int], Upsampler]  # image, signal, grid, threads


def _nearest(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    return lambda v: interpolation.nearest(v, grid)


def _bilinear(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    return lambda v: interpolation.bilinear(v, grid)


def _bicubic(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    return lambda v: interpolation.bicubic(v, grid)


def _fitted(**options: Any) -> Method:
    def method(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
        about = signal if options.get("objective") in ("signal", "auto") else None
        return gsjbu.fit(image, signal=about, grid=grid, threads=threads, **options).render

    return method


def _planes(image: Tensor, filtered: Callable[[np.ndarray, np.ndarray], np.ndarray], grid: Grid) -> Upsampler:
    guide = np.ascontiguousarray(image.permute(1, 2, 0).numpy())

    def upsample(v: Tensor) -> Tensor:
        smooth = interpolation.bilinear(v, grid).numpy()
        return torch.from_numpy(np.stack([filtered(guide, plane) for plane in smooth]))

    return upsample


def _guided_filter(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    """He et al.: radius of half a stride over the bilinear result, ε = 10⁻³."""
    import cv2

    radius = max(2, round(grid.step_x / 2))
    return _planes(image, lambda guide, plane: cv2.ximgproc.guidedFilter(guide, plane, radius, 1e-3), grid)


def _joint_bilateral_filter(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    """opencv's filter over the bilinear result, with the fixed kernel's σ: half a stride, and 0.2 in colour."""
    import cv2

    sigma = grid.step_x / 2
    size = 2 * round(2 * sigma) + 1
    return _planes(
        image, lambda guide, plane: cv2.ximgproc.jointBilateralFilter(guide, plane, size, 0.2, sigma), grid
    )


def _global_smoother(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    """opencv's weighted least squares, line by line, over the bilinear result: λ = 100, σ = 2 of 255."""
    import cv2

    def filtered(guide: np.ndarray, plane: np.ndarray) -> np.ndarray:
        return cv2.ximgproc.fastGlobalSmootherFilter(np.rint(255 * guide).astype(np.uint8), plane, 100.0, 2.0)

    return _planes(image, filtered, grid)


def _counted(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    """Bicubic, then class counts matched in each cell: what the counts do without any image. Shares only."""
    counts = Refinement(counts=True) if kind_of(signal) == "shares" else Refinement()

    def upsample(v: Tensor) -> Tensor:
        return stage.refined(interpolation.bicubic(v, grid), v, image, grid, counts, threads)

    return upsample


def _only_mixed(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    """``auto`` without its refinement."""
    kernel = gsjbu.fit(image, signal=signal, grid=grid, threads=threads, objective="auto")
    return replace(kernel, refinement=None).render


METHODS: dict[str, Method] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
    "guided filter": _guided_filter,
    "joint bilateral filter": _joint_bilateral_filter,
    "joint bilateral upsampling": _fitted(iters=0, lr_image="area"),
    "paper": _fitted(iters=50, sigma=1.0, sigma_r=0.12, optimiser="adam", lr_image="bilinear"),
    "rgb, adam": _fitted(iters=50, optimiser="adam", lr_image="area"),
    "rgb": _fitted(lr_image="area"),
    "rgb, sampled": _fitted(lr_image="bilinear"),
    "signal": _fitted(iters=20, objective="signal"),
    "global smoother": _global_smoother,
    "bicubic, counts matched": _counted,
    "auto, mixing only": _only_mixed,
    "auto": _fitted(objective="auto"),
}
# One filter call per channel: too slow for hundreds of feature channels.
PER_CHANNEL = {"guided filter", "joint bilateral filter", "global smoother"}
# What the noise rows are about, beside the plain interpolations that noise in the guide cannot touch.
IN_NOISE = (
    "bilinear",
    "bicubic",
    "joint bilateral upsampling",
    "paper",
    "rgb",
    "signal",
    "auto",
)
