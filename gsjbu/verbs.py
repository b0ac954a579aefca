"""The two verbs that everybody calls: fit a kernel to an image, and upsample a signal along it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.fit import fit_kernel
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import Kernel
from gsjbu.errors import ShapeError
from gsjbu.io.pictures import to_image
from gsjbu.settings import SETTINGS, default


def fit(
    image: Any,
    stride: int = default("stride"),
    iters: int = default("iters"),
    radius: int = default("radius"),
    objective: str = default("objective"),
    signal: Tensor | None = None,
    device: str = default("device"),
    progress: Callable[[int, float], object] | None = None,
    *,
    lr_size: tuple[int, int] | None = None,
    grid: Grid | None = None,
    init: Kernel | None = None,
    threads: int | None = None,
    backend: str = "auto",
    optimiser: str = default("optimiser"),
    lr_image: str = default("lr_image"),
    rate: float | None = None,
    sigma: float | None = None,
    sigma_r: float | None = None,
) -> Kernel:
    """Fit a kernel to ``image``.

    Args:
        image: [3, H, W] float in [0, 1], a PIL image, or a uint8 array [H, W, 3]; any number of channels as a tensor.
        stride: HR pixels per LR pixel, 2–64. ``lr_size=(h, w)`` may be given instead: the ratio then comes from
            the sizes and may be non-integer and differ per axis. ``grid`` says it all at once.
        iters: steps of the fit, 0–1000; 0 is the fixed kernel.
        radius: the window is (2·radius + 1)² LR pixels, 1–8.
        objective: ``rgb``: mean |Î − I|. ``signal``: the rendered signal's cell means give back ``signal``.
            ``auto``: what measures best for such a signal.
        signal: [C, h, w], needed by the objective ``signal``.
        device: auto, cpu, cuda or mps.
        progress: called as ``progress(step, loss)`` after each step; returning False stops the fit early and
            keeps what has been reached, an exception passes through.
        init: a kernel over the same LR size to start from; ``sigma`` (strides) and ``sigma_r`` otherwise, which the
            optimiser knows for itself if they are not given.
        threads: cores to use at most on the CPU; all that are available if not given.
        backend: auto, fused or attention.
        lr_image: how the LR image is made, which is mixed and with which the weights compare: ``bilinear`` (the
            paper's: the image at each cell's centre), ``area`` (cell means), or auto: bilinear for ``rgb`` without a
            signal, area otherwise.
        optimiser: of the objective ``rgb``. ``log-adam``: Adam on log σx, log σy, θ and log σr, each step on every
            other row and column of the pixels. ``adam``: the paper's, on the raw values and on all pixels.
        rate: of the first step, instead of the optimiser's own.

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
    guide = to_image(image).detach().to("cpu", torch.float32).contiguous()
    if grid is None:
        grid = _grid(guide, stride, lr_size)
    return fit_kernel(
        guide, grid, iters=iters, radius=radius, objective=objective, signal=signal, device=device,
        progress=progress, init=init, threads=threads, backend=backend, optimiser=optimiser, lr_image=lr_image,
        rate=rate, sigma=sigma, sigma_r=sigma_r,
    )  # fmt: skip


def _grid(guide: Tensor, stride: int, lr_size: tuple[int, int] | None) -> Grid:
    height, width = guide.shape[1:]
    if lr_size is not None:
        return Grid.from_sizes(height, width, *lr_size)
    return Grid.from_stride(height, width, int(SETTINGS["stride"].parse(stride)))


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
    if not bool(torch.isfinite(values).all()):
        raise ShapeError(
            "The signal has NaN or infinite values; fill or mask them first (gsjbu.signals does)."
        )
    kernel = fit(
        image, objective=objective, signal=values, lr_size=(values.shape[1], values.shape[2]), **options
    )
    rendered = kernel.render(values)
    return rendered[0] if flat else rendered


def _tensor(signal: Any) -> Tensor:
    """A tensor, an array of any layout, or a picture with one value a pixel, as float32."""
    if not isinstance(signal, Tensor):
        array = np.asarray(signal)
        if array.dtype.kind not in "fiub":
            raise ShapeError(
                f"The signal is {type(signal).__name__} of {array.dtype.name}; it must hold real numbers."
            )
        signal = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
    if signal.is_complex():
        raise ShapeError("The signal is complex; give its real and imaginary parts as channels.")
    return signal.to(torch.float32)
