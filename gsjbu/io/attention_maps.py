"""Attention from each token to each, [heads, N, N]: no map, but each of its rows is one."""

from __future__ import annotations

import numpy as np

from gsjbu.errors import Remedy, SignalError
from gsjbu.io import tokens
from gsjbu.io.aspects import Size, suits
from gsjbu.io.numbers import sums_to_one


def refusal(array: np.ndarray, batched: bool, size: Size) -> SignalError | None:
    """What to bring instead of [heads, N, N] or [N, N] whose rows sum to 1, N tokens of an image of ``size``; None of
    others. ``batched``: an axis was taken off in front."""
    *heads, count, last = array.shape
    if array.dtype.kind != "f" or count != last or count < tokens.LEAST_COUNT:
        return None
    grid = next((g for g in tokens.grids(count, *size) if g.leading in tokens.USUAL_LEADING), None)
    shares_of_classes = heads and suits((heads[0], count), size)  # [h, w, C] of as many classes as columns
    if grid is None or shares_of_classes or not sums_to_one(np.moveaxis(array, -1, 0)):
        return None
    before = ["0"] * batched + [":"] * len(heads)
    one = 0 if grid.leading else grid.rows // 2 * grid.cols + grid.cols // 2
    index = ", ".join([*before, str(one), *([f"{grid.leading}:"] if grid.leading else [])])
    shape = ", ".join(str(n) for n in (*heads, grid.rows, grid.cols))
    as_it_is = Remedy("layout", f"{count}x{count}", f"If it is a map as it is, layout='{count}x{count}' says so.")
    return SignalError(
        "signal_tokens",
        f"The array is {list(((1,) if batched else ()) + array.shape)}, and its rows sum to 1: it looks like attention "
        f"from each token to each, {grid.sentence}. The row of one token is a map: bring x[{index}].reshape({shape}) "
        f"for {'the class token' if grid.leading else 'the token in the middle'}.",
        [as_it_is] if count <= min(size) else [],
    )
