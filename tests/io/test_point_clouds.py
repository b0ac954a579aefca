"""Point clouds as a reader of PLY has them: every known pixel once, with its value and its colour."""

from __future__ import annotations

import numpy as np

from gsjbu.io.point_clouds import POINT_BYTES, ply


def test_every_known_pixel_is_a_point_and_no_other():
    draw = np.random.default_rng(0)
    values = draw.normal(2.0, 1.0, (130, 7)).astype(np.float32)
    values[3, 2] = values[129, 6] = np.nan
    colours = draw.integers(0, 256, (130, 7, 3), dtype=np.uint8)
    head, body = b"".join(ply(values, colours, "m")).split(b"end_header\n", 1)
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 908" in lines and "comment x and y in pixels, z in m" in lines
    names = [line.split()[1:] for line in lines if line.startswith("property")]
    assert names == [["float", c] for c in "xyz"] + [["uchar", c] for c in ("red", "green", "blue")]
    assert len(body) == 908 * POINT_BYTES
    points = np.frombuffer(body, [(c, "<f4") for c in "xyz"] + [(c, "u1") for c in "rgb"])
    rows, cols = points["y"].astype(int), points["x"].astype(int)
    assert (points["z"] == values[rows, cols]).all()
    assert (np.stack([points[c] for c in "rgb"], 1) == colours[rows, cols]).all()
    assert len({*zip(rows, cols, strict=True)}) == 908
