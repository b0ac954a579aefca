"""What the objective ``auto`` adds to a kernel: further members of the mixture, and back-projection.

A plain kernel is one set of Gaussians, R₁. With a blend the upsampling is a mixture R = Σ shareₖ·Rₖ, members:

- the fitted Gaussians, and a second set (those that no fit has moved): both pure mixing;
- a plain interpolation that does not look at the guide: bilinear (pure mixing too), or bicubic, whose weights are
  partly negative.

**Back-projection** asks that the result's cell means give back the LR signal. With D the mean over cells, each
pass adds R·(V − D·R·V). All of it happens on the LR grid, before anything is rendered: D·R is a mixture of LR
pixels too, so V is sharpened once, V' = V + (V − A·V') again and again with A = D·R, and rendered once. The result
is a mixture of V', not of V: it can leave the range of the LR values, and is **not pure mixing**.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import interpolation
from gsjbu.core.backends.members import Members, alone
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import Upsampler
from gsjbu.core.precision import matmul

MixGaussians = Callable[[Gaussians, Tensor], Tensor]  # an Upsampler by the given set of Gaussians

# The window's weights are read off a rendered comb, so many channels at a time: it bounds the memory.
COMB_CHANNELS = 25
# What goes to a file is rendered in blocks of channels of about this size (bytes).
BLOCK_BYTES = 64 * 1024 * 1024
# A share up to here is what rounding left of none.
NO_SHARE = 1e-6
INTERPOLATIONS = {
    "bilinear": interpolation.bilinear, "bicubic": interpolation.bicubic, "Catmull–Rom": interpolation.catmull_rom,
}  # fmt: skip
#: Of what is smooth, means are given back over cells as they lie, not to whole pixels.
OVER_AREAS = ("Catmull–Rom",)
REACH = {"bilinear": 1, "bicubic": 2, "Catmull–Rom": 2}  # LR pixels from a pixel's own that they take from


@dataclass(frozen=True, eq=False)
class Blend:
    """Shares of the members (the fitted Gaussians have the rest) and passes of back-projection."""

    second: Tensor | None = field(default=None, repr=False)  # raw [4, h, w] of a second set of Gaussians
    second_share: float = 0.0  # 0…1
    second_steps: int = 0  # the kernel's last losses, so many of them, are of the second set's own fit
    plain_share: float = 0.0  # 0…1, of the plain interpolation
    plain: str = "bicubic"  # which one, by its name in INTERPOLATIONS
    passes: int = 0

    @property
    def first_share(self) -> float:
        """Share of the fitted Gaussians."""
        return 1.0 - self.second_share - self.plain_share

    @property
    def is_pure(self) -> bool:
        """True if every output value is still a convex combination of LR values."""
        return self.passes == 0 and (self.plain_share == 0 or self.plain == "bilinear")

    @property
    def is_plain(self) -> bool:
        """True if the plain interpolation has all of it."""
        return self.plain_share >= 1 - NO_SHARE

    def within(self, radius: int) -> bool:
        """True if all that is mixed lies in a window of ``radius``, so that one render can do it."""
        return self.first_share > NO_SHARE and (self.plain_share == 0 or REACH[self.plain] <= radius)

    @property
    def interpolate(self) -> Callable[[Tensor, Grid], Tensor]:
        """The plain member's function."""
        return INTERPOLATIONS[self.plain]

    def as_dict(self) -> dict[str, float | str]:
        """What a file says of it; the second set's raw values are saved apart."""
        return {
            "second_share": self.second_share, "plain_share": self.plain_share, "plain": self.plain,
            "passes": self.passes, "second_steps": self.second_steps,
        }  # fmt: skip


def checked(blend: Blend, grid: Grid) -> Blend:
    """The blend itself, if its numbers make sense for ``grid``; ValueError otherwise (a file may say anything)."""
    shares = (blend.first_share, blend.second_share, blend.plain_share)
    for what, count in (("steps of its second fit", blend.second_steps), ("passes", blend.passes)):
        if not isinstance(count, int) or count < 0:
            raise ValueError(f"its blend's {what} are {count!r}")
    if blend.plain not in INTERPOLATIONS:
        raise ValueError(f"its blend names {blend.plain!r}")
    if not all(-NO_SHARE <= s <= 1 + NO_SHARE for s in shares) or blend.passes > 100:
        raise ValueError(f"its blend has shares {shares} and {blend.passes} passes")
    if (blend.second is None) != (blend.second_share == 0):
        raise ValueError("its blend has a second share without a second set, or the other way round")
    if blend.second is not None and (
        tuple(blend.second.shape) != (4, grid.rows, grid.cols) or not bool(torch.isfinite(blend.second).all())
    ):
        raise ValueError(f"its blend's second set is {list(blend.second.shape)}")
    return blend


def render(
    blend: Blend,
    gaussians: Gaussians,
    sharp: Tensor,  # [C, h, w], see ``sharpened``
    out: np.ndarray | None,  # [C, H, W]
    mix: MixGaussians,
) -> Tensor:
    """Mix ``sharp`` member by member; into ``out`` where one is given, in blocks of channels."""
    if out is None:
        return _mixture(blend, gaussians, sharp, mix)
    grid = gaussians.grid
    channels = max(1, BLOCK_BYTES // (4 * grid.height * grid.width))
    for first in range(0, len(sharp), channels):
        some = _mixture(blend, gaussians, sharp[first : first + channels], mix)
        out[first : first + channels] = some.detach().cpu().numpy()
    return torch.from_numpy(np.asarray(out))


def sharpened(blend: Blend | None, means: Means | None, signal: Tensor) -> Tensor:
    """What is mixed in place of ``signal`` [C, h, w]: V' where the blend has passes, which need its ``means``."""
    return signal if blend is None or means is None else back_projected(signal, means, blend.passes)


def members(blend: Blend, gaussians: Gaussians) -> Members:
    """The blend as shares of one window's weights; only where it ``fits``."""
    mixed = alone(gaussians.radius)._replace(first=blend.first_share, second=blend.second_share, raw=blend.second)
    if not blend.plain_share:
        return mixed
    down, across = (_in_window(blend, axis, gaussians.radius) for axis in _axes(gaussians.grid))
    return mixed._replace(down=np.float32(blend.plain_share) * down, across=across)


def _mixture(blend: Blend, gaussians: Gaussians, signal: Tensor, mix: MixGaussians) -> Tensor:
    """Σ shareₖ·Rₖ·V; members without a share are not computed."""
    parts: list[tuple[float, Upsampler]] = [(share, partial(mix, one)) for share, one in _sets(blend, gaussians)]
    if blend.plain_share > 0:
        parts.append((blend.plain_share, lambda v: blend.interpolate(v, gaussians.grid)))
    mixed: Tensor | None = None
    for share, upsample in parts:
        part = upsample(share * signal)
        if mixed is None:
            mixed = part
        elif mixed.requires_grad:
            mixed = mixed + part
        else:
            mixed += part.to(mixed)
    assert mixed is not None
    return mixed


def _sets(blend: Blend, gaussians: Gaussians) -> list[tuple[float, Gaussians]]:
    """Share and Gaussians of each set that has one."""
    sets = [(blend.first_share, gaussians)] if blend.first_share > NO_SHARE else []
    if blend.second is not None:
        sets.append((blend.second_share, gaussians.at(blend.second)))
    return sets


def back_projected(signal: Tensor, means: Means, passes: int) -> Tensor:
    """V' on the LR grid after so many passes; ``signal`` [C, h, w]. Constants stay what they are."""
    sharp = signal
    for _ in range(passes):
        sharp = sharp + (signal - means(sharp))
    return sharp


class Means:
    """A = D·R of a blend: the cell means of the upsampled signal, straight from the LR signal, [C, h, w] → same."""

    def __init__(self, near: Tensor, radius: int, plain: tuple[Tensor, Tensor] | None = None) -> None:
        self.near, self.radius = near, radius  # [(2R+1)², h, w]
        self.plain = plain  # what lies outside the window: its cell means along each axis, [h, h] and [w, w]

    @classmethod
    def of(cls, blend: Blend, gaussians: Gaussians, mix: MixGaussians) -> Means:
        """Read off by rendering, whatever the backend."""
        grid, radius = gaussians.grid, gaussians.radius
        near = torch.zeros((2 * radius + 1) ** 2, grid.rows, grid.cols, dtype=torch.float32)
        for share, one in _sets(blend, gaussians):
            near += share * mean_weights(partial(mix, one), grid, radius)
        if not blend.plain_share:
            return cls(near, radius)
        # Plain interpolation takes its two axes one by one, and so do its cell means.
        means = Grid.area_means if blend.plain in OVER_AREAS else Grid.cell_means
        rows, cols = (means(axis, line)[..., 0].T for axis, line in _lines(blend, grid))
        return cls(near, radius, (blend.plain_share * rows, cols))

    def __call__(self, signal: Tensor) -> Tensor:
        r, (_, rows, cols) = self.radius, signal.shape
        padded = torch.nn.functional.pad(signal, (r, r, r, r))
        out = torch.zeros_like(signal)
        for n, weight in enumerate(self.near.to(signal)):
            dy, dx = divmod(n, 2 * r + 1)
            out = out + weight * padded[:, dy : dy + rows, dx : dx + cols]
        if self.plain is not None:
            down, across = (line.to(signal) for line in self.plain)
            out = out + matmul(matmul(down, signal), across.T)
        return out


def mean_weights(mix: Upsampler, grid: Grid, radius: int) -> Tensor:
    """Mean weight over each cell of each LR pixel of its window, [(2R+1)², h, w]; offsets run row by row.

    Read off by rendering a comb, whatever the backend: LR pixels whose place is the same modulo the window's side
    never share a window, so the channel that is 1 on them and 0 elsewhere is, anywhere, the weight of one of them.
    """
    side = 2 * radius + 1
    qy, qx = torch.arange(grid.rows)[:, None], torch.arange(grid.cols)[None, :]
    residue = (qy % side) * side + qx % side
    found = torch.empty(side * side, grid.rows, grid.cols, dtype=torch.float32)
    for first in range(0, side * side, COMB_CHANNELS):
        teeth = torch.arange(first, min(first + COMB_CHANNELS, side * side))
        comb = (residue == teeth[:, None, None]).to(torch.float32)
        found[first : first + len(teeth)] = quick_means(mix(comb), grid)
    # Window place (dy, dx) of cell (i, j) holds the LR pixel (i + dy, j + dx), which is in channel ``residue``.
    weights = torch.zeros_like(found)
    for n in range(side * side):
        dy, dx = n // side - radius, n % side - radius
        channel = ((qy + dy) % side) * side + (qx + dx) % side
        inside = (qy + dy >= 0) & (qy + dy < grid.rows) & (qx + dx >= 0) & (qx + dx < grid.cols)
        weights[n] = torch.where(inside, found.gather(0, channel[None])[0], 0)
    return weights


def quick_means(x: Tensor, grid: Grid) -> Tensor:
    """Cell means in float32; several times as fast as ``Grid.cell_means`` where all cells are whole."""
    if grid.is_whole:
        return torch.nn.functional.avg_pool2d(x[None], (int(grid.step_y), int(grid.step_x)))[0]
    return grid.cell_means(x)


def plain_weights(blend: Blend, grid: Grid, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    """The plain member's weights of HR pixel (x, y) along the LR rows [h] and columns [w]; their product is 2-d."""
    rows, cols = plain_lines(blend, grid)
    return rows[:, y].double().numpy(), cols[:, x].double().numpy()


def plain_lines(blend: Blend, grid: Grid) -> tuple[Tensor, Tensor]:
    """The plain member along each axis: what each LR row adds to each HR row [h, H], and the columns' [w, W]."""
    (_, rows), (_, cols) = _lines(blend, grid)
    return rows[..., 0], cols[..., 0]


def _lines(blend: Blend, grid: Grid) -> list[tuple[Grid, Tensor]]:
    """Per axis, rows first: a grid one pixel wide, and what each LR pixel of it adds to each HR pixel [n, N, 1]."""
    return [
        (axis, blend.interpolate(torch.eye(axis.rows, dtype=torch.float32)[:, :, None], axis)) for axis in _axes(grid)
    ]


def _axes(grid: Grid) -> tuple[Grid, Grid]:
    """The grid along each axis, rows first: one pixel and one cell wide."""
    down, across = (Grid(pixels, 1, cells, 1, step, 1.0) for pixels, cells, step in grid.axes)
    return down, across


def _in_window(blend: Blend, axis: Grid, radius: int) -> np.ndarray:
    """What each place of a pixel's window along ``axis`` adds to the plain member, [2R + 1, N]; 0 outside the grid.

    Read off a comb: LR pixels whose place is the same modulo the window's side never share a window.
    """
    side = 2 * radius + 1
    comb = (torch.arange(axis.rows) % side == torch.arange(side)[:, None]).to(torch.float32)
    teeth = blend.interpolate(comb[:, :, None], axis)[..., 0].numpy()  # [side, N]
    near = axis.row_of + np.arange(-radius, radius + 1)[:, None]
    found = np.take_along_axis(teeth, near % side, axis=0)
    return np.where((near >= 0) & (near < axis.rows), found, 0)
