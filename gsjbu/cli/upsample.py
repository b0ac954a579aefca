"""Upsample one signal along the edges of one image.

  gsjbu upsample photo.jpg features.npy -o full.npy
  gsjbu upsample photo.jpg depth.npy -o depth.png --objective signal

The signal is [C, h, w] (or [h, w]) in .npy, .npz or .safetensors, or a PNG of depth or classes. The result has the
image's size and is written by its ending: .npy, .safetensors, .zarr, or .png (16-bit for depth, class numbers for
classes, colours for three channels). Without --stride the ratio comes from the two sizes and need not be whole.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from gsjbu.cli import options
from gsjbu.errors import GsjbuError
from gsjbu.io.signals import Signal

FORMS = {".npy": "npy", ".safetensors": "safetensors", ".zarr": "zarr", ".png": "png"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Image, signal, output and the settings of a fit."""
    parser.add_argument("image", help="the picture to follow (JPEG, PNG or WebP)")
    parser.add_argument("signal", help="the low-resolution signal on its grid")
    parser.add_argument(
        "-o", "--output", required=True, help="where the result goes; its ending says the format"
    )
    parser.add_argument("--float16", action="store_true", help="write half precision, half the size")
    parser.add_argument("--kernel", metavar="PATH", help="keep the fitted kernel too (.safetensors)")
    options.add_settings(parser, options.FIT, stride=None, objective="auto")
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Fit, render, write."""
    import gsjbu
    from gsjbu.core.fit import most_steps
    from gsjbu.io import pictures
    from gsjbu.io.reading import read
    from gsjbu.io.writers import write_kernel

    output = Path(args.output)
    form = FORMS.get(output.suffix.lower())
    if form is None:
        raise GsjbuError(
            "output_format",
            f"{output.name} ends in {output.suffix or 'nothing'}; use one of {', '.join(FORMS)}.",
        )
    options.spare_inputs((args.image, args.signal), (args.output, args.kernel))
    for path in (args.output, args.kernel):  # before an hour of work, not after it
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    image = pictures.decode(Path(args.image).read_bytes())
    signal = read(Path(args.signal).read_bytes(), Path(args.signal).name)
    _check_channels(form, signal)
    started = time.perf_counter()
    with options.bar(args, most_steps(args.objective, args.iters), "step", "fit") as bar:
        kernel = gsjbu.fit(
            image,
            **_grid(args.stride, image.shape, signal.values.shape),
            iters=args.iters,
            radius=args.radius,
            objective=args.objective,
            optimiser=args.optimiser,
            lr_image=args.lr_image,
            signal=signal.values,
            device=args.device,
            progress=lambda step, loss: bar.update(1) and None,
        )
    fitted = time.perf_counter()
    high = kernel.render(signal.values, mask=signal.mask)
    rendered = time.perf_counter()
    _write(output, form, signal, high, args.float16)
    if args.kernel:
        write_kernel(Path(args.kernel), kernel)
    facts = {
        "output": str(output),
        "shape": list(high.shape),
        "dtype": "picture" if form == "png" else "float16" if args.float16 else "float32",
        "signal": signal.kind,
        "device": str(kernel.device),
        "backend": kernel.backend,
        "backend_reason": kernel.backend_reason,
        "losses": kernel.losses,
        "seconds": {"fit": round(fitted - started, 4), "render": round(rendered - fitted, 4)},
    }
    shape = "×".join(str(n) for n in high.shape)
    seconds = f"fit {fitted - started:.2f} s, render {rendered - fitted:.2f} s"
    options.tell(args, facts, f"{output}: {shape}, {seconds} on {kernel.device} ({kernel.backend}).")
    return 0


def _grid(stride: int | None, image: tuple[int, ...], signal: tuple[int, ...]) -> dict[str, Any]:
    """``stride`` or ``lr_size`` of the fit; raises GsjbuError where a given stride does not fit the signal."""
    rows, cols = signal[-2:]
    if stride is None:
        return {"lr_size": (rows, cols)}
    height, width = image[-2:]
    right = (-(-height // stride), -(-width // stride))
    if right != (rows, cols):
        raise GsjbuError(
            "signal_shape",
            f"At stride {stride} an image of {width}×{height} pixels has a grid of {right[1]}×{right[0]}, and the "
            f"signal is {cols}×{rows}; leave --stride out to take the ratio of the sizes.",
        )
    return {"stride": stride}


def _check_channels(form: str, signal: Signal) -> None:
    if form == "png" and signal.kind == "features" and len(signal.values) != 3:
        raise GsjbuError(
            "output_format",
            f"A .png holds classes, one channel or three, and the signal has {len(signal.values)}; write .npy instead.",
        )


def _write(output: Path, form: str, signal: Signal, high: Tensor, half: bool) -> None:
    if form != "png":
        from gsjbu.io.writers import write

        write(output, form, tuple(high.shape), [high.numpy()], half)
        return
    from gsjbu.io import pictures, signals
    from gsjbu.io.writers import write_file

    if signal.kind == "features":  # three channels: colours, stretched to their range if they are none
        low, high_end = min(0.0, float(high.min())), max(1.0, float(high.max()))
        data = pictures.png_bytes(pictures.to_uint8((high - low) / (high_end - low)))
    else:
        data = signals.result_png(signal, high)
    write_file(output, data)
