"""Tensors to the pictures a person looks at: each panel keeps its values, its unit and what its colours mean.

Panels that are to be compared share one scale: the error maps, the two σ, those of a signal.
Parameter panels have the size of the low-resolution (LR) grid; the page enlarges them without smoothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.io import colours
from gsjbu.io.colours import ColourBar
from gsjbu.io.pictures import png_bytes, to_uint8

if TYPE_CHECKING:
    from gsjbu.models.pca import Basis

#: Errors above this share of all pixels' errors take the last colour, so that one pixel does not darken the map.
ERROR_QUANTILE = 0.995
#: The same for the kernels' parameters, where a few cells at a bound would leave the rest one colour.
MOST = 0.98
NO_PICTURE = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a result.

    ``picture`` uint8 [h, w, 3]; ``values`` float32 [C, h, w] behind it, float64 where float32 does not hold them, in
    ``unit`` (for the read-out at a pixel); NaN where there is none;
    ``bar`` says what the colours mean where they stand for one number, ``legend`` where they stand for classes.
    """

    name: str
    group: str
    title: str
    sentence: str
    picture: np.ndarray
    values: Tensor
    unit: str = ""
    bar: ColourBar | None = None
    legend: list[dict[str, Any]] | None = None
    shared: bool = False  # by runs of the image: its PNG stays with it

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.picture.shape[1]

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.picture.shape[0]

    def png(self) -> bytes:
        """The picture as a PNG file."""
        return self._file if self.shared else png_bytes(self.picture)

    @cached_property
    def _file(self) -> bytes:
        return png_bytes(self.picture)

    def as_dict(self) -> dict[str, Any]:
        """Everything but pixels and values, for JSON."""
        return self.described(self.width, self.height)

    def described(self, width: int, height: int) -> dict[str, Any]:
        """The same of a picture of this size, which need not be made."""
        return {
            "name": self.name, "group": self.group, "title": self.title, "sentence": self.sentence,
            "width": width, "height": height, "unit": self.unit,
            "bar": self.bar.as_dict() if self.bar else None, "legend": self.legend,
        }  # fmt: skip


# --------------------------------------------------------------------------------------------- RGB

_RGB_TEXTS = {
    "original": ("Original", "The image, reduced to the chosen resolution."),
    "lr": ("Low resolution", "All that the upsampling may mix."),
    "bilinear_rgb": ("Bilinear", "The LR pixels, blended by distance alone: edges blur."),
    "gsjbu_rgb": ("GS-JBU", "The same LR pixels, mixed by the fitted kernels: edges follow the image."),
    "bicubic_rgb": ("Bicubic", "The LR pixels, blended by a cubic of distance: sharper than bilinear, may ring."),
    "fixed_rgb": ("Fixed kernel", "GS-JBU before any optimisation: round Gaussians, all alike."),
    "tto_rgb_rgb": ("TTO on RGB", "Kernels fitted to give back the image's own colours."),
    "tto_signal_rgb": ("TTO on the signal", "Kernels fitted so that the result's cell means give back the LR signal."),
}


#: Of a way whose fit took no step.
UNFITTED = "The same LR pixels, mixed by Gaussians as they start: no step was taken, so nothing was fitted."

#: Of the LR image, by how it was made.
LR_SENTENCES = {
    "bilinear": "Each pixel is the image at the centre of its cell, sampled as in the paper: all that may be mixed.",
    "area": "Each pixel is the mean of one cell of the image: all that the upsampling may mix.",
}


def rgb(name: str, image: Tensor, sentence: str = "") -> Panel:
    """One of those named in ``_RGB_TEXTS``, from [C, h, w] in [0, 1] (first three channels)."""
    title, usual = _RGB_TEXTS[name]
    shown = image if image.shape[0] in (1, 3) else image[:3] if image.shape[0] > 3 else image[:1]
    return Panel(name, "rgb", title, sentence or usual, to_uint8(shown), _values(image), "of full brightness, 0–1")


def errors(image: Tensor, bilinear: Tensor, gsjbu: Tensor) -> list[Panel]:
    """``error_bilinear`` and ``error_gsjbu``: mean absolute difference over channels, on one shared scale."""
    truth = _values(image)
    maps = [(_values(x) - truth).abs().mean(0, keepdim=True) for x in (bilinear, gsjbu)]
    pooled = np.concatenate([m.numpy().ravel() for m in maps])
    rank = int(ERROR_QUANTILE * (pooled.size - 1))
    high = max(float(np.partition(pooled, rank)[rank]), 1 / 255)
    bar = ColourBar(0.0, high, "of full brightness", "inferno")
    sentence = "How far {} is from the original, on the same scale as the other error map; black is no error."
    return [
        Panel(name, "rgb", f"Error, {who}", sentence.format(who), paint(x, bar), x, bar.unit, bar)
        for name, who, x in zip(("error_bilinear", "error_gsjbu"), ("bilinear", "GS-JBU"), maps, strict=True)
    ]


# ---------------------------------------------------------------------------------------- features

#: The ways in the words of a panel's title, in the order in which their panels stand (views.py).
WAYS = {
    "lr": "low resolution",
    "bilinear": "bilinear",
    "gsjbu": "GS-JBU",
    "auto": "auto",
    "truth": "truth",
    "bicubic": "bicubic",
    "fixed": "fixed kernel",
    "tto_rgb": "TTO on RGB",
    "tto_signal": "TTO on the signal",
}


def features(basis: Basis, projected: Mapping[str, Tensor], group: str = "features") -> list[Panel]:
    """``features_lr``, ``features_bilinear`` … (or ``signal_…``), one a way, from three PCA channels [3, h, w].

    ``projected`` maps each way to ``basis.apply(features)`` or a rendering of it: projecting
    and mixing commute, so no full-resolution feature array is needed for a picture.
    """
    return [
        replace(features_head(key, basis.channels, group), picture=to_uint8(basis.colours(x)), values=_values(x))
        for key, x in projected.items()
    ]


def features_head(key: str, channels: int, group: str = "features") -> Panel:
    """What is known of such a panel before its picture is made."""
    sentence = (
        f"The three strongest directions of the {channels} channels as red, green, blue: equal colours, equal features."
    )
    title = f"{group.capitalize()}, {WAYS[key]}"
    return Panel(f"{group}_{key}", group, title, sentence, NO_PICTURE, torch.empty(0), "PCA coordinate")


# -------------------------------------------------------------------------------------- class maps


def classes(
    labels: Mapping[str, Any], names: Sequence[str], group: str = "segmentation", codes: Sequence[int] = ()
) -> list[Panel]:
    """``seg_lr``, ``seg_bilinear`` … (or ``signal_…``), one a way, from integer class maps [h, w]; ``codes``: the
    numbers of the classes, if those are no 0, 1, 2 …"""
    prefix = "seg" if group == "segmentation" else group
    paint = _class_colours(names)
    how = {
        "lr": "The class of each LR pixel.",
        "truth": "The true class of each pixel; grey where it is not known.",
        "bilinear": "Class scores blended by distance alone, then the strongest class.",
        "gsjbu": "The same scores, mixed by Gaussians, then the strongest class.",
        "auto": "The same scores, by what suits them, then the strongest class.",
    }
    other = "The same scores upsampled this way, then the strongest class."
    out = []
    for key, given in labels.items():
        a = np.asarray(given).astype(np.int64)
        picture = np.where(a[..., None] < 0, np.array(colours.NOTHING, np.uint8), paint[a])
        numbers = np.where(a < 0, np.nan, np.array(codes or range(len(names)), np.float64)[a])
        out.append(
            Panel(
                f"{prefix}_{key}", group, f"Classes, {WAYS[key]}", how.get(key, other),
                picture, _values(torch.from_numpy(numbers[None])), "class number", None, legend(a, names, codes),
            )
        )  # fmt: skip
    return out


def legend(labels: np.ndarray, names: Sequence[str], codes: Sequence[int]) -> list[dict[str, Any]]:
    """``[{"name", "colour", "share", "index"}]`` of the classes present, largest share (0–1) first; ``index`` is the
    class's number."""
    counts = np.bincount(labels[labels >= 0].ravel(), minlength=len(names))
    paint = _class_colours(names)
    return [
        {
            "name": names[i], "colour": colours.hexadecimal(paint[i]),
            "share": float(counts[i] / labels.size), "index": int(codes[i] if codes else i),
        }
        for i in np.argsort(-counts, kind="stable") if counts[i] > 0
    ]  # fmt: skip


# ------------------------------------------------------------------------------------ other signals


def depth(maps: Mapping[str, Tensor], unit: str = "") -> list[Panel]:
    """``signal_lr``, ``signal_bilinear`` …, one a way, from one-channel maps [1, h, w] on one scale; NaN is grey.

    The scale is that of the LR values; what lies beyond, as bicubic's may, has the colour of its end.
    """
    held = {key: _values(x) for key, x in maps.items()}
    known = held["lr"].numpy()
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    bar = ColourBar(low, high, unit, "viridis")
    return [
        Panel(
            f"signal_{key}", "signal", f"Signal, {WAYS[key]}", "The values, all panels on one scale.",
            paint(x, bar), x, unit, bar,
        )
        for key, x in held.items()
    ]  # fmt: skip


def off(maps: Mapping[str, Tensor], unit: str, most: float | None = None) -> list[Panel]:
    """``signal_error_…`` from how far off each pixel is, float [1, H, W], on one scale; NaN (no truth) is grey.

    ``most``: the scale's end, where it is known.
    """
    if most is None:
        pooled = np.concatenate([x.numpy().ravel() for x in maps.values()])
        pooled = pooled[np.isfinite(pooled)]
        most = float(np.quantile(pooled, ERROR_QUANTILE)) if pooled.size else 0.0
    bar = ColourBar(0.0, most if most > 0 else 1.0, unit, "inferno")
    sentence = "How far {} is from the truth, on the same scale as the other error maps; black is no error."
    return [
        Panel(
            f"signal_error_{key}", "signal", f"Error, {WAYS[key]}", sentence.format(WAYS[key]), paint(x, bar), x,
            unit, bar,
        )
        for key, x in maps.items()
    ]  # fmt: skip


def confidence(maps: Mapping[str, Tensor]) -> list[Panel]:
    """``signal_confidence_…`` from probabilities [C, h, w]: the strongest class's share of the total."""
    bar = ColourBar(0.0, 1.0, "probability", "viridis")
    out = []
    for key, given in maps.items():
        x = _values(given)
        top = (x.amax(0) / x.sum(0).clamp_min(1e-12)).clamp(0, 1)[None]
        sentence = "The strongest class's share of all classes' probability; dark is undecided."
        out.append(
            Panel(
                f"signal_confidence_{key}", "signal", f"Confidence, {WAYS[key]}", sentence,
                paint(top, bar), top, bar.unit, bar,
            )
        )  # fmt: skip
    return out


# ------------------------------------------------------------------------------------------ kernels


def kernel(sigma_x: Tensor, sigma_y: Tensor, theta: Tensor, sigma_r: Tensor) -> list[Panel]:
    """``sigma_x``, ``sigma_y``, ``theta``, ``sigma_r``, ``anisotropy`` from the parameters [h, w]."""
    sx, sy, angle, sr = (_values(x)[None] for x in (sigma_x, sigma_y, theta, sigma_r))
    ratio = torch.maximum(sx, sy) / torch.minimum(sx, sy)
    reach = ColourBar(*_span(torch.stack([sx, sy])), "px", "viridis")
    turn = ColourBar(0.0, math.pi, "rad", "twilight")
    tone = ColourBar(*_span(sr), "RGB distance", "viridis")
    stretch = ColourBar(1.0, max(1.01, _span(ratio)[1]), "×", "viridis")
    rows = (
        ("sigma_x", "σx", "Reach along the Gaussian's first axis, in image pixels.", sx, reach),
        ("sigma_y", "σy", "Reach along its second axis, in image pixels, on the same scale.", sy, reach),
        (
            "theta",
            "θ",
            "Direction of the first axis; half a turn on it is the same Gaussian, in the same colour.",
            angle,
            turn,
        ),
        ("sigma_r", "σr", "How far colours may differ and still mix; small keeps edges sharp.", sr, tone),
        ("anisotropy", "Anisotropy", "Longer axis over shorter; 1 is round, large lies along an edge.", ratio, stretch),
    )
    return [
        Panel(
            name, "kernel", title, sentence,
            colours.hue(x[0].numpy()) if bar is turn else paint(x, bar), x, bar.unit, bar,
        )
        for name, title, sentence, x, bar in rows
    ]  # fmt: skip


def _class_colours(names: Sequence[str]) -> np.ndarray:
    """The palette; classes that are called by a colour (``#rrggbb``, from a picture of labels) keep it."""
    if names and all(len(n) == 7 and n.startswith("#") for n in names):
        return np.array([list(bytes.fromhex(n[1:])) for n in names], np.uint8)
    return colours.palette(max(len(names), 1))


def _values(x: Tensor) -> Tensor:
    x = x.detach().cpu()
    held = x.to(torch.float32)
    return x if x.dtype == torch.float64 and not torch.allclose(held.double(), x, 0, 0, equal_nan=True) else held


def _span(x: Tensor) -> tuple[float, float]:
    """From the lowest value to one that few exceed; a hundredth apart at least, so that equal values have a bar."""
    low, high = float(x.min()), float(x.flatten().quantile(MOST)) if x.numel() < 2**24 else float(x.max())
    return low, max(high, low + 0.01)


def paint(x: Tensor, bar: ColourBar) -> np.ndarray:
    """Values [1, h, w] in the colours of their bar, uint8 [h, w, 3]."""
    return colours.paint(x[0].numpy(), bar.low, bar.high, bar.map)
