"""A signal that was blurred on its own grid, as by resizing or smoothing: which blur it was, and the signal before it.

Undone, the blur must leave hardly anything beyond what the signal has nearby: of a sharp signal it leaves overshoots at
every edge, which grow with the blur. A quantity may be smooth by itself: there registration.py asks the guide as well.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.threads import torch_threads
from gsjbu.core.tto import standardised


class Blur(NamedTuple):
    """A symmetric kernel along both axes of the LR grid: ``share`` of each neighbour along a row, applied ``times``.

    Overshoots (of all steps between neighbours) up to which a signal may have been blurred so: class shares have
    sharper edges, and more of them, than quantities. Of 15 rows of QUALITY.md, blurred by each and undone by each,
    those that were have at most four fifths of it; others twice as much and more, but for some quantities.
    """

    share: float
    times: int
    of_shares: float
    of_quantities: float

    @property
    def sigma(self) -> float:
        """In LR pixels."""
        return float((2 * self.share * self.times) ** 0.5)


#: By name, the weaker first. The weakest is what antialiased resizing does beyond averaging over each cell, and is
#: looked for in class shares alone. Undone, it leaves overshoots of 0.063 and more of shares that are means over cells
#: (201 signals ×4 to ×16), of 0.06 and less of three in four that Pillow's BILINEAR or a Gaussian of half a cell made.
BLURS = {
    "1 10 1": Blur(1 / 12, 1, 0.062, 0.0),
    "1 6 1": Blur(1 / 8, 1, 0.085, 0.02),
    "1 4 1": Blur(1 / 6, 1, 0.06, 0.03),
    "1 2 1": Blur(1 / 4, 1, 0.2, 0.1),
    "1 1 1": Blur(1 / 3, 1, 0.35, 0.1),
    "1 4 6 4 1": Blur(1 / 4, 2, 0.3, 0.1),
}
# What the blur has left of a wave is divided by that; of waves of which it has left little, this keeps noise down.
NOISE = 0.0025
NEAR = 2  # LR pixels each way: what lies beyond the values there is an overshoot
# Then the bounds say more than the blur has left: of CamVid's shares ×16 blurred by 1 2 1 the error is 0.059, undone
# 0.029, with so many rounds 0.012, with twice as many 0.008; depth ×8 6.5, 2.4, 1.8, 1.5.
ROUNDS = 20


def likely(signal: Tensor, shares: bool) -> list[str]:
    """The blurs that ``signal`` [C, h, w], without gaps, may have been put through on its grid, the weaker first.

    ``shares``: it is of classes.
    """
    most = {name: blur.of_shares if shares else blur.of_quantities for name, blur in BLURS.items()}
    beyond = _overshoots(signal, [name for name in BLURS if most[name]])
    return [name for name, share in beyond.items() if share < most[name]]


def overshoot(signal: Tensor) -> float:
    """What the weakest blur, undone, leaves of ``signal`` [C, h, w] beyond what it has nearby, in parts of all steps
    between neighbours: the more the sharper; infinite of a flat one."""
    return next(iter(_overshoots(signal, [next(iter(BLURS))]).values()), math.inf)


def _overshoots(signal: Tensor, names: list[str]) -> dict[str, float]:
    """:func:`overshoot` of each blur; of none where the signal is flat."""
    values = standardised(signal)[0]
    low, high = _range(values)
    steps = sum(float(values.diff(dim=axis).abs().sum(dtype=torch.float64)) for axis in (1, 2))
    if not steps:
        return {}
    waves = _waves(values)

    def beyond(name: str) -> float:
        before = _of_waves(waves * _sharpening(_response(values, name)))
        return float(((before - high).clamp_min(0) + (low - before).clamp_min(0)).sum(dtype=torch.float64))

    return {name: beyond(name) / steps for name in names}


def blurred(x: Tensor, name: str) -> Tensor:
    """``x`` [..., h, w] put through the blur; float32. What is outside mirrors what is inside."""
    return _filtered(x, _response(x, name))


def undone(signal: Tensor, name: str, in_unit: bool) -> Tensor:
    """``signal`` [..., h, w] before the blur, float32, by projected Landweber: within 0…1, or its channel's range."""
    given = signal.detach().to("cpu", torch.float32)
    low, high = given.amin((-2, -1), keepdim=True), given.amax((-2, -1), keepdim=True)
    if in_unit:
        low, high = torch.zeros_like(low), torch.ones_like(high)
    response = _response(given, name)
    towards, size = _filtered(given, np.sign(response)), abs(response)  # of some waves a blur turns the sign
    before = _filtered(given, _sharpening(response)).clamp(low, high)
    for _ in range(ROUNDS):
        before = (before + towards - _filtered(before, size)).clamp(low, high)
    return before


def sentence(name: str | None) -> str | None:
    """What a person should know of it."""
    if name is None:
        return None
    return f"The signal looks as if its cells had been blurred ({name} along both axes): that is undone before mixing."


def _response(x: Tensor, name: str) -> np.ndarray:
    """What the blur leaves of each wave of the cosine transform, float64 [h, w]; 1 of an even value."""
    blur = BLURS[name]
    rows, cols = (1 - 2 * blur.share * (1 - np.cos(np.pi * np.arange(n) / n)) for n in x.shape[-2:])
    return np.asarray(rows[:, None] * cols) ** blur.times


def _sharpening(response: np.ndarray) -> np.ndarray:
    """What each wave is times to be as before a blur that has left so much of it."""
    return response * (1 + NOISE) / (response * response + NOISE)


def _filtered(x: Tensor, response: np.ndarray) -> Tensor:
    return _of_waves(_waves(x) * response)


def _waves(x: Tensor) -> np.ndarray:
    """Its cosine transform, float64."""
    from scipy.fft import dctn  # only signals that may have been blurred need it

    return dctn(x.detach().to("cpu", torch.float64).numpy(), **_way())


def _of_waves(waves: np.ndarray) -> Tensor:
    from scipy.fft import idctn

    return torch.from_numpy(idctn(waves, **_way(), overwrite_x=True)).to(torch.float32)


def _way() -> dict[str, Any]:
    return {"axes": (-2, -1), "norm": "ortho", "workers": torch.get_num_threads()}


def _range(x: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the greatest value of each channel within NEAR LR pixels."""
    with torch_threads(1):  # so small arrays wait longer for torch's helpers than they take
        flat = x.detach().reshape(1, -1, *x.shape[-2:])
        both = torch.cat([-flat, flat])
        padded = torch.nn.functional.pad(both, (NEAR,) * 4, mode="replicate")
        least, most = torch.nn.functional.max_pool2d(padded, 2 * NEAR + 1, stride=1)
    return -least.reshape(x.shape), most.reshape(x.shape)
