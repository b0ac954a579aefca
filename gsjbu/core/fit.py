"""Guide → kernel: the fit that the objective names, on the backend that the device has."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import SupportsFloat

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import auto, devices, parameters
from gsjbu.core.backends import dispatch
from gsjbu.core.eager import eager
from gsjbu.core.gaps import both, checked_mask, parted
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid, size_text
from gsjbu.core.kernel import Kernel
from gsjbu.core.parameters import ADAM, FIXED, Progress, optimiser_of
from gsjbu.core.plain import finite_image
from gsjbu.core.threads import check_threads
from gsjbu.core.tto import checked_signal, fit_gaussians
from gsjbu.errors import SettingError, ShapeError, SignalError
from gsjbu.settings import SETTINGS, default


@eager
def fit_kernel(
    guide: Tensor,  # [G, H, W] float32 on the CPU
    grid: Grid,
    *,
    iters: int = default("iters"),
    radius: int = default("radius"),
    objective: str = "rgb",
    signal: Tensor | None = None,  # [C, h, w]
    kind: str | None = None,  # of the signal, for the objective auto
    mask: Tensor | np.ndarray | None = None,  # bool [h, w]: where the signal has a value
    seen: Tensor | None = None,  # bool [H, W]: where the guide is to be followed; elsewhere it is filled
    device: str | torch.device = default("device"),
    progress: Progress | None = None,
    init: Kernel | None = None,
    threads: int | None = None,
    backend: str = "auto",
    optimiser: str = default("optimiser"),
    lr_image: str = default("lr_image"),
    rate: float | None = None,
    sigma: float | None = None,
    sigma_r: float | None = None,
) -> Kernel:
    """Fit a kernel to ``guide`` on ``grid``; the keywords are those of :func:`gsjbu.fit`."""
    _check_guide(guide, grid)
    guide = guide.contiguous()
    seen = None if seen is None or bool(seen.all()) else seen.contiguous()
    iters, radius = int(SETTINGS["iters"].parse(iters)), int(SETTINGS["radius"].parse(radius))
    optimiser = str(SETTINGS["optimiser"].parse(optimiser))
    lr_image = str(SETTINGS["lr_image"].parse(lr_image))
    signal, known = parted(signal)
    if known is not None:
        signal = checked_signal(signal, grid)
        if not bool(known.any()):
            raise SignalError("signal_not_finite", "The signal holds no value at all: every cell is masked.")
    mask = both(checked_mask(mask, grid.rows, grid.cols), known)
    _check_positive(rate=rate, sigma=sigma, sigma_r=sigma_r)
    check_threads(threads)
    progress = None if progress is None else _of_python(progress)
    where = devices.resolve(device)
    chosen = dispatch.choose(where, backend, grid)
    chosen_by_hand = init is not None or (rate, sigma, sigma_r) != (None, None, None)
    objective = _objective_of(objective, signal is not None, chosen_by_hand)
    if objective == "auto":
        given = auto.Given(signal, kind, mask)
        kernel = auto.fit(guide, seen, grid, given, radius, iters, lr_image, chosen, where, threads, progress)
        return replace(kernel, notes=(*kernel.notes, *parameters.highest_note(grid)))
    given_back = checked_signal(signal, grid) if objective == "signal" else None
    # A signal is given back by plain Adam: fewer steps on logarithms measured worse.
    how = lr_image_of(lr_image, objective, signal)
    adam = optimiser_of(optimiser, how) if objective == "rgb" else ADAM
    # What is averaged over cells is served better by narrow Gaussians where nothing is fitted (see docs/method.md).
    usual = adam.start if objective == "rgb" and (iters or how == "bilinear") else FIXED
    raw = _start(grid, sigma, sigma_r, usual) if init is None else _raw_of(init, grid)
    gaussians, losses = fit_gaussians(
        Gaussians.over(guide, grid, radius, raw, how, seen), iters, given_back, backend=chosen.name, device=where,
        optimiser=adam, rate=rate, threads=threads, progress=progress,
    )  # fmt: skip
    return Kernel(
        gaussians, losses, objective, chosen.name, chosen.reason, str(where), threads, lr_image=how,
        notes=parameters.highest_note(grid),
    )  # fmt: skip


def _of_python(progress: Progress) -> Progress:
    """``progress``, whose answer may be NumPy's False or torch's, as a comparison with one of their numbers is."""

    def told(step: int, loss: float) -> object:
        answer = progress(step, loss)
        is_truth = isinstance(answer, np.bool_) or (isinstance(answer, Tensor) and answer.dtype == torch.bool)
        return bool(answer) if is_truth else answer

    return told


def _objective_of(objective: str, has_signal: bool, chosen_by_hand: bool) -> str:
    """``rgb``, ``signal`` or ``auto``; refuses what auto chooses itself, and other words."""
    objective = str(SETTINGS["objective"].parse(objective))
    if objective == "suited":
        objective = "auto" if has_signal else "rgb"
    if objective == "auto" and chosen_by_hand:
        raise SettingError(
            "objective",
            "init, rate, sigma and sigma_r are chosen by the objective 'auto' itself; leave them out, or use "
            "'rgb' or 'signal'.",
        )
    return objective


def lr_image_of(lr_image: str, objective: str, signal: object) -> str:
    """``bilinear`` or ``area``: what ``auto`` means for this fit.

    The paper's own demonstration gives back the image from its samples; a signal over cells goes with their means.
    """
    if lr_image != "auto":
        return lr_image
    return "bilinear" if objective in ("rgb", "suited") and signal is None else "area"


def most_steps(objective: str, iters: int) -> int:
    """How many steps a fit on a signal takes at most: what a progress bar counts up to."""
    return auto.most_steps(iters) if objective in ("auto", "suited") else iters


def _check_positive(**given: float | None) -> None:
    for name, value in given.items():
        if value is not None and not (isinstance(value, SupportsFloat) and 0 < float(value) < math.inf):
            raise SettingError(name, f"{name} is {value!r}; it must be a finite number above 0.")


def _check_guide(guide: Tensor, grid: Grid) -> None:
    if (grid.height, grid.width) != tuple(guide.shape[1:]):
        raise ShapeError(
            f"The grid is over {size_text(grid.height, grid.width)}, the image has {size_text(*guide.shape[1:])}."
        )
    if not grid.is_regular:
        raise ShapeError("The grid's steps do not go with its sizes; use Grid.from_sizes or Grid.from_stride.")
    finite_image(guide)


def _start(grid: Grid, sigma: float | None, sigma_r: float | None, usual: tuple[float, float]) -> Tensor:
    return parameters.start(grid, usual[0] if sigma is None else sigma, usual[1] if sigma_r is None else sigma_r)


def _raw_of(init: Kernel, grid: Grid) -> Tensor:
    if not isinstance(init, Kernel):
        raise ShapeError(f"init is a {type(init).__name__}; it must be a Kernel, which gsjbu.load reads from a file.")
    if init.raw.shape[1:] != (grid.rows, grid.cols):
        raise ShapeError(
            f"init has {size_text(init.grid.rows, init.grid.cols)} of Gaussians, this fit has "
            f"{size_text(grid.rows, grid.cols)}; "
            "they must be the same."
        )
    return init.raw
