"""Signals that were enlarged before they came: upsampled as they are, and from their own cells.

    python -m benchmarks.enlarged [--rows "depth|CamVid"] [--threads 1]

Each signal of the sound rows is enlarged by 2 and 4 (bilinear, blocks, bicubic), as networks and libraries do it.
Depth: RMSE on the scale 0…255; classes: mean IoU in per cent.
"""

from __future__ import annotations

import argparse
import re
import time

import torch.nn.functional as F
from torch import Tensor

import gsjbu
from benchmarks.quality import Figures
from benchmarks.scenes import ROWS, Scene
from gsjbu.io.restoring import restored
from gsjbu.signals import understand

WAYS = {"bilinear": 2, "blocks": 2, "bicubic": 2, "bilinear, ×4": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", default="^(?!.*map).*×(8|16|24)", help="rows whose names have this (a regular expression)"
    )
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    print("| row | enlarged | interpolated | as it is | own cells |\n|---|---|---:|---:|---:|")
    for row in ROWS:
        if row.missing or not re.search(args.rows, row.name):
            continue
        scenes = list(row.load())
        kind = "depth" if row.kind == "depth" else "probabilities" if "output" in row.name else "soft_labels"
        for way in WAYS:
            figures = {name: Figures() for name in ("plain", "kept", "own")}
            for scene in scenes:
                for name, figure in figures.items():
                    started = time.perf_counter()
                    high = made(scene, kind, way, name, args.threads)
                    figure.add(scene, high, time.perf_counter() - started)
            found = " | ".join(f"{figure.overall[0]:.2f}" for figure in figures.values())
            print(f"| {row.name} | {way} | {found} |", flush=True)


def made(scene: Scene, kind: str, way: str, name: str, threads: int | None) -> Tensor:
    """The result [C, H, W] of the enlarged signal: interpolated (plain), taken as it is (kept), or brought back."""
    size = scene.grid.height, scene.grid.width
    large = enlarged(scene.signal, way)
    if name == "plain":
        return F.interpolate(large[None], size=size, mode="bilinear", align_corners=False)[0]
    if name == "kept" and kind != "depth":
        large = large.clamp(0, 1)  # or it is refused
    signal = understand(large, size, kind, layout="chw", as_it_is=name == "kept")
    kernel = gsjbu.fit(
        scene.image, objective="auto", signal=signal.values, kind=kind, mask=signal.mask,
        lr_size=signal.shape[1:], threads=threads,
    )  # fmt: skip
    return Tensor(restored(signal, kernel)).reshape(-1, *size)


def enlarged(signal: Tensor, way: str) -> Tensor:
    """[C, h, w] enlarged."""
    mode = {"blocks": "nearest", "bicubic": "bicubic"}.get(way, "bilinear")
    return F.interpolate(signal[None], scale_factor=WAYS[way], mode=mode)[0]


if __name__ == "__main__":
    main()
