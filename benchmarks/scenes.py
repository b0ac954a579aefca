"""The scenes that quality is measured on: an image, a low-resolution signal of it, and the truth at full resolution.

Photographs with ground truth lie in ``../shared/data`` beside the repository (none of it is shipped); the built-in
scenes are always there. Images are cropped to whole cells. LR signals are means over each cell's valid pixels;
cells without any get the mean of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gsjbu.core.grid import Grid
from gsjbu.run import metrics
from gsjbu.samples import SAMPLES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
IGNORE = 255
BAND = 5  # pixels to either side of an edge that count as near it
DEPTH_STEP = 8.0  # from one pixel to the next, of 255: a depth edge


@dataclass
class Scene:
    """``truth`` is depth (float, 0–255) or class numbers; ``valid`` says where it is known."""

    name: str
    image: Tensor  # [3, H, W]
    signal: Tensor  # [C, h, w]
    grid: Grid
    truth: np.ndarray  # [H, W]
    valid: np.ndarray  # bool [H, W]
    classes: np.ndarray | None  # class number of each channel; None: depth
    unit: float = 1.0  # of the truth, on the scale 0–255 that figures of depth are on

    @cached_property
    def band(self) -> np.ndarray:
        """bool [H, W]: valid pixels near an edge of the truth."""
        if self.classes is not None:
            edges = metrics.boundaries(np.where(self.valid, self.truth, IGNORE))
        else:
            edges = np.zeros(self.truth.shape, bool)
            for axis in (0, 1):
                known = np.logical_and(*metrics.neighbours(self.valid, axis))
                a, b = metrics.neighbours(self.truth, axis)
                metrics.neighbours(edges, axis)[0][...] |= known & (self.unit * np.abs(b - a) > DEPTH_STEP)
        return metrics.dilate(edges, BAND) & self.valid


@dataclass(frozen=True)
class Row:
    """One line of the table: scenes of one kind at one stride. ``kind``: depth or labels."""

    name: str
    kind: str
    load: Callable[[], Iterator[Scene]]
    needs: str | None  # a folder of the data; None: built in
    noisy: bool = False  # measured with noisy and unrelated guides as well

    @property
    def missing(self) -> str | None:
        """Why the row cannot be measured here, or None."""
        if self.needs and not list(DATA.glob(self.needs)):
            return f"no {self.needs} in ../shared/data"
        return None


def read_image(path: Path) -> Tensor:
    """[3, H, W] in [0, 1]."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"), np.float32) / 255).permute(2, 0, 1).contiguous()


def cell_means(x: np.ndarray, valid: np.ndarray, s: int) -> Tensor:
    """x [C, H, W] of whole cells → [C, H/s, W/s]: mean over each cell's valid pixels."""
    c, height, width = x.shape
    sums = np.where(valid, x, 0).astype(np.float64).reshape(c, height // s, s, width // s, s).sum(axis=(2, 4))
    count = valid.reshape(height // s, s, width // s, s).sum(axis=(1, 3))
    means = sums / np.maximum(count, 1)
    known = count > 0
    if not known.all():
        means[:, ~known] = means[:, known].mean(axis=1, keepdims=True)
    return torch.from_numpy(means.astype(np.float32))


def depth_scene(name: str, image: Tensor, depth: np.ndarray, s: int) -> Scene:
    """Depth scaled to 0–255 over the scene, NaN = unknown."""
    height, width = depth.shape[0] // s * s, depth.shape[1] // s * s
    depth, image = depth[:height, :width].astype(np.float64), image[:, :height, :width].contiguous()
    valid = np.isfinite(depth)
    low, high = depth[valid].min(), depth[valid].max()
    truth = np.where(valid, (depth - low) / (high - low) * 255, 0)
    signal = cell_means(truth[None], valid, s)
    return Scene(name, image, signal, Grid.from_sizes(height, width, *signal.shape[1:]), truth, valid, None)


def label_scene(name: str, image: Tensor, labels: np.ndarray, s: int, classes: np.ndarray | None = None) -> Scene:
    """Each class's share of the cell; the classes are those present if they are not given."""
    height, width = labels.shape[0] // s * s, labels.shape[1] // s * s
    labels, image = labels[:height, :width].astype(np.int64), image[:, :height, :width].contiguous()
    valid = labels != IGNORE
    classes = np.unique(labels[valid]) if classes is None else classes
    signal = cell_means(labels[None] == classes[:, None, None], valid, s)
    return Scene(name, image, signal, Grid.from_sizes(height, width, *signal.shape[1:]), labels, valid, classes)


def map_scene(name: str, image: Tensor, labels: np.ndarray, s: int, classes: np.ndarray | None = None) -> Scene:
    """One class a cell, as at its centre; cells whose centre has none are of the first class."""
    scene = label_scene(name, image, labels, s, classes)
    assert scene.classes is not None
    at_centre = scene.truth[s // 2 :: s, s // 2 :: s]
    of_class = np.argmax(at_centre == scene.classes[:, None, None], axis=0)
    scene.signal = torch.from_numpy((of_class == np.arange(len(scene.classes))[:, None, None]).astype(np.float32))
    return scene


def _depth(s: int) -> Iterator[Scene]:
    for folder in sorted(DATA.glob("depth/*")):
        yield depth_scene(folder.name, read_image(folder / "rgb.png"), np.load(folder / "gt.npy"), s)


def read_labels(folder: Path) -> tuple[Tensor, np.ndarray]:
    """Image and class numbers of a scene of seg/."""
    return read_image(next(folder.glob("rgb.*"))), np.array(Image.open(folder / "gt.png"))


def _shrunk(image: Tensor, labels: np.ndarray, times: int) -> tuple[Tensor, np.ndarray]:
    height, width = image.shape[1] // times, image.shape[2] // times
    return torch.nn.functional.avg_pool2d(image[None], times)[0], labels[::times, ::times][:height, :width]


def _labels(prefix: str, s: int, count: int | None, shrink: int = 1) -> Iterator[Scene]:
    for folder in sorted(DATA.glob(f"seg/{prefix}_*")):
        image, labels = _shrunk(*read_labels(folder), shrink)
        yield label_scene(folder.name, image, labels, s, None if count is None else np.arange(count))


def _class_maps(prefix: str, s: int, count: int | None) -> Iterator[Scene]:
    for folder in sorted(DATA.glob(f"seg/{prefix}_*")):
        image, labels = read_labels(folder)
        yield map_scene(folder.name, image, labels, s, None if count is None else np.arange(count))


def _outputs(prefix: str, key: str, shrink: int = 1) -> Iterator[Scene]:
    """``shrink``: of the image, so that the network's cells are as many times smaller."""
    for path in sorted(DATA.glob(f"probs/{prefix}_*.npz")):
        name = path.stem.rsplit("_espnet", 1)[0]
        image, labels = _shrunk(*read_labels(DATA / "seg" / name), shrink)
        signal = torch.from_numpy(np.load(path)[key].astype(np.float32))
        grid = Grid.from_sizes(*labels.shape, *signal.shape[1:])
        labels = labels.astype(np.int64)
        yield Scene(name, image, signal, grid, labels, labels != IGNORE, np.arange(len(signal)))


def _built_in(kind: str, s: int) -> Iterator[Scene]:
    for sample in SAMPLES.values():
        if kind == "depth":
            yield depth_scene(sample.name, sample.image, sample.depth.numpy(), s)
        else:
            yield label_scene(sample.name, sample.image, sample.labels.numpy(), s, np.arange(len(sample.label_names)))


def _row(name: str, kind: str, needs: str | None, noisy: bool, load: Callable[..., Iterator[Scene]], *args: Any) -> Row:
    return Row(name, kind, lambda: load(*args), needs, noisy)


ROWS = (
    _row("depth ×4", "depth", "depth/*", False, _depth, 4),
    _row("depth ×8", "depth", "depth/*", True, _depth, 8),
    _row("depth ×16", "depth", "depth/*", True, _depth, 16),
    _row("CamVid ×8", "labels", "seg/camvid_*", False, _labels, "camvid", 8, 11),
    _row("CamVid ×16", "labels", "seg/camvid_*", True, _labels, "camvid", 16, 11),
    _row("DAVIS ×8", "labels", "seg/davis_*", False, _labels, "davis", 8, 2),
    _row("DAVIS ×16", "labels", "seg/davis_*", True, _labels, "davis", 16, 2),
    _row("Cityscapes ×8", "labels", "seg/city_*", False, _labels, "city", 8, 19, 2),
    _row("Cityscapes ×16", "labels", "seg/city_*", True, _labels, "city", 16, 19, 2),
    _row("Cityscapes 1024 ×16", "labels", "seg/city_*", False, _labels, "city", 16, 19),
    _row("COCO-Stuff ×8", "labels", "seg/cocostuff_*", False, _labels, "cocostuff", 8, None),
    _row("COCO-Stuff ×16", "labels", "seg/cocostuff_*", True, _labels, "cocostuff", 16, None),
    _row("VOC ×8", "labels", "seg/voc_*", False, _labels, "voc", 8, None),
    _row("VOC ×16", "labels", "seg/voc_*", False, _labels, "voc", 16, None),
    _row("CamVid map ×16", "labels", "seg/camvid_*", False, _class_maps, "camvid", 16, 11),
    _row("COCO-Stuff map ×16", "labels", "seg/cocostuff_*", False, _class_maps, "cocostuff", 16, None),
    _row("VOC map ×16", "labels", "seg/voc_*", False, _class_maps, "voc", 16, None),
    _row("Cityscapes output ×8", "labels", "probs/city_*", True, _outputs, "city", "probs_lr16"),
    _row("CamVid output ×8", "labels", "probs/camvid_*", True, _outputs, "camvid", "probs_lr8"),
    _row("CamVid output ×24", "labels", "probs/camvid_*", True, _outputs, "camvid", "probs_lr24"),
    _row("Cityscapes output ×4", "labels", "probs/city_*", False, _outputs, "city", "probs_lr16", 2),
    _row("CamVid output ×4", "labels", "probs/camvid_*", False, _outputs, "camvid", "probs_lr8", 2),
    _row("CamVid output ×2", "labels", "probs/camvid_*", False, _outputs, "camvid", "probs_lr8", 4),
    _row("built-in depth ×8", "depth", None, True, _built_in, "depth", 8),
    _row("built-in depth ×16", "depth", None, False, _built_in, "depth", 16),
    _row("built-in labels ×8", "labels", None, False, _built_in, "labels", 8),
    _row("built-in labels ×16", "labels", None, True, _built_in, "labels", 16),
)


def noisy(image: Tensor, noise: str) -> Tensor:
    """The image with a fixed draw of ``gauss`` (σ = 0.1), ``salt10`` or ``salt20`` (per cent of the pixels)."""
    draw = np.random.default_rng(0)
    x = image.numpy().copy()
    if noise == "gauss":
        x = np.clip(x + draw.normal(0, 0.1, x.shape), 0, 1)
    else:
        share = {"salt10": 0.1, "salt20": 0.2}[noise]
        dice = draw.random(x.shape[1:])
        x[:, dice < share / 2] = 0
        x[:, (dice >= share / 2) & (dice < share)] = 1
    return torch.from_numpy(x.astype(np.float32))


def fitted_to(image: Tensor, scene: Scene) -> Tensor:
    """Another picture, stretched to the scene's size: a guide that has nothing to do with it."""
    size = (scene.grid.height, scene.grid.width)
    return torch.nn.functional.interpolate(image[None], size=size, mode="bilinear", align_corners=False)[0]
