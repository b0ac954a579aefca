"""Measure every method against the truth at full resolution, for one picture or a folder of them.

  gsjbu evaluate photo.jpg depth.npy --truth depth_full.npy
  gsjbu evaluate photo.jpg --truth labels.png --stride 16             the signal is made of the truth
  gsjbu evaluate scene:spheres --truth scene:depth --stride 8         a built-in scene and its own truth
  gsjbu evaluate photos/ signals/ --truth truths/ -o report/          equal names; report/index.html and .csv

The figures are those of the page: at --resolution, which is the page's unless given. Depth: RMSE, MAE, delta1 and
RMSE near edges; classes: mIoU, accuracy, mIoU near borders; an alpha: MSE and SAD (thousands of pixels); features:
cosine and PSNR.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from gsjbu.cli import evaluation_report, options, pairs, scenes
from gsjbu.errors import GsjbuError

SETTINGS = (
    "stride", "iters", "radius", "resolution", "objective", "optimiser", "lr_image", "methods", "device",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Image, signal, truth, and the settings of a run."""
    parser.add_argument("image", help="a picture, scene:NAME, or a folder of pictures")
    parser.add_argument(
        "signal",
        nargs="?",
        help="the low-resolution signal (FILE:ENTRY of several arrays, or made of scene:depth, scene:labels), or a "
        "folder; made of the truth if left out",
    )
    parser.add_argument(
        "--truth", required=True, help="the same at full resolution, scene:depth, scene:labels, or a folder"
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", help="where figures.csv and index.html go")
    options.add_entry(parser)
    options.add_entry(parser, "--truth-entry", "truth")
    options.add_signal(parser)
    options.add_settings(parser, SETTINGS, stride=None)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, tell and write; 1 if some pictures of a folder failed."""
    from gsjbu.core.backends.dispatch import warm_up
    from gsjbu.io.writers import check_folder

    if args.output:
        check_folder(args.output)
    scenes.check_words(args, args.signal, args.truth)
    warm_up.patient = True  # all pictures by one backend
    rows: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    many = pairs.is_folder(args.image)
    _check_entries(args, many)
    found = pairs.found(args.image, args.signal, args.truth, args.entry, args.truth_entry)
    over = pairs.passed_over(args.image, found) if many else []
    with options.bar(args, len(found), "picture", "evaluate") as bar:
        for pair in found:
            try:
                rows.append({"name": pair.name, **_measured(args, pair, many)})
            except GsjbuError as error:
                if not many:
                    raise
                failed.append({"name": pair.name, "code": error.code, "error": error.message})
            bar.update(1)
    if args.output:
        evaluation_report.write(Path(args.output), rows, failed)
    facts = {"pictures": rows, "failed": failed, "passed_over": over} if many else rows[0]
    said = [*map(_sentence, rows), *(f"{one['name']}: {one['error']}" for one in failed)]
    if over:
        beside = "truth" if args.signal is None else "signal and truth"
        said.append(f"{options.counted(len(over), 'picture')} passed over, without {beside} of the same name: "
                    f"{', '.join(over)}.")  # fmt: skip
    options.tell(args, facts, "\n".join(said))
    return 1 if failed else 0


def _check_entries(args: argparse.Namespace, many: bool) -> None:
    """Refuse the names of arrays where there is no folder of files."""
    for option, name, what in (("--entry", args.entry, "SIGNAL"), ("--truth-entry", args.truth_entry, "--truth FILE")):
        if name and not many:
            raise GsjbuError(
                "setting_invalid", f"{option} is of all files in a folder; of one file it is {what}:{name}."
            )
    if args.entry and args.signal is None:
        raise GsjbuError(
            "setting_invalid",
            "--entry has no part where the signal is made of the truth; --truth-entry is the truth's.",
        )


def _measured(args: argparse.Namespace, pair: pairs.Pair, many: bool) -> dict[str, Any]:
    """The figures of one picture, or of one of ``many``."""
    from gsjbu.io.pictures import shrink
    from gsjbu.run import pipeline

    settings = options.settings_of(args, SETTINGS, features=False)
    image = pair.image()
    options.say(args, [f"{pair.name}: {note}" for note in image.notes])
    guide = shrink(image.pixels, settings.resolution)
    height, width = int(guide.shape[-2]), int(guide.shape[-1])
    with options.entry_of_all("--truth-entry") if many else nullcontext():
        truth = pair.truth()
    if pair.signal is None:
        signal = scenes.made_of(args, pair.truth_name, truth, (height, width), settings.stride)
    else:
        with options.entry_of_all("--entry") if many else nullcontext():
            signal = scenes.signal_of(
                args, pair.signal, pair.picture, (height, width), (height, width), settings.stride
            )
    result = pipeline.run_reduced(guide, settings, signal=signal, truth=truth, notes=image.notes)
    notes = {"image": result.status["image"]} if "image" in result.status else {}
    return notes | {
        "width": width, "height": height, "signal": result.status["signal"], "truth": result.status["truth"],
        "kind": signal.kind, "metrics": result.metrics["signal"],
    }  # fmt: skip


def _sentence(row: dict[str, Any]) -> str:
    from gsjbu.core.grid import size_text

    figures = "\n".join(
        f"  {method:10} " + "  ".join(f"{name} {value:.4g}" for name, value in one.items() if isinstance(value, float))
        for method, one in row["metrics"].items()
    )
    return f"{row['name']}, {size_text(row['height'], row['width'])}: {row['truth']}\n{figures}"
