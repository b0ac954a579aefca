"""What networks put out, as they put it out: ``python -m benchmarks.outputs``.

Logits of all classes (the logarithms of ``probs/`` of ``../shared/data``, less each pixel's mean), and of each class
that covers a hundredth of its scene a mask: its logits, its probabilities, and cut at one half. Everything goes through
:func:`gsjbu.upsample`, so what is measured is what is got. mIoU in per cent over the pooled confusion matrix, of masks
the mean IoU; in brackets the same within 5 pixels of a border. Higher is better.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

import gsjbu
from benchmarks.probe import mean_iou
from benchmarks.scenes import BAND, IGNORE, ROWS, Scene
from gsjbu.core import interpolation
from gsjbu.core.grid import Grid
from gsjbu.run import metrics

LEAST = 1e-6  # probabilities below are of no account, and have no logarithm
SHARE = 0.01
# image, logits [C, h, w] → class numbers [H, W]; of a mask 0 and 1
Way = Callable[[Tensor, Tensor, Grid], np.ndarray]


def _softmax(logits: Tensor) -> Tensor:
    return logits.sigmoid() if len(logits) == 1 else logits.softmax(dim=0)


def _classes(scores: Tensor, least: float = 0.5) -> np.ndarray:
    """The strongest of [C, …]; of a mask 1 where it is over ``least``."""
    return (scores[0] > least if len(scores) == 1 else scores.argmax(dim=0)).numpy().astype(np.uint8)


WAYS: dict[str, Way] = {
    "bilinear, of logits": lambda image, z, grid: _classes(interpolation.bilinear(z, grid), 0),
    "bilinear, of probabilities": lambda image, z, grid: _classes(interpolation.bilinear(_softmax(z), grid)),
    "bicubic, of probabilities": lambda image, z, grid: _classes(interpolation.bicubic(_softmax(z), grid)),
    "auto, logits as features": lambda image, z, grid: _classes(gsjbu.upsample(image, z, kind="features"), 0),
    "auto, cut first": lambda image, z, grid: gsjbu.upsample(image, _classes(z, 0), kind="labels").numpy(),
    "auto": lambda image, z, grid: _classes(gsjbu.upsample(image, z, kind="logits")),
}


@dataclass
class Figures:
    """Confusions of a way, whole and near borders."""

    whole: list[np.ndarray] = field(default_factory=list)
    band: list[np.ndarray] = field(default_factory=list)

    def add(self, labels: np.ndarray, truth: np.ndarray, band: np.ndarray) -> None:
        """One scene, or one mask."""
        self.whole.append(metrics.confusion(labels, truth, 256, IGNORE))
        self.band.append(metrics.confusion(labels, np.where(band, truth, IGNORE), 256, IGNORE))

    def said(self, each: bool) -> str:
        """The figure, of ``each`` confusion's foreground or of all in one."""
        one, near = (_iou(t) if each else mean_iou(np.sum(t, axis=0)) for t in (self.whole, self.band))
        return f"{one:.2f} ({near:.2f})"


def _iou(tables: list[np.ndarray]) -> float:
    """Mean IoU of the masks' foreground, in per cent."""
    return float(np.mean([100 * t[1, 1] / max(1, t[1].sum() + t[0, 1]) for t in tables]))


def _logits(scene: Scene) -> Tensor:
    z = scene.signal.clamp_min(LEAST).log()
    return z - z.mean(dim=0)


def _masks(scene: Scene) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Of each class that is there: its logits [1, h, w], and the truth, 0 and 1."""
    for c in range(len(scene.signal)):
        truth = np.where(scene.valid, scene.truth == c, IGNORE)
        if (truth == 1).mean() >= SHARE:
            p = scene.signal[c : c + 1].clamp(LEAST, 1 - LEAST)
            yield (p / (1 - p)).log(), truth


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args(arguments).threads)
    ways = list(WAYS)
    print(f"| row | {' | '.join(ways)} |\n|---|{'---:|' * len(ways)}", flush=True)
    for row in ROWS:
        if " output " not in row.name or row.missing:
            continue
        whole, masks = ({way: Figures() for way in ways} for _ in range(2))
        for scene in row.load():
            pairs = [(_logits(scene), np.where(scene.valid, scene.truth, IGNORE), whole)]
            pairs += [(z, truth, masks) for z, truth in _masks(scene)]
            for z, truth, figures in pairs:
                band = metrics.dilate(metrics.boundaries(truth), BAND)
                for name, way in WAYS.items():
                    figures[name].add(way(scene.image, z, scene.grid), truth, band)
        for title, figures, each in ((" logits", whole, False), (" masks", masks, True)):
            name = row.name.replace(" output", title)
            print(f"| {name} | {' | '.join(f.said(each) for f in figures.values())} |", flush=True)


if __name__ == "__main__":
    main()
