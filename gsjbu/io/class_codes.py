"""Class codes: the whole numbers, or the colours as numbers 0xRRGGBB, that stand for the classes of a label map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gsjbu.errors import Remedy, SignalError
from gsjbu.io import alphas
from gsjbu.io.brought import Brought
from gsjbu.io.kinds import FEW
from gsjbu.io.numbers import may_be_classes
from gsjbu.io.patches import PATCHES, patches

#: Up to so many classes have a channel each. To tell MAX_CLASSES apart takes a second.
OWN_CHANNEL, MAX_CLASSES = 256, 1 << 16
_AS_THEY_ARE = Remedy(
    "kind", "features", "For normals, flow or the like, kind='features' takes the three colours as they are."
)


def colour_numbers(planes: np.ndarray) -> np.ndarray:
    """Colours [3, h, w] as numbers 0xRRGGBB [1, h, w], where they stand for classes."""
    codes = _numbers(planes)
    lie = patches(codes, np.ones(codes.shape, bool))
    if lie.count > FEW and lie.alone >= 0.5 and lie.equal >= PATCHES:
        raise SignalError(
            "signal_classes",
            f"The picture has {lie.count} colours, most of them only between others: classes with soft edges. Save it "
            "without smoothing (nearest neighbour, no JPEG), or as class numbers.",
        )
    if lie.count > OWN_CHANNEL and lie.equal < PATCHES:
        raise SignalError(
            "signal_classes",
            f"The picture has {lie.count} colours, which are no classes (more than {OWN_CHANNEL} must lie in patches). "
            "For depth save one grey channel.",
            [_AS_THEY_ARE],
        )
    return codes[None]


def _numbers(planes: np.ndarray) -> np.ndarray:
    """[3, h, w] as 0xRRGGBB, [4, h, w] as 0xAARRGGBB: [h, w]."""
    red, green, blue, *alpha = planes.astype(np.int32)
    numbers = (red << 16) + (green << 8) + blue
    return numbers + (alpha[0].astype(np.int64) << 24) if alpha else numbers


def codes_in(plane: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The class numbers in the known cells of [h, w], rising. Raises SignalError."""
    if not may_be_classes(plane[known]):
        raise SignalError("signal_kind", "Labels must be whole numbers of at most 64 bits.")
    codes = np.unique(plane[known])
    if len(codes) > MAX_CLASSES:
        raise SignalError(
            "signal_classes", f"The signal has {len(codes)} different numbers; as labels it may have {MAX_CLASSES}."
        )
    return codes


def number_name(code: int, colours: bool) -> str:
    """The name of a class that has none but its number, or its colour."""
    return f"#{code:06x}" if colours else f"class {code}"


def may_be_colours(planes: np.ndarray) -> bool:
    """Whether an array's planes may be colours that stand for classes, as a picture's do; a fourth is their alpha."""
    return planes.dtype == np.uint8 and len(planes) in (3, 4) and bool(planes.max() > 1)


def as_colours(brought: Brought, planes: np.ndarray) -> tuple[Brought, np.ndarray]:
    """Planes of red, green, blue, and alpha where there are four, as a picture of them is read."""
    if len(planes) == 3:
        return replace(brought, colours=True), planes
    is_mask, known = alphas.parted(planes[:3].transpose(1, 2, 0), planes[3])
    if is_mask:
        return brought, planes[3:]
    known = brought.known if known is None else known if brought.known is None else known & brought.known
    return replace(brought, colours=True, known=known), planes[:3]


def lie_in_patches(planes: np.ndarray) -> bool:
    """Whether colours [3 or 4, h, w] lie in patches, as those of classes do."""
    return patches(_numbers(planes), np.ones(planes.shape[1:], bool)).lie_in_patches
