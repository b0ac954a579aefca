"""The ways of upsampling that are compared. Each looks at the image and the signal once and returns a linear map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

import gsjbu
from benchmarks import classical
from benchmarks.classical import Smoothing
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import Upsampler

Method = Callable[[Tensor, Tensor, Grid, int], Upsampler]  # image, signal, grid, threads


def _fitted(**options: Any) -> Method:
    def method(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
        about = signal if options.get("objective") in ("signal", "auto") else None
        return gsjbu.fit(image, signal=about, grid=grid, threads=threads, **options).render

    return method


def _only_mixed(image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
    """``auto`` without its refinement."""
    kernel = gsjbu.fit(image, signal=signal, grid=grid, threads=threads, objective="auto")
    return replace(kernel, refinement=None).render


METHODS: dict[str, Method] = {
    **classical.UNTUNED,
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
OURS = {name for name, method in METHODS.items() if not isinstance(method, Smoothing)}
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
