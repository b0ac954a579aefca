"""Masks of a guide: under clouds, without data and beyond a sensor's rim there is nothing to follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.errors import ImageError, SignalError
from gsjbu.io.readers import bring


def seen_of(mask: Any, hidden: Tensor | None, size: tuple[int, int]) -> Tensor | None:
    """bool [H, W]: where the image is to be followed; None: everywhere.

    mask: an array, a tensor, a picture or a path to one, [H, W], not 0 where the image is not to be followed. hidden:
    bool [H, W], the same as the image itself says it. Raises ImageError.
    """
    unseen = np.zeros(size, bool) if hidden is None else hidden.numpy().copy()
    if mask is not None:
        unseen |= _unseen(mask, size)
    if not unseen.any():
        return None
    if unseen.all():
        raise ImageError(
            "image_mask",
            "The mask leaves nothing of the image to follow: it is not 0 everywhere. It must be 0 where the image is "
            "good, and 1 under clouds and where there is no data.",
        )
    return torch.from_numpy(~unseen)


def note(seen: Tensor | None) -> tuple[str, ...]:
    """A sentence on how much is masked, if anything is."""
    if seen is None:
        return ()
    share = 100 * float((~seen).double().mean())
    return (f"{share:.3g} % of the image's pixels are masked: the signal is mixed by place alone there.",)


def _unseen(mask: Any, size: tuple[int, int]) -> np.ndarray:
    try:
        array = bring(mask).array
    except SignalError as error:
        raise ImageError("image_mask", f"The mask of the image cannot be read. {error.message}") from error
    planes = [axis for axis in array.shape if axis != 1]
    if planes != [axis for axis in size if axis != 1]:
        raise ImageError(
            "image_mask",
            f"The mask of the image is {list(array.shape)}; it must be one number a pixel, [{size[0]}, {size[1]}].",
        )
    return np.asarray(array.reshape(size) != 0)
