"""One value a pixel as a point cloud: binary PLY, which every viewer of point clouds reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Column, row (down, as pictures are), value in its own unit; and the picture's colour.
_POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])
_TYPES = {"<f4": "float", "|u1": "uchar"}
POINT_BYTES = _POINT.itemsize
_ROWS = 64  # written at a time


def ply(values: np.ndarray, colours: np.ndarray, unit: str) -> Iterator[bytes]:
    """values: float [H, W] in ``unit``, NaN where there is none (no point then); colours: uint8 [H, W, 3]."""
    known = np.isfinite(values)
    properties = "".join(f"property {_TYPES[_POINT[name].str]} {name}\n" for name in _POINT.names or ())
    yield (
        "ply\nformat binary_little_endian 1.0\n"
        f"comment x and y in pixels, z in {unit or 'the unit of what was brought'}\n"
        f"element vertex {int(known.sum())}\n{properties}end_header\n"
    ).encode("ascii", "replace")
    for top in range(0, values.shape[0], _ROWS):
        y, x = np.nonzero(known[top : top + _ROWS])
        points = np.empty(len(x), _POINT)
        points["x"], points["y"], points["z"] = x, y + top, values[top : top + _ROWS][y, x]
        for channel, name in enumerate(("red", "green", "blue")):
            points[name] = colours[top : top + _ROWS][y, x, channel]
        yield points.tobytes()
