"""Test-time optimisation: learn one anisotropic Gaussian per LR pixel from one image, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import devices, parameters
from gsjbu.core.backends import attention, dispatch
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel
from gsjbu.core.threads import torch_threads
from gsjbu.errors import SettingError, ShapeError
from gsjbu.settings import SETTINGS

RATE = 0.1  # Adam's step on the raw values
_USUAL = (RATE, parameters.START_SIGMA, parameters.START_SIGMA_R)


def fit(
    image: Any,
    stride: int = 16,
    iters: int = 50,
    radius: int = 2,
    objective: str = "rgb",
    signal: Tensor | None = None,
    device: str = "auto",
    progress: Callable[[int, float], object] | None = None,
    *,
    lr_size: tuple[int, int] | None = None,
    grid: Grid | None = None,
    init: Kernel | None = None,
    threads: int | None = None,
    backend: str = "auto",
    rate: float = RATE,
    sigma: float = parameters.START_SIGMA,
    sigma_r: float = parameters.START_SIGMA_R,
) -> Kernel:
    """Fit a kernel to ``image``.

    Args:
        image: [3, H, W] float in [0, 1], a PIL image, or a uint8 array [H, W, 3]; any number of channels as a tensor.
        stride: HR pixels per LR pixel, 2–64. ``lr_size=(h, w)`` may be given instead: the ratio then comes from
            the sizes and may be non-integer and differ per axis. ``grid`` says it all at once.
        iters: steps of Adam, 0–1000; 0 is the fixed kernel.
        radius: the window is (2·radius + 1)² LR pixels, 1–8.
        objective: ``rgb``: mean |Î − I|. ``signal``: the rendered signal's cell means give back ``signal``.
        signal: [C, h, w], needed by the objective ``signal``.
        device: auto, cpu, cuda or mps.
        progress: called as ``progress(step, loss)`` after each step; returning False stops the fit early and
            keeps what has been reached, an exception passes through.
        init: a kernel over the same LR size to start from; ``sigma`` (strides) and ``sigma_r`` otherwise.
        threads: cores to use at most on the CPU; all that are available if not given.
        backend: auto, fused or attention.

    Returns:
        A frozen Kernel. On the CPU the result is the same bits for the same input and settings.

    Raises:
        SettingError, ShapeError: a setting out of bounds, or sizes that do not fit.

    Example:
        >>> import torch, gsjbu
        >>> image = torch.rand(3, 64, 48)
        >>> kernel = gsjbu.fit(image, stride=8, iters=5)
        >>> kernel.render(torch.rand(7, 8, 6)).shape
        torch.Size([7, 64, 48])
    """
    from gsjbu.io.pictures import to_image

    guide = to_image(image).detach().to("cpu", torch.float32).contiguous()
    iters, radius = SETTINGS["iters"].parse(iters), SETTINGS["radius"].parse(radius)  # type: ignore[assignment]
    if grid is not None:
        if (grid.height, grid.width) != tuple(guide.shape[1:]):
            raise ShapeError(
                f"The grid is over {grid.width}×{grid.height} pixels, the image has {guide.shape[2]}×{guide.shape[1]}."
            )
        if not grid.is_regular:
            raise ShapeError(
                "The grid's steps do not go with its sizes; use Grid.from_sizes or Grid.from_stride."
            )
    elif lr_size is not None:
        grid = Grid.from_sizes(guide.shape[1], guide.shape[2], *lr_size)
    else:
        grid = Grid.from_stride(guide.shape[1], guide.shape[2], SETTINGS["stride"].parse(stride))  # type: ignore[arg-type]
    if objective == "auto":
        if init is not None or (rate, sigma, sigma_r) != _USUAL:
            raise SettingError(
                "objective",
                "init, rate, sigma and sigma_r are chosen by the objective 'auto' itself; leave them out, or use 'rgb' "
                "or 'signal'.",
            )
        from gsjbu.core import auto

        return auto.fit(guide, grid, signal, radius=radius, iters=iters, device=device, progress=progress,
                        threads=threads, backend=backend)  # fmt: skip
    if objective not in ("rgb", "signal"):
        raise SettingError("objective", f"objective is {objective!r}; it must be one of rgb, signal, auto.")
    if objective == "signal":
        signal = checked_signal(signal, grid)
    if init is not None and init.raw.shape[1:] != (grid.rows, grid.cols):
        raise ShapeError(
            f"init has {init.grid.cols}×{init.grid.rows} Gaussians, this fit has {grid.cols}×{grid.rows}; "
            "they must be the same."
        )
    raw = parameters.start(grid, sigma, sigma_r) if init is None else init.raw
    where = devices.resolve(device)
    name, reason = dispatch.choose(where, backend)
    lr_guide = grid.cell_means(guide)
    rgb_weight, signal_weight = float(objective == "rgb"), float(objective == "signal")
    losses: list[float] = []
    if iters == 0:
        pass
    elif name == "fused":
        from gsjbu.core.backends import cpu

        problem = cpu.Problem.of(guide, lr_guide, grid, radius)
        raw, losses, _ = cpu.fit(
            problem, raw, iters, rate, rgb_weight, signal, signal_weight, threads=threads, progress=progress
        )
    else:
        on_device = attention.Problem(guide.to(where), lr_guide.to(where), grid, radius)
        with torch_threads(threads):
            raw, losses, _ = attention.fit(
                on_device, raw, iters, rate, rgb_weight, signal, signal_weight, progress=progress
            )
    return Kernel(guide, grid, radius, raw, losses, objective, name, reason, where.type, threads)


def checked_signal(signal: Tensor | None, grid: Grid) -> Tensor:
    from gsjbu.io.signals import LEAST_TOP, MOST_TOP

    if signal is None:
        raise ShapeError(
            "The objective 'signal' needs a signal [C, h, w] to give back; pass signal=… or use 'rgb'."
        )
    signal = torch.as_tensor(signal).detach().to("cpu", torch.float32)
    if signal.ndim != 3 or tuple(signal.shape[1:]) != (grid.rows, grid.cols):
        raise ShapeError(f"The signal is {list(signal.shape)}; it must be [C, {grid.rows}, {grid.cols}].")
    _check_finite(signal)
    top = float(signal.abs().max())
    if top and not LEAST_TOP <= top <= MOST_TOP:
        raise ShapeError(
            f"The signal's largest value is {top:.3g}; its squares have no room in float32: scale it first."
        )
    return signal


def _tensor(signal: Any) -> Tensor:
    """A tensor, an array of any layout, or a picture with one value a pixel, as finite float32."""
    if not isinstance(signal, Tensor):
        array = np.asarray(signal)
        if array.dtype.kind not in "fiub":
            raise ShapeError(
                f"The signal is {type(signal).__name__} of {array.dtype.name}; it must hold real numbers."
            )
        signal = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
    if signal.is_complex():
        raise ShapeError("The signal is complex; give its real and imaginary parts as channels.")
    signal = signal.to(torch.float32)
    _check_finite(signal)
    return signal


def _check_finite(signal: Tensor) -> None:
    if not bool(torch.isfinite(signal).all()):
        raise ShapeError(
            "The signal has NaN or infinite values; fill or mask them first (gsjbu.signals does)."
        )


def upsample(image: Any, signal: Any, objective: str = "auto", **options: Any) -> Tensor:
    """Fit and render in one call: an LR ``signal`` [C, h, w] to [C, H, W] along the edges of ``image``.

    The ratio comes from the sizes. Options are those of ``fit``. A signal [h, w] gives [H, W].

    Example:
        >>> import torch, gsjbu
        >>> gsjbu.upsample(torch.rand(3, 60, 80), torch.rand(16, 15, 20)).shape
        torch.Size([16, 60, 80])
    """
    values = _tensor(signal)
    flat = values.ndim == 2
    values = values[None] if flat else values
    if values.ndim != 3:
        raise ShapeError(f"The signal is {list(values.shape)}; it must be [C, h, w] or [h, w].")
    kernel = fit(
        image, objective=objective, signal=values, lr_size=(values.shape[1], values.shape[2]), **options
    )
    rendered = kernel.render(values)
    return rendered[0] if flat else rendered
