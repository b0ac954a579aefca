"""The two verbs that everybody calls: fit a kernel to an image, and upsample a signal along it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.backends.dispatch import wants_gradient
from gsjbu.core.eager import eager
from gsjbu.core.fit import fit_kernel
from gsjbu.core.grid import Grid, Size, one_of, pair
from gsjbu.core.kernel import Kernel
from gsjbu.core.plain import untransformed
from gsjbu.errors import SettingError, SignalError, SignalWarning
from gsjbu.io import kinds
from gsjbu.io.gaps import Invalid
from gsjbu.io.guides import Guide, Numbers, if_swapped, to_guide
from gsjbu.io.kinds import AUTO
from gsjbu.io.names import Names
from gsjbu.io.restoring import check_shares, restored
from gsjbu.io.signals import Signal, understand
from gsjbu.io.stretching import Stretch
from gsjbu.settings import SETTINGS, default, flag


@eager
@untransformed()
def fit(
    image: Any,
    stride: int | None = None,
    iters: int = default("iters"),
    radius: int = default("radius"),
    objective: str = "rgb",
    signal: Any = None,
    device: str | torch.device = default("device"),
    progress: Callable[[int, float], object] | None = None,
    *,
    lr_size: Size | None = None,
    grid: Grid | Size | None = None,
    init: Kernel | None = None,
    threads: int | None = None,
    backend: str = "auto",
    optimiser: str = default("optimiser"),
    lr_image: str = default("lr_image"),
    rate: float | None = None,
    sigma: float | None = None,
    sigma_r: float | None = None,
    kind: str | None = None,
    mask: Tensor | np.ndarray | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    guide_mask: Any = None,
    stretch: Stretch | None = None,
) -> Kernel:
    """Fit a kernel to ``image``.

    Args:
        image: a path, a PIL picture, an array or a tensor: [H, W], [H, W, C], [C, H, W] or a batch of one; uint8,
            uint16 or float in [0, 1]. What lies beyond, or fills less than an eighth of it, is stretched, which
            ``notes`` of the kernel say.
        stride: HR pixels per LR pixel, 2–64; 16 if no grid is given. ``lr_size=(h, w)`` may be given instead: the ratio
            then comes from the sizes and may be non-integer and differ per axis. ``grid``, likewise instead, is a Grid,
            or rows and columns as ``lr_size`` has them.
        iters: steps of the fit, 0–1000; 0 is the fixed kernel.
        radius: the window is (2·radius + 1)² LR pixels, 1–8.
        objective: ``rgb``: mean |Î − I|. ``signal``: the rendered signal's cell means give back ``signal``.
            ``auto``: what measures best for such a signal. ``suited``: ``auto`` if there is a signal, else ``rgb``.
        signal: [C, h, w], or [h, w] of one channel, an array or a tensor, needed by the objective ``signal``.
        device: auto, cpu, cuda or mps.
        progress: called as ``progress(step, loss)`` after each step; returning False stops the fit early and
            keeps what has been reached, an exception passes through.
        init: a kernel over the same LR size to start from; ``sigma`` (strides) and ``sigma_r`` otherwise, which the
            optimiser knows for itself if they are not given.
        threads: cores to use at most on the CPU; all that are available if not given.
        backend: auto, fused or attention.
        lr_image: how the LR image is made, which is mixed and with which the weights compare: ``bilinear`` (the
            paper's: the image at each cell's centre), ``area`` (cell means), or auto: bilinear for ``rgb`` without a
            signal and, with the objective ``auto``, for a signal that holds samples; area otherwise.
        optimiser: of the objective ``rgb``. ``log-adam``: Adam on log σx, log σy, θ and log σr, each step on every
            other row and column of the pixels. ``adam``: the paper's, on the raw values and on all pixels.
        rate: of the first step, instead of the optimiser's own.
        kind: what the signal is, for the objective ``auto``, as for :func:`gsjbu.upsample`. depth, probabilities,
            logits and heat_map count there; of the others, and if it is not given, the values are looked at.
        mask: bool [h, w], where the signal has a value of its own; everywhere if not given.
        mean: per channel, if the image comes normalised: ``image · std + mean`` is taken.
        std: likewise; the two go together.
        guide_mask: [H, W], not 0 where the image is not to be followed: clouds, no data, a sensor's rim. An array, a
            picture or a path; a masked array brings its own. Such pixels take no part in the fit, whatever they hold,
            and are mixed by place alone.
        stretch: of an image of any number of bands, what becomes 0 and 1 in each: ``"percentiles"`` (its 2nd and
            98th), (low, high) in the image's own numbers, or one such pair for each band.

    Returns:
        A frozen Kernel. On the CPU the result is the same bits for the same input and settings.

    Raises:
        ImageError: what is no image. SettingError, ShapeError: a setting out of bounds, or sizes that do not fit.
        SignalError: a kind that there is not.

    Example:
        >>> import torch, gsjbu
        >>> image = torch.rand(3, 64, 48)
        >>> kernel = gsjbu.fit(image, stride=8, iters=5)
        >>> kernel.render(torch.rand(7, 8, 6)).shape
        torch.Size([7, 64, 48])
    """
    known = kinds.parse(kind)
    one_of(stride=stride, lr_size=lr_size, grid=grid)
    found = to_guide(image, mean, std, guide_mask, stretch)
    guide = found.pixels.detach().to("cpu", torch.float32)
    # A kernel outlives the call: it must not change with a buffer that is filled anew.
    lent = found.lent and found is not image
    guide = guide.clone(memory_format=torch.contiguous_format) if lent else guide.contiguous()
    if not isinstance(grid, Grid):
        grid = _grid(guide, stride, lr_size if grid is None else pair("grid", grid))
    kernel = fit_kernel(
        guide, grid, iters=iters, radius=radius, objective=objective, signal=signal, kind=known, mask=mask,
        seen=found.seen, device=device,
        progress=progress, init=init, threads=threads, backend=backend, optimiser=optimiser,
        lr_image=lr_image,
        rate=rate, sigma=sigma, sigma_r=sigma_r,
    )  # fmt: skip
    return replace(kernel, notes=(*found.notes, *kernel.notes)) if found.notes else kernel


def _grid(guide: Tensor, stride: int | None, lr_size: Size | None) -> Grid:
    height, width = guide.shape[1:]
    if lr_size is not None:
        return Grid.from_sizes(height, width, *pair("lr_size", lr_size))
    asked = default("stride") if stride is None else SETTINGS["stride"].parse(stride)
    return Grid.from_stride(height, width, int(asked))


class RefineOptions(TypedDict, total=False):
    """What refine hands on to fit."""

    iters: int
    radius: int
    device: str | torch.device
    threads: int | None


class FitOptions(RefineOptions, total=False):
    """What upsample hands on to fit."""

    progress: Callable[[int, float], object] | None
    init: Kernel | None
    backend: str
    optimiser: str
    lr_image: str
    rate: float | None
    sigma: float | None
    sigma_r: float | None


def check_options(verb: str, given: Mapping[str, Any], options: type) -> None:
    """Refuse what is not among the ``options`` of ``verb``. Raises SettingError."""
    known = options.__annotations__
    for name in given:
        if name not in known:
            raise SettingError(name, f"{verb} has no option {name}; it has {', '.join(known)}.", code="setting_unknown")


@eager
def upsample(
    image: Any,
    signal: Any,
    objective: str = "auto",
    *,
    kind: str = AUTO,
    invalid: Invalid = AUTO,
    layout: str = AUTO,
    grid: Sequence[int] | None = None,
    names: Names = (),
    fill: bool = False,
    probabilities: bool = False,
    clip: bool = True,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    guide_mask: Any = None,
    stretch: Stretch | None = None,
    **options: Unpack[FitOptions],
) -> Tensor:
    """Fit and render in one call: a low-resolution ``signal`` at the size of ``image``, along the image's edges.

    Args:
        image: what :func:`gsjbu.fit` takes.
        signal: a path, a file's bytes, an array, a tensor, a masked array, a PIL picture, or the output of a Hugging
            Face model or pipeline: [h, w], [C, h, w], [h, w, C], tokens [N, C], or a batch of one of those. What was
            plainly enlarged before (blocks, bilinear, bicubic) is brought back to its own cells; a SignalWarning says
            so, and ``layout="64x64"``, its size, that it stays.
        kind: depth (any measured quantity), labels, soft_labels, probabilities, logits, features, heat_map, or auto:
            then it is guessed by stated rules, and a SignalWarning names the other kind where two are about as likely.
        invalid: the numbers that mean "no value", auto, or none; NaN and infinity never are values.
        layout: auto, chw, hwc, tokens; ``grid``: rows and columns of tokens, where they cannot be told, or of a map
            whose cells are not square.
        names: of the classes, by their number: a list, or a map from number to name (``id2label``).
        fill: pixels without a value in their window take the nearest one's instead of being gaps.
        probabilities: of labels, the share of each class, [K, H, W], in rising order of their numbers.
        clip: hold every pixel in the range of its window, as pure mixing does by itself.
        mean: per channel, if the image comes normalised: ``image · std + mean`` is taken.
        std: likewise.
        guide_mask: [H, W], not 0 where the image is not to be followed; see :func:`gsjbu.fit`. The signal's own cells
            without a value are its ``invalid``.
        stretch: of an image's bands, as for :func:`gsjbu.fit`.
        options: those of :func:`gsjbu.fit`, but for ``stride``, ``lr_size`` and ``mask``, which the signal says.

    Returns:
        [H, W] where [h, w] came and of a map of classes, otherwise [C, H, W], in the signal's unit: class numbers and
        other integers in their own dtype, logits as probabilities, float32 or float64 otherwise; gaps are NaN, or the
        integer that stood for them. Where the signal asks for a gradient the values are the same, and the gradient is
        that of mixing, and of what makes shares of the signal: the softmax of logits, the division of levels by their
        whole. What else is done before and after has none. Whole numbers are then a quantity, no classes.

    Raises:
        SignalError, ImageError, ShapeError, SettingError: with a sentence on what would be right.

    Example:
        >>> import torch, gsjbu
        >>> gsjbu.upsample(torch.rand(3, 60, 80), torch.rand(16, 15, 20)).shape
        torch.Size([16, 60, 80])
    """
    for name in ("stride", "lr_size", "mask"):
        if name in options:
            raise SettingError(
                name,
                f"upsample takes no {name}: the signal's own size and its gaps say it. gsjbu.fit takes one.",
            )
    check_options("upsample", options, FitOptions)
    probabilities, clip = flag("probabilities", probabilities), flag("clip", clip)
    learnt = isinstance(signal, Tensor) and wants_gradient(signal)
    # A gradient is asked for cell by cell, and a kernel to start from has the cells that it has.
    as_it_is = learnt or options.get("init") is not None
    words = {"kind": kind, "invalid": invalid, "layout": layout, "grid": grid, "names": names, "fill": fill}
    with untransformed():
        guide = to_guide(image, mean, std, guide_mask, stretch)
        brought = _brought(signal, guide, words, learnt, as_it_is)
    if probabilities:
        check_shares(brought)
    for doubt in (*guide.notes, *brought.doubts):
        warnings.warn(doubt, SignalWarning, stacklevel=3)  # of the caller, beyond eager()
    kernel = fit(
        guide,
        objective=objective,
        signal=brought.values,
        kind=brought.kind,
        mask=brought.mask,
        lr_size=brought.shape[1:],
        **options,
    )
    with untransformed():
        high = torch.from_numpy(restored(brought, kernel, probabilities=probabilities, clip=clip))
    return _with_gradient(high, signal, brought, kernel) if learnt else high


def _brought(signal: Any, guide: Guide, words: dict[str, Any], learnt: bool, as_it_is: bool) -> Signal:
    """``signal`` as it is understood; class numbers of which a gradient is asked for (``learnt``) as a quantity."""
    try:
        brought = understand(signal, guide.size, **words, as_it_is=as_it_is)
    except SignalError as refusal:
        raise if_swapped(refusal, guide, signal) from refusal
    if not learnt or brought.kind != "labels":
        return brought
    if words["kind"] != AUTO:
        raise SignalError(
            "signal_kind",
            "Class numbers have no gradient: detach the signal, or give one channel a class (soft_labels).",
        )
    return understand(signal, guide.size, **words | {"kind": "depth"}, as_it_is=as_it_is)


def _with_gradient(high: Tensor, signal: Tensor, brought: Signal, kernel: Kernel) -> Tensor:
    """``high`` with the gradient of mixing, and of what makes shares of logits and levels."""
    rows, cols = brought.shape[1:]
    values = signal
    if brought.layout == "tokens":
        values = values.reshape(-1, values.shape[-1])[-rows * cols :].T
    elif brought.layout == "HWC":
        values = values.reshape(values.shape[-3:]).permute(2, 0, 1)
    values = values.reshape(-1, rows, cols)
    values = torch.where(brought.mask.to(values.device), values, 0)  # NaN times a gradient of 0 is NaN
    if brought.kind == "logits":
        values = values.softmax(dim=0) if len(values) > 1 else values.sigmoid()
    mixed = kernel.render(values / brought.levels, mask=brought.mask).reshape(high.shape)
    # Nothing is added to the values: they are those of a signal that asks for no gradient.
    return high.to(mixed.device) + (mixed - mixed.detach()).nan_to_num().to(high.dtype)
