"""Masks of SAM and its kin: logits on a coarse grid, of which SAM's own covers padding as well."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import gsjbu
from gsjbu.errors import SignalError
from gsjbu.io.outputs import field


def masks(image: Any, outputs: Any, inputs: Any, **options: Any) -> Tensor:
    """Every mask that a SAM model gives for one image, along the image's edges.

    Args:
        image: what :func:`gsjbu.fit` takes.
        outputs: the model's, with ``pred_masks`` [1, prompts, masks, h, w], logits.
        inputs: the processor's. Where they have ``reshaped_input_sizes`` (SAM), what lies on the padding right of and
            below the image is left out; SAM 2 and SAM 3 squash the image and pad nothing.
        options: those of :func:`gsjbu.upsample`.

    Returns:
        Probabilities [prompts · masks, H, W].

    Raises:
        SignalError: masks of several images, or none.
    """
    found = field(outputs, "pred_masks")
    if not isinstance(found, Tensor) or found.ndim not in (4, 5) or len(found) != 1:
        shape = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        text = f"The masks are {shape}; they must be pred_masks of one image, [1, prompts, masks, h, w]."
        raise SignalError("signal_shape", text)
    low = found.detach().float().cpu().flatten(0, -3)
    if inputs.get("reshaped_input_sizes") is not None:
        kept = torch.as_tensor(inputs["reshaped_input_sizes"])[0]
        rows, cols = (
            max(1, round(int(kept[axis]) / inputs["pixel_values"].shape[axis - 2] * low.shape[axis - 2]))
            for axis in (0, 1)
        )
        low = low[:, :rows, :cols]
    options = {"kind": "logits", "grid": tuple(low.shape[1:]), **options}  # they cover the image, squashed or not
    return torch.stack([gsjbu.upsample(image, mask, **options) for mask in low])
