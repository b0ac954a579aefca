"""Refine a mask, a class map or depth that is already as large as its image.

  gsjbu refine photo.jpg mask.png -o fine.png
  gsjbu refine photo.jpg depth.png -o fine.png --stride 14
  gsjbu refine photo.jpg classes.png -o shares.npy --soft on

It is brought back to the grid that it really resolves, which is estimated and told, and up again along the image's
edges. Kind, unit, class numbers and gaps stay; --soft on writes shares of a mask, --soft off a mask of what is soft.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsjbu.cli import options, upsample

if TYPE_CHECKING:
    from gsjbu.refining import Refined

FIT = ("iters", "radius", "device")
SOFT = {"auto": None, "on": True, "off": False}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Image, signal, output, the grid and the settings of a fit."""
    parser.add_argument("image", help="the picture to follow")
    parser.add_argument("signal", help="the mask, class map, probabilities, logits or depth, as large as the picture")
    parser.add_argument("-o", "--output", required=True, help="where the result goes; its ending says the format")
    parser.add_argument(
        "--soft", choices=list(SOFT), default="auto", help="shares, or a mask (default: auto, as it came)"
    )
    options.add_half(parser)
    options.add_signal(parser)
    options.add_guide(parser)
    options.add_settings(parser, ("stride", *FIT), stride=None)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Refine and write."""
    import numpy as np

    from gsjbu.io import restoring
    from gsjbu.io.kinds import CLASS_KINDS
    from gsjbu.io.results import Result
    from gsjbu.refining import refined

    output = Path(args.output)
    options.spare_inputs((args.image, args.signal, args.guide_mask), (args.output,))
    form = upsample.form_of(output, args.float16)
    output.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    guide = options.guide(args)
    high = refined(
        guide, args.signal, args.stride, soft=SOFT[args.soft], **options.signal_words(args),
        **{name: getattr(args, name) for name in FIT},
    )  # fmt: skip
    signal = high.signal
    options.say(args, [*guide.notes, *signal.doubts])
    if signal.kind in CLASS_KINDS and high.ndim == 2 and signal.shape[0] > 1 and args.soft != "on":
        signal = restoring.as_classes(signal)
    shares = args.soft == "on" and signal.kind in CLASS_KINDS
    told = restoring.facts(signal, shares and signal.kind == "labels")
    told |= Result.whole(signal, np.asarray(high), told, shares).write(output, form, args.float16)
    facts = _facts(high, output, time.perf_counter() - started) | told
    options.tell(
        args,
        facts,
        f"{output}: {facts['seconds']:.2f} s. {' '.join(high.notes)} {signal.note}{upsample.of_levels(told)}",
    )
    return 0


def _facts(high: Refined, output: Path, seconds: float) -> dict[str, Any]:
    grid = high.grid
    where = None if grid is None else {
        "rows": grid.rows, "cols": grid.cols, "step": [grid.step_y, grid.step_x]
    }  # fmt: skip
    return {
        "output": str(output), "shape": list(high.shape), "grid": where, "notes": list(high.notes),
        "seconds": round(seconds, 3),
    }  # fmt: skip
