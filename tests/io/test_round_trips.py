"""Every format that is read, to every format that is written, and read again: numbers, unit, codes, names and gaps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors.numpy import save_file

import gsjbu
from gsjbu.cli.upsample import form_of
from gsjbu.io import restoring
from gsjbu.io.results import Result
from gsjbu.io.signals import understand

ROWS, COLS, STEP = 8, 10, 4
RNG = np.random.default_rng(0)
HOLE = np.zeros((ROWS, COLS), bool)
HOLE[:6, :6] = True  # wider than a window: the result has gaps of its own
METRES = 1.25 + 0.5 * np.arange(COLS) / COLS + 0.3 * RNG.random((ROWS, COLS))
CODES = np.array([0, 3, 15])[(np.arange(COLS) > 6).astype(int) + (np.arange(ROWS) > 5)[:, None]]
NAMES = ("ground", *(f"class {n}" for n in range(1, 15)), "tree")


def _pfm(path: Path, array: np.ndarray) -> None:
    path.write_bytes(b"Pf\n%d %d\n-1.0\n" % array.shape[::-1] + array[::-1].astype("<f4").tobytes())


def _exr(path: Path, array: np.ndarray) -> None:
    exr = pytest.importorskip("OpenEXR")
    planes = {"Z": exr.Channel("Z", np.ascontiguousarray(array, np.float32))}
    exr.File({"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}, planes).write(str(path))


def _zarr(path: Path, array: np.ndarray) -> None:
    import zarr

    zarr.create_array(store=str(path), data=array)


#: Each format as its own library writes it.
READ: dict[str, Callable[[Path, np.ndarray], object]] = {
    ".npy": np.save, ".npz": np.savez, ".png": lambda path, array: Image.fromarray(array).save(path),
    ".tif": tifffile.imwrite, ".pfm": _pfm, ".exr": _exr,
    ".pt": lambda path, array: torch.save(torch.from_numpy(array), path),
    ".safetensors": lambda path, array: save_file({"depth": np.ascontiguousarray(array)}, path), ".zarr": _zarr,
}  # fmt: skip
WRITTEN = (".npy", ".safetensors", ".zarr", ".tif", ".png")


def put(path: Path, array: np.ndarray) -> Path:
    """A file of the format that its ending says."""
    READ[path.suffix](path, array)
    return path


def depth_as(ending: str) -> np.ndarray:
    """Metres with NaN where floats are held, millimetres with 0 where they are not."""
    if ending == ".png":
        return np.where(HOLE, 0, np.rint(1000 * METRES)).astype(np.uint16)
    return np.where(HOLE, np.nan, METRES).astype(np.float32)


def labels_as(ending: str) -> np.ndarray:
    """Class numbers, 255 in the hole; as floats where there are no others."""
    dtype = np.float32 if ending in (".pfm", ".exr") else np.uint8
    return np.where(HOLE, 255, CODES).astype(dtype)


@pytest.fixture(scope="module")
def kernel():
    return gsjbu.fit(np.random.default_rng(1).random((STEP * ROWS, STEP * COLS, 3)), stride=STEP, iters=0)


@pytest.mark.parametrize("after", WRITTEN)
@pytest.mark.parametrize("before", READ)
@pytest.mark.parametrize("kind", ["depth", "labels"])
def test_what_is_written_and_read_again_is_the_result(kind, before, after, kernel, tmp_path):
    array = depth_as(before) if kind == "depth" else labels_as(before)
    told = {"kind": kind, "invalid": 255, "names": NAMES} if kind == "labels" else {"kind": kind}
    signal = understand(put(tmp_path / f"signal{before}", array), kernel.guide.shape[1:], **told)
    assert not signal.mask[HOLE].any() and signal.mask[~HOLE].all()
    result = restoring.restored(signal, kernel)
    assert result.dtype == array.dtype
    out = tmp_path / f"result{after}"
    Result.whole(signal, result, restoring.facts(signal)).write(out, form_of(out))
    again = understand(out, max_values=1 << 20)
    assert again.kind == kind
    gaps = (
        np.isnan(result) if result.dtype.kind == "f" and kind == "depth" else result == (0 if kind == "depth" else 255)
    )
    assert gaps.any() and not gaps.all()
    np.testing.assert_array_equal(~again.mask.numpy(), gaps)
    back = again.brought.array
    if after == ".tif":
        np.testing.assert_array_equal(tifffile.imread(out), result)  # others read it, too
    if kind == "labels":
        np.testing.assert_array_equal(back, result)
        assert again.codes == signal.codes == (0, 3, 15)
        assert again.names == ("ground", "class 3", "tree")
        return
    exact = after != ".png" or before == ".png"
    np.testing.assert_allclose(back[~gaps], result[~gaps], atol=0 if exact else np.ptp(result[~gaps]) / 60000, rtol=0)
    if exact:
        assert back.dtype == result.dtype
    # … and once more, the same again: what was said of it is kept
    assert understand(out, max_values=1 << 20).note == again.note


@pytest.mark.parametrize("after", WRITTEN)
def test_depth_that_looks_like_shares_or_classes_stays_depth(after, kernel, tmp_path):
    for array in (METRES / 4, np.rint(METRES)):
        signal = understand(array.astype("f4"), kind="depth")
        result = restoring.restored(signal, kernel)
        out = tmp_path / f"result{after}"
        Result.whole(signal, result, restoring.facts(signal)).write(out, form_of(out))
        assert understand(out, max_values=1 << 20).kind == "depth"


@pytest.mark.parametrize("after", WRITTEN[:-1])
@pytest.mark.parametrize("kind", ["features", "soft_labels", "probabilities", "logits"])
def test_channels_are_kept_by_all_formats_but_png(kind, after, kernel, tmp_path):
    noise = RNG.standard_normal((5, ROWS, COLS)).astype("f4")
    shares = np.exp(noise) / np.exp(noise).sum(0)
    signal = understand({"features": noise, "logits": 4 * noise}.get(kind, shares), kind=kind)
    result = restoring.restored(signal, kernel)
    out = tmp_path / f"result{after}"
    Result.whole(signal, result, restoring.facts(signal)).write(out, form_of(out))
    again = understand(out, max_values=1 << 20)
    assert again.kind == ("probabilities" if kind == "logits" else kind)
    np.testing.assert_array_equal(again.brought.array, result)
    assert again.names == signal.names
    if after == ".tif":
        np.testing.assert_array_equal(tifffile.imread(out), result)
