"""Maps of whole numbers whose kind is known, made from nothing: ids on one side, quantities on the other.

``python -m benchmarks.maps`` prints what each is taken for, and ends with 1 if one is taken for the wrong kind unasked.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
from scipy.ndimage import gaussian_filter, label
from scipy.spatial import cKDTree

from gsjbu.io.kinds import guess

Map = tuple[str, str, np.ndarray]  # its name, its kind, [h, w]


def maps() -> Iterator[Map]:
    """Every map, in a fixed order."""
    yield from _ids()
    yield from _quantities()


def cells(h: int, w: int, count: int) -> np.ndarray:
    """[h, w] of 0 … count − 1: cells round so many random points, as superpixels are, counted by their rows."""
    rng = np.random.default_rng(0)
    points = rng.random((count, 2)) * [h, w]
    points = points[np.lexsort((points[:, 1], points[:, 0] // max(1.0, (h * w / count) ** 0.5)))]
    return np.asarray(cKDTree(points).query(np.indices((h, w)).transpose(1, 2, 0))[1])


def blobs(h: int, w: int, count: int, seed: int = 0) -> np.ndarray:
    """[h, w] of 0 … count: discs on a background of 0, one over the other."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:h, :w]
    out = np.zeros((h, w), np.int64)
    for number in range(1, count + 1):
        y, x, r = rng.random(3) * [h, w, (h * w / count) ** 0.5 / 2] + [0, 0, 1]
        out[(ys - y) ** 2 + (xs - x) ** 2 < r * r] = number
    return out


def counted(numbers: np.ndarray) -> np.ndarray:
    """The same pieces, counted as a reader meets them."""
    found, first = np.unique(numbers, return_index=True)
    place = np.empty(len(found), np.int64)
    place[first.argsort()] = np.arange(len(found))
    return place[np.searchsorted(found, numbers)]


def by_size(numbers: np.ndarray) -> np.ndarray:
    """The same pieces, counted from the largest to the smallest."""
    found, index, size = np.unique(numbers, return_inverse=True, return_counts=True)
    place = np.empty(len(found), np.int64)
    place[(-size).argsort(kind="stable")] = np.arange(len(found))
    return place[index.reshape(numbers.shape)]


def _ids() -> Iterator[Map]:
    rng = np.random.default_rng(0)
    for h, w, count in (
        (14, 14, 20), (14, 14, 49), (24, 32, 100), (48, 64, 100), (48, 64, 160), (48, 64, 200), (48, 64, 400),
        (64, 64, 1000), (128, 128, 300), (128, 128, 2000), (256, 256, 2000),
    ):  # fmt: skip
        found = cells(h, w, count)
        yield f"superpixels {h}×{w}, {count}", "labels", found.astype(np.int32)
        numbers = rng.permutation(count)
        yield f"superpixels {h}×{w}, {count} at random", "labels", numbers[found].astype(np.int32)
        yield f"superpixels {h}×{w}, {count} as read", "labels", counted(found).astype(np.int32)
        yield (
            f"superpixels {h}×{w}, {count} as read · 10 + 5",
            "labels",
            counted(found).astype(np.int32) * 10 + 5,
        )
        yield f"superpixels {h}×{w}, {count} · 7 + 3", "labels", (numbers[found] * 7 + 3).astype(np.int64)
    for h, w, count in ((24, 32, 6), (48, 64, 30), (64, 64, 60), (128, 128, 200), (256, 256, 500)):
        found = blobs(h, w, count)
        yield f"instances {h}×{w}, {count}", "labels", found.astype(np.uint16)
        yield f"masks by size {h}×{w}, {count}", "labels", by_size(found).astype(np.uint16)
        yield f"panoptic {h}×{w}, {count}", "labels", np.where(found, 26000 + found, 7).astype(np.int32)
        colours = rng.choice(1 << 24, count + 1, replace=False).astype(np.int32)
        yield f"colours as ids {h}×{w}, {count}", "labels", colours[found]
        yield f"hashes {h}×{w}, {count}", "labels", rng.integers(1 << 40, 1 << 62, count + 1)[found]
    for step in (4, 8):
        grown = gaussian_filter(rng.standard_normal((256, 256)), 4)
        basins = cells(256, 256, 400)[::-1][
            np.clip(np.rint(np.mgrid[:256, :256] + 40 * grown), 0, 255).astype(int)[0], np.arange(256)
        ]
        some = basins[step // 2 :: step, step // 2 :: step]
        yield f"ragged superpixels 256×256 at every {step}th pixel", "labels", counted(basins)[::step, ::step]
        yield (
            f"ragged superpixels 256×256 at every {step}th pixel, at random",
            "labels",
            rng.permutation(400)[some],
        )
    for h, w, spread in ((48, 64, 1.5), (128, 128, 2.0), (256, 256, 2.0)):
        noise = gaussian_filter(rng.standard_normal((h, w)), spread)
        parts, count = label(noise > 0.3 * noise.std())
        yield f"components {h}×{w}, {count}", "labels", parts.astype(np.int32)
        up, other = label(noise > 0), label(noise <= 0)
        every = np.where(noise > 0, up[0], up[1] + other[0])
        yield f"components {h}×{w}, both sides", "labels", every.astype(np.int32)


def _scene(h: int, w: int, seed: int, objects: int = 12) -> np.ndarray:
    """[h, w] of metres: ground in perspective, a wall behind it and bodies on it."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:h, :w] / np.array([h, w])[:, None, None]
    depth = np.minimum(1.6 / np.maximum(ys - 0.35, 0.02), 30.0)
    for _ in range(objects):
        y, x, r = rng.random(3) * [0.5, 1, 0.12] + [0.4, 0, 0.04]
        far = 1.6 / max(y + r - 0.35, 0.06)
        lies = ((ys - y) / r / 2) ** 2 + ((xs - x) / r) ** 2
        depth = np.where(lies < 1, np.minimum(depth, far - 0.3 * np.sqrt(np.maximum(0, 1 - lies))), depth)
    return depth


def _quantities() -> Iterator[Map]:
    for name, kind, numbers in _levels():
        yield name, kind, numbers
        if len(numbers) < 128:
            yield f"{name}, enlarged", kind, numbers.repeat(4, 0).repeat(4, 1)


def _levels() -> Iterator[Map]:
    rng = np.random.default_rng(1)
    for h, w in ((14, 14), (24, 32), (48, 64), (128, 128), (256, 256)):
        depth = _scene(h, w, h)
        yield f"depth {h}×{w}, mm", "depth", np.rint(1000 * depth).astype(np.uint16)
        yield f"depth {h}×{w}, 12 bits", "depth", np.rint(4095 * depth / depth.max()).astype(np.uint16)
        yield f"depth {h}×{w}, 8 bits", "depth", np.rint(255 * depth / depth.max()).astype(np.uint8)
        yield f"nearness {h}×{w}, 8 bits", "depth", np.rint(255 * depth.min() / depth).astype(np.uint8)
        yield f"disparity {h}×{w}", "depth", np.rint(90 / depth).astype(np.uint8)
        yield f"disparity {h}×{w}, · 256", "depth", np.rint(256 * 90 / depth).astype(np.uint16)
        yield f"depth {h}×{w}, 64 levels", "depth", (np.floor(63 * depth / 31) * 4).astype(np.uint8)
        yield f"depth {h}×{w}, steps of 0.1 m", "depth", (np.rint(10 * depth) * 100).astype(np.uint16)
        smooth = gaussian_filter(rng.standard_normal((h, w)), h / 8)
        smooth = (smooth - smooth.min()) / np.ptp(smooth)
        yield f"elevation {h}×{w}, m", "depth", np.rint(300 + 1200 * smooth).astype(np.int16)
        yield (
            f"elevation {h}×{w}, terraces of 5 m",
            "depth",
            (np.rint(60 * smooth) * 5 + 300).astype(np.int16),
        )
        yield f"heat map {h}×{w}, 8 bits", "depth", np.rint(255 * smooth**2).astype(np.uint8)
        yield f"heat map {h}×{w}, 64 levels", "depth", (np.rint(63 * smooth) * 4).astype(np.uint8)
        ground = np.arange(h)[:, None] * 3 + np.zeros(w)
        yield f"ramp {h}×{w}, down", "depth", ground.astype(np.int32)
        yield f"ramp {h}×{w}, aslant", "depth", (ground + np.arange(w) // 4).astype(np.int32)
        tissue = np.where(blobs(h, w, 9, h) > 0, 60, -900) + gaussian_filter(rng.normal(0, 40, (h, w)), 1)
        yield f"CT {h}×{w}", "depth", np.rint(tissue).astype(np.int16)
        yield (
            f"image {h}×{w}",
            "depth",
            np.rint(255 * smooth + rng.normal(0, 3, (h, w))).clip(0, 255).astype("u1"),
        )


def main() -> int:
    """Print the table; 1 if a map is taken for the wrong kind."""
    count: Counter[str] = Counter()
    for name, kind, numbers in maps():
        found = guess(numbers[None], np.ones(numbers.shape, bool))
        how = "right" if found.kind == kind else "asked" if found.runner_up == kind else "wrong"
        count[how] += 1
        told = found.kind + (f", or {found.runner_up}" if found.runner_up else "")
        print(f"{how}  {name}: {told} ({found.reason})")
    print(f"{count.total()} maps: {dict(count)}.")
    return int(count["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
