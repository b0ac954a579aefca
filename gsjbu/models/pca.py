"""The three strongest directions of a feature map, and the colours to show them in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Basis:
    """Three directions in feature space, and the span of their coordinates: ``mean`` [C], ``components`` [3, C]."""

    mean: Tensor
    components: Tensor
    low: Tensor
    high: Tensor

    @property
    def channels(self) -> int:
        """Number of feature channels."""
        return int(self.mean.shape[0])

    def apply(self, features: Tensor) -> Tensor:
        """[C, h, w] → coordinates [3, h, w]. Linear, so it may be done before or after mixing."""
        flat = features.detach().to("cpu", torch.float32).flatten(1)
        out = self.components @ flat - (self.components @ self.mean)[:, None]
        return out.reshape(3, *features.shape[1:])

    def colours(self, coordinates: Tensor) -> Tensor:
        """Coordinates [3, h, w] → RGB in [0, 1]."""
        x = coordinates.detach().to("cpu", torch.float32)
        low, high = self.low[:, None, None], self.high[:, None, None]
        return ((x - low) / (high - low)).clamp(0, 1)


def pca3(features: Tensor) -> Basis:
    """The three strongest directions of LR features [C, h, w]; colours span their 1 %–99 % range.

    Subspace iteration on the features themselves: a few small matrix products, where the full decomposition of a
    768-channel covariance takes longer than the whole fit. Signs are fixed by the largest loading, so the same
    features always get the same colours.
    """
    x = features.detach().to("cpu", torch.float32).flatten(1)
    channels = x.shape[0]
    mean = x.mean(1)
    x = x - mean[:, None]
    width = min(channels, 12)
    start = torch.randn(channels, width, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    q = torch.linalg.qr(start).Q
    for _ in range(24):
        q = torch.linalg.qr(x @ (x.T @ q)).Q
    _, turn = torch.linalg.eigh((q.T @ x) @ (x.T @ q))
    components = (q @ turn.flip(1))[:, :3].T
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    components = components * torch.where(largest < 0, -1.0, 1.0)
    if channels == 1:
        components = components.expand(3, 1)  # one channel is shown as grey
    elif channels == 2:
        components = torch.cat([components, torch.zeros(1, 2, dtype=torch.float32)])
    coordinates = components @ x
    order = coordinates.sort(dim=1).values
    last = order.shape[1] - 1
    low, high = order[:, round(0.01 * last)], order[:, round(0.99 * last)]
    flat = high - low < 1e-6 * (1 + high.abs())  # nothing varies: the middle of the colour range
    low, high = torch.where(flat, low - 0.5, low), torch.where(flat, low + 0.5, high)
    return Basis(mean, components.contiguous(), low, high)
