"""Damaged files: cut short, bits turned, numbers that lie. Each is a signal or a sentence, soon, in little memory."""

from __future__ import annotations

import io
import json
import struct
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.io
import tifffile
import torch
from PIL import Image
from safetensors.numpy import save as safetensors

from gsjbu.errors import GsjbuError
from gsjbu.io.guides import to_guide
from gsjbu.io.signals import understand

MAX_VALUES = 1 << 20
SECONDS, BYTES = 5.0, 64 << 20  # of one file
ARRAY = np.random.default_rng(0).random((9, 12)).astype("f4")
WHOLE = (1000 * ARRAY).astype("u2")


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def _exr() -> bytes:
    OpenEXR = pytest.importorskip("OpenEXR")
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.exr"
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"Z": OpenEXR.Channel("Z", ARRAY)}).write(str(path))
        return path.read_bytes()


FILES: dict[str, Callable[[], bytes]] = {
    "npy": lambda: _written(lambda s: np.save(s, ARRAY)),
    "npz": lambda: _written(lambda s: np.savez_compressed(s, ARRAY)),
    "pt": lambda: _written(lambda s: torch.save({"x": torch.from_numpy(ARRAY)}, s)),
    "old pt": lambda: _written(lambda s: torch.save(torch.from_numpy(ARRAY), s, _use_new_zipfile_serialization=False)),
    "safetensors": lambda: safetensors({"x": ARRAY}, {"gsjbu": json.dumps({"kind": "depth"})}),
    "pfm": lambda: b"Pf\n12 9\n-1.0\n" + ARRAY.tobytes(),
    "pgm": lambda: b"P5\n12 9\n1000\n" + WHOLE.astype(">u2").tobytes(),
    "plain pgm": lambda: b"P2\n12 9\n1000\n" + " ".join(map(str, WHOLE.ravel())).encode(),
    "pbm": lambda: b"P4\n12 9\n" + np.packbits(WHOLE > 500, axis=1).tobytes(),
    "flo": lambda: b"PIEH" + struct.pack("<ii", 6, 9) + ARRAY.tobytes(),
    "tiff of colours": lambda: _written(
        lambda s: tifffile.imwrite(s, np.stack([WHOLE] * 6).reshape(2, 9, 12, 3), photometric="rgb")
    ),
    "tiff": lambda: _written(lambda s: tifffile.imwrite(s, ARRAY, description='{"kind": "depth"}')),
    "tiff of pages": lambda: _written(lambda s: tifffile.imwrite(s, np.stack([WHOLE] * 3), photometric="minisblack")),
    "tiled tiff": lambda: _written(
        lambda s: tifffile.imwrite(s, np.tile(ARRAY, (4, 4)), tile=(16, 16), compression="zlib")
    ),
    "big tiff": lambda: _written(lambda s: tifffile.imwrite(s, ARRAY, bigtiff=True)),
    "png": lambda: _written(lambda s: Image.fromarray(WHOLE).save(s, "PNG")),
    "exr": _exr,
    "mat": lambda: _written(lambda s: scipy.io.savemat(s, {"x": ARRAY, "note": "depth"}, do_compression=True)),
}
#: Numbers of four bytes that a header lies with.
LIES = [struct.pack("<I", n) for n in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 24)] + [b"9999"]


def damaged(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """``count`` files: cut short, with bits turned, with lies in place of four bytes, with a part twice or left out."""
    random = np.random.default_rng(seed)
    for number in range(count):
        out, at = bytearray(data), int(random.integers(0, len(data)))
        way = number % 5
        if way == 0:
            out = out[:at]
        elif way == 1:
            for place in random.integers(0, len(out), int(random.integers(1, 9))):
                out[place] ^= 1 << int(random.integers(0, 8))
        elif way == 2:
            at = int(random.integers(0, min(len(data), 512)))
            out[at : at + 4] = LIES[int(random.integers(0, len(LIES)))]
        elif way == 3:
            out[at:at] = out[at : at + 64]
        else:
            del out[at : at + int(random.integers(1, 64))]
        yield bytes(out)


def check(data: bytes, traced: bool) -> None:
    """One file, as a signal and as an image."""
    for reader in (lambda x: understand(x, max_values=MAX_VALUES), lambda x: to_guide(x, max_pixels=MAX_VALUES)):
        if traced:
            tracemalloc.reset_peak()
        started = time.perf_counter()
        try:
            reader(data)
        except GsjbuError as refusal:
            assert refusal.message.rstrip().endswith((".", ")")) and refusal.code  # noqa: PT017
        assert time.perf_counter() - started < SECONDS
        if traced:
            assert tracemalloc.get_traced_memory()[1] < BYTES


def fuzz(name: str, count: int, seed: int) -> None:
    data = FILES[name]()
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(data, True)
            for one in damaged(data, count, seed):
                try:
                    check(one, True)
                except BaseException as error:
                    error.add_note(f"{name}: {one!r}"[:4000])
                    raise
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_a_signal_or_a_sentence(name):
    fuzz(name, 25, 0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("name", FILES)
def test_many_damaged_files(name, seed):
    fuzz(name, 1000, seed)


def test_a_damaged_zarr_is_a_signal_or_a_sentence(tmp_path):
    import zarr

    zarr.create_array(store=str(tmp_path / "a.zarr"), data=ARRAY, attributes={"gsjbu": {"kind": "depth"}})
    for path in (tmp_path / "a.zarr").rglob("*"):
        if path.is_file():
            whole = path.read_bytes()
            for one in damaged(whole, 25, 0):
                path.write_bytes(one)
                try:
                    understand(tmp_path / "a.zarr", max_values=MAX_VALUES)
                except GsjbuError as refusal:
                    assert refusal.code.startswith("signal_")  # noqa: PT017
            path.write_bytes(whole)


# ------------------------------------------------------------------------- headers that are lies


def _tiff_of(width: int, height: int) -> bytes:
    data = bytearray(FILES["tiff"]())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        for tag, number in (("ImageWidth", width), ("ImageLength", height)):
            at = file.pages[0].tags[tag].offset  # type: ignore[union-attr]
            data[at + 2 : at + 4] = struct.pack("<H", 4)  # a number of four bytes
            data[at + 8 : at + 12] = struct.pack("<I", number)
    return bytes(data)


def _tiff_in_a_circle() -> bytes:
    data = bytearray(FILES["tiff of pages"]())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        last, first = file.pages[-1].offset, file.pages[0].offset
        at = last + 2 + 12 * struct.unpack_from("<H", data, last)[0]  # where the next page is said
    struct.pack_into("<I", data, at, first)
    return bytes(data)


def _safetensors_of(shape: list[int], size: int) -> bytes:
    head = json.dumps({"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(64)


def _bomb() -> bytes:
    """Two million zeros in two thousand bytes, as a tensor of torch."""
    stream = io.BytesIO()
    torch.save(torch.zeros(6 << 20), stream)
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(stream.getvalue())) as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    return packed.getvalue()


LYING = {
    "a pfm of 10^10 pixels": b"Pf\n100000 100000\n-1.0\n" + bytes(64),
    "a pfm of no rows": b"Pf\n0 9\n-1.0\n" + bytes(64),
    "a pgm of 10^10 pixels": b"P5\n100000 100000\n255\n" + bytes(64),
    "a flo of 2^62 pixels": b"PIEH" + struct.pack("<ii", 0x7FFFFFFF, 0x7FFFFFFF) + bytes(64),
    "a flo of fewer than no rows": b"PIEH" + struct.pack("<ii", 5, -5) + bytes(64),
    "a tiff of 10^10 pixels": _tiff_of(100_000, 100_000),
    "a tiff of 2^62 pixels": _tiff_of(0x7FFFFFFF, 0x7FFFFFFF),
    "safetensors of 2^40 values": _safetensors_of([1 << 20, 1 << 20], 1 << 42),
    "safetensors whose sizes disagree": _safetensors_of([4, 4], 60),
    "safetensors with a header without end": struct.pack("<Q", 1 << 62) + b"{" + bytes(64),
    "a pt that unfolds": _bomb(),
}


@pytest.mark.parametrize("name", LYING)
def test_a_header_that_lies_is_refused_at_once(name):
    tracemalloc.start()
    try:
        started = time.perf_counter()
        with pytest.raises(GsjbuError):
            understand(LYING[name], max_values=MAX_VALUES)
        assert time.perf_counter() - started < SECONDS
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()


def test_a_tiff_whose_pages_go_in_a_circle_is_not_followed_round():
    with pytest.raises(GsjbuError, match="go in a circle"):
        understand(_tiff_in_a_circle())
