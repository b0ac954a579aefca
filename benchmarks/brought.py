"""Signals of a known kind, as people bring them: made from the photographs and ground truth in ``../shared/data``."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from benchmarks.probe import WEIGHTS, squeezenet
from benchmarks.scenes import DATA, IGNORE, cell_means, read_image, read_labels
from gsjbu.models.feature_map import normalised

#: What the numbers of a depth map stand for, to be whole ones: millimetres of Kinect, quarters of a disparity.
PER_UNIT = {"nyu": 1000.0}
WHOLE = 64.0


@dataclass(frozen=True)
class Known:
    """A signal whose kind is known: an array as a library call takes it, or a file's bytes; the image's size."""

    name: str
    kind: str
    content: np.ndarray | bytes
    size: tuple[int, int]  # height and width of the image


def known_signals() -> Iterator[Known]:
    """Every signal, in a fixed order."""
    yield from _depths()
    yield from _labels()
    yield from _network()
    yield from _features()
    yield from _vectors()


def png(pixels: np.ndarray, palette: bytes | None = None, form: str = "PNG", **options: object) -> bytes:
    """A picture's file; with a palette, [h, w] are its numbers."""
    picture = Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette(palette)
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def _depths() -> Iterator[Known]:
    for folder in sorted(DATA.glob("depth/*")):
        depth = np.load(folder / "gt.npy").astype(np.float64)
        per_unit = next((v for name, v in PER_UNIT.items() if folder.name.startswith(name)), WHOLE)
        for stride in (4, 8, 16, 32):
            size = depth.shape[0] // stride * stride, depth.shape[1] // stride * stride
            depth_here = depth[: size[0], : size[1]]
            valid = np.isfinite(depth_here)
            means = cell_means(np.nan_to_num(depth_here)[None], valid, stride)[0].numpy()
            seen = valid.reshape(size[0] // stride, stride, -1, stride).any(axis=(1, 3))
            name = f"{folder.name} ×{stride}"
            yield Known(f"{name} float", "depth", np.where(seen, means, np.nan).astype(np.float32), size)
            sampled = np.nan_to_num(depth_here)[stride // 2 :: stride, stride // 2 :: stride]
            whole = np.rint(sampled * per_unit).astype(np.uint16)
            yield Known(f"{name} uint16 PNG", "depth", png(whole), size)
            yield Known(f"{name} int32", "depth", np.rint(means * per_unit).astype(np.int32), size)
            grey = np.rint(255 * sampled / sampled.max()).astype(np.uint8)
            yield Known(f"{name} grey PNG", "depth", png(grey), size)
            yield Known(f"{name} grey JPEG", "depth", png(grey, form="JPEG", quality=90), size)


def _palette() -> bytes:
    return np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes()


def _labels() -> Iterator[Known]:
    for index, folder in enumerate(sorted(DATA.glob("seg/*"))):
        _, labels = read_labels(folder)
        stride = (4, 8, 16, 32)[index % 4]
        size = labels.shape[0] // stride * stride, labels.shape[1] // stride * stride
        labels = labels[: size[0], : size[1]]
        sampled = labels[stride // 2 :: stride, stride // 2 :: stride]
        name = f"{folder.name} ×{stride}"
        forms = {
            "palette PNG": png(sampled, _palette()),
            "grey PNG": png(sampled),
            "int64": sampled.astype(np.int64),
            "float": sampled.astype(np.float32),
        }
        for form, content in forms.items():
            yield Known(f"{name} {form}", "labels", content, size)
        valid = labels != IGNORE
        classes = np.unique(labels[valid])
        shares = cell_means(labels[None] == classes[:, None, None], valid, stride).numpy()
        yield Known(f"{name} shares", "soft_labels", shares, size)
        largest = int(shares.sum(axis=(1, 2)).argmax())
        yield Known(f"{name} share of one", "soft_labels", shares[largest], size)
        yield Known(f"{name} heat", "heat_map", _heat(shares[largest]), size)


def _heat(share: np.ndarray) -> np.ndarray:
    """A smooth map in [0, 1) that is high where a class is, as class activation maps are."""
    smooth = torch.from_numpy(share)[None, None]
    for _ in range(3):
        smooth = functional.avg_pool2d(functional.pad(smooth, (2, 2, 2, 2), mode="replicate"), 5, 1)
    return (0.93 * smooth[0, 0].numpy() ** 1.5).astype(np.float32)


def _network() -> Iterator[Known]:
    """Probabilities of real networks, and their logarithms as logits."""
    rng = np.random.default_rng(1)
    for path in sorted(DATA.glob("probs/*.npz")):
        with np.load(path) as arrays:
            for name in arrays.files:
                p = arrays[name].astype(np.float32)
                stride = int(name.removeprefix("probs_lr"))
                size = p.shape[1] * stride, p.shape[2] * stride
                yield Known(f"{path.stem} {name}", "probabilities", p, size)
                logits = np.log(np.maximum(p, 1e-9))
                logits -= logits.mean(axis=0, keepdims=True)
                yield Known(f"{path.stem} {name} logits", "logits", logits[None], size)
                for classes in (2, 3, 5):
                    yield Known(f"{path.stem} {name} {classes} logits", "logits", _few(logits, classes), size)
                one = p[p.sum(axis=(1, 2)).argmax()]
                yield Known(f"{path.stem} {name} mask", "probabilities", one[None, None], size)
                odds = np.log(np.maximum(one, 1e-7)) - np.log(np.maximum(1 - one, 1e-7))
                odds = odds + rng.normal(0, 0.3, odds.shape)
                yield Known(f"{path.stem} {name} mask logits", "logits", odds.astype(np.float32), size)
    path = DATA / "probs/ua_2009_003810_predlow_probs.npy"
    if path.is_file():
        p = np.load(path)
        height, width = read_image(path.with_name("ua_2009_003810.jpg")).shape[1:]
        yield Known(path.stem, "probabilities", p, (height, width))


def _few(logits: np.ndarray, classes: int) -> np.ndarray:
    """The largest classes but one as they are, and all others as one."""
    order = np.argsort(-np.exp(logits).mean(axis=(1, 2)))
    rest = np.log(np.exp(logits[order[classes - 1 :]].astype(np.float64)).sum(axis=0, keepdims=True))
    few = np.concatenate([logits[order[: classes - 1]], rest])
    return (few - few.mean(axis=0)).astype(np.float32)


def _vectors() -> Iterator[Known]:
    """Quantities of both signs: normals, points and a disparity around its mean; of photos chroma and gradients."""
    for folder in sorted(DATA.glob("depth/*")):
        depth = np.load(folder / "gt.npy").astype(np.float64)
        depth = np.where(np.isfinite(depth), depth, np.nanmedian(depth)) / np.nanstd(depth) * 10
        down, across = np.gradient(depth)
        normals = np.stack([-across, -down, np.full_like(depth, 0.3)])
        ys, xs = (np.linspace(-1, 1, n) for n in depth.shape)
        points = np.stack([xs * depth, ys[:, None] * depth, depth])
        kinds = {
            "normals": normals / np.linalg.norm(normals, axis=0),
            "points around their mean": points - points.mean(axis=(1, 2), keepdims=True),
            "motion": np.stack([depth - depth.mean(), 0.1 * depth]),
        }
        yield from _reduced(folder.name, "features", kinds)
        yield from _reduced(folder.name, "depth", {"around its mean": 3 * (depth - depth.mean())[None]})
    for path in sorted(DATA.glob("photos/*.png")):
        with Image.open(path) as photo:
            rgb = np.asarray(photo.convert("RGB"), np.float64).transpose(2, 0, 1)
            chroma = np.asarray(photo.convert("YCbCr"), np.float64).transpose(2, 0, 1)[1:] - 128
        kinds = {
            "chroma": chroma, "chroma of 1": chroma / 255, "in -1…1": rgb / 127.5 - 1,
            "colours around their mean": rgb - rgb.mean(axis=(1, 2), keepdims=True),
            "gradients": np.stack(np.gradient(rgb.mean(axis=0))),
        }  # fmt: skip
        yield from _reduced(path.stem, "features", kinds)


def _reduced(name: str, kind: str, planes_of: dict[str, np.ndarray]) -> Iterator[Known]:
    """Each [C, H, W] as its means over cells of two sizes."""
    for what, planes in planes_of.items():
        for stride in (8, 16):
            height, width = (n // stride * stride for n in planes.shape[1:])
            planes_here = planes[:, :height, :width]
            means = cell_means(planes_here, np.ones((height, width), bool), stride).numpy()
            yield Known(f"{name} ×{stride} {what}", kind, means.astype(np.float32), (height, width))


def _features() -> Iterator[Known]:
    """Features of a network with real weights, as they are and centred; and class activation maps of the same."""
    if not list(DATA.glob(WEIGHTS)):
        return
    net = squeezenet()
    for folder in sorted(DATA.glob("seg/*"))[::4] + sorted(DATA.glob("depth/*")):
        image = read_image(next(folder.glob("rgb.*")))
        size = int(image.shape[1]), int(image.shape[2])
        for name, kind, values in _maps(net, image):
            yield Known(f"{folder.name} {name}", kind, values, size)


@torch.no_grad()
def _maps(net: torch.nn.Module, image: Tensor) -> Iterator[tuple[str, str, np.ndarray]]:
    x = normalised(image)[None]
    for index, layer in enumerate(net.features):
        x = layer(x)
        if index in (3, 7, 12):
            centred = x - x.mean(dim=(2, 3), keepdim=True)
            normed = functional.layer_norm(x.movedim(1, -1), x.shape[1:2]).movedim(-1, 1)
            yield f"layer {index}", "features", x.numpy()
            yield f"layer {index} centred", "features", centred.numpy()
            yield f"layer {index} layer-normed", "features", normed.numpy()
    scores = net.classifier[1](x)[0]
    best = scores[scores.mean(dim=(1, 2)).argmax()].relu()
    yield "class activation", "heat_map", (best / (best.max() + 1e-6)).numpy()
