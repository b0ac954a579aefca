"""What the scenes are drawn on: shapes with colour, class and depth, supersampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

SIZE = 512
#: Samples per pixel and axis; odd, so that one of them is the pixel's centre.
FINE = 3


Colour = Sequence[Any] | np.ndarray


@dataclass
class Window:
    """A rectangle of whole pixels' fine samples: their coordinates in pixels, ``x`` [1, n] and ``y`` [m, 1]."""

    rows: slice
    cols: slice
    x: np.ndarray
    y: np.ndarray

    def centres(self) -> Window:
        """The same rectangle with one sample a pixel: enough for shadows and grain, at a ninth of the work."""
        middle = slice(FINE // 2, None, FINE)
        return Window(self.rows, self.cols, self.x[:, middle], self.y[middle])


def spread(values: np.ndarray) -> np.ndarray:
    """One value a pixel → one a fine sample."""
    return values.repeat(FINE, axis=0).repeat(FINE, axis=1)


@dataclass
class Canvas:
    """Fine samples of colour, class and depth, painted back to front."""

    classes: tuple[str, ...]
    colour: np.ndarray = field(init=False)
    label: np.ndarray = field(init=False)
    depth: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        n = SIZE * FINE
        self.colour = np.zeros((3, n, n), np.float32)
        self.label = np.zeros((n, n), np.uint8)
        self.depth = np.zeros((n, n), np.float32)
        self._at = ((np.arange(n) + 0.5) / FINE).astype(np.float32)

    def window(self, left: float = 0, top: float = 0, right: float = SIZE, bottom: float = SIZE) -> Window | None:
        """The samples inside a rectangle given in pixels, or None where it lies outside the picture."""
        x0, x1 = (FINE * min(max(math.floor(v), 0), SIZE) for v in (left, right + 1))
        y0, y1 = (FINE * min(max(math.floor(v), 0), SIZE) for v in (top, bottom + 1))
        if x0 >= x1 or y0 >= y1:
            return None
        rows, cols = slice(y0, y1), slice(x0, x1)
        return Window(rows, cols, self._at[None, cols], self._at[rows, None])

    def paint(self, w: Window, where: np.ndarray, colour: Colour, name: str, depth: float | np.ndarray) -> None:
        """Put a colour, a class and a depth on the samples where ``where`` [m, n] holds.

        ``colour`` is three numbers, or three planes with a value for each sample or for each whole pixel.
        """
        for channel, value in zip(self.colour, colour, strict=True):
            whole = spread(value) if np.ndim(value) == 2 and value.shape[0] * FINE == where.shape[0] else value
            np.copyto(channel[w.rows, w.cols], whole, where=where)
        np.copyto(self.label[w.rows, w.cols], self.classes.index(name), where=where)
        np.copyto(self.depth[w.rows, w.cols], depth, where=where)

    def everywhere(self) -> np.ndarray:
        """True at every sample."""
        return np.ones_like(self.label, bool)

    def shade(self, w: Window, factor: np.ndarray) -> None:
        """Multiply the colours painted so far: a shadow."""
        self.colour[:, w.rows, w.cols] *= factor

    def line(
        self, a: tuple[float, float], b: tuple[float, float], width: float | tuple[float, float],
        colour: Colour, name: str, depth: float,
    ) -> None:  # fmt: skip
        """A straight stroke with round ends, ``width`` pixels wide (at a and at b)."""
        wide = (width, width) if isinstance(width, int | float) else width
        reach = max(wide) / 2
        w = self.window(
            min(a[0], b[0]) - reach, min(a[1], b[1]) - reach, max(a[0], b[0]) + reach, max(a[1], b[1]) + reach
        )
        if w is None:
            return
        dx, dy = b[0] - a[0], b[1] - a[1]
        length = dx * dx + dy * dy or 1e-9
        along = np.clip(((w.x - a[0]) * dx + (w.y - a[1]) * dy) / length, 0, 1)
        half = (wide[0] + along * (wide[1] - wide[0])) / 2
        away = (w.x - a[0] - along * dx) ** 2 + (w.y - a[1] - along * dy) ** 2
        self.paint(w, away <= half * half, colour, name, depth)

    def curve(self, points: np.ndarray, width: float, colour: Colour, name: str, depth: float) -> None:
        """Strokes through ``points`` [n, 2]."""
        for a, b in pairwise(points):
            self.line((a[0], a[1]), (b[0], b[1]), width, colour, name, depth)

    def finish(self) -> tuple[Tensor, Tensor, Tensor]:
        """Image (mean of each pixel's samples, sRGB as painted), class and depth at each pixel's centre."""
        fine = self.colour.reshape(3, SIZE, FINE, SIZE, FINE)
        image = sum(fine[:, :, i, :, j] for i in range(FINE) for j in range(FINE)) / np.float32(FINE * FINE)
        middle = slice(FINE // 2, None, FINE)
        return (
            torch.from_numpy(np.clip(image, 0, 1)),
            torch.from_numpy(self.label[middle, middle].astype(np.int64)),
            torch.from_numpy(self.depth[middle, middle].copy()),
        )


def blend(low: Colour, high: Colour, share: np.ndarray) -> np.ndarray:
    """Mix of two colours, [3, m, n], ``share`` [m, n] of the second."""
    a, b = (np.asarray(c, np.float32)[:, None, None] for c in (low, high))
    out = share * (b - a)
    out += a
    return out


def smooth(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, an S-curve between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def noise(w: Window, cell_x: float, cell_y: float, seed: int) -> np.ndarray:
    """Smooth random values in 0–1, cells of ``cell_x`` × ``cell_y`` pixels, the same for the same seed."""
    rng = np.random.default_rng(seed)
    knots = rng.random((math.ceil(SIZE / cell_y) + 2, math.ceil(SIZE / cell_x) + 2), dtype=np.float32)
    gx, gy = w.x[0] / cell_x, w.y[:, 0] / cell_y
    ix, iy = gx.astype(int), gy.astype(int)
    fx, fy = smooth(0, 1, gx - ix), smooth(0, 1, gy - iy)[:, None]
    across = knots[:, ix] * (1 - fx) + knots[:, ix + 1] * fx
    return across[iy] * (1 - fy) + across[iy + 1] * fy
