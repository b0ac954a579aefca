"""What a run gives, and the questions that may be asked of it afterwards: a pixel, its window, what is like it."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gsjbu.core import interpolation
from gsjbu.core.kernel import Kernel
from gsjbu.errors import ShapeError
from gsjbu.run import metrics, mixing
from gsjbu.run.later import Later
from gsjbu.run.measured import MEASURED
from gsjbu.run.methods import Method
from gsjbu.run.once import Once
from gsjbu.run.panels import Panel
from gsjbu.settings import Settings

if TYPE_CHECKING:
    from gsjbu.io.signals import Signal

# Channels rendered at a time for the length of the HR features, so that no full HR feature array is ever made.
BLOCK = 32


@dataclass(eq=False)
class Result:
    """One run. Panels keep their values; HR features exist only as LR features and the kernel that mixes them."""

    settings: Settings
    kernel: Kernel
    panels: Sequence[Panel | Later]
    metrics: dict[str, Any]
    status: dict[str, str]
    timings_ms: dict[str, float]
    features_kernel: Kernel
    signal_kernel: Kernel  # of the signal that was brought: what suits it, or what was chosen by hand
    features_lr: Tensor | None = None  # [C, h, w]
    pretrained: bool | None = None  # whether the features' network is; None: there are none
    signal: Signal | None = None
    methods: list[Method] = field(default_factory=list)
    measured: dict[str, str] = field(default_factory=dict)  # group → the family whose measurements hold for it
    fitted_to: str = "image"  # or signal: what ``kernel`` gives back
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def image(self) -> dict[str, float]:
        """Sizes in pixels, and the pixels of one cell."""
        g = self.kernel.grid
        return {
            "width": g.width, "height": g.height, "lr_width": g.cols, "lr_height": g.rows,
            "step_x": g.step_x, "step_y": g.step_y,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """All but pixels and arrays, for JSON: what was asked, what came of it, and one entry a panel."""
        k = self.kernel
        return {
            "settings": self.settings.as_dict(), "device": k.device, "backend": k.backend,
            "backend_reason": k.backend_reason, "image": self.image, "metrics": self.metrics,
            "losses": list(k.losses), "fits": k.fits, "lr_image": k.lr_image,
            "histograms": self._histograms, "fitted_to": self.fitted_to,
            "pretrained": self.pretrained,
            "status": self.status, "timings_ms": {stage: round(ms, 3) for stage, ms in self.timings_ms.items()},
            "panels": [panel.as_dict() for panel in self.panels],
            "methods": [method.as_dict() for method in self.methods],
            "measured": {group: MEASURED[family].as_dict() for group, family in self.measured.items()},
        }  # fmt: skip

    @cached_property
    def _histograms(self) -> dict[str, Any]:
        """Of the kernel's parameters, which as_dict tells each time that it is asked for."""
        k = self.kernel
        return metrics.histograms(k.sigma_x, k.sigma_y, k.theta, k.sigma_r)

    def pixel(self, x: int, y: int) -> dict[str, list[float | None]]:
        """Every panel's values at HR pixel (x, y), None for gaps; an LR panel answers with the pixel's cell."""
        g = self.kernel.grid
        qx, qy = g.cell_of(x, y)
        out = {}
        for panel in self.panels:
            if panel.values.shape[1:] == (g.height, g.width):
                out[panel.name] = _numbers(panel.values[:, y, x])
            else:
                out[panel.name] = _numbers(panel.values[:, qy, qx])
        return out

    def region(self, x0: int, y0: int, x1: int, y1: int) -> dict[str, dict[str, Any]]:
        """What every panel has in the HR pixels (x0, y0) to (x1, y1), both among them; LR panels in the cells that hold
        them. Per channel ``mean``, ``std``, ``low`` and ``high`` of what is no gap; of classes the share of each."""
        g = self.kernel.grid
        (left, top), (right, bottom) = g.cell_of(x0, y0), g.cell_of(x1, y1)
        out = {}
        for panel in self.panels:
            whole = panel.values.shape[1:] == (g.height, g.width)
            rows = slice(y0, y1 + 1) if whole else slice(top, bottom + 1)
            cols = slice(x0, x1 + 1) if whole else slice(left, right + 1)
            part = panel.values[:, rows, cols].flatten(1)
            out[panel.name] = _shares(part[0]) if panel.legend is not None else _spread(part)
        return out

    def mixer(self, group: str, way: str) -> Kernel:
        """What mixes in ``way`` what the panels of ``group`` show. Raises ShapeError where the run has no such way."""
        kernels = {(one.group, one.id): one.kernel for one in self.methods}
        if (group, way) not in kernels:
            there = ", ".join(" ".join(one) for one in kernels)
            raise ShapeError(
                f"This run did not upsample {group} by {way}; what it did is {there}.", code="not_available"
            )
        kernel = kernels[group, way]
        if kernel is None:
            return mixing.interpolating(way, self.kernel)
        return kernel.value if isinstance(kernel, Once) else kernel

    def window(self, x: int, y: int, group: str = "rgb", way: str = "gsjbu") -> list[dict[str, Any]]:
        """What HR pixel (x, y) of ``group`` is made of in this ``way``: see :func:`mixing.rows`."""
        kernel, signal = self.mixer(group, way), self.signal
        # Bicubic weights are of both signs, and leave nothing out.
        mask = signal.mask if signal is not None and group == "signal" and way != "bicubic" else None
        found = mixing.window(kernel, mask, x, y, fills=way != "bilinear")
        return mixing.rows(kernel, found, mask)

    def vectors(self, x: int, y: int) -> tuple[Tensor, Tensor]:
        """The HR features of pixel (x, y), by bilinear interpolation and by GS-JBU: float64 [C] each."""
        lr, g = self._features, self.kernel.grid
        g.cell_of(x, y)  # refuses a pixel outside
        window = self.features_kernel.weights_at(x, y)
        by_kernel = lr[:, window.qy, window.qx].double() @ torch.from_numpy(window.weights)
        column, row = _bilinear_taps(x, g.step_x, g.cols), _bilinear_taps(y, g.step_y, g.rows)
        taps = [wy * wx * lr[:, qy, qx].double() for qy, wy in row for qx, wx in column]
        return torch.stack(taps).sum(dim=0), by_kernel

    def similarity(self, x: int, y: int) -> tuple[Tensor, Tensor]:
        """Cosine similarity of every pixel's HR features to those of (x, y): bilinear and GS-JBU, [H, W] each."""
        return self.similarity_to(self.vectors(x, y))

    def similarity_to(self, vectors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The same to the :meth:`vectors` of a pixel, of this result or of another with features of the same kind.

        Mixing is linear, so the products with one pixel's features are the rendering of the LR features'
        products: one channel. Only the features' lengths need all channels, once per run.
        """
        g, channels = self.kernel.grid, len(self._features)
        if len(vectors[0]) != channels:
            raise ShapeError(
                f"The features of that pixel have {len(vectors[0])} channels, these have {channels}; run both pictures "
                "with the same backbone and stride.",
                code="features_differ",
            )
        lengths = self._lengths
        products = [self._products(mine / mine.norm().clamp_min(1e-12)) for mine in vectors]
        by_distance = interpolation.bilinear(products[0], g)[0]
        by_kernel = self.features_kernel.render(products[1])[0]
        return (by_distance / lengths[0]).clamp(-1, 1), (by_kernel / lengths[1]).clamp(-1, 1)

    def alike(self, vectors: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """To the most similar of several pixels, of this picture or others, by their :meth:`vectors`: the greatest of
        their :meth:`similarity` maps, [H, W] each."""
        by_distance, by_kernel = zip(*map(self.similarity_to, vectors), strict=True)
        return torch.stack(by_distance).amax(0), torch.stack(by_kernel).amax(0)

    @property
    def _features(self) -> Tensor:
        if self.features_lr is None:
            raise ShapeError("This run has no features; switch them on and run again.", code="no_features")
        return self.features_lr

    def _products(self, mine: Tensor) -> Tensor:
        return torch.tensordot(mine.float(), self._features, dims=1)[None]

    @cached_property
    def _lengths_now(self) -> tuple[Tensor, Tensor]:
        g = self.kernel.grid
        bilinear = torch.zeros(g.height, g.width, dtype=torch.float32)
        mixed = torch.zeros(g.height, g.width, dtype=torch.float32)
        for block in self._features.split(BLOCK):
            bilinear += interpolation.bilinear(block, g).square_().sum(dim=0)
            mixed += self.features_kernel.render(block).square_().sum(dim=0)
        return bilinear.sqrt_().clamp_min_(1e-12), mixed.sqrt_().clamp_min_(1e-12)

    @property
    def _lengths(self) -> tuple[Tensor, Tensor]:
        with self._lock:  # two clicks at once should not both work it out
            return self._lengths_now


def _bilinear_taps(p: int, step: float, cells: int) -> list[tuple[int, float]]:
    """The two cells along one axis that bilinear reads for pixel ``p``, with their weights."""
    at = min(max((p + 0.5) / step - 0.5, 0.0), cells - 1.0)
    low = int(at)
    return [(low, 1 - (at - low)), (min(low + 1, cells - 1), at - low)]


def _spread(values: Tensor) -> dict[str, Any]:
    """Of each row of [C, n], without its gaps."""
    known = [row[row.isfinite()].double() for row in values]
    told = [(k.mean(), k.std(correction=0), k.min(), k.max()) if len(k) else (math.nan,) * 4 for k in known]
    names = ("mean", "std", "low", "high")
    numbers = {
        name: _numbers(torch.tensor(column)) for name, column in zip(names, zip(*told, strict=True), strict=True)
    }
    return {"pixels": min(map(len, known)), **numbers}


def _shares(classes: Tensor) -> dict[str, Any]:
    """How much of [n] class numbers each has, most first."""
    known = classes[classes.isfinite()].long()
    numbers, counts = known.unique(return_counts=True)
    order = counts.argsort(descending=True, stable=True)
    shares = (counts[order] / max(1, len(known))).tolist()
    return {"pixels": len(known), "shares": list(map(list, zip(numbers[order].tolist(), shares, strict=True)))}


def _numbers(values: Tensor) -> list[float | None]:
    return [value if value == value else None for value in values.tolist()]  # NaN alone is not itself
