"""Test-time optimisation: learn one anisotropic Gaussian per LR pixel from one image, and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from gsjbu.core.backends import dispatch
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import Optimiser, Progress
from gsjbu.core.plain import as_tensor, plain, why_unreadable
from gsjbu.errors import ShapeError

FLAT = 1e-6  # of its largest value: a signal that spreads less is what float32's rounding left of one


def fit_gaussians(
    start: Gaussians,
    iters: int,
    signal: Tensor | None,  # [C, h, w], see checked_signal: what is to be given back; None: the guide's colours
    *,
    backend: str,
    device: torch.device,
    optimiser: Optimiser,
    rate: float | None = None,
    threads: int | None,
    progress: Progress | None,
) -> tuple[Gaussians, list[float]]:
    """Minimise the objective from ``start``; returns where it ends, and the loss before each step.

    Of colours: L = mean|Î − I|. Of a signal: mean squared difference between the rendered signal's cell means and the
    signal, in units of its mean magnitude. ``rate``: instead of the optimiser's own.
    """
    unit = 1.0
    if signal is not None:
        magnitude = float(signal.double().abs().mean())
        signal, spread = standardised(signal)
        unit = (spread * float(signal.double().abs().mean()) / (magnitude or 1.0)) ** 2
    found, losses = dispatch.fit(
        start, iters, optimiser, rate, signal, backend=backend, device=device, threads=threads,
        progress=_in_unit(progress, unit),
    )  # fmt: skip
    return found, [unit * loss for loss in losses]


def _in_unit(progress: Progress | None, unit: float) -> Progress | None:
    return None if progress is None else lambda step, loss: progress(step, unit * loss)


def checked_signal(signal: Tensor | None, grid: Grid) -> Tensor:
    """``signal``, of one channel [h, w] too, as finite float32 [C, h, w] on the CPU; raises ShapeError where it is none
    for ``grid``."""
    if signal is None:
        raise ShapeError("The objective 'signal' needs a signal [C, h, w] to give back; pass signal=… or use 'rgb'.")
    signal = as_tensor(signal)
    if why := why_unreadable(signal):
        raise ShapeError(f"The signal {why}.")
    signal = plain(signal).to("cpu", torch.float32)
    signal = signal[None] if signal.ndim == 2 else signal
    if signal.ndim != 3 or tuple(signal.shape[1:]) != (grid.rows, grid.cols):
        wanted = f"[C, {grid.rows}, {grid.cols}] or [{grid.rows}, {grid.cols}]"
        raise ShapeError(f"The signal is {list(signal.shape)}; it must be {wanted}.")
    if not bool(torch.isfinite(signal).all()):
        raise ShapeError(
            "The signal has NaN or infinite values; gsjbu.upsample takes them for gaps, a fit needs them filled."
        )
    return signal


def standardised(signal: Tensor) -> tuple[Tensor, float]:
    """``signal`` [C, h, w] about 0 and of spread 1, so that no fit depends on its unit; and the spread it had.

    Each channel has its own mean; all have one spread, so that they keep their weights against each other. A flat
    signal becomes 0.
    """
    values = signal.to(torch.float64)
    centred = values - values.mean(dim=(1, 2), keepdim=True)
    largest = float(centred.abs().max())
    if largest <= FLAT * float(values.abs().max()):
        return torch.zeros_like(signal), 1.0
    centred /= largest  # first, or the squares of very large and very small ones have no room
    spread = float(centred.square().mean().sqrt())
    return (centred / spread).to(torch.float32), largest * spread
