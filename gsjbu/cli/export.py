"""Write a kernel as an ONNX file, for runtimes without Python or torch.

  gsjbu export kernel.safetensors -o kernel.onnx      the render of a fitted kernel, as `upsample --kernel` keeps it
  gsjbu export -o fixed.onnx                          the fixed kernel as a whole: picture and signal of any size

The first takes `signal` [C, h, w] and gives `upsampled` [C, H, W]; the second takes `guide` [B, G, H, W] in [0, 1] and
`signal` [B, C, h, w] and gives [B, C, H, W]. Needs `pip install 'gsjbu[onnx]'`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gsjbu.cli import options
from gsjbu.errors import GsjbuError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A kernel's file or none, the output, and what the fixed kernel is made of."""
    parser.add_argument("kernel", nargs="?", help="a kernel's file (.safetensors); without one, the fixed kernel")
    parser.add_argument("-o", "--output", required=True, metavar="FILE.onnx", help="where the graph goes")
    options.add_settings(parser, ("radius",))
    parser.add_argument(
        "--objective", choices=("auto", "rgb"), default="auto",
        help="of the fixed kernel: as auto upsamples features, half of it bilinear (default), or it alone",
    )  # fmt: skip
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    import gsjbu
    from gsjbu.core.onnx_file import write_fixed
    from gsjbu.module import fixed_kernel

    options.spare_inputs((args.kernel,), (args.output,))
    output = Path(args.output)
    if output.suffix.lower() != ".onnx":
        raise GsjbuError(
            "output_format", f"{output.name or output} ends in {output.suffix or 'nothing'}; the graph is a .onnx file."
        )
    if args.kernel:
        gsjbu.load(args.kernel).to_onnx(output)
    else:
        write_fixed(fixed_kernel(args.radius, args.objective), output)
    size = output.stat().st_size
    options.tell(args, {"output": str(output), "bytes": size}, f"{output}: {size / 1e6:.1f} MB.")
    return 0
