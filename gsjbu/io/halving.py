"""Results as float16: half the size, where that leaves enough of their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from gsjbu.errors import GsjbuError

#: Steps of float16 may be so large a part of what a channel spans.
MOST_STEP = 0.01
#: A channel that spans so small a part of the widest one is as good as nothing beside it …
LEAST_PART = 1e-4
#: … and one that spans so small a part of its own values is the same everywhere, but for rounding.
SAME = 1e-6


def halved(blocks: Iterable[np.ndarray], widest: float) -> Iterator[np.ndarray]:
    """``blocks`` [c, H, W] or [H, W] as float16, in order. Raises GsjbuError, after the last, if a channel is lost.

    widest: what the values are known to span in all, as shares of a whole span 1.
    """
    channels: list[tuple[float, float]] = []  # the least and the largest value
    for block in blocks:
        yield _as_half(block)
        if block.dtype != np.float16:
            planes = block if block.ndim == 3 else block[None]
            channels += [(float(np.fmin.reduce(p, None)), float(np.fmax.reduce(p, None))) for p in planes]
    widest = max([widest, *(high - low for low, high in channels)])
    for low, high in channels:
        _check(low, high, widest)


def _check(low: float, high: float, widest: float) -> None:
    """Refuse a channel from ``low`` to ``high`` whose values float16 would make nearly all the same."""
    top, span = max(abs(low), abs(high)), high - low
    same = span <= SAME * top
    if not top > 0 or not np.isfinite(span):  # nothing but 0, or but NaN
        return
    step = float(np.spacing(np.float16(top)))
    if step <= MOST_STEP * max(top if same else span, LEAST_PART * widest):
        return
    right = "without its offset" if span < top / 2 and not same else "in a unit that makes its numbers larger"
    raise GsjbuError(
        "float16_range",
        f"float16 goes in steps of {step:.3g} at {top:g}, and the result runs from {low:g} to {high:g} there: too few "
        f"different values would be left. Write float32, or give the signal {right}.",
    )


def _as_half(block: np.ndarray) -> np.ndarray:
    import torch

    values = torch.from_numpy(np.ascontiguousarray(block))
    half = values.to(torch.float16)  # five times as fast as NumPy's
    if not bool(torch.isfinite(half).all()) and bool(torch.isfinite(values).all()):
        raise GsjbuError(
            "float16_range",
            f"The result runs to {float(values.abs().max()):.4g}, and float16 ends at 65504; write float32.",
        )
    return half.numpy()
