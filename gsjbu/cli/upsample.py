"""Upsample one signal along the edges of one image.

  gsjbu upsample photo.jpg features.npy -o full.npy
  gsjbu upsample photo.jpg depth.png -o full.png              16 bits in, the same unit out
  gsjbu upsample photo.jpg classes.png -o full.png            the same class numbers
  gsjbu upsample photo.jpg tokens.npy -o full.npy --layout 19x28

The signal is an array (.npy, .npz, .safetensors, .pt, .mat, Zarr) [C, h, w], [h, w], [h, w, C] or tokens [N, C], or a
picture of depth, flow or classes (PNG, TIFF, PFM, PGM, EXR, .flo, grey JPEG). What it is taken for is told, and --kind,
--invalid and --layout say otherwise. - is standard input. The result has the image's size and is written by its ending:
.npy, .safetensors, .zarr, .tif, .png, .pfm, .exr or .flo. Without --stride the ratio comes from the two sizes and need
not be whole.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsjbu.cli import options
from gsjbu.errors import GsjbuError, SignalError

if TYPE_CHECKING:
    from gsjbu.core.kernel import Kernel
    from gsjbu.io.signals import Signal

FORMS = {
    ".npy": "npy",
    ".safetensors": "safetensors",
    ".zarr": "zarr",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".pfm": "pfm",
    ".flo": "flo",
    ".exr": "exr",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Image, signal, output and the settings of a fit."""
    parser.add_argument(
        "image",
        help="the picture to follow: whatever Pillow opens, a TIFF or an array of up to 16 bands (.npy, .npz, "
        ".safetensors, .pt, .mat; FILE:ENTRY names one of several), a PFM, or a layer of an EXR",
    )
    parser.add_argument("signal", help="the low-resolution signal on its grid; FILE:ENTRY names one of several arrays")
    add_result(parser)
    parser.add_argument(
        "--kernel", metavar="PATH", help="keep the fitted kernel too (.safetensors), for gsjbu render and export"
    )
    options.add_signal(parser)
    options.add_guide(parser)
    options.add_settings(parser, options.FIT, stride=None, objective="auto")
    options.add_output(parser)


def add_result(parser: argparse.ArgumentParser) -> None:
    """Where a result goes, and as what."""
    parser.add_argument("-o", "--output", required=True, help="where the result goes; its ending says the format")
    options.add_half(parser)
    parser.add_argument(
        "--probabilities", action="store_true", help="of labels, write each class's share instead of the map"
    )
    parser.add_argument("--no-clip", action="store_true", help="let results leave the range of what was brought")


def run(args: argparse.Namespace) -> int:
    """Fit, render, write."""
    import gsjbu
    from gsjbu.core.fit import most_steps
    from gsjbu.io.guides import if_swapped
    from gsjbu.io.writers import write_kernel

    output = Path(args.output)
    options.spare_inputs((args.image, args.signal, args.guide_mask), (args.output, args.kernel))
    form = form_of(output, args.float16)
    _check_kernel(args.kernel)
    for path in (args.output, args.kernel):  # before an hour of work, not after it
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    guide = options.guide(args)
    try:
        signal = signal_over(guide.size, args, form, as_it_is=args.stride is not None)
    except SignalError as refusal:
        raise if_swapped(refusal, guide, args.signal) from refusal
    options.say(args, [*guide.notes, *signal.doubts])
    options.check_stride(args.stride, guide.size, signal.shape)
    started = time.perf_counter()
    with options.bar(args, most_steps(args.objective, args.iters), "step", "fit") as bar:
        kernel = gsjbu.fit(
            guide,
            **options.grid(args.stride, signal.shape),
            **{name: getattr(args, name) for name in options.FIT if name != "stride"},
            signal=signal.values,
            kind=signal.kind,
            mask=signal.mask,
            progress=lambda step, loss: bar.update(1) and None,
        )
    fitted = time.perf_counter()
    facts, shape = written(args, signal, kernel, output, form)
    rendered = time.perf_counter()
    if args.kernel:
        write_kernel(Path(args.kernel), kernel)
    facts |= {
        "losses": kernel.losses,
        "seconds": {"fit": round(fitted - started, 4), "render": round(rendered - fitted, 4)},
    }
    seconds = f"fit {fitted - started:.2f} s, render {rendered - fitted:.2f} s"
    backend = "fused" if kernel.backend == "fused" else f"{kernel.backend}: {kernel.backend_reason}"
    sentence = f"{output}: {shape}, {seconds} on {kernel.device} ({backend}). {signal.note}"
    options.tell(args, facts, sentence + of_levels(facts))
    return 0


def signal_over(size: tuple[int, int], args: argparse.Namespace, form: str, as_it_is: bool) -> Signal:
    """The signal over an image of ``size``, ``as_it_is`` or on the cells that it was enlarged from; refuses, before the
    work, what cannot be made or written of it."""
    from gsjbu.io import restoring
    from gsjbu.io.results import Result
    from gsjbu.io.signals import understand

    signal = understand(args.signal, size, as_it_is=as_it_is, **options.signal_words(args))
    if args.probabilities:
        restoring.check_shares(signal)
    Result.check(signal, form, restoring.result_shape(signal, size, args.probabilities), args.probabilities)
    return signal


def written(
    args: argparse.Namespace, signal: Signal, kernel: Kernel, output: Path, form: str
) -> tuple[dict[str, Any], str]:
    """Render and write; what there is to say of it, and its shape in words."""
    from gsjbu.io import restoring
    from gsjbu.io.results import Result

    high = restoring.restored(signal, kernel, probabilities=args.probabilities, clip=not args.no_clip)
    told = restoring.facts(signal, args.probabilities)
    told |= Result.whole(signal, high, told, args.probabilities).write(output, form, args.float16)
    facts = {
        "output": str(output),
        "signal": signal.kind,
        **told,
        "device": str(kernel.device),
        "backend": kernel.backend,
        "backend_reason": kernel.backend_reason,
        "notes": list(kernel.notes),
    }
    facts |= {"dtype": "picture"} if form == "png" else {}
    return facts, "×".join(map(str, facts["shape"]))


def _check_kernel(path: str | None) -> None:
    """Refuse a kernel's file whose ending says that it is something else."""
    if path and Path(path).suffix.lower() not in ("", ".safetensors"):
        raise GsjbuError(
            "output_format",
            f"A kernel is written as .safetensors, and {Path(path).name} ends in {Path(path).suffix}; give it that "
            "ending.",
        )


def form_of(output: Path, half: bool = False) -> str:
    """The format that a file's ending says. Raises GsjbuError, also where it has no ``half`` precision."""
    form = FORMS.get(output.suffix.lower())
    if form is None:
        raise GsjbuError(
            "output_format",
            f"{output.name or output} ends in {output.suffix or 'nothing'}; use one of {', '.join(FORMS)}.",
        )
    if half and form not in ("npy", "safetensors", "zarr"):
        text = f"{output.name} is a picture, which is not written in half precision; leave --float16 out."
        raise GsjbuError("output_format", text)
    return form


def of_levels(told: dict[str, Any]) -> str:
    """What the levels of a picture of fractions mean, as a sentence; nothing where they are the numbers."""
    if "scale" not in told:
        return ""
    gap = ", and level 0 is a gap" if told["gap_level"] == 0 else ""
    return f" The value is {told['offset']:.6g} + {told['scale']:.6g} · level{gap}."
