"""OpenEXR files: which channels are read, and where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gsjbu.errors import ImageError, SignalError
from gsjbu.io.guides import to_guide
from gsjbu.io.readers import bring

OpenEXR = pytest.importorskip("OpenEXR")
DEPTH = np.linspace(1, 5, 48, dtype=np.float32).reshape(6, 8)


def part(name: str | None, planes: dict[str, np.ndarray], **header: object):
    told = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    told |= {} if name is None else {"name": name}
    return OpenEXR.Part(told, {key: np.ascontiguousarray(plane) for key, plane in planes.items()}, name or "")


@pytest.fixture
def written(tmp_path: Path):
    def write(*parts) -> Path:
        OpenEXR.File(list(parts)).write(str(tmp_path / "a.exr"))
        return tmp_path / "a.exr"

    return write


def window(left: int, top: int, right: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([left, top], np.int32), np.array([right, bottom], np.int32)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint32])
def test_a_data_window_lies_in_the_whole(written, dtype):
    inner = DEPTH[2:5, 3:7].astype(dtype)
    found = bring(written(part(None, {"Z": inner}, dataWindow=window(3, 2, 6, 4), displayWindow=window(0, 0, 7, 5))))
    inside = np.zeros((6, 8), bool)
    inside[2:5, 3:7] = True
    np.testing.assert_array_equal(found.known, inside)
    np.testing.assert_array_equal(found.array[2:5, 3:7], inner)
    assert "data window of [3, 4] in [6, 8]" in found.source


def test_what_lies_beyond_the_display_is_cut_off(written):
    found = bring(written(part(None, {"Z": DEPTH}, dataWindow=window(-1, -2, 6, 3), displayWindow=window(0, 0, 5, 3))))
    assert found.known is None
    np.testing.assert_array_equal(found.array, DEPTH[2:, 1:7])


COLOURS = dict.fromkeys("RGB", DEPTH / 9)


@pytest.mark.parametrize(
    "parts",
    [
        [(None, {**COLOURS, "Z": DEPTH})],
        [("beauty", COLOURS), ("depth", {"Z": DEPTH})],
        [("beauty", COLOURS), ("depth", {"V": DEPTH})],
        [(None, {f"View.Combined.{name}": plane for name, plane in COLOURS.items()} | {"View.Depth.Z": DEPTH})],
        [(None, {"N.X": DEPTH / 7, "N.Y": DEPTH / 8, "N.Z": DEPTH / 9, "depth.V": DEPTH})],
    ],
)
def test_depth_is_taken_wherever_it_is(written, parts):
    found = bring(written(*(part(name, planes) for name, planes in parts)))
    np.testing.assert_array_equal(found.array, DEPTH)
    total = sum(len(planes) for _, planes in parts)
    assert found.source.endswith(f" of {total}")


@pytest.mark.parametrize(
    ("entry", "channels"),
    [
        ("beauty", "beauty.R, beauty.G, beauty.B"),
        ("depth.Z", "depth.Z"),
        ("more.a.X", "more.a.X"),
        ("more.a", "more.a.X, more.a.Y"),
    ],
)
def test_parts_layers_and_channels_have_names(written, entry, channels):
    path = written(part("beauty", COLOURS), part("depth", {"Z": DEPTH}), part("more", {"a.X": DEPTH, "a.Y": DEPTH + 1}))
    found = bring(f"{path}:{entry}")
    assert found.source.startswith(f"EXR, channel{'s' if ',' in channels else ''} {channels}")
    with pytest.raises(SignalError, match=r"no entry 'nothing'; it holds beauty, depth, more\.a"):
        bring(f"{path}:nothing")


def test_of_several_layers_it_is_asked(written):
    path = written(part(None, {**COLOURS, "flow.u": DEPTH, "flow.v": DEPTH}))
    with pytest.raises(SignalError, match=r"2 arrays \(RGB, flow\).*FILE:ENTRY"):
        bring(path)
    assert bring(f"{path}:RGB").array.shape == (3, 6, 8)


def test_colours_beside_a_depth_have_a_name(written):
    assert bring(f"{written(part(None, {**COLOURS, 'Z': DEPTH}))}:RGB").array.shape == (3, 6, 8)


def test_an_image_is_the_layer_that_is_named(written):
    path = written(part(None, {**COLOURS, "Z": DEPTH}))
    with pytest.raises(ImageError, match=r"name the one to follow, a\.exr:RGB"):
        to_guide(path)
    np.testing.assert_allclose(to_guide(f"{path}:RGB").pixels[1], DEPTH / 9)
