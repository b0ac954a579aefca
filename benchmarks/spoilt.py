"""Slightly wrong inputs, as they are common: signals off their grid, quantised or blurred, guides off the signal.

Each is a function of a scene: the truth stays where it is, and the signal or the image is made a little wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.scenes import ROWS as SOUND
from benchmarks.scenes import Row, Scene
from gsjbu.core.corners import corner_centres

SCENES = 4  # of each row, at most
QUALITY = 30  # of the JPEG
FALLOFF = 0.6  # of the light that the corners of a shaded guide lack


def _means(scene: Scene, rows: np.ndarray, cols: np.ndarray) -> Tensor:
    """The signal as means over cells with these centres (pixels): [C, h, w]. Cells over no known pixel keep theirs."""
    step = round(scene.grid.step_y), round(scene.grid.step_x)
    field = scene.truth[None] if scene.classes is None else scene.truth[None] == scene.classes[:, None, None]
    whole = np.concatenate([np.where(scene.valid, field, 0), scene.valid[None]])
    sums = np.pad(whole.astype(np.float64).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    (top, bottom), (left, right) = (
        [np.clip(np.rint(at - s / 2).astype(int) + off, 0, n) for off in (0, s)]
        for at, s, n in zip((rows, cols), step, scene.truth.shape, strict=True)
    )
    found = sums[:, bottom][:, :, right] - sums[:, top][:, :, right] - sums[:, bottom][:, :, left]
    found += sums[:, top][:, :, left]
    known = found[-1] > 0
    means = np.where(known, found[:-1] / np.maximum(found[-1], 1), scene.signal.numpy())
    return torch.from_numpy(means.astype(np.float32))


def _centres(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    grid = scene.grid
    return (np.arange(grid.rows) + 0.5) * grid.step_y, (np.arange(grid.cols) + 0.5) * grid.step_x


def shifted(scene: Scene) -> Scene:
    """By half an LR pixel to the right and down."""
    rows, cols = _centres(scene)
    return replace(scene, signal=_means(scene, rows - scene.grid.step_y / 2, cols - scene.grid.step_x / 2))


def corners(scene: Scene) -> Scene:
    """Sampled with align_corners: the first and the last cell are centred on the image's first and last pixel."""
    grid = scene.grid
    rows, cols = (corner_centres(pixels, cells) for pixels, cells, _ in grid.axes)
    return replace(scene, signal=_means(scene, rows, cols))


def quantised(scene: Scene) -> Scene:
    """To 8 bit."""
    top = 1.0 if scene.classes is None else 255.0  # depth is 0…255 already
    return replace(scene, signal=(scene.signal * top).round() / top)


def blurred(scene: Scene) -> Scene:
    """By 1 2 1 along both axes of the LR grid."""
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
    padded = F.pad(scene.signal[:, None], (1, 1, 1, 1), mode="replicate")
    return replace(scene, signal=F.conv2d(padded, (kernel[:, None] * kernel)[None, None])[:, 0])


def misregistered(pixels: int, scene: Scene) -> Scene:
    """The image lies so many pixels to the right of the signal, and so many below it."""
    padded = F.pad(scene.image[None], (pixels, 0, pixels, 0), mode="replicate")[0]
    return replace(scene, image=padded[:, : scene.grid.height, : scene.grid.width].contiguous())


def jpeg(scene: Scene) -> Scene:
    """The image as a JPEG file of low quality says it."""
    buffer = BytesIO()
    pixels = (scene.image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    back = np.array(Image.open(buffer), np.float32) / 255
    return replace(scene, image=torch.from_numpy(back).permute(2, 0, 1).contiguous())


def shaded(scene: Scene) -> Scene:
    """The image darkens towards its corners."""
    y, x = (torch.linspace(-1, 1, n) for n in scene.image.shape[1:])
    light = 1 - FALLOFF * (y[:, None].square() + x.square()) / 2
    return replace(scene, image=scene.image * light)


SPOILINGS: dict[str, Callable[[Scene], Scene]] = {
    "half a cell off": shifted,
    "align_corners": corners,
    "8 bit": quantised,
    "blurred": blurred,
    "JPEG guide": jpeg,
    "lens shading": shaded,
}
OFF: dict[str, Callable[[Scene], Scene]] = {f"guide {n} px off": partial(misregistered, n) for n in (1, 2, 3)}


def _load(row: Row, spoil: Callable[[Scene], Scene]) -> Iterator[Scene]:
    for scene in islice(row.load(), SCENES):
        yield spoil(scene)


def _rows() -> Iterator[Row]:
    for row in SOUND:
        if row.name in ("depth ×8", "depth ×16", "CamVid ×16", "DAVIS ×16"):
            for how, spoil in {**SPOILINGS, **(OFF if row.kind == "depth" else {})}.items():
                yield Row(f"{row.name}, {how}", row.kind, partial(_load, row, spoil), row.needs)


ROWS = tuple(_rows())
