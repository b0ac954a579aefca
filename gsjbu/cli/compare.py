"""Write the page's panels of one image to a folder, with an HTML report.

  gsjbu compare photo.jpg report/
  gsjbu compare photo.jpg report/ --signal depth.npy --objective signal
  gsjbu compare scene:NAME report/ --signal scene:depth   a built-in scene, and a signal made of its own depth

The folder gets one PNG per panel, result.json (settings, metrics, losses, timings) and index.html, which shows
them without a server or a network.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from gsjbu.cli import options, report, scenes
from gsjbu.settings import SETTINGS

REPORT = "result.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Image, folder, and every setting of the page."""
    parser.add_argument("image", help="a picture, or scene:NAME")
    parser.add_argument("folder", metavar="OUT", help="where the panels and the report go")
    parser.add_argument(
        "--signal",
        metavar="FILE",
        help="a low-resolution signal of your own (FILE:ENTRY of several arrays), or one made of scene:depth, "
        "scene:labels",
    )
    options.add_signal(parser)
    options.add_settings(parser, SETTINGS, stride=None)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Run the pipeline and write the report."""
    from gsjbu.io import pictures
    from gsjbu.io.writers import check_folder, write_bytes, write_text
    from gsjbu.run import pipeline

    check_folder(args.folder)
    if args.signal is None:
        options.refuse_signal_words(args, "there is no --signal")
    else:
        scenes.check_words(args, args.signal)
    settings = options.settings_of(args, SETTINGS)
    image, sample = scenes.image_of(args.image)
    options.say(args, image.notes)
    signal = None
    if args.signal:
        size = image.size
        worked = pictures.shrunk_size(*size, settings.resolution)
        signal = scenes.signal_of(args, args.signal, args.image, size, worked, settings.stride)
    folder = Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with options.bar(args, 100, "%", "compare") as bar:

        def progress(now: Any) -> None:
            bar.set_description(now.stage)
            bar.update(round(100 * now.share) - bar.n)

        result = pipeline.run(
            image.pixels, settings, signal=signal, sample=sample, notes=image.notes, progress=progress
        )
    _sweep(args, folder, {f"{panel.name}.png" for panel in result.panels})
    for panel in result.panels:
        write_bytes(folder / f"{panel.name}.png", pictures.png_bytes(panel.picture))
    if settings.features and settings.backbone != "auto":
        options.say(args, [f"Features: {result.status['features']}"])
    facts = _facts(result)
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    write_text(folder / REPORT, text + "\n")
    write_text(folder / "index.html", report.page(Path(args.image).name, facts))
    options.tell(args, facts | {"folder": str(folder)}, _sentence(folder, facts))
    return 0


def _sweep(args: argparse.Namespace, folder: Path, files: set[str]) -> None:
    """Remove the panels of an earlier report in ``folder``, by its own list, that are none of the new ``files``."""
    from gsjbu.io.notes import notes_of

    listed = folder / REPORT
    panels = notes_of(listed.read_text("utf-8", "replace")).get("panels") if listed.is_file() else None
    names = {str(panel.get("file")) for panel in panels or () if isinstance(panel, dict)} - files
    old = [folder / name for name in sorted(names) if re.fullmatch(r"\w+\.png", name) and (folder / name).is_file()]
    for path in old:
        path.unlink()
    if old:
        some = ", ".join(path.name for path in old[:3]) + (", …" if len(old) > 3 else "")
        options.say(args, [f"{options.counted(len(old), 'panel')} of an earlier report removed: {some}."])


def _facts(result: Any) -> dict[str, Any]:
    """What of a result goes into result.json: all but the pixels, and each panel's file."""
    from gsjbu.io import restoring

    facts: dict[str, Any] = result.as_dict()
    for panel in facts["panels"]:
        panel["file"] = f"{panel['name']}.png"
    facts["signal"] = None if result.signal is None else restoring.facts(result.signal)
    return facts


def _sentence(folder: Path, facts: dict[str, Any]) -> str:
    rgb = facts["metrics"].get("rgb", {})
    both = [
        f"{rgb[name]['psnr']:.2f} dB ({name})" for name in ("bilinear", "gsjbu") if (rgb.get(name) or {}).get("psnr")
    ]
    numbers = f", PSNR {' → '.join(both)}" if both else ""
    return f"{folder / 'index.html'}: {len(facts['panels'])} panels{numbers}."
