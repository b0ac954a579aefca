"""White noise in the cells of an LR signal, as sensors and networks leave it: how strong it is, and the signal without.

Mixing averages noise away; giving cell means back brings it back whole. So it is taken off before: windows of the LR
grid are looked at in their cosine transform, of which waves no stronger than noise are dropped, and their mean counts
(Yaroslavsky 1996; Guleryuz 2007). It looks at no guide: texture of the image is no reason to keep a cell's noise.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from gsjbu.core.gaps import fill
from gsjbu.core.noise import robust_sigma
from gsjbu.core.precision import matmul
from gsjbu.core.stray_shares import without_strays

BEFORE = "The noise of the signal's cells is taken off before: it is the denoised values that are mixed."
#: The noise is looked for in so many parts of the grid along each axis; of their figures the lower quarter counts, as
#: noise is everywhere and texture is not; that is too low by the factor.
PARTS, QUARTER, TOO_LOW = 3, 0.25, 1.15
#: Second differences across, and both ways (Immerkær 1996), as strong as the noise. White noise has as much of both;
#: texture has less of the latter: where it has so much in parts of the former, it is all texture. Bars have more.
#: Of 99 drawn quantities ×4 to ×16, cell means with 1, 3 and 8 % of noise, 0.6 to 2.1, 2.2 to 3.9 and 6.5 to 8.6 % are
#: found (10 to 90 %); without any 0, but of one in eight, which are textures, 0.5 to 5 %.
ACROSS = np.array([[1.0, -2.0, 1.0]], np.float32) / np.float32(6**0.5)
BOTH = ACROSS.T * ACROSS
TEXTURE, BARS = 0.55, 1.3
#: What planes and the image's colours leave in windows of so many cells a side has so many times the noise's strength:
#: 0.9 to 2.1 with 1 % of noise, 0.95 to 1.4 with 3 and 8 (10 to 75 %). Texture that the image tells has less (discs of
#: the image's own colours 0.05, shares of trees 0.4), most other texture more (2.4 to 17).
TILE, LEAST, MOST = 5, 0.75, 2.2
#: Of the cells' span: what is weaker is left.
WEAKEST = 0.002
#: Windows (LR pixels), and how many σ a wave must have to stay.
WINDOW, KEPT = 6, 2.7
FEWEST = 16  # cells along each axis: fewer say nothing
BAND = 1 << 16  # windows that are transformed at once


def without_noise(signal: Tensor, way: str, known: Tensor | None = None) -> Tensor:
    """``signal`` [..., h, w] without the noise that is found in it, taken off in this ``way`` of WAYS."""
    return WAYS[way](signal, known)


def without_waves(signal: Tensor, known: Tensor | None = None) -> Tensor:
    """``signal`` [..., h, w] without the white noise that is found in it.

    ``known``: bool [h, w], the cells that have a value; the others hold something finite then.
    """
    planes = signal.reshape(-1, *signal.shape[-2:])
    if known is not None:
        planes = fill(planes, known)
    return denoised(planes, strengths(planes, known)).reshape(signal.shape)


#: How noise is taken off, by the name that a kernel keeps: of a quantity, and of class shares.
WAYS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {"waves": without_waves, "shares": without_strays}


def strengths(signal: Tensor, known: Tensor | None = None) -> np.ndarray:
    """σ of the white noise in each channel of ``signal`` [C, h, w], float64 [C]; 0 where there is none to speak of.

    ``known``: bool [h, w], the cells that have a value; the others are filled.
    """
    there = None if known is None or bool(known.all()) else known.numpy()
    return np.array([_strength(_centred(plane).numpy(), there) for plane in signal.detach().cpu()])


def is_noise(signal: Tensor, sigmas: np.ndarray, lr_guide: Tensor, known: Tensor | None = None) -> bool:
    """Whether the image, whose cell means are ``lr_guide`` [G, h, w], tells nothing of what looks like noise of so many
    σ [C] in ``signal`` [C, h, w], and whether that is all that small windows have beside planes."""
    found = sigmas.nonzero()[0]
    if not len(found):
        return False
    guide = _tiles(lr_guide)
    across = torch.arange(TILE, dtype=torch.float64) - TILE // 2
    plane = torch.stack([torch.ones(TILE, TILE, dtype=torch.float64), *torch.meshgrid(across, across, indexing="ij")])
    tells = torch.cat([plane.reshape(3, -1).T.expand(len(guide), -1, -1), guide - guide.mean(dim=1, keepdim=True)], 2)
    basis = torch.linalg.qr(tells)[0]
    values = _tiles(signal[found])
    left = (values - basis @ (basis.mT @ values)).square().sum(dim=1) / (TILE**2 - tells.shape[2])
    if known is not None:
        left = left[_tiles(known[None])[..., 0].all(dim=1)]
    ratio = float((left.sqrt().median(dim=0).values / torch.from_numpy(sigmas[found])).median()) if len(left) else 0.0
    return LEAST <= ratio <= MOST


def denoised(signal: Tensor, sigmas: np.ndarray) -> Tensor:
    """``signal`` [C, h, w] without noise of so many σ [C], in its range; the same tensor where none has any."""
    if not sigmas.any():
        return signal
    out = signal.detach().clone()
    for channel in sigmas.nonzero()[0]:
        plane = signal[channel].detach()
        centred = _centred(plane)
        out[channel] += _shrunk(centred, float(sigmas[channel])) - centred
        out[channel].clamp_(plane.min(), plane.max())
    return out


def of_span(signal: Tensor, sigmas: np.ndarray) -> float:
    """Noise of so many σ [C], some above 0, as a part of the span of ``signal`` [C, h, w]; that of the noisiest."""
    planes = signal.detach().cpu().numpy()
    return max(float(sigmas[channel]) / _span(planes[channel]) for channel in sigmas.nonzero()[0])


def sentence(share: float) -> str:
    """What a person should know of noise of this ``share`` of the signal's span."""
    return f"The signal's cells are noisy (σ ≈ {share:.1%} of its span): the noise is taken off before mixing."


def _centred(plane: Tensor) -> Tensor:
    """float32 [h, w], which has digits for what a large offset hides."""
    return (plane - plane.mean(dtype=torch.float64).to(plane.dtype)).to(torch.float32)


def _tiles(planes: Tensor) -> Tensor:
    """float64 [n, TILE², C]: the windows of [C, h, w] beside each other, without what is left over at the rim."""
    windows = planes.detach().cpu().to(torch.float64).unfold(1, TILE, TILE).unfold(2, TILE, TILE)
    return windows.permute(1, 2, 3, 4, 0).reshape(-1, TILE**2, len(planes))


def _strength(plane: np.ndarray, there: np.ndarray | None) -> float:
    """Of one channel [h, w]; of cells that are not ``there`` (bool [h, w]) it asks nothing."""
    if min(plane.shape) < FEWEST:
        return 0.0
    bends = [_bends(plane, there, by) for by in (BOTH, ACROSS, ACROSS.T)]
    both, *straight = (_robust(bend) for bend in bends)
    ratio = both / max(*straight, 1e-30)
    if ratio <= TEXTURE or both >= BARS * min(straight):
        return 0.0
    white = (min(1.0, ratio) ** 2 - TEXTURE**2) / (1 - TEXTURE**2)
    noise = white**0.5 * min(both, _lower_quarter(bends[0]), _of_finest_waves(plane))
    return noise if noise >= WEAKEST * _span(plane) else 0.0


def _robust(x: np.ndarray) -> float:
    """``robust_sigma`` of those that are not NaN; of none 0."""
    known = x[~np.isnan(x)]
    return robust_sigma(known) if known.size else 0.0


def _span(plane: np.ndarray) -> float:
    low, high = np.percentile(plane, (1, 99))
    return float(high - low)


def _bends(plane: np.ndarray, there: np.ndarray | None, by: np.ndarray) -> np.ndarray:
    """Its second differences, where those lie inside; NaN where not all that they are made of is there."""
    h, w = (n - size + 1 for n, size in zip(plane.shape, by.shape, strict=True))
    out = np.zeros((h, w), plane.dtype)
    for (y, x), weight in np.ndenumerate(by):
        out += weight * plane[y : y + h, x : x + w]
    if there is not None:
        out[~sliding_window_view(there, by.shape).all((-2, -1))] = np.nan
    return out


def _lower_quarter(bends: np.ndarray) -> float:
    """The noise that is everywhere."""
    down, across = ([round(n * k / PARTS) for k in range(PARTS + 1)] for n in bends.shape)  # the same from either end
    parts = [_robust(bends[y:below, x:right]) for y, below in pairwise(down) for x, right in pairwise(across)]
    return TOO_LOW * float(np.quantile(parts, QUARTER))


def _of_finest_waves(plane: np.ndarray) -> float:
    """Noise is in all of them alike; what repeats itself, as a fence does, in few."""
    from scipy.fft import dctn  # as in blur.py

    h, w = plane.shape
    return TOO_LOW * robust_sigma(dctn(plane, norm="ortho", workers=torch.get_num_threads())[h // 2 :, w // 2 :])


def _shrunk(plane: Tensor, sigma: float) -> Tensor:
    """One channel [h, w] whose waves up to KEPT · σ are dropped, window by window; the mean of all windows, of which
    those count more that keep fewer waves."""
    side = min(WINDOW, *plane.shape)
    edge = side - 1
    padded = torch.nn.functional.pad(plane[None, None], (edge,) * 4, mode="reflect")[0, 0]
    waves = _waves(side)
    total, weights = torch.zeros_like(padded), torch.zeros_like(padded)
    rows, cols = (n - edge for n in padded.shape)
    tall = max(1, BAND // cols)
    for top in range(0, rows, tall):
        band = padded[top : top + tall + edge]
        windows = band.unfold(0, side, 1).unfold(1, side, 1).reshape(-1, side * side)
        found = matmul(windows, waves.T)
        strong = found.abs() > KEPT * sigma
        strong[:, 0] = True
        weight = strong.sum(dim=1, keepdim=True).to(found).reciprocal()
        kept = torch.cat([matmul(found * strong, waves) * weight, weight.expand(-1, side * side)])
        kept = kept.reshape(2, -1, cols, side, side)
        for dy in range(side):
            for dx in range(side):
                there = slice(top + dy, top + dy + kept.shape[1]), slice(dx, dx + cols)
                total[there] += kept[0, ..., dy, dx]
                weights[there] += kept[1, ..., dy, dx]
    return (total / weights)[edge : edge + plane.shape[0], edge : edge + plane.shape[1]]


def _waves(side: int) -> Tensor:
    """The cosine transform of a window, [side², side²], its mean first; orthonormal."""
    at = np.arange(side)
    line = np.cos(np.pi * at[:, None] * (at + 0.5) / side) * (2 / side) ** 0.5
    line[0] /= 2**0.5
    return torch.from_numpy(np.kron(line, line)).to(torch.float32)
