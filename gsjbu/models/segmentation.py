"""A segmentation of the image by a model, as class probabilities over the whole image at a low resolution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gsjbu.io.pictures import shrink
from gsjbu.models import catalogue
from gsjbu.models.features import on_device, three_channels


@dataclass(frozen=True, eq=False)
class Segmentation:
    """``probabilities`` float32 [classes, a, b] over the whole image, summing to 1, on the CPU; ``names`` of the
    classes; ``status`` a sentence on the model, where its weights are from and what it ran on."""

    probabilities: Tensor
    names: tuple[str, ...]
    status: str


def segment(
    image: Tensor,
    model: str,
    resolution: int = 256,
    device: torch.device | str = "cpu",
    progress: catalogue.Progress | None = None,
) -> Segmentation:
    """Run ``model`` on ``image`` [C, H, W] in [0, 1], reduced to ``resolution`` pixels on its long side.

    Raises ModelError with a sentence where the model is not to be had. ``progress`` hears of downloads and may
    raise to give up.
    """
    loaded = catalogue.segmenter(model, progress)
    small = shrink(three_channels(image), resolution)
    probabilities, fallback = on_device(lambda d: loaded.probabilities(small, d), device)
    seen = f" It saw {small.shape[2]}×{small.shape[1]} pixels."
    return Segmentation(probabilities, loaded.names, loaded.status + seen + fallback)
