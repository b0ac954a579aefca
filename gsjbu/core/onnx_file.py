"""Kernels as ONNX files, for runtimes without Python or torch; needs the extra ``onnx``."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gsjbu.core import blur, denoising, files, outliers
from gsjbu.core.graph import Fixed, Rendering
from gsjbu.errors import GsjbuError, SignalWarning
from gsjbu.extras import lacking

if TYPE_CHECKING:
    from gsjbu.core.kernel import Kernel

OPSET = 20


def write_kernel(kernel: Kernel, path: str | Path) -> None:
    """The render of a fitted kernel: input ``signal`` [C, h, w] of any C, output ``upsampled`` [C, H, W].

    What comes before and follows mixing with the objective ``auto`` is no part of the file; a SignalWarning says so.
    """
    refined = None if kernel.refinement is None else kernel.refinement.sentence
    noise = denoising.BEFORE if kernel.denoised else None
    far = outliers.BEFORE if kernel.outliers else None
    beside = [said for said in (far, noise, blur.sentence(kernel.blur), refined) if said]
    if beside:
        warnings.warn(
            "The ONNX file mixes; what comes before and after is left out of it: "
            f"{' '.join(beside)} The objectives 'rgb' and 'signal' are whole.",
            SignalWarning,
            stacklevel=3,
        )
    grid = kernel.grid
    signal = torch.zeros(2, grid.rows, grid.cols, dtype=torch.float32)
    _write(
        Rendering(kernel), (signal,), path, inputs=["signal"],
        shapes={"signal": {0: "channels"}}, about={"objective": kernel.objective, "radius": kernel.radius},
    )  # fmt: skip


def write_fixed(fixed: Fixed, path: str | Path) -> None:
    """The fixed kernel as a whole: ``guide`` [B, G, H, W] and ``signal`` [B, C, h, w] → [B, C, H, W], of any sizes."""
    dims = {0: "batch", 1: "{}channels", 2: "{}height", 3: "{}width"}
    shapes = {
        name: {n: text.format(short) for n, text in dims.items()}
        for name, short in (("guide", "guide_"), ("signal", "signal_"))
    }
    sizes = tuple(torch.zeros(shape, dtype=torch.float32) for shape in ((2, 3, 22, 31), (2, 5, 6, 7)))
    _write(
        fixed, sizes, path, inputs=["guide", "signal"], shapes=shapes,
        about={"iters": 0, "radius": fixed.radius},
    )  # fmt: skip


def _write(
    module: nn.Module, args: tuple[Tensor, ...], path: str | Path, inputs: list[str], shapes: dict[str, Any],
    about: dict[str, Any],
) -> None:  # fmt: skip
    if why := lacking("onnx", "Writing ONNX"):
        raise GsjbuError("onnx_missing", why)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own insides
        program: Any = torch.onnx.export(
            module.eval(), args, dynamo=True, opset_version=OPSET, input_names=inputs,
            output_names=["upsampled"], dynamic_shapes=shapes, verbose=False,
        )  # fmt: skip
    program.model.metadata_props["gsjbu"] = json.dumps(about)
    files.replace(Path(path), program.save)
