"""Stray shares: what noise makes of soft labels, and the same without.

Cells are of one class but for those that a border crosses. So a class that is not there has no share of a cell whose
neighbours are all of one class, and what cells of that sort have of others is noise, and says how strong it is. Counts
would be matched to it. A share stays that is far stronger, or beside cells that are mostly of its class.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from gsjbu.core.noise import robust_sigma

#: Of each class that is not there noise leaves a share in every other cell; so of FEWEST cells amid their own class, or
#: more, MOST of as many as that makes must have stray shares. Nothing is said of what is stronger than STRONGEST: dense
#: scenes, whose classes are small, have 0.18 and more.
FEWEST, MOST, STRONGEST = 30, 0.8, 0.15
#: What rounding leaves.
EXACT = 1e-4
#: Shares of so many σ stay, beside cells that have more than MOSTLY of the class those of NEAR.
ALONE, NEAR, MOSTLY = 4.0, 2.0, 0.5
#: Beyond, counts say nothing: shares are mixed as those of soft borders are.
COUNTED = 0.1


def strength(signal: Tensor, known: Tensor | None = None) -> float:
    """σ of the noise in the shares ``signal`` [C, h, w], of which ``known`` (bool [h, w]) has values; 0: none."""
    shares = _all(signal.detach().to("cpu", torch.float32))
    strongest = shares.argmax(dim=0).to(torch.float32)
    inner = (_most(strongest[None]) == -_most(-strongest[None]))[0]
    if known is not None:
        inner &= _most(-known[None].to(torch.float32))[0] < 0
    amid = shares[:, inner]
    strays = amid.scatter(0, amid.argmax(dim=0, keepdim=True), 0.0)
    least = MOST * (1 - 0.5 ** (len(shares) - 1))
    if amid.shape[1] < FEWEST or float((strays > EXACT).any(dim=0).double().mean()) <= least:
        return 0.0
    found = robust_sigma(strays[strays > EXACT].numpy())
    return found if found <= STRONGEST else 0.0


def without_strays(signal: Tensor, known: Tensor | None = None) -> Tensor:
    """``signal`` [..., h, w] of shares without what is too small to be more than noise, of which it has so much."""
    sigma = strength(signal.reshape(-1, *signal.shape[-2:]), known)
    return cleared(signal.reshape(-1, *signal.shape[-2:]), sigma).reshape(signal.shape) if sigma else signal


def cleared(signal: Tensor, sigma: float) -> Tensor:
    """``signal`` [C, h, w] without stray shares of noise of ``sigma``; the others add up to a whole again."""
    shares = _all(signal)
    beside = (shares >= NEAR * sigma) & (_most(shares) > MOSTLY)
    stays = (shares >= ALONE * sigma) | beside | (shares == shares.amax(dim=0))
    kept = torch.where(stays, shares, torch.zeros_like(shares))
    return (kept / kept.sum(dim=0).clamp_min(EXACT))[: len(signal)]


def _all(signal: Tensor) -> Tensor:
    """[C, h, w] with the ground beside a mask's one class."""
    return torch.cat([signal, 1 - signal]) if len(signal) == 1 else signal


def _most(planes: Tensor) -> Tensor:
    """The largest of each cell and its eight neighbours, [C, h, w]."""
    return max_pool2d(planes[None], 3, 1, 1)[0]
