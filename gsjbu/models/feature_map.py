"""What a network gives, with the place of its values on the image; and how an image goes in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gsjbu.io import guides

IMAGENET_MEAN, IMAGENET_STD = guides.MEAN, guides.STD


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """What a network gives: [C, rows, cols]; feature (i, j)'s centre is (first + i·step) in image pixels (y, x)."""

    values: Tensor
    step: tuple[float, float]
    first: tuple[float, float]
    stage: str
    # The first and the last stride for which the network would give this same map.
    serves: tuple[float, float] = (0.0, math.inf)


def normalised(image: Tensor, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD) -> Tensor:
    """[3, H, W] in [0, 1] → the same with each channel's mean and deviation as in training."""
    m, s = (torch.tensor(v, dtype=image.dtype, device=image.device)[:, None, None] for v in (mean, std))
    return (image - m) / s
