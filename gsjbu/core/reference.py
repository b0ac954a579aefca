"""The oracle: the method's formulas in float64, slow, written to be read.

It shares no code with the fast paths (no Grid, no expansion into coefficients, no chunks), so that a
mistake there cannot hide here. Gradients come from torch's autograd through these same lines.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Step = tuple[float, float]  # (step_y, step_x): HR pixels per LR pixel


def parameters(raw: Tensor, step: Step = (1.0, 1.0)) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """σx, σy, θ, σr, each [h, w], from raw [4, h, w]; σ may be 64 pixels, or a step where that is more."""
    eps, zero = 1e-6, torch.zeros((), dtype=raw.dtype)
    sigma_x = held(torch.logaddexp(raw[0], zero) + eps, 1.0, max(64.0, step[1]))
    sigma_y = held(torch.logaddexp(raw[1], zero) + eps, 1.0, max(64.0, step[0]))
    theta = math.pi * torch.tanh(raw[2])
    sigma_r = held(torch.logaddexp(raw[3], zero) + eps, 0.01, 1.0)
    return sigma_x, sigma_y, theta, sigma_r


def held(x: Tensor, low: float, high: float) -> Tensor:
    """x, or the bound it is beyond; on a bound it has its gradient, of which versions of torch's clamp differ."""
    below, above = torch.full_like(x, low), torch.full_like(x, high)
    return torch.where(x < low, below, torch.where(x > high, above, x))


def cell_of(size: int, cells: int, step: float) -> Tensor:
    """For every HR pixel along one axis, the LR cell that holds its centre, [size] int64.

    Centres on the border of two cells belong to the next and to the former one in turn, from both ends inwards.
    """
    at = [(p + 0.5) / step for p in range(size)]
    out = [min(math.floor(c + 1e-9), cells - 1) for c in at]
    on_border = [p for p in range(size) if abs(at[p] - round(at[p])) < 1e-9]
    turn = 0
    while on_border:
        first, last = on_border[0], on_border[-1]
        if turn % 2:
            out[first] -= 1
        elif last != first:
            out[last] -= 1
        on_border, turn = on_border[1:-1], turn + 1
    return torch.tensor(out)


def low_resolution(x: Tensor, rows: int, cols: int, step: Step) -> Tensor:
    """Mean of x [C, H, W] over each cell's pixels, [C, h, w]."""
    cell_y, cell_x = cell_of(x.shape[1], rows, step[0]), cell_of(x.shape[2], cols, step[1])
    lines = [
        torch.stack([x.double()[:, cell_y == i][:, :, cell_x == j].mean(dim=(1, 2)) for j in range(cols)], dim=-1)
        for i in range(rows)
    ]
    return torch.stack(lines, dim=-2)


def sampled(x: Tensor, rows: int, cols: int, step: Step) -> Tensor:
    """x [C, H, W] read bilinearly at the centre of each cell, [C, h, w]; beyond the border its last pixel stands."""
    _, height, width = x.shape
    out = torch.empty(x.shape[0], rows, cols, dtype=torch.float64)
    for i in range(rows):
        for j in range(cols):
            v = min(max((i + 0.5) * step[0] - 0.5, 0.0), height - 1.0)
            u = min(max((j + 0.5) * step[1] - 0.5, 0.0), width - 1.0)
            y, x0 = math.floor(v), math.floor(u)
            y1, x1 = min(y + 1, height - 1), min(x0 + 1, width - 1)
            top = (1 - (u - x0)) * x[:, y, x0].double() + (u - x0) * x[:, y, x1].double()
            bottom = (1 - (u - x0)) * x[:, y1, x0].double() + (u - x0) * x[:, y1, x1].double()
            out[:, i, j] = (1 - (v - y)) * top + (v - y) * bottom
    return out


def weights(image: Tensor, raw: Tensor, radius: int, step: Step, lr_image: Tensor | None = None) -> Tensor:
    """w(p ← q) for every HR pixel p and every offset of its window, [(2R+1)², H, W].

    image [G, H, W], raw [4, h, w]. Offsets run row by row; a neighbour outside the grid has weight 0.
    """
    image, raw = image.double(), raw.double()
    _, height, width = image.shape
    _, rows, cols = raw.shape
    sigma_x, sigma_y, theta, sigma_r = parameters(raw, step)
    if lr_image is None:
        lr_image = low_resolution(image, rows, cols, step)

    cell_y = cell_of(height, rows, step[0])[:, None].expand(height, width)
    cell_x = cell_of(width, cols, step[1])[None, :].expand(height, width)
    px = torch.arange(width, dtype=torch.float64)[None, :] + 0.5
    py = torch.arange(height, dtype=torch.float64)[:, None] + 0.5

    log_w = []
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            inside = (cell_y + dy >= 0) & (cell_y + dy < rows) & (cell_x + dx >= 0) & (cell_x + dx < cols)
            # Clamped only to index.
            qy, qx = (cell_y + dy).clamp(0, rows - 1), (cell_x + dx).clamp(0, cols - 1)
            delta_x = px - (qx + 0.5) * step[1]
            delta_y = py - (qy + 0.5) * step[0]
            cos, sin = torch.cos(theta[qy, qx]), torch.sin(theta[qy, qx])
            along_x = cos * delta_x + sin * delta_y
            along_y = -sin * delta_x + cos * delta_y
            spatial = -0.5 * ((along_x / sigma_x[qy, qx]) ** 2 + (along_y / sigma_y[qy, qx]) ** 2)
            colour = ((image - lr_image[:, qy, qx]) ** 2).sum(dim=0)
            log_w.append(torch.where(inside, spatial - colour / (2 * sigma_r[qy, qx] ** 2), -math.inf))
    return torch.softmax(torch.stack(log_w), dim=0)


def render(w: Tensor, signal: Tensor, height: int, width: int, step: Step) -> Tensor:
    """V̂(p) = Σ_q w(p ← q) · V(q): weights [(2R+1)², H, W] and signal [C, h, w] to [C, H, W]."""
    channels, rows, cols = signal.shape
    radius = (math.isqrt(w.shape[0]) - 1) // 2
    cell_y = cell_of(height, rows, step[0])[:, None].expand(height, width)
    cell_x = cell_of(width, cols, step[1])[None, :].expand(height, width)
    out = torch.zeros(channels, height, width, dtype=torch.float64)
    n = 0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            qy, qx = (cell_y + dy).clamp(0, rows - 1), (cell_x + dx).clamp(0, cols - 1)
            out = out + w[n] * signal.double()[:, qy, qx]
            n += 1
    return out


def rgb_loss(image: Tensor, raw: Tensor, radius: int, step: Step, lr_image: Tensor | None = None) -> Tensor:
    """L = mean|Î − I|: the image rendered from its own LR image (its cell means if none is given) against itself."""
    _, height, width = image.shape
    if lr_image is None:
        lr_image = low_resolution(image, raw.shape[1], raw.shape[2], step)
    w = weights(image, raw, radius, step, lr_image)
    return (render(w, lr_image, height, width, step) - image.double()).abs().mean()


def signal_loss(
    image: Tensor, raw: Tensor, radius: int, step: Step, signal: Tensor, lr_image: Tensor | None = None
) -> Tensor:
    """Mean squared difference between the rendered signal's cell means and the signal [C, h, w],
    in units of the signal's mean magnitude."""
    _, height, width = image.shape
    w = weights(image, raw, radius, step, lr_image)
    rendered = render(w, signal, height, width, step)
    again = low_resolution(rendered, raw.shape[1], raw.shape[2], step)
    return (((again - signal.double()) / signal.double().abs().mean()) ** 2).mean()
