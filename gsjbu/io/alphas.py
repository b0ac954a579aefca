"""What an alpha channel says of a signal: its mask, where the opaque pixels have one colour; otherwise where it is."""

from __future__ import annotations

import numpy as np

#: Levels by which a colour is off, times its share of opacity, where a cut-out was resized.
ROUNDED = 2.0


def parted(
    pixels: np.ndarray,  # uint8 [h, w, 3]
    alpha: np.ndarray,  # uint8 [h, w]
) -> tuple[bool, np.ndarray | None]:
    """Whether the alpha is all that a picture shows, and otherwise bool [h, w], False where it is transparent; None:
    nowhere, or everywhere."""
    if is_cut_out(pixels, alpha):
        return True, None
    known = alpha > 0
    return False, None if known.all() or not known.any() else known


def is_cut_out(pixels: np.ndarray, alpha: np.ndarray) -> bool:
    """Whether all pixels of [h, w, 3] that are to be seen have one colour, and not all are seen alike."""
    if alpha.min() == alpha.max():
        return False
    opaque = alpha == alpha.max()
    colour = pixels[opaque][0].astype(np.float64)
    off = np.abs(pixels - colour).max(axis=2) * (alpha / 255)
    return not off[opaque].any() and float(off.max()) <= ROUNDED
