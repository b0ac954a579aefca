"""Upsample a film: its picture and features by fits that start from the frame before, signals as suits each.

  gsjbu video clip.mp4 out.mp4                       the picture from its own low-resolution copy
  gsjbu video clip.mp4 out.mp4 --signal features     backbone features, in three colours
  gsjbu video clip.mp4 out.mp4 --signal masks/       one file per frame, in the order of their numbers
  gsjbu video clip.mp4 out.mp4 --beside bilinear     both methods side by side

A signal of one's own is upsampled frame by frame as `gsjbu upsample` does it (--objective): over the whole frame, or
on cells of a --stride that is given. Reports frames per second and, where fits give the picture back (objective rgb),
the PSNR of the reconstructed picture, and flicker against independent fits on the first frames (--check). Needs PyAV:
pip install 'gsjbu[video]'.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsjbu.cli import options
from gsjbu.errors import GsjbuError
from gsjbu.settings import WARM_ITERS

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from gsjbu.io.signals import Signal

SETTINGS = ("stride", "iters", "radius", "resolution", "objective", "lr_image", "device", "backbone", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Films, signal, steps and the settings of a fit."""
    parser.add_argument("film", metavar="IN", help="the film to read")
    parser.add_argument("output", metavar="OUT", help="the film to write (.mp4, .mkv, .mov)")
    parser.add_argument(
        "--signal", default="rgb", metavar="rgb|features|FOLDER", help="what is upsampled (default: rgb)"
    )
    parser.add_argument(
        "--values", metavar="FOLDER", help="also keep each frame's result there, as .npy of its own dtype"
    )
    parser.add_argument("--float16", action="store_true", help="keep fractions in half precision, half the size")
    parser.add_argument("--beside", choices=["bilinear", "original"], help="show this to the left of the result")
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
    options.add_entry(parser)
    options.add_signal(parser)
    options.add_settings(parser, SETTINGS, resolution=None, stride=None)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Read, fit, render, write, report."""
    from gsjbu import video
    from gsjbu.cli.frame_signals import FEATURES, RGB, FrameSignals
    from gsjbu.core.backends.dispatch import warm_up
    from gsjbu.io import films

    warm_up.patient = True  # all frames by one backend
    _check_outputs(args)
    fit: dict[str, Any] = {name: getattr(args, name) for name in ("radius", "device", "lr_image")}
    whole, first = video.TemporalMetrics(), video.TemporalMetrics()
    references: list[Tensor] = []
    seconds, count = 0.0, 0
    with films.Reader(args.film) as film, films.Writer(args.output, film.rate, like=film) as out:
        exact = args.values or args.signal not in (RGB, FEATURES)
        frames = film.decoded(args.frames) if exact else film.count
        source = FrameSignals(args, frames, film)
        _check_values(args, frames)
        with options.bar(args, args.frames or frames, "frame", "video") as bar:
            started = time.perf_counter()
            for kernel, signal in source.fitted(_frames(film, args), fit):
                low = source.colours(signal)
                shown = source.shown(kernel, signal, low)
                out.add(_picture(shown, args.beside, low, kernel))
                if args.values:
                    _keep(Path(args.values), count, signal, kernel, args.float16)
                seconds += time.perf_counter() - started  # what follows is measuring, not work
                count += 1
                if not source.by_itself:
                    rebuilt = shown if args.signal == RGB else kernel.render(kernel.lr_guide)
                    whole.add(rebuilt, kernel.guide)
                    if count <= args.check:
                        references.append(kernel.guide)
                        first.add(rebuilt, kernel.guide)
                bar.update(1)
                started = time.perf_counter()
        if not count:
            raise GsjbuError("video_unreadable", f"{Path(args.film).name} has no frame.")
    options.say(args, out.notes)
    facts: dict[str, Any] = {
        "output": args.output, "frames": count, "notes": [*source.notes, *out.notes], "signal": source.kind,
        "objective": source.objective, "frames_per_second": round(count / seconds, 2),
    }  # fmt: skip
    sentence = f"{args.output}: {options.counted(count, 'frame')}, {count / seconds:.1f} a second"
    alone = _independent(references, args.iters, fit | source.laid) if len(references) > 1 else None
    told, measured = ("", {}) if source.by_itself else _measured(whole, first, len(references), alone)
    options.tell(args, facts | measured, f"{sentence}{told}. {source.sentence}".rstrip())
    return 0


def _measured(whole: Any, first: Any, checked: int, alone: Any) -> tuple[str, dict[str, Any]]:
    """How well and how steadily the picture was given back, beside independent fits if there are any."""
    said = f", {_words(whole)}"
    facts: dict[str, Any] = {**_numbers(whole), "check": None}
    if alone is not None:
        facts["check"] = {"frames": checked, "warm": _numbers(first), "independent": _numbers(alone)}
        said += f".\nThe first {checked} frames: {_words(first)}; fitted independently, {_words(alone)}"
    return said, facts


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuse, before the work, outputs that would take the place of an input or of something else."""
    from gsjbu.io.writers import check_folder

    options.spare_inputs((args.film,), (args.output,))
    if not args.values:
        if args.float16:
            raise GsjbuError("setting_invalid", "--float16 is that of --values, which is not asked for; leave it out.")
        return
    check_folder(args.values)
    if os.path.isdir(args.signal) and Path(args.values).exists() and Path(args.values).samefile(args.signal):
        raise GsjbuError(
            "output_is_input", f"{args.values} is the folder of the signals; keep the values in another one."
        )


def _check_values(args: argparse.Namespace, frames: int) -> None:
    """Refuse a folder of values in which those of a longer film would stay."""
    if args.values and (left := _beyond(args.values, frames)):
        raise GsjbuError("output_in_the_way", f"{left}; remove them, or choose another folder.")


def _frames(film: Any, args: argparse.Namespace) -> Iterator[Tensor]:
    from gsjbu.io import pictures

    for frame in itertools.islice(film, args.frames):
        yield pictures.shrink(frame, args.resolution) if args.resolution else frame


def _picture(shown: Tensor, beside: str | None, low: Tensor, kernel: Any) -> np.ndarray:
    """uint8 ``[H, W, 3]``, with the other method to its left if asked for."""
    import torch

    from gsjbu.core.interpolation import bilinear
    from gsjbu.io import pictures

    if beside is None:
        return pictures.to_uint8(shown)
    left = kernel.guide if beside == "original" else bilinear(low, kernel.grid)
    return pictures.to_uint8(torch.cat([left, shown], dim=2))


def _keep(folder: Path, number: int, signal: Signal, kernel: Any, half: bool) -> None:
    from gsjbu.io import restoring
    from gsjbu.io.results import Result

    result = Result.whole(signal, restoring.restored(signal, kernel), restoring.facts(signal))
    result.write(folder / f"{number:06d}.npy", "npy", half)


def _beyond(folder: str, count: int) -> str:
    """What to say of frames in ``folder`` that an earlier run kept beyond ``count``; nothing where there are none."""
    names = (path.stem for path in Path(folder).glob("*.npy"))
    old = sorted(name for name in names if re.fullmatch(r"\d{6,}", name) and int(name) >= count)
    if not old:
        return ""
    many = options.counted(len(old), "frame")
    return f"{folder} holds {many} beyond the {count} of this film, from {old[0]}.npy on, which would pass for its own"


def _independent(frames: list[Tensor], iters: int, fit: dict[str, Any]) -> Any:
    """The same frames, each fitted from the start: what warm starts are compared with."""
    import gsjbu
    from gsjbu import video

    alone = video.TemporalMetrics()
    for frame in frames:
        kernel = gsjbu.fit(video.as_it_is(frame), iters=iters, **fit)
        alone.add(kernel.render(kernel.lr_guide), frame)
    return alone


def _numbers(metrics: Any) -> dict[str, float]:
    return {"psnr": round(metrics.psnr, 3), "flicker": round(metrics.flicker, 4)}


def _words(metrics: Any) -> str:
    return f"{metrics.psnr:.2f} dB, flicker {metrics.flicker:.3f}"
