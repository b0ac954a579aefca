"""Another modality as the guide: class probabilities upsampled along depth, along colour, and along both.

    python -m examples.modality_guide out/

A guide need not be RGB: any number of channels will do. Depth has fewer edges than colour and none from texture;
colour has edges where two things lie at one depth. Judged by mIoU against the scenes' exact classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

import gsjbu
from examples.common import output_folder, write_classes
from gsjbu import metrics, render
from gsjbu.grid import Grid
from gsjbu.samples import SAMPLES, Sample

STRIDE = 16


def one_hot(labels: Tensor) -> Tensor:
    """``[H, W]`` → ``[classes, H, W]`` float32."""
    return torch.nn.functional.one_hot(labels).permute(2, 0, 1).to(torch.float32)


def guides(sample: Sample) -> dict[str, Tensor]:
    """The pictures to follow, each ``[channels, H, W]`` in [0, 1]."""
    near = 1 / sample.depth[None].clamp_min(1e-3)  # inverse depth: steps between near things count for more
    depth = (near - near.min()) / (near.max() - near.min())
    return {"colour": sample.image, "depth": depth, "colour and depth": torch.cat([sample.image, depth])}


def experiment(scene: str) -> tuple[dict[str, float], dict[str, Tensor]]:
    """mIoU (0…1, higher is better) and the class map of each guide, bilinear first."""
    sample = SAMPLES[scene]
    grid = Grid.from_stride(*sample.labels.shape, STRIDE)
    low = grid.cell_means(one_hot(sample.labels))
    maps = {"bilinear": render.bilinear(low, grid).argmax(0)}
    for name, guide in guides(sample).items():
        kernel = gsjbu.fit(guide, stride=STRIDE, iters=20, objective="signal", signal=low)
        maps[name] = kernel.render(low).argmax(0)
    return {name: metrics.miou(labels, sample.labels) for name, labels in maps.items()}, maps


def main() -> None:
    """Every scene: numbers, and the class maps as pictures."""
    folder = output_folder(__doc__)
    print("mIoU against the exact classes; higher is better")
    for scene in SAMPLES:
        scores, maps = experiment(scene)
        print(f"{scene:12s} " + "   ".join(f"{name} {score:.3f}" for name, score in scores.items()))
        for name, labels in maps.items():
            path = folder / f"classes-{scene}-{name.replace(' ', '-')}.png"
            write_classes(path, labels.numpy())


if __name__ == "__main__":
    main()
