"""Numbers to colours: perceptual maps for values, a cyclic one for angles, a palette for classes."""

from __future__ import annotations

import colorsys
import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

# Anchors at even distances, straight lines between them.
# Lightness rises steadily along "viridis" and "inferno"; "twilight" runs light → blue → dark → red → light.
_ANCHORS = {
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "inferno": "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4",
    "twilight": "e2d9e2 a8c0cf 7799c1 6469b8 5c3c9d 4a1a6b 2f1436 5c1a42 86304f a8554f c08a6c d3bba5 e2d9e2",
    "coolwarm": "3b4cc0 6f92f3 aac7fd dddcdc f7b89c e7745b b40426",
}
MAPS = tuple(_ANCHORS)
#: Colour of "no value here" (masked cells).
NOTHING = (128, 128, 128)
#: Four lightnesses have some 2 790 colours that differ; the last of them are long in coming.
HUES = 2700
#: The golden part of 2²⁴, made odd: its multiples visit each colour once.
GOLDEN = 0x9E3779


@dataclass(frozen=True)
class ColourBar:
    """What a coloured panel's colours mean: ``low`` and ``high`` in ``unit``, drawn with the map ``map``."""

    low: float
    high: float
    unit: str
    map: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``stops`` are the colours from low to high, at even distances, for a gradient."""
        return asdict(self) | {"stops": stops(self.map)}


def stops(name: str) -> list[str]:
    """The anchor colours of a map as ``#rrggbb``, low to high."""
    return [f"#{c}" for c in _ANCHORS[name].split()]


@lru_cache(maxsize=len(_ANCHORS))
def table(name: str) -> np.ndarray:
    """uint8 ``[256, 3]``: a map's colours from low to high."""
    anchors = np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in _ANCHORS[name].split()], float)
    at = np.linspace(0, len(anchors) - 1, 256)
    out = np.stack([np.interp(at, np.arange(len(anchors)), anchors[:, k]) for k in range(3)], axis=1)
    rounded = np.rint(out).astype(np.uint8)
    rounded.setflags(write=False)
    return rounded


def paint(values: np.ndarray, low: float, high: float, name: str = "viridis") -> np.ndarray:
    """Values ``[h, w]`` → uint8 ``[h, w, 3]``; the map spans ``low``–``high``; NaN is grey."""
    values = np.asarray(values)
    values = values if values.dtype == np.float64 else values.astype(np.float32, copy=False)
    span = high - low
    scaled = (values - values.dtype.type(low)).astype(np.float32, copy=False) * np.float32(
        255 / span if span > 0 else 0
    ) + np.float32(0.5)
    gaps = np.isnan(values)
    some = bool(gaps.any())
    if some:
        scaled = np.where(gaps, np.float32(0), scaled)
    out = np.take(table(name), np.clip(scaled, 0, 255).astype(np.uint8), axis=0)
    if some:
        out[gaps] = NOTHING
    return out


def hue(theta: np.ndarray) -> np.ndarray:
    """Radians → uint8 ``[h, w, 3]``, cyclic with period π: a Gaussian turned by π is the same one."""
    return paint(np.mod(np.asarray(theta, np.float64) / math.pi, 1.0), 0, 1, "twilight")


@lru_cache(maxsize=8)
def palette(count: int) -> np.ndarray:
    """uint8 ``[count, 3]`` for class numbers, none repeated: hues a golden angle apart in four lightnesses, and where
    these run out, all other colours, far from one to the next."""
    out = _hues(min(count, HUES))
    if count > HUES:
        out = np.concatenate([out, _others(count - HUES, out)])
    out.setflags(write=False)
    return out


def _hues(count: int) -> np.ndarray:
    """uint8 ``[count, 3]``, of at most :data:`HUES`."""
    shades = ((0.62, 0.92), (0.45, 0.66), (0.35, 1.0), (0.78, 0.78))
    found: dict[tuple[int, ...], None] = {}
    step = 0
    while len(found) < count:
        saturation, value = shades[(step + step // 7) % len(shades)]
        colour = colorsys.hsv_to_rgb((0.58 + step * 0.381966) % 1.0, saturation, value)
        found[tuple(round(255 * v) for v in colour)] = None
        step += 1
    return np.array(list(found), np.uint8).reshape(-1, 3)


def _others(count: int, taken: np.ndarray) -> np.ndarray:
    """uint8 ``[count, 3]``: colours of which none is in ``taken`` ``[n, 3]`` or stands for "no value"."""
    used = np.concatenate([taken, np.array([NOTHING], np.uint8)]).astype(np.int64) @ (1 << 16, 1 << 8, 1)
    codes = np.arange(1, count + len(used) + 1) * GOLDEN % (1 << 24)
    codes = codes[~np.isin(codes, used)][:count]
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.uint8)


def hexadecimal(rgb: Any) -> str:
    """Three 0–255 values → ``#rrggbb``."""
    r, g, b = (int(v) for v in rgb)
    return f"#{r:02x}{g:02x}{b:02x}"
