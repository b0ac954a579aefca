"""Classical edge-aware smoothing as upsampling: the baselines, put together of parts, and how they were tuned.

    python -m benchmarks.classical

A smoother over a plain interpolation; with passes of back-projection each adds what the same makes of the cell means
that are still missing; with counts matched, class shares end as each cell's share says. The command tries a grid of
settings on some rows and prints the best for each smoother, without and with back-projection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import interpolation
from gsjbu.core.blend import quick_means
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import Upsampler
from gsjbu.core.kind import kind_of
from gsjbu.core.refinement import stage
from gsjbu.core.refinement.recipe import Refinement

PLAIN = {
    "nearest": interpolation.nearest,
    "bilinear": interpolation.bilinear,
    "bicubic": interpolation.bicubic,
}
PASSES = 3


@dataclass(frozen=True)
class Smoothing:
    """A smoother with its numbers (see SMOOTHERS), what it smooths, and what follows; it is a ``Method``."""

    smoother: str | None  # None: the interpolation as it is
    numbers: tuple[float, ...] = ()
    plain: str = "bilinear"
    passes: int = 0
    counts: bool = False

    def __call__(self, image: Tensor, signal: Tensor, grid: Grid, threads: int) -> Upsampler:
        smooth = SMOOTHERS[self.smoother](image, grid, self.numbers, threads) if self.smoother else None
        matching = self.counts and kind_of(signal) == "shares"

        def once(v: Tensor) -> Tensor:
            start = PLAIN[self.plain](v, grid)
            return start if smooth is None else smooth(start, v)

        def upsample(v: Tensor) -> Tensor:
            x = once(v)
            for _ in range(self.passes):
                x = x + once(v - quick_means(x, grid))
            return stage.refined(x, v, image, grid, Refinement(counts=True), threads) if matching else x

        return upsample


# [C, H, W] that the signal [C, h, w] was interpolated to, and that → [C, H, W]
Smooth = Callable[[Tensor, Tensor], Tensor]


def _planes(image: Tensor, filtered: Callable[[np.ndarray, np.ndarray], np.ndarray], bits: bool = False) -> Smooth:
    guide = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    guide = np.rint(255 * guide).astype(np.uint8) if bits else guide
    return lambda x, v: torch.from_numpy(np.stack([filtered(guide, plane) for plane in x.numpy()]))


def _global(image: Tensor, grid: Grid, numbers: tuple[float, ...], threads: int) -> Smooth:
    """opencv's weighted least squares, line by line (Min et al.): λ, and σ of 255."""
    import cv2

    strength, tolerance = numbers
    return _planes(image, lambda g, x: cv2.ximgproc.fastGlobalSmootherFilter(g, x, strength, tolerance), bits=True)


def _domain(image: Tensor, grid: Grid, numbers: tuple[float, ...], threads: int) -> Smooth:
    """opencv's domain transform, recursive (Gastal and Oliveira): σ in strides, and σ of the colours in 0…1."""
    import cv2

    reach, tolerance = numbers
    spatial, mode = reach * grid.step_x, cv2.ximgproc.DTF_RF
    return _planes(image, lambda g, x: cv2.ximgproc.dtFilter(g, x, spatial, tolerance, mode))


def _guided(image: Tensor, grid: Grid, numbers: tuple[float, ...], threads: int) -> Smooth:
    """He et al.'s filter: its radius in strides, and ε."""
    import cv2

    reach, epsilon = numbers
    radius = max(2, round(reach * grid.step_x))
    return _planes(image, lambda g, x: cv2.ximgproc.guidedFilter(g, x, radius, epsilon))


def _joint_bilateral(image: Tensor, grid: Grid, numbers: tuple[float, ...], threads: int) -> Smooth:
    """opencv's joint bilateral filter: σ in strides, and σ of the colours in 0…1."""
    import cv2

    reach, tolerance = numbers
    sigma = reach * grid.step_x
    size = 2 * round(2 * sigma) + 1
    return _planes(image, lambda g, x: cv2.ximgproc.jointBilateralFilter(g, x, size, tolerance, sigma))


def _graph(image: Tensor, grid: Grid, numbers: tuple[float, ...], threads: int) -> Smooth:
    """The guided Laplacian that keeps the cell means, alone: so many steps."""
    recipe = Refinement(graph=1.0, steps=int(numbers[0]))
    return lambda x, v: stage.refined(x, v, image, grid, recipe, threads)


SMOOTHERS = {
    "guided filter": _guided,
    "joint bilateral filter": _joint_bilateral,
    "global smoother": _global,
    "domain transform": _domain,
    "graph": _graph,
}

#: The best of the grid (``main``): alone, and with back-projection. Counts follow the latter.
TUNED = {
    "global smoother": (
        Smoothing("global smoother", (10.0, 8.0), "bicubic"),
        Smoothing("global smoother", (30.0, 8.0), "bicubic", PASSES),
    ),
    "domain transform": (
        Smoothing("domain transform", (0.25, 0.2), "bicubic"),
        Smoothing("domain transform", (1.0, 0.2), "bicubic", PASSES),
    ),
    "graph": (Smoothing("graph", (60,), "bicubic"), Smoothing("graph", (60,), "bicubic", PASSES)),
}


def _methods() -> Iterator[tuple[str, Smoothing]]:
    yield "bicubic + back-projection", Smoothing(None, (), "bicubic", PASSES)
    yield "bicubic + counts", Smoothing(None, (), "bicubic", counts=True)
    for name, (alone, projected) in TUNED.items():
        yield name, alone
        yield f"{name} + back-projection", projected
        yield f"{name} + counts", replace(projected, counts=True)


METHODS = dict(_methods())
#: As they are, and the two filters with the fixed kernel's numbers.
UNTUNED = {
    **{name: Smoothing(None, (), name) for name in PLAIN},
    "guided filter": Smoothing("guided filter", (0.5, 1e-3)),
    "joint bilateral filter": Smoothing("joint bilateral filter", (0.5, 0.2)),
}

GRID = {
    "global smoother": tuple(product((10.0, 30.0, 100.0, 400.0, 1000.0), (2.0, 4.0, 8.0, 16.0))),
    "domain transform": tuple(product((0.25, 0.5, 1.0), (0.1, 0.2, 0.4))),
}
TUNING_ROWS = ("depth ×8", "depth ×16", "CamVid ×16", "DAVIS ×16", "COCO-Stuff ×16", "CamVid output ×8")
SCENES = 1  # of each row
UNDER = ("bilinear", "bicubic")  # what is smoothed


def main() -> None:
    """Print the best settings: those with the least error in geometric mean over the rows."""
    from benchmarks.quality import Figures
    from benchmarks.scenes import ROWS

    rows = [(row, list(islice(row.load(), SCENES))) for row in ROWS if row.name in TUNING_ROWS]

    def error(method: Smoothing) -> float:
        logs = []
        for row, scenes in rows:
            figures = Figures()
            for scene in scenes:
                figures.add(scene, method(scene.image, scene.signal, scene.grid, 1)(scene.signal), 0.0)
            value = figures.overall[0]
            logs.append(np.log(value if row.kind == "depth" else 100 - value))
        return float(np.exp(np.mean(logs)))

    for plain in UNDER:
        print(f"{plain}: {error(UNTUNED[plain]):.3f}", flush=True)
    for smoother, grid in GRID.items():
        for passes in (0, PASSES):
            tried = [
                (error(one), one)
                for one in (Smoothing(smoother, numbers, plain, passes) for numbers in grid for plain in UNDER)
            ]
            for value, one in sorted(tried, key=lambda t: t[0])[:3]:
                print(f"{value:.3f}: {one}", flush=True)


if __name__ == "__main__":
    main()
