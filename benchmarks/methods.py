"""The ways of upsampling that are compared. Each looks at the image and the signal once and returns a linear map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gsjbu
from benchmarks import classical
from benchmarks.classical import Upsampler
from gsjbu.core import interpolation
from gsjbu.core.grid import Grid

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
    **classical.METHODS,
    "auto's mixing": _only_mixed,
    "auto": _fitted(objective="auto"),
}
OURS = {
    "joint bilateral upsampling",
    "paper",
    "rgb, adam",
    "rgb",
    "rgb, sampled",
    "signal",
    "auto's mixing",
    "auto",
}
# One filter call per channel: too slow for hundreds of feature channels.
PER_CHANNEL = {"guided filter", "joint bilateral filter", *classical.METHODS}
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
