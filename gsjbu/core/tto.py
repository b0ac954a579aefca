"""Test-time optimisation: learn one anisotropic Gaussian per LR pixel from one image, and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from gsjbu.core.backends import dispatch
from gsjbu.core.backends.dispatch import Progress
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import ADAM, Optimiser
from gsjbu.errors import ShapeError

#: A signal's largest absolute value may lie between these: squares of it, and sums of those, have room in float32.
LEAST_TOP, MOST_TOP = 1e-15, 1e15


def fit_gaussians(
    start: Gaussians,
    iters: int,
    objective: str,  # rgb or signal
    signal: Tensor | None = None,  # [C, h, w], see checked_signal
    *,
    backend: str,
    device: torch.device,
    optimiser: Optimiser = ADAM,
    rate: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Gaussians, list[float]]:
    """Minimise the objective from ``start``; returns where it ends, and the loss before each step.

    ``rgb``: L = mean|Î − I|. ``signal``: mean squared difference between the rendered signal's cell means and the
    signal, in units of its mean magnitude. ``rate``: instead of the optimiser's own.
    """
    return dispatch.fit(
        start, iters, optimiser, rate, float(objective == "rgb"), signal, float(objective == "signal"), backend=backend,
        device=device, threads=threads, progress=progress,
    )  # fmt: skip


def checked_signal(signal: Tensor | None, grid: Grid) -> Tensor:
    """``signal`` as finite float32 [C, h, w] on the CPU; raises ShapeError where it is none for ``grid``."""
    if signal is None:
        raise ShapeError(
            "The objective 'signal' needs a signal [C, h, w] to give back; pass signal=… or use 'rgb'."
        )
    signal = torch.as_tensor(signal).detach().to("cpu", torch.float32)
    if signal.ndim != 3 or tuple(signal.shape[1:]) != (grid.rows, grid.cols):
        raise ShapeError(f"The signal is {list(signal.shape)}; it must be [C, {grid.rows}, {grid.cols}].")
    if not bool(torch.isfinite(signal).all()):
        raise ShapeError(
            "The signal has NaN or infinite values; fill or mask them first (gsjbu.signals does)."
        )
    top = float(signal.abs().max())
    if top and not LEAST_TOP <= top <= MOST_TOP:
        raise ShapeError(
            f"The signal's largest value is {top:.3g}; its squares have no room in float32: scale it first."
        )
    return signal
