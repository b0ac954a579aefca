"""The steps after mixing in numpy and torch alone: where nothing can be compiled, or is not yet.

The same formulas as the compiled forms beside it (lab.py, graph.py, counts.py, lines.py) and their constants; the
results differ by what float32 rounds off.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.grid import Grid

# Of the graph.
TOLERANCE = 0.03  # σ, in colours of 0…1
# Unlike neighbours are joined a little, FAR, and less (half as much at q = 1 / TAIL) the more unlike they are: a pixel
# that a border runs through goes with the side that it is more like. With 0.001 for all: ground ×8 96.1 mIoU, not 96.9,
# threads ×16 86.3, not 89.2, matte ×8 13.7 RMSE, not 13.5; photographs as they are.
FAR, TAIL = 3e-3, 0.1
# And never less than this where a quantity is measured, or the specks of a noisy image would have none around to
# follow: depth ×8 5.78, in 20 % salt and pepper 6.07; without it 5.81, 6.25. Shares are counted, and do without.
LONE = 2e-4
DIAGONAL = 0.7
TRUST = 0.2  # in the cell means
# Of the matrix over its preconditioner no eigenvalue is larger. Those down to SMALLEST are damped alike.
LARGEST, SMALLEST = 2.0, 2.0 / 400
# Of counts.
TEMPERATURE = 0.05  # low: nearly one class a pixel
ROUNDS = 30  # of scaling at most
CLOSE = 1e-3  # counts met to within this share of themselves are met
LEAST = 1e-6  # smaller shares are no class
LEAST_REST = 1e-4
# sRGB (D65) to XYZ over the white point's XYZ, rows X, Y, Z.
TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
TO_XYZ = (TO_XYZ / np.array([[0.950456], [1.0], [1.088754]])).astype(np.float32)


def colours(guide: np.ndarray, threads: int | None = None) -> np.ndarray:
    """CIELAB / 100 of an sRGB guide [3, H, W] in 0…1; a guide of any other number of channels as it is."""
    if len(guide) != 3:
        return guide
    v = torch.from_numpy(np.ascontiguousarray(guide, np.float32)).clamp(0, 1)
    linear = torch.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("kc,chw->khw", torch.from_numpy(TO_XYZ), linear)
    f = torch.where(xyz <= 0.008856, 7.787 * xyz + 16 / 116, xyz.clamp_min(0.008856) ** (1 / 3))
    return torch.stack([1.16 * f[1] - 0.16, 5 * (f[0] - f[1]), 2 * (f[1] - f[2])]).numpy()


def solved(
    start: np.ndarray,  # [C, H, W] float32
    means: np.ndarray,  # [C, h, w] float32
    known: np.ndarray | None,  # bool [h, w]: cells whose means are asked for; None: all
    seen: np.ndarray,  # [G, H, W]: colours
    grid: Grid,
    steps: int,
    threads: int | None = None,
    # int64 [C, h, 2]: per row of cells, the columns of cells that may change; None: all
    spans: np.ndarray | None = None,
    lone: float = 0.0,  # by which any two neighbours are joined at least
) -> np.ndarray:
    """The graph's answer, [C, H, W]; see graph.py."""
    joined = _joined(torch.from_numpy(np.ascontiguousarray(seen, np.float32)), lone)
    told = np.ones((grid.rows, grid.cols), bool) if known is None else known
    out = np.array(start, np.float32, order="C")
    for c, plane in enumerate(out):
        free = np.ones_like(told)
        if spans is not None:
            at = np.arange(grid.cols)
            free = (at >= spans[c, :, :1]) & (at < spans[c, :, 1:])
        if free.any():
            _descend(torch.from_numpy(plane), torch.from_numpy(means[c]), told, free, joined, grid, steps)
    return out


def chebyshev(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 [steps + 1] each: how far every step goes, and how much of its direction the next one keeps.

    They are the same whatever the values: the answer is linear in them, and turns with the image. The step before the
    first, of length 0, finds the direction of the first.
    """
    middle, half = 0.5 * (LARGEST + SMALLEST), 0.5 * (LARGEST - SMALLEST)
    along, turn = 1 / middle, 0.5 * (half / middle) ** 2
    lengths, keeps = [0.0], [0.0]
    for step in range(steps):
        lengths.append(along)
        if step:
            turn = (0.5 * half * along) ** 2
        along = 1 / (middle - turn / along)
        keeps.append(turn)
    return np.array(lengths, np.float32), np.array(keeps, np.float32)


def _joined(seen: Tensor, lone: float) -> Tensor:
    """[4, H + 2, W + 2]: affinity of each pixel with its right, lower, lower right and lower left neighbour."""
    _, height, width = seen.shape
    joined = torch.zeros(4, height + 2, width + 2, dtype=torch.float32)
    inner = joined[:, 1:-1, 1:-1]
    for k, (a, b) in enumerate(_pairs(height, width)):
        off = (seen[:, a[0], a[1]] - seen[:, b[0], b[1]]).square_().sum(0)
        q = off.mul_(1 / (2 * TOLERANCE**2))
        like = q.neg().exp_().mul_(1 - FAR).add_(FAR / (1 + TAIL * q)).add_(lone)
        inner[k, a[0], a[1]] = like * (DIAGONAL if k > 1 else 1.0)
    return joined


def _pairs(height: int, width: int) -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Where both ends of all pairs of one direction lie in an array of this size."""
    top, low, left, right = slice(height - 1), slice(1, height), slice(width - 1), slice(1, width)
    every = slice(None)
    return [((every, left), (every, right)), ((top, every), (low, every)), ((top, left), (low, right)),
            ((top, right), (low, left))]  # fmt: skip


def _descend(
    plane: Tensor,  # [H, W], in place
    means: Tensor,  # [h, w]
    told: np.ndarray,  # bool [h, w]
    free: np.ndarray,  # bool [h, w]: cells that may change
    joined: Tensor,
    grid: Grid,
    steps: int,
) -> None:
    """Chebyshev's iteration on what is free, inside the smallest box of cells round it."""
    (i0, i1), (j0, j1) = (
        (int(n[0]), int(n[-1]) + 1) for n in (np.flatnonzero(free.any(1)), np.flatnonzero(free.any(0)))
    )
    ys, xs = grid.row_starts[i0 : i1 + 1], grid.col_starts[j0 : j1 + 1]
    top, bottom, left, right = int(ys[0]), int(ys[-1]), int(xs[0]), int(xs[-1])
    cells = (slice(i0, i1), slice(j0, j1))
    # [h, H] and [w, W] of the box: 1 over a cell's pixels.
    down, across = _over(np.diff(ys)), _over(np.diff(xs))
    tall, wide = down.sum(1, keepdim=True), across.sum(1, keepdim=True)

    def over_cells(x: Tensor) -> Tensor:
        return down.T @ x.to(torch.float32) @ across

    trust = TRUST * over_cells(torch.from_numpy(told[cells]))
    wanted, may = (
        over_cells(means[cells] * torch.from_numpy(told[cells])),
        over_cells(torch.from_numpy(free[cells])),
    )
    box = joined[:, top : bottom + 2, left : right + 2]
    x = torch.nn.functional.pad(plane[None, None], (1, 1, 1, 1), mode="replicate")[
        0, 0, top : bottom + 2, left : right + 2
    ]
    x, pairs = x.contiguous(), _pairs(*box.shape[1:])
    affinities = [box[k, a[0], a[1]].contiguous() for k, (a, _) in enumerate(pairs)]
    degree, off = torch.zeros_like(x), torch.zeros_like(x)
    for like, (a, b) in zip(affinities, pairs, strict=True):
        degree[a] += like
        degree[b] += like
    inner = (slice(1, -1), slice(1, -1))
    scale = -may / (degree[inner] + trust).clamp_min(1e-12)
    p = torch.zeros_like(x[inner])
    for length, keep in zip(*(line.tolist() for line in chebyshev(steps)), strict=True):
        x[inner].add_(p, alpha=length)
        off.zero_()
        for like, (a, b) in zip(affinities, pairs, strict=True):
            flow = (x[a] - x[b]).mul_(like)
            off[a] += flow
            off[b] -= flow
        lacks = down @ (x[inner] - wanted) @ across.T / (tall * wide.T)
        p.mul_(keep).addcmul_(scale, off[inner] + trust * over_cells(lacks))
    plane[top:bottom, left:right] = x[inner]


def _over(sizes: np.ndarray) -> Tensor:
    """[n, N]: 1 where pixel N lies in cell n, of these sizes."""
    return torch.repeat_interleave(torch.eye(len(sizes), dtype=torch.float32), torch.from_numpy(sizes), dim=1)


def matched(
    scores: np.ndarray,  # [C, H, W] float32
    shares: np.ndarray,  # [C, h, w] float32
    grid: Grid,
    threads: int | None = None,
    known: np.ndarray | None = None,  # bool [h, w]: cells whose shares are known; None: all
) -> np.ndarray:
    """Scores whose counts are matched, [C, H, W]; see counts.py. Cells of one size are done together."""
    out = torch.zeros(scores.shape, dtype=torch.float32)
    values, given = torch.from_numpy(scores), torch.from_numpy(np.ascontiguousarray(shares, np.float32))
    tall, wide = np.diff(grid.row_starts), np.diff(grid.col_starts)
    for height in np.unique(tall):
        for width in np.unique(wide):
            rows, cols = np.flatnonzero(tall == height), np.flatnonzero(wide == width)
            y = torch.from_numpy(grid.row_starts[rows][:, None] + np.arange(height)).reshape(-1, 1)
            x = torch.from_numpy(grid.col_starts[cols][:, None] + np.arange(width)).reshape(1, -1)
            shape = (len(scores), len(rows), int(height), len(cols), int(width))
            some = values[:, y, x].reshape(shape).permute(1, 3, 0, 2, 4).reshape(-1, len(scores), int(height * width))
            share = given[:, rows][:, :, cols].permute(1, 2, 0).reshape(-1, len(scores))
            done = _shared_out(some, share).reshape(shape[1], shape[3], shape[0], shape[2], shape[4])
            out[:, y, x] = done.permute(2, 0, 3, 1, 4).reshape(shape[0], len(y), -1)
    if known is not None:
        keep = np.repeat(np.repeat(known, tall, axis=0), wide, axis=1)
        return np.where(keep, out.numpy(), scores)
    return out.numpy()


def _shared_out(scores: Tensor, shares: Tensor) -> Tensor:
    """Scores [n, C, P] of n cells of P pixels and shares [n, C] to assignments."""
    there = shares > LEAST
    rest = 1 - (shares * there).sum(1)
    others = (rest > LEAST_REST) & there.any(1)  # pixels of no class: a class that is not returned
    out = torch.zeros_like(scores)
    parts = there.sum(1) + others
    out[there & (parts == 1)[:, None]] = 1
    (mixed,) = torch.nonzero(parts > 1, as_tuple=True)
    if not len(mixed):
        return out
    most = int(there[mixed].sum(1).max())
    classes = torch.argsort(~there[mixed], dim=1, stable=True)[:, :most]  # those that are there first
    pick = classes[:, :, None].expand(-1, -1, scores.shape[2])
    some, real = scores[mixed].gather(1, pick), there[mixed].gather(1, classes)
    agree = torch.cat([some, 1 - (some * real[:, :, None]).sum(1, keepdim=True)], dim=1)
    real = torch.cat([real, others[mixed, None]], dim=1)
    target = torch.cat([shares[mixed].gather(1, classes), rest[mixed, None]], dim=1) * real
    agree = _transport(agree, target, real)[:, :most] * real[:, :most, None]
    out[mixed] = out[mixed].scatter(1, pick, agree)
    return out


def _transport(agree: Tensor, target: Tensor, real: Tensor) -> Tensor:
    """Scores [n, K, P] to assignments with shares ``target`` [n, K] of the parts that are ``real``."""
    agree = agree.masked_fill(~real[:, :, None], -torch.inf)
    # The floor lets a class have pixels that are nowhere near it.
    agree = (((agree - agree.amax(1, keepdim=True)) / TEMPERATURE).exp() + 1e-12) * real[:, :, None]
    out, going = torch.empty_like(agree), torch.arange(len(agree))
    for turn in range(ROUNDS):
        scale = target * agree.shape[2] / agree.sum(2).clamp_min(1e-20)
        agree = agree * scale[:, :, None]
        agree = agree / agree.sum(1, keepdim=True).clamp_min(1e-30)
        met = ((scale - 1).abs() * real).amax(1) < CLOSE if turn else torch.zeros(len(agree), dtype=torch.bool)
        out[going[met]] = agree[met]
        agree, target, real, going = agree[~met], target[~met], real[~met], going[~met]
    out[going] = agree
    return out


def edges(guide: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Likeness exp(−‖ΔI‖ / tolerance) of neighbours in ``guide`` [G, H, W]: rows [H, W − 1], columns [H − 1, W]."""
    return _likeness(guide, tolerance, 0, 1), _likeness(guide, tolerance, 1, 0)


def _likeness(guide: np.ndarray, tolerance: float, down: int, across: int) -> np.ndarray:
    """One plane at a time, so that a large guide needs no differences of all its channels."""
    _, height, width = guide.shape
    like = np.zeros((height - down, width - across), np.float32)
    for plane in guide:
        step = plane[down:, across:] - plane[: height - down, : width - across]
        like += np.square(step, out=step)
    np.sqrt(like, out=like)
    like /= np.float32(-tolerance)
    return np.exp(like, out=like)  # type: ignore[no-any-return]


def smoothed(
    values: np.ndarray,  # [C, H, W] float32
    likeness: tuple[np.ndarray, np.ndarray],  # as edges gives it
    strength: float,
    turns: int = 3,  # of rows and columns
    threads: int | None = None,
) -> np.ndarray:
    """``values`` smoothed along lines, [C, H, W]; see lines.py."""
    joined = (np.ascontiguousarray(likeness[0].T), likeness[1])
    halves = []
    for order in (("rows", "columns"), ("columns", "rows")):
        x = values
        for now in strengths(strength, turns):
            for along in order:
                if along == "rows":
                    x = _along(x.transpose(2, 0, 1), now * joined[0]).transpose(1, 2, 0)
                else:
                    x = _along(x.transpose(1, 0, 2), now * joined[1]).transpose(1, 0, 2)
        halves.append(x)
    return np.ascontiguousarray(np.float32(0.5) * (halves[0] + halves[1]))


def strengths(strength: float, turns: int) -> list[np.float32]:
    """Of each turn: weaker each time, and together ``strength``."""
    return [np.float32(1.5 * strength * 4.0 ** (turns - 1 - turn) / (4.0**turns - 1)) for turn in range(turns)]


def _along(x: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """The tridiagonal systems of ``joined`` [n − 1, m] along the first axis of x [n, C, m]."""
    out = np.array(x, order="C")
    keep = np.zeros((len(x), 1, x.shape[2]), np.float32)
    before = np.zeros(x.shape[2], np.float32)
    for y in range(len(out)):
        after = joined[y] if y < len(joined) else np.zeros_like(before)
        scale = 1 / (1 + before + after - before * keep[y - 1, 0])
        if y:
            out[y] += before * out[y - 1]
        out[y] *= scale
        keep[y], before = after * scale, after
    for y in range(len(out) - 2, -1, -1):
        out[y] += keep[y] * out[y + 1]
    return out
