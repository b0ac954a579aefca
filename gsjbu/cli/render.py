"""Upsample another signal by a kernel that was kept: nothing is fitted, no image is read.

  gsjbu upsample photo.jpg features.npy -o full.npy --kernel photo.safetensors
  gsjbu render photo.safetensors depth.png -o depth_full.png

The kernel is what --kernel of gsjbu upsample, or Kernel.save, wrote; its image is in it. The signal lies on the grid
that it was fitted for, and is read, taken for something and written as gsjbu upsample does it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gsjbu.cli import options
from gsjbu.cli.upsample import add_result, form_of, of_levels, signal_over, written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Kernel, signal and output."""
    parser.add_argument("kernel", help="a fitted kernel (.safetensors)")
    parser.add_argument("signal", help="a low-resolution signal on its grid; FILE:ENTRY names one of several arrays")
    add_result(parser)
    options.add_signal(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Load, render, write."""
    import gsjbu

    output = Path(args.output)
    options.spare_inputs((args.kernel, args.signal), (args.output,))
    form = form_of(output, args.float16)
    output.parent.mkdir(parents=True, exist_ok=True)
    kernel = gsjbu.load(args.kernel)
    size, cells = (kernel.grid.height, kernel.grid.width), (kernel.grid.rows, kernel.grid.cols)
    signal = signal_over(size, args, form, as_it_is=True)
    if signal.shape[1:] != cells:  # the kernel may be of the cells that both signals were enlarged from
        signal = signal_over(size, args, form, as_it_is=False)
    options.say(args, signal.doubts)
    started = time.perf_counter()
    facts, shape = written(args, signal, kernel, output, form)
    seconds = time.perf_counter() - started
    facts["seconds"] = {"render": round(seconds, 4)}
    sentence = f"{output}: {shape}, render {seconds:.2f} s on {kernel.device}. {signal.note}"
    options.tell(args, facts, sentence + of_levels(facts))
    return 0
