"""A linear probe: how well do upsampled real features tell classes apart, pixel by pixel?

SqueezeNet 1.0's features of CamVid's images (512 channels, stride 16) are upsampled to the images' size; a ridge
regression from a pixel's features to its class is learnt on half of the images and tested on the other half, both
ways round. Its strength is chosen inside the learning half. Training sees every third pixel each way, the test all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.methods import Method
from benchmarks.scenes import DATA, IGNORE, read_labels
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import Upsampler
from gsjbu.models.feature_map import normalised
from gsjbu.models.torchvision_compat import torchvision
from gsjbu.run import metrics

CLASSES = 11
EVERY = 3
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
WEIGHTS = "weights/squeezenet1_0*.pth"


def missing() -> str | None:
    """Why the probe cannot be measured here, or None."""
    for needs in (WEIGHTS, "seg/camvid_*"):
        if not list(DATA.glob(needs)):
            return f"no {needs} in ../shared/data"
    return None


def load(features_of: Callable[[Tensor], Tensor] | None = None) -> list[tuple[Tensor, Tensor, np.ndarray]]:
    """Image, features [C, h, w] and class numbers of each CamVid scene; SqueezeNet's 512 channels by default."""
    features_of = features_of or _of_squeezenet()
    scenes = []
    with torch.no_grad():
        for folder in sorted(DATA.glob("seg/camvid_*")):
            image, labels = read_labels(folder)
            features = features_of(image)
            scenes.append((image, features / features.std(), labels.astype(np.int64)))
    return scenes


def _of_squeezenet() -> Callable[[Tensor], Tensor]:
    network = squeezenet()
    return lambda image: network.features(normalised(image)[None])[0]


def squeezenet() -> Any:
    """The network with its weights, which are not shipped."""
    network = torchvision().models.squeezenet1_0(weights=None)
    network.load_state_dict(torch.load(next(DATA.glob(WEIGHTS)), weights_only=True))
    return network.eval()


class Half:
    """Sums over the training pixels of some images, from which a regression of any strength follows."""

    def __init__(self) -> None:
        self.count = 0.0
        self.x, self.y, self.xx, self.xy = (torch.zeros((), dtype=torch.float64) for _ in range(4))

    def add(self, features: Tensor, labels: np.ndarray, sign: float = 1.0) -> None:
        """Take in (or take out, with sign −1) an image's upsampled features [C, H, W]."""
        seen = labels[1::EVERY, 1::EVERY]
        valid = torch.from_numpy(seen != IGNORE)
        x = features[:, 1::EVERY, 1::EVERY][:, valid].T
        y = torch.nn.functional.one_hot(torch.from_numpy(seen)[valid], CLASSES).to(torch.float32)
        self.count += sign * len(x)
        self.x, self.y = self.x + sign * x.sum(0).double(), self.y + sign * y.sum(0).double()
        self.xx, self.xy = self.xx + sign * (x.T @ x).double(), self.xy + sign * (x.T @ y).double()

    def __add__(self, other: Half) -> Half:
        both = Half()
        for name in ("count", "x", "y", "xx", "xy"):
            setattr(both, name, getattr(self, name) + getattr(other, name))
        return both

    def solve(self, strength: float) -> tuple[Tensor, Tensor]:
        """Weights [C, classes] and offset [classes]."""
        mx, my = self.x / self.count, self.y / self.count
        xx = self.xx / self.count - torch.outer(mx, mx)
        xy = self.xy / self.count - torch.outer(mx, my)
        weights = torch.linalg.solve(xx + strength * xx.diagonal().mean() * torch.eye(len(xx)), xy)
        return weights.float(), (my - mx @ weights).float()


def table(up: Upsampler, features: Tensor, labels: np.ndarray, line: tuple[Tensor, Tensor]) -> np.ndarray:
    """Confusion of one image. The map upsamples linearly, so the 11 scores may be upsampled instead of 512 features."""
    scores = torch.einsum("chw,ck->khw", features, line[0]) + line[1][:, None, None]
    return metrics.confusion(up(scores).argmax(0).numpy(), labels, CLASSES, IGNORE)


def measure(method: Method, scenes: Sequence[tuple[Tensor, Tensor, np.ndarray]], threads: int) -> tuple[float, float]:
    """mIoU (per cent) of learning on even images and testing on odd ones, and the other way round."""
    ups, sums = [], []
    for image, features, labels in scenes:
        grid = Grid.from_sizes(*image.shape[1:], *features.shape[1:])
        up = method(image, features, grid, threads)
        one = Half()
        one.add(up(features), labels)
        ups.append(up)
        sums.append(one)

    def total(which: Sequence[int]) -> Half:
        return sum((sums[i] for i in which[1:]), sums[which[0]])

    def score(which: Sequence[int], line: tuple[Tensor, Tensor]) -> float:
        tables = [table(ups[i], *scenes[i][1:], line) for i in which]
        return mean_iou(sum(tables[1:], tables[0]))

    results = []
    for first in (0, 1):
        learn, test = range(first, len(scenes), 2), range(1 - first, len(scenes), 2)
        inner, outer = learn[: len(learn) // 2], learn[len(learn) // 2 :]
        choice = [score(outer, total(inner).solve(s)) + score(inner, total(outer).solve(s)) for s in STRENGTHS]
        results.append(score(test, total(learn).solve(STRENGTHS[int(np.argmax(choice))])))
    return results[0], results[1]


def mean_iou(table: np.ndarray) -> float:
    """mIoU in per cent over the classes present in truth or result."""
    both = np.diag(table)
    either = table.sum(0) + table.sum(1) - both
    return float(100 * (both[either > 0] / either[either > 0]).mean())
