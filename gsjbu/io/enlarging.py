"""Bilinear and bicubic interpolation as linear maps, and the low-resolution samples that an array was enlarged from.

Interpolation is separable: one axis after the other. So the samples whose enlargement comes nearest to an array (least
squares) are found along one axis after the other, too, unless some pixels have no value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.sparse import csr_matrix, dia_matrix, eye

from gsjbu.core.grid import Grid

#: With gaps, conjugate gradients end after so many steps, or when the residual is this part of the right-hand side.
MOST_STEPS, RIGHT_TO = 60, 1e-7
ROUNDED = 1e-12  # part of the largest diagonal element that is added to all, against rounding


@dataclass(frozen=True)
class Way:
    """A way of interpolating, ``words`` in sentences.

    ``cubic``: the coefficient a of bicubic interpolation; None: it is bilinear. ``aligned``: as align_corners=True.
    ``cut``: weights beyond the border are left out; otherwise the outermost samples are repeated there.
    """

    words: str
    cubic: float | None = None
    aligned: bool = False
    cut: bool = False

    @property
    def bends(self) -> int:
        """The order of differences that are 0 between samples: 2 for straight lines, 4 for cubic curves."""
        return 2 if self.cubic is None else 4

    @property
    def reach(self) -> int:
        """Samples on each side of a pixel that it depends on."""
        return 1 if self.cubic is None else 2

    def at(self, size: int, cells: int, step: float) -> np.ndarray:
        """Where pixels lie on the axis of samples, float64 [size]."""
        pixels = np.arange(size)
        if self.aligned:
            return pixels * ((cells - 1) / max(1, size - 1))
        return (pixels + 0.5) / step - 0.5

    def centres(self, size: int, cells: int, step: float) -> np.ndarray:
        """Where samples lie on the axis of pixels, float64 [cells]."""
        if self.aligned:
            return np.arange(cells) * ((size - 1) / max(1, cells - 1))
        return (np.arange(cells) + 0.5) * step - 0.5

    def kernel(self, away: np.ndarray) -> np.ndarray:
        """The weight of a sample at this distance, in samples."""
        x = np.abs(away)
        if self.cubic is None:
            return (1 - x).clip(0)
        a = self.cubic
        near, far = ((a + 2) * x - (a + 3)) * x * x + 1, a * (((x - 5) * x + 8) * x - 4)
        return np.where(x <= 1, near, np.where(x < 2, far, 0))


LINEAR = Way("bilinear enlargements")
#: Of torch and OpenCV, and of Pillow.
WAYS = (
    LINEAR,
    Way("bilinear enlargements with align_corners=True", aligned=True),
    Way("bicubic enlargements", cubic=-0.75),
    Way("bicubic enlargements", cubic=-0.5, cut=True),
    Way("bicubic enlargements with align_corners=True", cubic=-0.75, aligned=True),
)


@dataclass(frozen=True, eq=False)
class Line:
    """Interpolation along one axis: ``mix`` [cells, size], each sample's weight in each pixel.

    ``band``: the bandwidth of mix @ mix.T, as only samples that are near each other share pixels.
    """

    mix: csr_matrix
    band: int

    @classmethod
    @lru_cache(maxsize=256)  # signals of one size come one after the other
    def of(cls, way: Way, size: int, cells: int, step: float) -> Line:
        """The axis of ``size`` pixels that are interpolated from ``cells`` samples, ``step`` pixels apart."""
        at = way.at(size, cells, step)
        first = np.floor(at).astype(np.int64) - way.reach + 1
        places = first + np.arange(2 * way.reach)[:, None]
        weights = way.kernel(at - places)
        if way.cut:
            weights *= (places >= 0) & (places < cells)
            weights /= weights.sum(axis=0)
        places = places.clip(0, cells - 1)
        pixels = np.broadcast_to(np.arange(size), places.shape)
        mix = csr_matrix((weights.ravel(), (places.ravel(), pixels.ravel())), (cells, size))
        return cls(mix, min(2 * way.reach - 1, cells - 1))

    @cached_property
    def _factor(self) -> np.ndarray:
        square = self.mix @ self.mix.T
        bands = np.zeros((self.band + 1, square.shape[0]))
        for off in range(self.band + 1):
            bands[self.band - off, off:] = square.diagonal(off)
        bands[-1] += ROUNDED * bands[-1].max()
        return cholesky_banded(bands)

    def solve(self, x: np.ndarray) -> np.ndarray:
        """The solution of (mix @ mix.T) y = ``x``, [cells, m]."""
        return cho_solve_banded((self._factor, False), x)

    def samples(self, x: np.ndarray) -> np.ndarray:
        """[size, m] → [cells, m]: those whose enlargement comes nearest to ``x``."""
        return self.solve(self.mix @ x.astype(np.float64))

    def enlarged(self, low: np.ndarray) -> np.ndarray:
        """[cells, m] → [size, m]."""
        return self.mix.T @ low

    def missed(self, lines: np.ndarray) -> np.ndarray:
        """Lines [L, size] less the enlargement of their samples; 0 where they are not finite."""
        known = np.isfinite(lines)
        if known.all():
            return lines - self.enlarged(self.samples(lines.T)).T
        left = np.zeros(lines.shape)
        for line, there, out in zip(lines, known, left, strict=True):
            part = replace(self, mix=self.mix.multiply(there).tocsr())
            base = line[there].mean() if there.any() else 0.0
            around = np.where(there, line - base, 0)
            out[there] = (around - self.enlarged(part.samples(around)))[there]
        return left

    def shared(self, off: int) -> csr_matrix:
        """[cells, size]: each sample's weight in each pixel times that of the sample ``off`` places on."""
        cells = self.mix.shape[0]
        return self.mix.multiply(eye(cells, k=off, format="csr") @ self.mix).tocsr()


class Samples:
    """The samples on ``grid`` of planes [H, W] that were enlarged in this ``way``; ``known``: bool [H, W]."""

    def __init__(self, grid: Grid, way: Way, known: np.ndarray) -> None:
        self.shape = grid.rows, grid.cols
        self.down, self.across = (Line.of(way, *axis) for axis in grid.axes)
        self.known = None if known.all() else known.astype(np.float64)

    def of(self, plane: np.ndarray) -> np.ndarray:
        """[H, W] → float64 [h, w]: the samples whose enlargement comes nearest to the known pixels."""
        if self.known is None:
            return self.across.samples(self.down.samples(plane).T).T
        # The mean is taken off, as samples on which no known pixel depends stay 0.
        base = float(plane[self.known > 0].mean(dtype=np.float64))
        around = np.where(self.known > 0, plane - base, 0)
        return base + self._nearest(self.across.mix @ (self.down.mix @ around).T)

    @cached_property
    def _normal(self) -> csr_matrix:
        """The matrix of the normal equations, [h·w, h·w], over the known pixels."""
        rows, cols = self.shape
        offsets, bands = [], []
        for dy, of_rows in _offsets(self.down):
            part = (of_rows @ self.known).T
            for dx, of_cols in _offsets(self.across):
                offsets.append(dy * cols + dx)
                bands.append(np.roll((of_cols @ part).T.ravel(), offsets[-1]))
        return dia_matrix((np.stack(bands), offsets), (rows * cols, rows * cols)).tocsr()

    def _nearest(self, right: np.ndarray) -> np.ndarray:
        """The solution of the normal equations for ``right`` [w, h], by conjugate gradients.

        The preconditioner is the solution as if all pixels were known.
        """
        rest = right.T.ravel()
        low, least = np.zeros_like(rest), RIGHT_TO * float(np.linalg.norm(rest))
        ahead, last = np.zeros_like(rest), 0.0
        for _ in range(MOST_STEPS):
            whole = self.across.solve(self.down.solve(rest.reshape(self.shape)).T).T.ravel()
            now = float(rest @ whole)
            if np.linalg.norm(rest) <= least or now <= 0:
                break
            ahead = whole + (now / last if last else 0.0) * ahead
            back = self._normal @ ahead
            step = now / float(ahead @ back)
            low, rest, last = low + step * ahead, rest - step * back, now
        return low.reshape(self.shape)


def _offsets(line: Line) -> Iterator[tuple[int, csr_matrix]]:
    """For samples that share pixels: how far apart they are, and the products of their weights."""
    for off in range(-line.band, line.band + 1):
        yield off, line.shared(off)


def middles(x: np.ndarray, grid: Grid) -> np.ndarray:
    """The pixel in the middle of each cell of [..., H, W], [..., h, w]."""
    rows, cols = (
        np.minimum(((np.arange(cells) + 0.5) * step).astype(np.int64), size - 1) for size, cells, step in grid.axes
    )
    return x[..., rows, :][..., cols]
