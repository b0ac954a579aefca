"""The attention form, in torch, for any device: queries = HR pixels, keys = the window's Gaussians, values = signal.

All pixels of a cell share one window, so the weights of a cell are one softmax over [pixels, window] logits:

    log w(p, q) = φ(p)·ψ(q) − κ_q·‖I_p − I_q‖²
    φ(p) = (x², xy, y², x, y, 1)                       in coordinates relative to p's cell, in strides
    ψ(q) = −(a, b, c, −(2a·X + b·Y), −(2c·Y + b·X), a·X² + b·X·Y + c·Y²)   with (X, Y) = q's centre there

The spatial part is one small matrix product per cell. The colour part is kept apart, as differences squared:
folded into φ·ψ it would cancel badly where κ is large (σr → 0.01), and it does not change during a fit.
Cells are taken in chunks, so memory is bounded whatever the size of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import parameters
from gsjbu.core.backends.lattices import WHOLE, Lattice, lattices
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import ADAM, Optimiser, Parameters, Progress
from gsjbu.core.precision import in_float32, matmul

# Elements of one chunk's [cells, pixels, window] logits; about eight such arrays valid at once in a step. On a CPU they
# should stay in its cache: a fit takes 2.7, 1.8 and 1.6 times as long at strides 16, 8 and 4 with those of a GPU.
CHUNK_ELEMENTS, CHUNK_ELEMENTS_OF_CPU = 4_000_000, 700_000
# The colour part is kept between steps while it stays below this many elements.
KEPT_ELEMENTS = 64_000_000


class Chunk(NamedTuple):
    """Rows first…last of cells: what does not change during a fit. P pixels a cell (padded), N window places."""

    first: int
    last: int
    phi: Tensor  # [1 or cells, P, 6]
    colour: Tensor  # [cells, P, N]  ‖I_p − I_q‖², 0 outside the grid
    valid: Tensor  # [cells, P]  1 for pixels that exist and take part, 0 for padding
    guide: Tensor  # [cells, P, G]
    lr_index: Tensor  # [cells, N]  flat LR index of each neighbour, clamped; masked where outside
    outside: Tensor  # [cells, N]  bool
    offset: Tensor  # [N, 2]  neighbour's place relative to the cell (dx, dy), in cells


@dataclass
class Problem:
    """One image on one device, cut into cells; or one lattice of its pixels."""

    guide: Tensor  # [G, H, W]
    lr_guide: Tensor  # [G, h, w]
    grid: Grid
    radius: int
    lattice: Lattice = WHOLE
    seen: Tensor | None = None  # bool [H, W]: pixels that take part in the fit; None: all

    def __post_init__(self) -> None:
        g, device, part = self.grid, self.guide.device, self.lattice
        self.device = device
        row_starts, col_starts = (
            torch.from_numpy(part.row_starts(g)),
            torch.from_numpy(part.col_starts(g)),
        )
        heights, widths = row_starts.diff(), col_starts.diff()
        self.tall, self.wide = int(heights.max()), int(widths.max())
        self.pixels = int(row_starts[-1] * col_starts[-1])
        if self.seen is not None:
            self.pixels = max(1, int(part.pixels(self.seen.numpy()[None]).sum()))
        pad_y, pad_x = torch.arange(self.tall), torch.arange(self.wide)
        self.valid_y, self.valid_x = pad_y < heights[:, None], pad_x < widths[:, None]
        # [h, tall] pixel rows of each cell row
        self.y = ((row_starts[:-1, None] + pad_y) * part.pitch_y + part.top).clamp_max(g.height - 1)
        self.x = ((col_starts[:-1, None] + pad_x) * part.pitch_x + part.left).clamp_max(g.width - 1)
        centre_y = (torch.arange(g.rows, dtype=torch.float64) + 0.5) * g.step_y
        centre_x = (torch.arange(g.cols, dtype=torch.float64) + 0.5) * g.step_x
        self.rel_y = (self.y.to(torch.float64) + 0.5 - centre_y[:, None]) / g.step_y  # in strides, about −½…½
        self.rel_x = (self.x.to(torch.float64) + 0.5 - centre_x[:, None]) / g.step_x
        r = torch.arange(-self.radius, self.radius + 1)
        self.window = torch.stack([r.repeat(len(r)), r.repeat_interleave(len(r))], dim=1)  # [N, (dx, dy)]
        self._kept: list[Chunk] | None = None

    def on(self, lattice: Lattice) -> Problem:
        """The same, of these pixels only."""
        return self if lattice == self.lattice else replace(self, lattice=lattice)

    @property
    def pixels_per_cell(self) -> int:
        return self.tall * self.wide

    def chunks(self) -> Iterator[Chunk]:
        """All chunks in order; kept between calls where they are small enough together."""
        if self._kept is not None:
            yield from self._kept
            return
        g = self.grid
        row_elements = g.cols * self.pixels_per_cell * len(self.window)
        most = CHUNK_ELEMENTS_OF_CPU if self.device.type == "cpu" else CHUNK_ELEMENTS
        rows = max(1, most // row_elements)
        made = (self._new_chunk(i, min(i + rows, g.rows)) for i in range(0, g.rows, rows))
        if row_elements * g.rows <= KEPT_ELEMENTS:
            self._kept = list(made)
            yield from self._kept
        else:
            yield from made

    def _new_chunk(self, first: int, last: int) -> Chunk:
        # A chunk may be kept from a call that wants no gradients for one that does.
        with torch.inference_mode(False), torch.no_grad():
            return self._chunk(first, last)

    def _chunk(self, first: int, last: int) -> Chunk:
        g, device = self.grid, self.device
        rows, cols = last - first, g.cols
        y, x = self.y[first:last], self.x
        # [rows, cols, tall, wide] → [cells, P]
        shape = (rows, cols, self.tall, self.wide)
        rel_x = self.rel_x[None, :, None, :].expand(shape).reshape(rows * cols, -1)
        rel_y = self.rel_y[first:last, None, :, None].expand(shape).reshape(rows * cols, -1)
        phi = torch.stack([rel_x**2, rel_x * rel_y, rel_y**2, rel_x, rel_y, torch.ones_like(rel_x)], dim=-1)
        valid = (self.valid_y[first:last, None, :, None] & self.valid_x[None, :, None, :]).expand(shape)
        if self.seen is not None:
            valid = valid & self.seen[y[:, None, :, None], x[None, :, None, :]]
        pixels = self.guide[:, y.to(device)[:, None, :, None], x.to(device)[None, :, None, :]]  # [G, rows, cols, …]
        pixels = pixels.reshape(self.guide.shape[0], rows * cols, -1)
        qx = torch.arange(cols)[None, :, None] + self.window[:, 0]
        qy = torch.arange(first, last)[:, None, None] + self.window[:, 1]
        outside = ((qx < 0) | (qx >= cols) | (qy < 0) | (qy >= g.rows)).reshape(rows * cols, -1)
        index = (qy.clamp(0, g.rows - 1) * cols + qx.clamp(0, cols - 1)).reshape(rows * cols, -1)
        index, outside = index.to(device), outside.to(device)
        colour = torch.zeros(rows * cols, pixels.shape[2], index.shape[1], dtype=torch.float32, device=device)
        for channel, lr in zip(pixels, self.lr_guide.flatten(1), strict=True):
            colour += (channel[:, :, None] - lr[index][:, None, :]).square_()
        return Chunk(
            first, last, phi.to(device, torch.float32), colour,
            valid.reshape(rows * cols, -1).to(device, torch.float32), pixels.permute(1, 2, 0),
            index, outside, self.window.to(device, torch.float32),
        )  # fmt: skip


def psi_and_kappa(problem: Problem, gaussians: Parameters) -> tuple[Tensor, Tensor]:
    """Per LR pixel: (a, b, c) in strides [h·w, 3] and κ [h·w]."""
    a, b, c, kappa = parameters.coefficients(gaussians)
    sx, sy = problem.grid.step_x, problem.grid.step_y
    return torch.stack([a * (sx * sx), b * (sx * sy), c * (sy * sy)], dim=-1).flatten(0, 1), kappa.flatten()


def cell_weights(chunk: Chunk, abc: Tensor, kappa: Tensor) -> Tensor:
    """Softmax weights [cells, P, N] of a chunk; differentiable in ``abc`` and ``kappa``."""
    a, b, c = abc[chunk.lr_index].unbind(-1)  # [cells, N]
    x, y = chunk.offset[:, 0], chunk.offset[:, 1]
    psi = torch.stack([a, b, c, -(2 * a * x + b * y), -(2 * c * y + b * x), a * x * x + b * x * y + c * y * y], dim=1)
    k = kappa[chunk.lr_index]
    logits = -torch.matmul(chunk.phi, psi) - chunk.colour * k[:, None, :]
    return torch.softmax(logits.masked_fill(chunk.outside[:, None, :], -math.inf), dim=-1)


def fit(
    problem: Problem,
    raw: Tensor,  # [4, h, w] where the fit starts
    iters: int,
    rate: float,
    rgb_weight: float,
    signal: Tensor | None = None,  # [C, h, w]
    signal_weight: float = 0.0,
    progress: Progress | None = None,
    move: bool = True,
    optimiser: Optimiser = ADAM,
) -> tuple[Tensor, list[float], Tensor]:
    """Adam; returns raw, the loss before each step and the last gradient (see ``cpu.fit``), all on the CPU.

    Whatever the caller's own modes are (no_grad, inference_mode, autocast): a fit needs gradients, in float32.
    """
    with torch.inference_mode(False), torch.enable_grad(), in_float32(problem.device.type):
        at = optimiser.coordinates(raw.detach(), parameters.highest(problem.grid))
        at = at.to(problem.device, torch.float32).clone().requires_grad_(True)
        objectives = [
            _Objective(problem.on(part), optimiser, rgb_weight, signal, signal_weight)
            for part in lattices(problem.grid, optimiser.pitch, optimiser.keep)[: max(1, iters)]
        ]
        take_step = None
        if problem.device.type == "cuda" and len(objectives) == 1 and not optimiser.falling:
            take_step = _cuda_graph_step(objectives[0], at, rate, move)
        take_step = take_step or _eager_step(objectives, at, optimiser, optimiser.rates(iters, rate), move)

        recorded: list[Tensor] = []
        for step in range(iters):
            loss = take_step(step)
            recorded.append(loss.clone())
            if progress is not None and progress(step, float(loss)) is False:
                break
        losses = torch.stack(recorded).tolist() if recorded else []
        gradient = at.grad if at.grad is not None else torch.zeros_like(at)
        return optimiser.raw(at.detach().cpu()), losses, gradient.detach().cpu()


class _Objective:
    """rgb_weight · mean|Î − I| + signal_weight · mean((cell means of V̂ − V)²) / mean|V|²."""

    def __init__(
        self,
        problem: Problem,
        optimiser: Optimiser,
        rgb_weight: float,
        signal: Tensor | None,
        signal_weight: float,
    ) -> None:
        self.problem, self.optimiser = problem, optimiser
        self.rgb = rgb_weight / (problem.guide.shape[0] * problem.pixels)
        self.lr_guide = problem.lr_guide.flatten(1).T.contiguous()  # [h·w, G]
        self.signal: Tensor | None = None
        if signal is not None and signal_weight:
            values = signal.detach().to(problem.device, torch.float32)
            magnitude = float(values.abs().double().mean() if values.device.type != "mps" else values.abs().mean())
            self.signal = values.flatten(1).T.contiguous()  # [h·w, C]
            self.squared = signal_weight / (values.numel() * (magnitude or 1.0) ** 2)

    def backward(self, at: Tensor) -> Tensor:
        """The loss, a 0-d tensor; its gradient is left in ``at.grad``."""
        if at.grad is None:
            at.grad = torch.zeros_like(at)
        else:
            at.grad.zero_()
        total = torch.zeros((), dtype=torch.float32, device=at.device)
        # The chunks share the map from there to coefficients: they add to the coefficients' gradient first.
        abc, kappa = psi_and_kappa(self.problem, self.optimiser.parameters(at, parameters.highest(self.problem.grid)))
        leaf_abc, leaf_kappa = abc.detach().requires_grad_(True), kappa.detach().requires_grad_(True)
        for chunk in self.problem.chunks():
            loss = self._chunk_loss(chunk, leaf_abc, leaf_kappa)
            loss.backward()
            total += loss.detach()
        torch.autograd.backward([abc, kappa], [leaf_abc.grad, leaf_kappa.grad])
        return total

    def _chunk_loss(self, chunk: Chunk, abc: Tensor, kappa: Tensor) -> Tensor:
        w = cell_weights(chunk, abc, kappa)
        loss = torch.zeros((), dtype=torch.float32, device=w.device)
        if self.rgb:
            off = torch.matmul(w, self.lr_guide[chunk.lr_index]) - chunk.guide
            loss = loss + (off.abs() * chunk.valid[:, :, None]).sum() * self.rgb
        if self.signal is not None:
            area = chunk.valid.sum(dim=1, keepdim=True)
            # A lattice may have none of a cell's pixels, or all are masked: nothing is known of its mean then.
            known, area = area > 0, area.clamp_min(1)
            # Row by row: one float32 sum over a cell of 64 × 64 pixels loses 1e-4 on a machine that adds in order.
            cell = (len(w), self.problem.tall, self.problem.wide)
            rows = torch.matmul((chunk.valid / area).view(cell)[:, :, None], w.view(*cell, -1))
            mean_weights = rows.sum(dim=1)  # [cells, 1, N]
            again = torch.matmul(mean_weights, self.signal[chunk.lr_index]).squeeze(1)
            first = chunk.first * self.problem.grid.cols
            off = (again - self.signal[first : first + len(again)]) * known
            loss = loss + off.square().sum() * self.squared
        return loss


def _eager_step(
    objectives: list[_Objective], at: Tensor, optimiser: Optimiser, rates: np.ndarray, move: bool
) -> Callable[[int], Tensor]:
    high = parameters.highest(objectives[0].problem.grid)
    mean, square = torch.zeros_like(at), torch.zeros_like(at)
    beta1, beta2 = optimiser.beta1, optimiser.beta2

    def take_step(step: int) -> Tensor:
        loss = objectives[step % len(objectives)].backward(at)
        if move and at.grad is not None:
            with torch.no_grad():
                # As torch.optim.Adam to the bit, which imports torch's compiler first: 1.2 s.
                mean.lerp_(at.grad, 1 - beta1)
                square.mul_(beta2).addcmul_(at.grad, at.grad, value=1 - beta2)
                spread = square.sqrt().div_((1 - beta2 ** (step + 1)) ** 0.5).add_(parameters.ADAM_EPS)
                at.addcdiv_(mean, spread, value=-float(rates[step]) / (1 - beta1 ** (step + 1)))
                if optimiser.in_logs:
                    for c, bounds in parameters.log_bounds(high).items():
                        at[c].clamp_(*bounds)
        return loss

    return take_step


def _cuda_graph_step(objective: _Objective, raw: Tensor, rate: float, move: bool) -> Callable[[int], Tensor] | None:
    """One step as a CUDA graph, replayed: no launch cost per operation.

    None where the image is too large to keep its chunks on the device: they are made anew each step then, from
    the CPU, which a graph cannot hold; the launches are small beside that work anyway.
    """
    for _ in objective.problem.chunks():
        pass
    if objective.problem._kept is None:
        return None
    device = objective.problem.device  # not always the current one
    optimiser = torch.optim.Adam([raw], lr=rate, capturable=True)

    def eager() -> Tensor:
        loss = objective.backward(raw)
        if move:
            optimiser.step()
        return loss

    before = raw.detach().clone()
    stream, graph = torch.cuda.Stream(device), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(3):
            eager()
    torch.cuda.current_stream(device).wait_stream(stream)
    # What other threads do on a GPU meanwhile is no part of it.
    with torch.cuda.device(device), torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        captured = eager()
    # The warm-up steps moved the raw values and Adam's state: put both back.
    with torch.no_grad():
        raw.copy_(before)
        for value in optimiser.state[raw].values():
            value.zero_()

    def replay(step: int) -> Tensor:
        with torch.cuda.device(device):
            graph.replay()
        return captured

    return replay


def render(problem: Problem, raw: Tensor, signal: Tensor) -> Tensor:
    """Mix signal [C, h, w] to [C, H, W]; differentiable in ``signal`` (and in ``raw``)."""
    with in_float32(problem.device.type):
        g = problem.grid
        values = signal.flatten(1).T  # [h·w, C]
        abc, kappa = psi_and_kappa(problem, parameters.from_raw(raw.to(problem.device), parameters.highest(g)))
        bands = []
        for chunk in problem.chunks():
            w = cell_weights(chunk, abc, kappa).to(values.dtype)
            mixed = matmul(w, values[chunk.lr_index])  # [cells, P, C]
            rows = chunk.last - chunk.first
            block = mixed.reshape(rows, g.cols, problem.tall, problem.wide, -1).permute(4, 0, 2, 1, 3)
            block = block.reshape(values.shape[1], rows * problem.tall, g.cols * problem.wide)
            bands.append(_without_padding(block, problem, chunk))
        return torch.cat(bands, dim=1)


def _without_padding(block: Tensor, problem: Problem, chunk: Chunk) -> Tensor:
    valid_y, valid_x = problem.valid_y[chunk.first : chunk.last].flatten(), problem.valid_x.flatten()
    if not bool(valid_y.all()):
        block = block[:, valid_y.nonzero().squeeze(1).to(block.device)]
    if not bool(valid_x.all()):
        block = block[:, :, valid_x.nonzero().squeeze(1).to(block.device)]
    return block
