"""Upsample whole data sets; resumes where it stopped, on all cores or on a Ray cluster.

  gsjbu batch photos/ full/                              signals beside the photos: a.jpg and a.npy
  gsjbu batch photos/ full/ --signals features/          signals in another folder, same names
  gsjbu batch 'shards/*.tar' full/ --float16             WebDataset-style shards
  gsjbu batch list.txt kernels/ --to kernel              3 MB an image instead of 400; render later
  gsjbu batch photos/ full/ --signals backbone --ray local

One bad file is reported and does not stop the rest. Started again, it goes on with what is not there yet.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from gsjbu.batch.signal_files import BACKBONE, BESIDE
from gsjbu.cli import options
from gsjbu.settings import OF_BACKBONE, default

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tqdm import tqdm

    from gsjbu.batch import Report

SETTINGS = (
    "stride", "iters", "radius", "resolution", "objective", "lr_image", "optimiser", "device", "backbone", "seed",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Source, folder, formats and the settings of a fit."""
    from gsjbu.io.writers import ENDINGS

    parser.add_argument(
        "source",
        metavar="IN",
        help="a folder (names that begin with a dot are left out), a .txt list of paths, a glob, or .tar shards",
    )
    parser.add_argument("folder", metavar="OUT", help="where the results and the manifest go")
    parser.add_argument(
        "--signals",
        default=BESIDE,
        metavar=f"{BESIDE}|{BACKBONE}|FOLDER|.ENDING",
        help="where the signals are: beside each image, there with that ending (.depth.npy), in a folder, or made by "
        "the backbone (default: beside)",
    )
    options.add_entry(parser)
    parser.add_argument("--to", choices=list(ENDINGS), default="npy", help="format of the results (default: npy)")
    options.add_half(parser)
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="of labels, write each class's share, one channel for each class of the whole folder",
    )
    parser.add_argument(
        "--workers",
        type=options.count(),
        metavar="N",
        help="images at once (default: all cores, or two on a GPU; on Ray all GPUs)",
    )
    parser.add_argument("--ray", metavar="local|ADDRESS", help="run on Ray: here, or on the cluster at ADDRESS")
    options.add_signal(parser)
    options.add_guide(parser, many=True)
    options.add_settings(parser, SETTINGS, resolution=None, objective="auto", **dict.fromkeys(OF_BACKBONE))
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Run or go on with the batch; 1 if some images failed."""
    from gsjbu import batch

    if args.signals == BACKBONE:
        options.refuse_signal_words(args, "the backbone makes the signals")
    asked = batch.BatchConfig(
        form=args.to, half=args.float16, probabilities=args.probabilities, entry=args.entry or "",
        guide_masks=args.guide_masks or "", stretch=args.stretch or "", **_settings(args), **options.signal_words(args),
    )  # fmt: skip
    started = time.perf_counter()
    bar: tqdm | None = None

    def progress(finished: int, total: int, outcome: dict[str, Any]) -> None:
        nonlocal bar
        if bar is None:
            bar = options.bar(args, total, "image", "batch")
        bar.update(finished - bar.n)
        if outcome["status"] == "failed":
            bar.clear()
            told = f"{outcome['key']}: {outcome['error']}"
            bar.write(told.encode("utf-8", "backslashreplace").decode(), file=sys.stderr)

    try:
        report = batch.run(
            args.source, args.folder, asked, signals=args.signals, workers=args.workers, ray=args.ray, progress=progress
        )
    finally:
        if bar is not None:
            bar.close()
    seconds = time.perf_counter() - started
    options.say(args, _remarks(report))
    options.tell(args, _facts(report, seconds), _sentence(report, seconds))
    return 1 if report.failed else 0


def _facts(report: Report, seconds: float) -> dict[str, Any]:
    return {
        "done": report.done, "found": report.found, "again": report.again, "failed": report.failed,
        "passed_over": report.passed_over, "manifest": str(report.manifest), "seconds": round(seconds, 3),
        "images_per_second": round(report.done / seconds, 3) if report.done else 0.0,
    }  # fmt: skip


def _sentence(report: Report, seconds: float) -> str:
    sentence = f"{report.done} done, {report.found} there already, {len(report.failed)} failed in {seconds:.1f} s"
    if report.passed_over:
        some = ", ".join(report.passed_over[:5]) + (", …" if len(report.passed_over) > 5 else "")
        files = options.counted(len(report.passed_over), "file")
        sentence += f"; {files} passed over: no pictures, and no picture's signal ({some})"
    return f"{sentence}: {report.manifest}"


def _remarks(report: Report) -> Iterator[str]:
    """What a person may not expect of a run, or may know better."""
    if report.again:
        some = ", ".join(report.again[:5]) + (", …" if len(report.again) > 5 else "")
        results = options.counted(len(report.again), "result")
        yield f"{results} made again, as the image, signal or mask has changed since: {some}."
    for key, notes in list(report.notes.items())[:1]:
        many = f"{len(report.notes)} of {options.counted(report.done + report.found, 'picture')}"
        yield f"The manifest has notes on {many}; {key}: {' '.join(notes)}"


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of every image, and a word where one of them has no part in it."""
    if args.signals != BACKBONE:
        named = [f"--{name}" for name in OF_BACKBONE if getattr(args, name) is not None]
        options.say(args, [f"{name} is that of --signals backbone; it has no part in signals that are brought."
                           for name in named])  # fmt: skip
    given = {name: getattr(args, name) for name in SETTINGS}
    settings = {name: default(name) if given[name] is None else given[name] for name in SETTINGS}
    return settings | {"resolution": args.resolution or 0}
