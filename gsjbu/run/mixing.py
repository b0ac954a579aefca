"""What one pixel is made of by one way of upsampling: rows for a table, and what else happens to it, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from gsjbu.core import denoising, outliers
from gsjbu.core.blend import Blend
from gsjbu.core.kernel import Kernel
from gsjbu.core.window import Window

OF_MIXTURE = "The weights are of the whole mixture; the parts by distance and colour are of its Gaussians alone."
UNBLURRED = "The signal's blur is undone before: it is the sharpened values that are mixed."
GIVEN_BACK = "The values are sharpened before, so that the result gives back what was brought: those are mixed."


def interpolating(way: str, kernel: Kernel) -> Kernel:
    """A plain interpolation over the guide and the grid of ``kernel``."""
    return replace(
        kernel, blend=Blend(plain_share=1.0, plain=way), refinement=None, offset=(0, 0), blur=None, outliers=False,
        denoised=None, corners=False,
    )  # fmt: skip


def window(kernel: Kernel, mask: Tensor | None, x: int, y: int, fills: bool = True) -> Window | None:
    """The window of HR pixel (x, y) from the LR pixels that have a value, ``mask`` bool [h, w]; None: there is none.

    ``fills``: where none is as near as the mixture reaches, one that is further is taken, as kernels do.
    """
    if fills or mask is None:
        found = kernel.weights_at(x, y, mask)
        return None if np.isnan(found.weights).all() else found
    return kernel.weights_at(x, y).among(mask.numpy())


def rows(kernel: Kernel, w: Window | None, mask: Tensor | None) -> list[dict[str, Any]]:
    """The LR pixels that a pixel is mixed from, heaviest first: weights, their two factors, their Gaussians.

    ``mask`` bool [h, w]: the LR pixels that have a value, None: all; the others are left out. An interpolation has
    neither factors nor Gaussians: they are None.
    """
    if w is None:
        return []
    takes = np.ones(len(w.weights), bool) if mask is None else mask.numpy()[w.qy, w.qx]
    plain = is_plain(kernel)
    if plain:
        takes &= w.weights != 0
    at = (-w.weights).argsort(kind="stable")
    at = at[takes[at]]
    qx, qy = w.qx[at], w.qy[at]
    xs, ys = kernel.centres()
    columns = {"qx": qx, "qy": qy, "cx": xs[qx], "cy": ys[qy], "weight": w.weights[at], "colour": w.colours[at]}
    own = {
        "spatial": w.spatial[at], "range": w.range[at], "sigma_x": kernel.sigma_x[qy, qx],
        "sigma_y": kernel.sigma_y[qy, qx], "theta": kernel.theta[qy, qx], "sigma_r": kernel.sigma_r[qy, qx],
    }  # fmt: skip
    told: dict[str, Sequence[Any]] = {name: column.tolist() for name, column in columns.items()}
    told |= {name: [None] * len(at) if plain else column.tolist() for name, column in own.items()}
    return [dict(zip(told, row, strict=True)) for row in zip(*told.values(), strict=True)]


def notes(kernel: Kernel) -> list[str]:
    """What a person should know who takes these weights for all that happens to a value."""
    blend, refinement = kernel.blend, kernel.refinement
    told = [outliers.BEFORE] if kernel.outliers else []
    told += [denoising.BEFORE] if kernel.denoised else []
    if kernel.blur is not None:
        told.append(UNBLURRED)
    if blend is not None and blend.passes:
        told.append(GIVEN_BACK)
    if is_plain(kernel) and blend is not None:
        told.append(f"This is {blend.plain} interpolation: colours have no part in it.")
    elif blend is not None:
        told.append(OF_MIXTURE)
    return told if refinement is None else [*told, refinement.sentence]


def is_plain(kernel: Kernel) -> bool:
    """True if a plain interpolation has all of the mixture."""
    return kernel.blend is not None and kernel.blend.is_plain
