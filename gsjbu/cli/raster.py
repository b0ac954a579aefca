"""Upsample a map along the edges of a finer one: GeoTIFFs, aligned by georeference, of any size.

  gsjbu raster guide.tif signal.tif -o out.tif
  gsjbu raster guide.tif classes.tif -o out.tif --kind labels
  gsjbu raster guide.tif signal.tif -o out.tif --clouds clouds.tif     bilinear where clouds are not 0

The result is a cloud-optimised GeoTIFF on the guide's grid, with the signal's numbers and what its file says of them:
nodata, scale, unit, names, tags. Work goes tile by tile, so a scene may be larger than memory. Needs `pip install
'gsjbu[raster]'`.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from gsjbu.cli import options
from gsjbu.io.kinds import AUTO, RASTER_KINDS
from gsjbu.io.words import WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Guide, signal, output, and how the work is cut."""
    parser.add_argument("guide", help="the fine raster, of any bands")
    parser.add_argument("signal", help="the coarse raster; extent and projection may differ")
    parser.add_argument("-o", "--output", required=True, metavar="FILE.tif", help="where the result goes")
    parser.add_argument(
        "--kind", choices=RASTER_KINDS, default=AUTO,
        help="depth: any measured quantity, given back; labels: numbers stay what they are; features: mixed only",
    )  # fmt: skip
    parser.add_argument(
        "--invalid", default=WORDS["invalid"].usual, metavar=options.METAVARS["invalid"],
        help=f"{WORDS['invalid'].sentence} (default: auto, the signal's nodata; without one, as gsjbu upsample)",
    )  # fmt: skip
    parser.add_argument("--clouds", metavar="FILE", help="a raster on the guide's grid, not 0 where it is no guide")
    parser.add_argument(
        "--tile", type=options.count(64), metavar="N",
        help="pixels a side at once (by itself, as many as keep a scene of six bands within 1 GB)",
    )  # fmt: skip
    options.add_settings(parser, ("radius",))
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Upsample and write."""
    from gsjbu import raster

    options.spare_inputs((args.guide, args.signal, args.clouds), (args.output,))
    Path(args.output).parent.mkdir(parents=True, exist_ok=True)
    with options.bar(args, 1, "tile", "raster") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(1)

        report = raster.upsample(
            args.guide, args.signal, args.output, kind=args.kind, invalid=args.invalid, clouds=args.clouds,
            radius=args.radius, progress=progress, **({"tile": args.tile} if args.tile else {}),
        )  # fmt: skip
    options.say(args, report.notes)
    shape = "×".join(str(n) for n in report.shape)
    tiles = options.counted(report.tiles, "tile")
    options.tell(args, {"output": args.output, **asdict(report)}, f"{args.output}: {shape}, {tiles}.")
    return 0
