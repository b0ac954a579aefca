"""What one HR pixel is made of: the LR pixels of its window, their weights and the weights' two factors."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gsjbu.core import blend as blends
from gsjbu.core import parameters
from gsjbu.core.blend import REACH, Blend
from gsjbu.core.gaps import ENOUGH
from gsjbu.core.gaussians import Gaussians
from gsjbu.errors import ShapeError


@dataclass(frozen=True)
class Window:
    """What one HR pixel is made of: one entry per LR pixel of its window, all float64 ``[n]`` but where said."""

    x: int
    y: int
    qx: np.ndarray  # int64 [n]  LR column
    qy: np.ndarray  # int64 [n]  LR row
    weights: np.ndarray  # sums to 1
    spatial: np.ndarray  # exp(−½((dx'/σx)² + (dy'/σy)²)), in 0…1
    range: np.ndarray  # exp(−‖I_p − I_q‖²/(2σr²)), in 0…1
    colours: np.ndarray  # [n, G] guide value of each LR pixel

    def among(self, known: np.ndarray) -> Window | None:
        """The same from the LR pixels alone that are ``known`` (bool [h, w]); None where there is nothing to mix."""
        weights = np.where(known[self.qy, self.qx], self.weights, 0.0)
        total = float(weights.sum())
        return replace(self, weights=weights / total) if total > ENOUGH else None


def pixel(x: Any, y: Any) -> tuple[int, int]:
    """Column and row as whole numbers. Raises ShapeError."""
    try:
        return operator.index(x), operator.index(y)
    except TypeError as error:
        raise ShapeError(f"Pixel ({x!r}, {y!r}) is none: x and y must be whole numbers.") from error


def window_at(gaussians: Gaussians, blend: Blend | None, x: int, y: int) -> Window:
    """The window of HR pixel ``(x, y)`` in float64. Raises ShapeError outside the image."""
    g, radius = gaussians.grid, gaussians.radius
    cx, cy = g.cell_of(x, y)
    reach = max(radius, REACH[blend.plain] if blend is not None and blend.plain_share else 0)
    qy, qx = np.mgrid[
        max(0, cy - reach) : min(g.rows, cy + reach + 1),
        max(0, cx - reach) : min(g.cols, cx + reach + 1),
    ]
    qx, qy = qx.ravel(), qy.ravel()
    near = (abs(qx - cx) <= radius) & (abs(qy - cy) <= radius)
    dx, dy = x + 0.5 - (qx + 0.5) * g.step_x, y + 0.5 - (qy + 0.5) * g.step_y
    colours = gaussians.lr_guide[:, qy, qx].double().numpy().T
    distance = ((gaussians.guide[:, y, x].double().numpy() - colours) ** 2).sum(axis=1)
    if gaussians.seen is not None and not gaussians.seen[y, x]:
        distance *= 0

    def weigh(p: parameters.Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, and the logarithms of their spatial and their range part."""
        sx, sy, theta, sr = (v.double().numpy() for v in p)
        along_x = np.cos(theta) * dx + np.sin(theta) * dy
        along_y = -np.sin(theta) * dx + np.cos(theta) * dy
        spatial = -0.5 * ((along_x / sx) ** 2 + (along_y / sy) ** 2)
        tolerance = -distance / (2 * sr**2)
        logits = np.where(near, spatial + tolerance, -np.inf)
        weights = np.exp(logits - logits.max())
        return weights / weights.sum(), spatial, tolerance

    high = parameters.highest(g)
    weights, spatial, tolerance = weigh(parameters.from_raw(gaussians.raw[:, qy, qx], high))
    if blend is not None:
        weights = blend.first_share * weights
        if blend.second is not None:
            weights += blend.second_share * weigh(parameters.from_raw(blend.second[:, qy, qx], high))[0]
        if blend.plain_share:
            rows, cols = blends.plain_weights(blend, g, x, y)
            weights += blend.plain_share * rows[qy] * cols[qx]
    return Window(x, y, qx, qy, weights, np.exp(spatial), np.exp(tolerance), colours)
