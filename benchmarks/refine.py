"""Masks as networks spoil them, refined: ``python -m benchmarks.refine``.

Every object of the DAVIS and VOC scenes is spoilt three ways and refined. Boundary IoU, in per cent: of the pixels of
each mask that lie within 5 px of its border (Cheng et al., 2021); in brackets the IoU of the masks within 5 px of the
true border. Higher is better. opencv's guided filter has the one radius and ε that are best over all rows.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

import gsjbu
from benchmarks.scenes import BAND, DATA, IGNORE, read_labels
from gsjbu.run import metrics

SCENES = ("davis_*", "voc_*")
RADII, EPSILONS = (2, 4, 8, 16), (1e-1, 1e-2, 1e-3, 1e-4)
MOST_BELOW = 0.5  # points that a mask may lose
Image = np.ndarray  # uint8 [H, W, 3]
Mask = np.ndarray  # float32 or bool [H, W]


@dataclass
class Object:
    """A mask of one class, and where it is known."""

    name: str
    image: Image
    truth: Mask
    valid: Mask


def objects() -> Iterator[Object]:
    """All classes of all scenes but the ground."""
    for folder in sorted(folder for name in SCENES for folder in DATA.glob(f"seg/{name}")):
        image, labels = read_labels(folder)
        pixels = np.rint(255 * image.permute(1, 2, 0).numpy()).astype(np.uint8)
        for number in np.unique(labels[labels != IGNORE]):
            if number:
                yield Object(f"{folder.name} {number}", pixels, labels == number, labels != IGNORE)


def _soft(mask: Mask) -> Mask:
    small = _resized(mask.astype(np.float32), 8, cv2.INTER_AREA)
    return np.clip(cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), 0, 1)


def _jagged(mask: Mask) -> Mask:
    small = _resized(mask.astype(np.uint8), 4, cv2.INTER_NEAREST)
    return cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)


def _grown(mask: Mask) -> Mask:
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
    return cv2.dilate(mask.astype(np.uint8), disk)


def _resized(mask: Mask, factor: int, how: int) -> Mask:
    height, width = mask.shape
    return cv2.resize(mask, (-(-width // factor), -(-height // factor)), interpolation=how)


SPOILT: dict[str, Callable[[Mask], Mask]] = {
    "reduced 8×, enlarged bilinearly": _soft,
    "jagged at 1/4": _jagged,
    "dilated by 5 px": _grown,
}
#: Measured as well, but the filter is not tuned on them.
OTHERS: dict[str, Callable[[Mask], Mask]] = {
    "reduced 8×, enlarged bilinearly, cut at one half": lambda mask: (_soft(mask) >= 0.5).astype(np.uint8),
    "as it is": lambda mask: mask.astype(np.uint8),
}


def boundary_iou(mask: Mask, one: Object) -> float:
    """Of the strips along the inside of both borders, in per cent."""
    a, b = (_strip(m) & one.valid for m in (mask, one.truth))
    return 100 * float((a & b).sum() / max(1, (a | b).sum()))


def _strip(mask: Mask) -> Mask:
    inner = cv2.erode(np.pad(mask.astype(np.uint8), 1), np.ones((3, 3), np.uint8), iterations=BAND)
    return mask & (inner[1:-1, 1:-1] == 0)


def band_iou(mask: Mask, one: Object) -> float:
    """Of the masks, near the true border, in per cent."""
    band = metrics.dilate(metrics.boundaries(one.truth.astype(np.uint8)), BAND) & one.valid
    return 100 * float((mask & one.truth & band).sum() / max(1, ((mask | one.truth) & band).sum()))


def guided(one: Object, mask: Mask, radius: int, epsilon: float) -> Mask:
    """opencv's guided filter, cut at one half."""
    guide = one.image.astype(np.float32) / 255
    return cv2.ximgproc.guidedFilter(guide, mask.astype(np.float32), radius, epsilon) >= 0.5


def tuned(everything: list[Object]) -> tuple[int, float]:
    """Radius and ε with the best mean over all that is spoilt."""

    def score(setting: tuple[int, float]) -> float:
        return float(
            np.mean(
                [boundary_iou(guided(one, spoil(one.truth), *setting), one) for one in everything
                 for spoil in SPOILT.values()]
            )
        )  # fmt: skip

    return max(((radius, epsilon) for radius in RADII for epsilon in EPSILONS), key=score)


def main() -> int:
    """Print the table; 1 if any mask falls by more than it may, or a row below the guided filter."""
    warnings.simplefilter("ignore")
    everything = list(objects())
    if not everything:
        print(f"There is no {DATA}: nothing to measure with.")
        return 0
    radius, epsilon = tuned(everything)
    print(
        f"| {len(everything)} masks | as spoilt | guided filter ({radius} px, ε = {epsilon:g}) | refine | least gain |"
    )
    print("|---|---:|---:|---:|---:|")
    lost = False
    for name, spoil in (SPOILT | OTHERS).items():
        rows = [_measured(one, spoil(one.truth), radius, epsilon) for one in everything]
        means = np.mean(rows, axis=0)  # [3 ways, 2 figures]
        least = min(row[2][0] - row[0][0] for row in rows)
        cells = (f"{one:.2f} ({other:.2f})" for one, other in means)
        print(f"| {name} | {' | '.join(cells)} | {least:+.2f} |", flush=True)
        lost |= least < -MOST_BELOW or means[2][0] <= means[1][0]
    return int(lost)


def _measured(one: Object, spoilt: Mask, radius: int, epsilon: float) -> list[tuple[float, float]]:
    masks = (
        spoilt >= 0.5,
        guided(one, spoilt, radius, epsilon),
        np.asarray(gsjbu.refine(one.image, spoilt)) >= 0.5,
    )
    return [(boundary_iou(mask, one), band_iou(mask, one)) for mask in masks]


if __name__ == "__main__":
    sys.exit(main())
