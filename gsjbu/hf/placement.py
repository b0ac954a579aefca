"""Where on a picture lies what its processor gave to a network: the picture squashed, a part of it, or it and padding.

Each processor has rules of its own; so it is shown pictures that say of each pixel where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from gsjbu.errors import ModelError

#: Begin and end of the network's input along an axis, in pixels of the picture; what lies beyond it is padding.
Span = tuple[float, float]
#: So far from a straight line (of 1) the values of a ramp may come back; further, and a processor does what is not
#: known here.
STRAIGHT = 0.02
LEAST, RIM = 8, 3  # pixels of a ramp, and of each end, which resizing flattens


def spans(processed: Callable[[Image.Image], Any], width: int, height: int) -> tuple[Span, Span]:
    """The spans of rows and columns of a picture's input, [1, C, h, w] as ``processed`` gives it; the whole picture's
    where that is no picture. Raises ModelError where it is several."""
    whole = (0.0, float(height)), (0.0, float(width))
    flat = [processed(Image.new("RGB", (width, height), (n, n, n))) for n in (0, 255)]
    if any(np.ndim(pixels) != 4 for pixels in flat):
        return whole
    if len(flat[0]) > 1:
        raise ModelError(
            "pipeline_parts",
            f"The processor cuts the picture into {len(flat[0])} parts, which are not put together here; let it give "
            "the whole picture to the network (EomtImageProcessor: do_split_image=False, do_pad=True).",
        )
    dark, light = (np.asarray(pixels)[0, 0] for pixels in flat)  # [h, w]
    shown = dark != light  # the rest is padding
    if not shown.any():
        return whole
    row, col = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    middle = row[len(row) // 2], col[len(col) // 2]
    dark, light = float(dark[middle]), float(light[middle])
    found = []
    for axis, side in enumerate((height, width)):
        levels = np.rint((np.arange(side) + 0.5) / side * 255).astype(np.uint8)
        ramp = np.broadcast_to(np.expand_dims(levels, (1 - axis, 2)), (height, width, 3))
        seen = np.asarray(processed(Image.fromarray(np.ascontiguousarray(ramp))))[0, 0]
        line = (np.moveaxis(seen, axis, 1)[middle[1 - axis]] - dark) / (light - dark)
        found.append(_span(line, (row, col)[axis], side))
    return found[0], found[1]


def _span(line: np.ndarray, shown: np.ndarray, side: int) -> Span:
    """The span of a ramp from 0 to 1 over ``side`` pixels, as it came back in ``line`` [n], of which the indices
    ``shown`` are the picture; padding may be any."""
    first = shown[0]
    stop = int(first + line[first : shown[-1] + 1].argmax())
    start = stop - int(line[first : stop + 1][::-1].argmin())  # the last of the least before
    at = np.arange(start + RIM, stop - RIM + 1)
    if len(at) < LEAST:
        return 0.0, float(side)
    slope, first = (float(part) for part in np.polyfit(at + 0.5, line[at], 1))
    if np.abs(first + slope * (at + 0.5) - line[at]).max() > STRAIGHT:
        return 0.0, float(side)
    begin, end = side * first, side * (first + slope * len(line))
    within = max(1.0, (end - begin) / len(line))  # a pixel of either
    return (0.0 if abs(begin) <= within else begin), (float(side) if abs(end - side) <= within else end)


def placed(span: Span, count: int, side: int) -> tuple[slice, slice]:
    """Of ``count`` cells over a span those that lie on the picture, and its pixels, of ``side``, that they cover."""
    begin, end = span
    cell = (end - begin) / count
    first, after = max(0, round(-begin / cell)), max(0, round((end - side) / cell))
    first = min(first, count - 1)
    return (slice(first, max(first + 1, count - after)), slice(max(0, round(begin)), min(side, round(end))))
