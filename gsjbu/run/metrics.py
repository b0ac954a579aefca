"""How near a picture or a class map is to its reference. Every function says which way is better.

Pictures are what :func:`gsjbu.fit` takes for an image, of [0, 1] or levels of 8 or 16 bits; class maps are whole
numbers ``[H, W]``, NaN for no class, arrays or tensors. What is none of these is refused in words. Pixels where either
picture is NaN are left out, and of nothing that is known the figure is NaN.
"""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import compiler
from gsjbu.core.backends.dispatch import warm_up
from gsjbu.errors import SettingError, ShapeError
from gsjbu.io.compared import class_numbers, mean, numbers, two_class_maps, two_maps, two_pictures
from gsjbu.io.gaps import IGNORE
from gsjbu.io.guides import fractions_of
from gsjbu.settings import is_truth

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_C1, SSIM_C2 = np.float32(0.01**2), np.float32(0.03**2)
BINS = 32  # of a histogram


def psnr(picture: Any, reference: Any) -> float:
    """Peak signal-to-noise ratio in dB, peak 1; higher is better, infinite when equal."""
    a, b = two_pictures(picture, reference)
    error = mean(np.square(a - b))
    return math.inf if error == 0 else -10 * math.log10(error)


def l1(picture: Any, reference: Any) -> float:
    """Mean absolute difference, 0–1; lower is better."""
    a, b = two_pictures(picture, reference)
    return mean(np.abs(a - b))


def ssim(picture: Any, reference: Any) -> float:
    """Structural similarity, at most 1; higher is better.

    Gaussian window of 11 × 11 pixels, σ = 1.5, K₁ = 0.01, K₂ = 0.03, over whole windows without a pixel that is left
    out, mean over channels (Wang et al. 2004). Pictures under 11 pixels either way are mirrored out to fit one window.
    """
    a, b = two_pictures(picture, reference)
    short = [max(0, SSIM_WINDOW - n) for n in a.shape[1:]]
    if any(short):
        pad = ((0, 0), *((n // 2, n - n // 2) for n in short))
        a, b = np.pad(a, pad, mode="symmetric"), np.pad(b, pad, mode="symmetric")
    from gsjbu.run.ssim import mean_ssim

    planes = zip(*(np.ascontiguousarray(x, dtype=np.float32) for x in (a, b)), strict=True)
    return float(np.mean([mean_ssim(p, q, _window(), SSIM_C1, SSIM_C2) for p, q in planes]))


def compare(picture: Any, reference: Any) -> dict[str, float | None]:
    """``{"psnr", "ssim", "l1"}``; None for infinity (psnr of equal pictures) and NaN, which JSON has not, and for ssim
    without numba."""
    figures = {"psnr": psnr(picture, reference), "ssim": math.nan, "l1": l1(picture, reference)}
    if not compiler.unavailable_reason():
        figures["ssim"] = ssim(picture, reference)
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def confusion(labels: Any, truth: Any, classes: int, ignore: int | None = IGNORE) -> np.ndarray:
    """int64 ``[classes, classes]``: pixels of class row in ``truth`` that ``labels`` calls class column.

    What either calls none of the classes is not counted.
    """
    a, b = two_class_maps(labels, truth)
    keep = (b >= 0) & (b < classes) & (a >= 0) & (a < classes)
    if ignore is not None:
        keep &= b != ignore
    return np.bincount(b[keep] * classes + a[keep], minlength=classes * classes).reshape(classes, classes)


def miou(labels: Any, truth: Any, classes: int | None = None, ignore: int | None = IGNORE) -> float:
    """Mean intersection over union, 0–1, over the classes present in either; higher is better.

    Where ``truth`` has none of the classes it is not known; where ``labels`` has none it is wrong: ``ignore``, in
    either, is none. NaN where nothing is known.
    """
    a, b = two_class_maps(labels, truth)
    a = a if ignore is None else np.where(a == ignore, -1, a)
    known = b >= 0 if ignore is None else (b >= 0) & (b != ignore)
    if classes is None:
        classes = int(max(a.max(initial=0), b[known].max(initial=0))) + 1
    known &= b < classes
    each = class_ious(a[known], b[known], classes)
    return math.nan if np.isnan(each).all() else float(np.nanmean(each))


def class_ious(labels: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Intersection over union of each class, float64 [classes], NaN for one that is nowhere.

    ``truth`` [n] has numbers from 0 to classes − 1; others in ``labels`` [n] are of no class, and wrong.
    """
    both = np.bincount(truth[labels == truth], minlength=classes).astype(np.float64)
    named = labels[(labels >= 0) & (labels < classes)]
    either = np.bincount(named, minlength=classes) + np.bincount(truth, minlength=classes) - both
    return np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0)


def boundary_f(labels: Any, truth: Any, tolerance: int = 2, ignore: int | None = IGNORE) -> float:
    """F-score of class boundaries, 0–1: found within ``tolerance`` pixels, both ways; higher is better.

    A boundary pixel has another class to its right or below; where ``truth`` is not known, there is none. Two maps
    without any boundary agree: 1.
    """
    reach = _whole("tolerance", tolerance)
    maps = two_class_maps(labels, truth)
    known = maps[1] >= 0 if ignore is None else (maps[1] >= 0) & (maps[1] != ignore)
    a, b = (boundaries(x, known) for x in maps)
    if not a.any() and not b.any():
        return 1.0
    if not a.any() or not b.any():
        return 0.0
    precision = float(dilate(b, reach)[a].mean())
    recall = float(dilate(a, reach)[b].mean())
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def _whole(name: str, pixels: int) -> int:
    """A number of pixels, 0 or more. Raises SettingError."""
    if not isinstance(pixels, SupportsIndex) or is_truth(pixels) or pixels.__index__() < 0:
        raise SettingError(name, f"{name} is {repr(pixels)[:40]}; it must be a whole number of pixels, 0 or more.")
    return pixels.__index__()


def edge_alignment(labels: Any, image: Any) -> float | None:
    """Colour step across class boundaries over the mean colour step: do they lie on edges? Higher is better.

    1 means no relation. None where there is no boundary or the image has one colour.
    """
    a, x = class_numbers(labels), fractions_of(image).to(torch.float32).numpy()
    if a.shape != x.shape[1:]:
        raise ShapeError(
            f"The class map is {list(a.shape)} and the image {list(x.shape)}; they must be [H, W] and [C, H, W]."
        )
    steps, cuts = [], []
    for axis in (0, 1):
        steps.append(np.sqrt(np.square(np.diff(x, axis=axis + 1)).sum(0)).ravel())
        cuts.append((np.diff(a, axis=axis) != 0).ravel())
    step, cut = np.concatenate(steps), np.concatenate(cuts)
    usual = float(step.mean()) if step.size else 0.0
    return float(step[cut].mean()) / usual if cut.any() and usual > 0 else None


def changed(labels: Any, other: Any) -> float:
    """Share of pixels, 0–1, whose class differs between two maps."""
    a, b = two_class_maps(labels, other)
    return float((a != b).mean())


def rmse(values: Any, truth: Any, mask: Any = None) -> float:
    """Root mean squared difference of [C, H, W] where ``mask`` [H, W] is not 0, in the signal's unit; lower is better.

    NaN where nothing is known.
    """
    a, b = two_maps(values, truth)
    keep = np.isfinite(a).all(0) & np.isfinite(b).all(0)
    if mask is not None:
        held = numbers(mask, "The mask")
        if held.shape not in (keep.shape, (1, *keep.shape)):
            raise ShapeError(f"The mask is {list(held.shape)}; it must be [H, W], {list(keep.shape)}.")
        keep &= np.nan_to_num(held).reshape(keep.shape) != 0
    if not keep.any():
        return math.nan
    return math.sqrt(float(np.mean(np.square(a[:, keep] - b[:, keep]), dtype=np.float64)))


def histogram(values: Tensor, low: float, high: float, unit: str) -> dict[str, Any]:
    """``{"edges": [BINS + 1], "counts": [BINS], "unit"}`` of ``values`` between ``low`` and ``high``."""
    flat = values.detach().to("cpu", torch.float32).numpy().ravel()
    counts, edges = np.histogram(np.clip(flat, low, high), bins=BINS, range=(low, high))
    return {"edges": edges.tolist(), "counts": counts.tolist(), "unit": unit}


def histograms(sigma_x: Tensor, sigma_y: Tensor, theta: Tensor, sigma_r: Tensor) -> dict[str, dict[str, Any]]:
    """Histograms of the four kernel parameters; the two spatial ones share their edges."""
    high = max(2.0, float(sigma_x.max()), float(sigma_y.max()))
    return {
        "sigma_x": histogram(sigma_x, 1, high, "px"),
        "sigma_y": histogram(sigma_y, 1, high, "px"),
        "theta": histogram(theta, -math.pi, math.pi, "rad"),
        "sigma_r": histogram(sigma_r, 0, max(0.1, float(sigma_r.max())), "RGB distance"),
    }


def boundaries(labels: Any, known: np.ndarray | None = None) -> np.ndarray:
    """bool ``[H, W]``: pixels with another class to their right or below, both of them ``known``."""
    a = np.asarray(labels)
    there = np.ones(a.shape, bool) if known is None else known
    out = np.zeros(a.shape, bool)
    for axis in (0, 1):
        (here, beside), (k, kb) = neighbours(a, axis), neighbours(there, axis)
        neighbours(out, axis)[0][...] |= (here != beside) & k & kb
    return out


def neighbours(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Along an axis of [H, W]: views of all but the last, and of all but the first."""
    return (x[:-1], x[1:]) if axis == 0 else (x[:, :-1], x[:, 1:])


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    """``mask`` grown by a disc of ``radius`` pixels."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius and abs(dy) < height and abs(dx) < width:
                to = (slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx)))
                of = (slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx)))
                out[to] |= mask[of]
    return out


def _window() -> np.ndarray:
    """float32 [11]: the Gaussian window along one axis, summing to 1."""
    taps = np.exp(-np.square(np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2) / (2 * SSIM_SIGMA**2))
    return (taps / taps.sum()).astype(np.float32)


def _compile_ssim() -> None:
    plane = np.zeros((SSIM_WINDOW, SSIM_WINDOW), np.float32)
    ssim(torch.from_numpy(plane[None]), torch.from_numpy(plane[None]))


warm_up.tasks.append(_compile_ssim)
