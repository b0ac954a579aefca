"""Which pixels are like this one? Cosine similarity of upsampled features to one point, bilinear against GS-JBU.

    python -m examples.point_similarity out/

On a built-in scene the exact classes are known, so the maps can be judged and not only looked at: the average
precision with which similarity to the point finds the pixels of the point's own class.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import gsjbu
from examples.common import output_folder
from gsjbu import images, render
from gsjbu.grid import Grid
from gsjbu.io import colours
from gsjbu.samples import SAMPLES

STRIDE = 16


def features(labels: Tensor, grid: Grid, channels: int = 32) -> Tensor:
    """Features as a good network would give them: a random direction per class, cell means, and some noise."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(int(labels.max()) + 1, channels, generator=generator)
    low = grid.cell_means(directions[labels].permute(2, 0, 1))
    return low + 0.3 * torch.randn(low.shape, generator=generator)


def similarity(full: Tensor, x: int, y: int) -> Tensor:
    """Cosine similarity ``[H, W]`` of every pixel of ``full [C, H, W]`` to pixel (x, y)."""
    unit = torch.nn.functional.normalize(full, dim=0)
    return torch.einsum("chw,c->hw", unit, unit[:, y, x])


def average_precision(score: Tensor, wanted: Tensor) -> float:
    """Area under the precision–recall curve, 0…1, of finding ``wanted`` by high ``score``; higher is better."""
    order = score.flatten().argsort(descending=True)
    hit = wanted.flatten()[order].double()
    precision = hit.cumsum(0) / torch.arange(1, len(hit) + 1)
    return float((precision * hit).sum() / hit.sum())


def experiment(scene: str, points: int = 8) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Average precision of both methods over ``points`` pixels, and the last point's maps."""
    sample = SAMPLES[scene]
    grid = Grid.from_stride(*sample.labels.shape, STRIDE)
    low = features(sample.labels, grid)
    full = {"bilinear": render.bilinear(low, grid), "gsjbu": gsjbu.upsample(sample.image, low, layout="chw")}
    random = np.random.default_rng(0)
    scores: dict[str, list[float]] = {name: [] for name in full}
    maps: dict[str, Tensor] = {}
    for _ in range(points):
        y, x = (int(v) for v in random.integers(0, sample.labels.shape[0], 2))
        for name, values in full.items():
            maps[name] = similarity(values, x, y)
            scores[name].append(average_precision(maps[name], sample.labels == sample.labels[y, x]))
    return {name: float(np.mean(values)) for name, values in scores.items()}, maps


def main() -> None:
    """Every scene: numbers, and the maps as pictures."""
    folder = output_folder(__doc__)
    print("average precision of finding the point's class; higher is better")
    for scene in SAMPLES:
        scores, maps = experiment(scene)
        print(f"{scene:12s} bilinear {scores['bilinear']:.3f}   GS-JBU {scores['gsjbu']:.3f}")
        for name, values in maps.items():
            picture = colours.paint(values.numpy(), -1, 1)
            (folder / f"similarity-{scene}-{name}.png").write_bytes(images.png_bytes(picture))


if __name__ == "__main__":
    main()
