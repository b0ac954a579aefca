"""One anisotropic Gaussian per LR pixel over one guide: what every backend and every recipe takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from gsjbu.core.grid import Grid


@dataclass(frozen=True, eq=False)
class Gaussians:
    """All that a window's weights depend on; float32 tensors on the CPU."""

    guide: Tensor  # [G, H, W]  I_p
    lr_guide: Tensor  # [G, h, w]  I_q
    grid: Grid
    radius: int  # the window is (2·radius + 1)² LR pixels
    raw: Tensor  # [4, h, w]  unconstrained σx, σy, θ, σr: see parameters.py

    @classmethod
    def over(cls, guide: Tensor, grid: Grid, radius: int, raw: Tensor, lr_image: str = "area") -> Gaussians:
        """On ``guide``, whose LR pixels are sampled as ``lr_image`` says (see Grid.low_resolution)."""
        return cls(guide, grid.low_resolution(guide, lr_image), grid, radius, raw)

    def at(self, raw: Tensor) -> Gaussians:
        """The same window and guide with other raw values."""
        return replace(self, raw=raw)
