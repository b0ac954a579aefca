"""One anisotropic Gaussian per LR pixel over one guide: what every backend and every recipe takes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gsjbu.core.grid import Grid


@dataclass(frozen=True, eq=False)
class Gaussians:
    """All that a window's weights depend on; float32 tensors on the CPU, which a notebook's cell does not print."""

    guide: Tensor = field(repr=False)  # [G, H, W]  I_p
    lr_guide: Tensor = field(repr=False)  # [G, h, w]  I_q
    grid: Grid
    radius: int  # the window is (2·radius + 1)² LR pixels
    raw: Tensor = field(repr=False)  # [4, h, w]  unconstrained σx, σy, θ, σr: see parameters.py
    seen: Tensor | None = field(default=None, repr=False)  # bool [H, W]: False where the guide is not followed

    @classmethod
    def over(
        cls,
        guide: Tensor,
        grid: Grid,
        radius: int,
        raw: Tensor,
        lr_image: str = "area",
        seen: Tensor | None = None,
    ) -> Gaussians:
        """On ``guide``, whose LR pixels are sampled as ``lr_image`` says (see Grid.low_resolution).

        Means over cells are over pixels that are ``seen``, as far as a cell has any.
        """
        lr_guide = grid.low_resolution(guide, lr_image)
        if seen is not None and lr_image == "area":
            share = grid.cell_means(seen[None].to(torch.float32))
            own = grid.cell_means(torch.where(seen, guide, 0)) / share
            lr_guide = torch.where(share > 0, own, lr_guide)
        return cls(guide, lr_guide, grid, radius, raw, seen)

    def by_place(self) -> Gaussians:
        """The same Gaussians over a guide of one colour: only distances count."""
        g = self.grid
        flat, low = (torch.zeros(1, *size, dtype=torch.float32) for size in ((g.height, g.width), (g.rows, g.cols)))
        return replace(self, guide=flat, lr_guide=low, seen=None)

    @property
    def seen_cells(self) -> Tensor | None:
        """bool [h, w]: the cells that have a pixel to follow; None: all."""
        if self.seen is None:
            return None
        return self.grid.cell_means(self.seen[None].to(torch.float32))[0] > 0

    def at(self, raw: Tensor) -> Gaussians:
        """The same window and guide with other raw values."""
        return replace(self, raw=raw)
