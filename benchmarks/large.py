"""What people bring that is large, upsampled by ``auto``: seconds, and memory beyond image and result.

    python -m benchmarks.large [--only WORD] [--folder /tmp]

Each case runs in a process of its own, warm, on all cores; processor seconds are told beside those of the clock, as on
a machine that others use only they mean something. The largest result (4.6 GB) goes to a file in ``--folder``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import gsjbu
from gsjbu.core.backends.dispatch import warm_up
from gsjbu.core.grid import Grid
from gsjbu.core.threads import available

TWELVE = (3000, 4000)
TURNS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    args = parser.parse_args()
    show(args.only, args.folder)


def show(only: str = "", folder: Path | None = None) -> None:
    """Print the table."""
    print(f"\nlarge, by auto, {available()} cores, load {os.getloadavg()[0]:.1f} at the start")
    print(f"{'case':<58}{'seconds':>9}{'of cores':>10}{'beyond, MB':>12}{'target':>8}")
    for name, (case, target) in CASES.items():
        if only in name:
            process = get_context("spawn").Process(
                target=_alone, args=(name, case, target, str(folder or tempfile.gettempdir()))
            )
            process.start()
            process.join()


def _alone(name: str, case: Callable[[str], str | Callable[[], int]], target: str, folder: str) -> None:
    from benchmarks.speed import peak, reset_peak

    verbs = gsjbu.upsample, gsjbu.fit  # their rooms have loops to compile as well
    assert all(verbs) and warm_up.run(whole=True)
    work = case(folder)
    if isinstance(work, str):
        print(f"{name:<58}{work:>31}{target:>8}", flush=True)
        return
    before, began, cores = reset_peak(), time.perf_counter(), time.process_time()
    result = work()
    took, cores = time.perf_counter() - began, time.process_time() - cores
    beyond = "–" if before is None else f"{(peak() - before - result) / 1e6:.0f}"
    print(f"{name:<58}{took:>9.2f}{cores:>10.2f}{beyond:>12}{target:>8}", flush=True)


def mask_of_twelve(_: str) -> Callable[[], int]:
    return _upsampled(TWELVE, (256, 256), shares)


def mask_by_four(_: str) -> Callable[[], int]:
    return _upsampled((2048, 2048), (512, 512), shares)


def depth_by_four(_: str) -> Callable[[], int]:
    return _upsampled((2048, 2048), (512, 512), lambda image: 10 * image.mean(0, keepdim=True) + shares(image))


def features_of_twelve(folder: str) -> Callable[[], int]:
    """Into a file of half precision, as disks here write no faster."""
    from benchmarks.speed import scene

    image, signal = scene(*TWELVE), torch.randn(384, 16, 16)

    def work() -> int:
        kernel = gsjbu.fit(image, objective="auto", signal=signal, lr_size=(16, 16))
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = Path(place) / "high.npy"
            file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(96, *TWELVE))
            for first in range(0, 384, 96):  # a quarter of the disk's room, filled four times
                kernel.render(signal[first : first + 96], out=file)
        return 0

    return work


def features_against_gaussians(_: str) -> str:
    """384 channels at 512²: a render by the mixture against one by its first Gaussians, in turns."""
    from dataclasses import replace

    from benchmarks.speed import scene
    from benchmarks.strides import in_turns

    signal = torch.randn(384, 32, 32)
    kernel = gsjbu.fit(scene(512, 512), objective="auto", signal=signal, lr_size=(32, 32))
    alone = replace(kernel, blend=None)
    ours, theirs = in_turns([lambda: kernel.render(signal), lambda: alone.render(signal)], 2, TURNS)
    return f"{np.median(ours) * 1e3:.0f} ms, {np.median(ours / theirs):.2f}× Gaussians"


CASES = {
    "12 megapixels, a mask of 256×256": (mask_of_twelve, "8"),
    "2048×2048, a mask of 512×512": (mask_by_four, "3"),
    "2048×2048, depth of 512×512": (depth_by_four, "3"),
    "12 megapixels, 16×16×384 features to a file of float16": (features_of_twelve, "12"),
    "512×512, 32×32×384 features": (features_against_gaussians, "1.2×"),
}  # fmt: skip


def shares(image: Tensor) -> Tensor:
    """[1, H, W] of 0 and 1: what is bright, and an ellipse."""
    height, width = image.shape[1:]
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    inside = (x / 0.5 + 0.4).square() + (y / 0.6 - 0.1).square() < 1
    return ((image.mean(0) > 0.6) | inside).to(torch.float32)[None]


def _upsampled(size: tuple[int, int], small: tuple[int, int], truth: Callable[[Tensor], Tensor]) -> Callable[[], int]:
    from benchmarks.speed import scene

    image = scene(*size)
    signal = Grid.from_sizes(*size, *small).cell_means(truth(image))

    def work() -> int:
        return int(gsjbu.upsample(image, signal).nbytes)

    return work


if __name__ == "__main__":
    main()
