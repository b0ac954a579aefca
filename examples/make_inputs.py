"""Inputs to follow the guides with, drawn from the built-in scenes: nothing is downloaded.

    python -m examples.make_inputs my-data

writes photo.png and features.npy (64 channels at 1/16), depth.npy (at 1/16), photos/ (three pictures with their
features beside them), shards/train-000.tar (the same, WebDataset style) and, where PyAV is installed, clip.mp4.
"""

from __future__ import annotations

import argparse
import importlib.util
import tarfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gsjbu import images, samples
from gsjbu.grid import Grid
from gsjbu.io.films import Writer

STRIDE = 16
CHANNELS = 64


def features(image: Tensor, channels: int = CHANNELS) -> np.ndarray:
    """Stand-ins for a network's features: random directions in colour and texture, cell means, ``[C, h, w]``."""
    mix = torch.randn(channels, 6, generator=torch.Generator().manual_seed(0))
    edges = (image - torch.nn.functional.avg_pool2d(image[None], 5, 1, 2)[0]).abs()
    maps = torch.cat([image, 8 * edges])
    grid = Grid.from_stride(image.shape[-2], image.shape[-1], STRIDE)
    low = grid.cell_means(maps)
    return torch.einsum("cm,mhw->chw", mix, low).numpy().astype(np.float32)


def write_inputs(folder: Path, side: int = 512, frames: int = 6) -> None:
    """Everything the guides use, from scenes reduced to ``side`` pixels."""
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    (folder / "shards").mkdir(exist_ok=True)
    for number, name in enumerate(list(samples.SAMPLES) * 2):
        if number == 3:
            break
        scene = samples.frame(name, number / 3)
        image = images.shrink(scene.image, side)
        stem = folder / "photos" / f"{number:02d}-{name}"
        stem.with_suffix(".png").write_bytes(images.png_bytes(images.to_uint8(image)))
        np.save(stem.with_suffix(".npy"), features(image))
        if number == 0:
            (folder / "photo.png").write_bytes(stem.with_suffix(".png").read_bytes())
            np.save(folder / "features.npy", features(image))
            depth = images.resize_area(scene.depth[None], image.shape[-2], image.shape[-1])
            low = Grid.from_stride(image.shape[-2], image.shape[-1], STRIDE).cell_means(depth)
            np.save(folder / "depth.npy", low.numpy())
    with tarfile.open(folder / "shards" / "train-000.tar", "w") as shard:
        for path in sorted((folder / "photos").iterdir()):
            shard.add(path, arcname=path.name)
    write_clip(folder / "clip.mp4", frames)


def moving_scene(name: str, frames: int, width: int = 640, height: int = 360, turns: float = 0.1) -> list[Tensor]:
    """``frames`` pictures [3, height, width] of a scene in motion: the middle of the square scene, enlarged."""
    pictures = []
    for number in range(frames):
        image = samples.frame(name, turns * number / max(1, frames)).image
        large = torch.nn.functional.interpolate(image[None], size=(width, width), mode="bilinear")[0]
        top = (width - height) // 2
        pictures.append(large[:, top : top + height].contiguous())
    return pictures


def write_clip(path: Path, frames: int) -> bool:
    """A short film of a scene, False where PyAV is not installed."""
    if importlib.util.find_spec("av") is None:
        return False
    with Writer(path, rate=24) as film:
        for picture in moving_scene(next(iter(samples.SAMPLES)), frames, 320, 180):
            film.add(images.to_uint8(picture))
    return True


def main() -> None:
    """Write the inputs into the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=512, help="long side of the pictures (default: 512)")
    args = parser.parse_args()
    write_inputs(args.folder, args.side)
    print(f"{args.folder}: photo.png, features.npy, depth.npy, photos/, shards/, clip.mp4")


if __name__ == "__main__":
    main()
