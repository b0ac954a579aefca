"""Upsample a film, each frame's fit started from the frame before.

  gsjbu video clip.mp4 out.mp4                       the picture from its own low-resolution copy
  gsjbu video clip.mp4 out.mp4 --signal features     backbone features, in three colours
  gsjbu video clip.mp4 out.mp4 --signal masks/       one .npy [C, h, w] per frame, in the order of their names
  gsjbu video clip.mp4 out.mp4 --beside bilinear     both methods side by side

Reports frames per second, the PSNR of the reconstructed picture, and flicker against independent fits on the first
frames (--check). Needs PyAV: pip install 'gsjbu[video]'.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.cli import options
from gsjbu.errors import GsjbuError

RGB, FEATURES = "rgb", "features"
Masked = tuple[Tensor, Tensor | None]  # values [C, h, w], and which cells have one (None: all)
SETTINGS = ("stride", "iters", "radius", "resolution", "lr_image", "device", "backbone", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Films, signal, steps and the settings of a fit."""
    from gsjbu.video import WARM_ITERS

    parser.add_argument("film", metavar="IN", help="the film to read")
    parser.add_argument("output", metavar="OUT", help="the film to write (.mp4, .mkv, .mov)")
    parser.add_argument(
        "--signal", default=RGB, metavar="rgb|features|FOLDER", help="what is upsampled (default: rgb)"
    )
    parser.add_argument(
        "--values", metavar="FOLDER", help="also keep each frame's result there, as float16 .npy"
    )
    parser.add_argument(
        "--beside", choices=["bilinear", "original"], help="show this to the left of the result"
    )
    parser.add_argument(
        "--warm-iters",
        type=options.count(0),
        default=WARM_ITERS,
        metavar="N",
        help=f"steps of each further frame (default: {WARM_ITERS})",
    )
    parser.add_argument(
        "--check",
        type=options.count(0),
        default=8,
        metavar="N",
        help="frames fitted independently too, to compare (default: 8)",
    )
    parser.add_argument("--frames", type=options.count(), metavar="N", help="stop after so many frames")
    options.add_settings(parser, SETTINGS, resolution=None)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Read, fit, render, write, report."""
    from gsjbu import video
    from gsjbu.io import films

    if Path(args.output).exists() and Path(args.output).samefile(args.film):
        raise GsjbuError("output_is_input", f"{args.output} is the film to read; write to another file.")
    fit = {"stride": args.stride, "radius": args.radius, "device": args.device, "lr_image": args.lr_image}
    whole, first = video.Steadiness(), video.Steadiness()
    references: list[Tensor] = []
    seconds, count = 0.0, 0
    with films.Reader(args.film) as film, films.Writer(args.output, film.rate) as out:
        source = _Source(args)
        with options.bar(args, args.frames or film.count, "frame", "video") as bar:
            started = time.perf_counter()
            for kernel in video.kernels(_frames(film, args), args.warm_iters, args.iters, **fit):
                values, mask = source.values(kernel)
                low = source.colours(values)
                shown = kernel.render(low, mask=mask)
                out.add(_picture(shown, args.beside, low, kernel))
                if args.values:
                    _keep(Path(args.values), count, kernel.render(values, mask=mask))
                seconds += time.perf_counter() - started  # what follows is measuring, not work
                count += 1
                rebuilt = shown if args.signal == RGB else kernel.render(kernel.lr_guide)
                whole.add(rebuilt, kernel.guide)
                if count <= args.check:
                    references.append(kernel.guide)
                    first.add(rebuilt, kernel.guide)
                bar.update(1)
                started = time.perf_counter()
        if not count:
            raise GsjbuError("video_unreadable", f"{Path(args.film).name} has no frame.")
    facts: dict[str, Any] = {
        "output": args.output,
        "frames": count,
        "frames_per_second": round(count / seconds, 2),
        **_numbers(whole),
        "check": None,
    }
    sentence = f"{args.output}: {count} frames, {count / seconds:.1f} a second, {_words(whole)}."
    if len(references) > 1:
        alone = _independent(references, args.iters, fit)
        facts["check"] = {"frames": len(references), "warm": _numbers(first), "independent": _numbers(alone)}
        sentence += (
            f"\nThe first {len(references)} frames: {_words(first)}; fitted independently, {_words(alone)}."
        )
    options.tell(args, facts, sentence)
    return 0


def _frames(film: Any, args: argparse.Namespace) -> Iterator[Tensor]:
    from gsjbu.io import pictures

    for frame in itertools.islice(film, args.frames):
        yield pictures.shrink(frame, args.resolution) if args.resolution else frame


class _Source:
    """Where each frame's signal comes from, and how it is put into three colours."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self._basis: Any = None
        self.values: Callable[[Any], Masked] = self._guide
        if args.signal == FEATURES:
            self.values = self._features
        elif args.signal != RGB:
            folder = Path(args.signal)
            self._files = iter(
                sorted(p for p in folder.glob("*") if p.suffix in (".npy", ".npz", ".safetensors"))
            )
            if not folder.is_dir():
                raise GsjbuError(
                    "signal_missing", f"--signal {folder}: give rgb, features, or a folder of .npy files."
                )
            self.values = self._brought

    def colours(self, values: Tensor) -> Tensor:
        """``[C, h, w]`` → ``[3, h, w]`` in [0, 1], before the render: mixing keeps them in range."""
        from gsjbu.models.pca import pca3

        if self.args.signal == RGB:
            return values
        if self._basis is None:  # the first frame's colours hold for the whole film
            self._basis = pca3(values)
        return self._basis.colours(self._basis.apply(values))

    def _guide(self, kernel: Any) -> Masked:
        return kernel.lr_guide, None

    def _features(self, kernel: Any) -> Masked:
        from gsjbu.core import devices
        from gsjbu.models import features

        device = devices.resolve(self.args.device)
        found = features.extract(kernel.guide, kernel.grid, self.args.backbone, device, self.args.seed)
        return found.values, None

    def _brought(self, _: Any) -> Masked:
        from gsjbu.io.reading import read

        path = next(self._files, None)
        if path is None:
            raise GsjbuError(
                "signal_missing", f"{self.args.signal} has fewer signals than the film has frames."
            )
        signal = read(path.read_bytes(), path.name)
        return signal.values, signal.mask


def _picture(shown: Tensor, beside: str | None, low: Tensor, kernel: Any) -> np.ndarray:
    """uint8 ``[H, W, 3]``, with the other method to its left if asked for."""
    from gsjbu.core.interpolation import bilinear
    from gsjbu.io import pictures

    if beside is None:
        return pictures.to_uint8(shown)
    left = kernel.guide if beside == "original" else bilinear(low, kernel.grid)
    return pictures.to_uint8(torch.cat([left, shown], dim=2))


def _keep(folder: Path, number: int, values: Tensor) -> None:
    from gsjbu.io.writers import write

    write(folder / f"{number:06d}.npy", "npy", tuple(values.shape), [values.numpy()], half=True)


def _independent(frames: list[Tensor], iters: int, fit: dict[str, Any]) -> Any:
    """The same frames, each fitted from the start: what warm starts are compared with."""
    import gsjbu
    from gsjbu import video

    alone = video.Steadiness()
    for frame in frames:
        kernel = gsjbu.fit(frame, iters=iters, **fit)
        alone.add(kernel.render(kernel.lr_guide), frame)
    return alone


def _numbers(steadiness: Any) -> dict[str, float]:
    return {"psnr": round(steadiness.psnr, 3), "flicker": round(steadiness.flicker, 4)}


def _words(steadiness: Any) -> str:
    return f"{steadiness.psnr:.2f} dB, flicker {steadiness.flicker:.3f}"
