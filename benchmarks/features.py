"""How well does a click find its object? Similarity maps of a backbone's features against masks drawn by people.

python -m benchmarks.features          EfficientNet-Lite0 and random weights, strides 16 and 32

DAVIS and VOC of ``../shared/data``. From points spread over an object, the cosine similarity of every pixel's upsampled
features to the point's is cut where it agrees best with the object's mask; what is told is the intersection over
union, the mean over all points. The cut is chosen with the mask, for every method alike: it asks whether there is a
threshold that a person could find, not where. And the linear probe of ``benchmarks.probe`` on CamVid's twelve pictures,
which asks what the features know of things in pictures that they were not learnt on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import probe
from benchmarks.methods import METHODS
from benchmarks.scenes import DATA, IGNORE, read_labels
from gsjbu.core.grid import Grid
from gsjbu.models import features as of_network
from gsjbu.models import lite0, networks

SCENES = ("davis_*", "voc_*")
SHOWN = ("bilinear", "paper", "auto")
POINTS = 24
SMALLEST = 500  # pixels: what is smaller is no object to click on


def objects(labels: np.ndarray) -> Iterator[np.ndarray]:
    """bool [H, W]: each labelled thing but the ground."""
    for label in np.unique(labels):
        if label not in (0, IGNORE) and (labels == label).sum() >= SMALLEST:
            yield labels == label


def points(mask: np.ndarray) -> np.ndarray:
    """[n, 2] rows and columns, spread evenly over the mask's pixels in reading order."""
    inside = np.argwhere(mask)
    return inside[np.linspace(0, len(inside) - 1, POINTS + 2).astype(int)[1:-1]]


def best_overlap(similarity: np.ndarray, mask: np.ndarray) -> float:
    """The intersection over union at the best threshold; both [pixels]."""
    order = np.argsort(-similarity, kind="stable")
    hits = np.cumsum(mask[order])
    return float((hits / (np.arange(1, len(order) + 1) + mask.sum() - hits)).max())


def score(high: Tensor, labels: np.ndarray) -> float:
    """Mean over points and objects, per cent. ``high``: features [C, H, W]."""
    unit = torch.nn.functional.normalize(high, dim=0)
    valid = labels != IGNORE
    found = [
        best_overlap(torch.tensordot(unit[:, y, x], unit, dims=1).numpy()[valid], mask[valid])
        for mask in objects(labels)
        for y, x in points(mask)
    ]
    return 100 * float(np.mean(found))


def backbones() -> dict[str, Any]:
    """What a machine without a hub shows, and what it would show without the package."""
    return {"EfficientNet-Lite0": lite0.load(), "ResNet-18, random weights": networks.resnet18(None, 0)}


def features_of(network: Any, image: Tensor, grid: Grid) -> Tensor:
    """[C, h, w] on the grid."""
    return of_network.to_grid(network.features(image, grid.step_x, torch.device("cpu")), grid)


def probed(stride: int) -> dict[tuple[str, str], dict[str, float]]:
    """As :func:`measure`, for CamVid: mIoU of the linear probe, the mean of both ways round."""
    table: dict[tuple[str, str], dict[str, float]] = {}
    for name, network in backbones().items():
        scenes = probe.load(lambda x, net=network: features_of(net, x, Grid.from_stride(*x.shape[1:], stride)))
        table["CamVid, probe", name] = {m: float(np.mean(probe.measure(METHODS[m], scenes, 1))) for m in SHOWN}
    return table


def measure(stride: int) -> dict[tuple[str, str], dict[str, float]]:
    """(kind of scene, backbone) → method → per cent, the mean over the scenes."""
    table: dict[tuple[str, str], dict[str, float]] = {}
    for kind in SCENES:
        for name, network in backbones().items():
            of_scenes: list[dict[str, float]] = []
            for folder in sorted(DATA.glob(f"seg/{kind}")):
                image, labels = read_labels(folder)
                grid = Grid.from_stride(*image.shape[1:], stride)
                low = features_of(network, image, grid)
                of_scenes.append({m: score(METHODS[m](image, low, grid, 1)(low), labels) for m in SHOWN})
            table[kind.split("_")[0].upper(), name] = {m: float(np.mean([s[m] for s in of_scenes])) for m in SHOWN}
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strides", type=int, nargs="+", default=[16, 32])
    for stride in parser.parse_args().strides:
        print(f"\nstride {stride}\n\n| pictures | backbone | {' | '.join(SHOWN)} |\n|---|---|{'---:|' * len(SHOWN)}")
        for (kind, name), figures in (measure(stride) | probed(stride)).items():
            print(f"| {kind} | {name} | {' | '.join(f'{figures[m]:.1f}' for m in SHOWN)} |", flush=True)


if __name__ == "__main__":
    main()
