"""A scene that is larger than memory: minutes, so `make soak` only. Figures are printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

import gsjbu.raster
from gsjbu.raster.scene import TILE

pytestmark = pytest.mark.soak

SIDE = int(os.environ.get("GSJBU_RASTER_SIDE", 20_000))
STRIDE, BANDS, STRIP = 16, 6, 512
VALUES = np.linspace(50, 400, 8)  # of the signal, one a kind of land
GIGABYTE = 1e9


def land(top: int, height: int, width: int) -> np.ndarray:
    """Kinds of land, int [height, width], of the rows from ``top``: winding strips across winding strips."""
    y, x = np.arange(top, top + height)[:, None], np.arange(width)
    across = np.floor((x + 90 * np.sin(y / 310)) / 170).astype(int)
    down = np.floor((y + 70 * np.sin(x / 230)) / 140).astype(int)
    return (across * 5 + down * 3 + across * down) % len(VALUES)


def make_pair(folder, side):
    """guide.tif [6, side, side] uint8 and signal.tif, cell means float32; strip by strip."""
    rng = np.random.default_rng(0)
    colours = rng.integers(30, 226, (len(VALUES), BANDS))
    place = {"driver": "GTiff", "crs": "EPSG:32633", "tiled": True, "blockxsize": STRIP, "blockysize": STRIP}
    guide = {**place, "count": BANDS, "dtype": "uint8", "height": side, "width": side, "bigtiff": "yes"}
    cells = -(-side // STRIDE)
    low = np.zeros((cells, cells), np.float32)
    with rasterio.open(folder / "guide.tif", "w", **guide, transform=from_origin(0, 0, 10, 10)) as out:
        for top in range(0, side, STRIP):
            height = min(STRIP, side - top)
            kinds = land(top, height, side)
            noise = rng.integers(-12, 13, (BANDS, 1, side)) + rng.integers(-12, 13, (BANDS, height, 1))
            bands = colours[kinds].transpose(2, 0, 1) + noise
            out.write(bands.astype(np.uint8), window=Window(0, top, side, height))
            rows = np.add.reduceat(VALUES[kinds], range(0, height, STRIDE), axis=0)
            sums = np.add.reduceat(rows, range(0, side, STRIDE), axis=1)
            edges = [np.diff([*range(0, n, STRIDE), n]) for n in (height, side)]
            low[top // STRIDE : top // STRIDE + len(sums)] = sums / np.outer(*edges)
    signal = {**place, "count": 1, "dtype": "float32", "height": cells, "width": cells}
    with rasterio.open(
        folder / "signal.tif", "w", **signal, transform=from_origin(0, 0, 10 * STRIDE, 10 * STRIDE)
    ) as out:
        out.write(low[None])


# Not ru_maxrss: a process inherits that of the one that starts it, and the pair's maker takes more.
WORK = """
import json, re, sys, gsjbu.raster
from pathlib import Path
report = gsjbu.raster.upsample(*sys.argv[1:4])
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
print(json.dumps({"tiles": report.tiles, "peak": peak}))
"""


def test_a_scene_larger_than_memory(tmp_path):
    started = time.monotonic()
    make_pair(tmp_path, SIDE)
    made = time.monotonic()
    paths = [str(tmp_path / f"{name}.tif") for name in ("guide", "signal", "out")]
    done = subprocess.run([sys.executable, "-c", WORK, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    print(
        f"\n{SIDE}×{SIDE}, {BANDS} bands: made in {made - started:.0f} s, upsampled in "
        f"{time.monotonic() - made:.0f} s, {told['tiles']} tiles, {told['peak'] / 1e9:.2f} GB resident at most"
    )
    assert told["peak"] <= GIGABYTE and told["tiles"] == (-(-SIDE // TILE)) ** 2
    with rasterio.open(paths[1]) as coarse, rasterio.open(paths[2]) as out:
        assert out.shape == (SIDE, SIDE) and out.overviews(1)
        for top in (0, SIDE // 2 // STRIDE * STRIDE, SIDE // STRIDE * STRIDE - STRIP):
            truth = VALUES[land(top, STRIP, STRIP)]
            fine = out.read(1, window=Window(0, top, STRIP, STRIP))
            cells = STRIP // STRIDE
            low = coarse.read(1, window=Window(0, top // STRIDE, cells, cells)).repeat(STRIDE, 0).repeat(STRIDE, 1)
            off, plain = (float(np.abs(v - truth).mean()) for v in (fine, low))
            print(f"mean error from row {top}: {off:.2f}, cells as they are {plain:.2f}")
            assert off < 0.5 * plain


def test_tiles_against_one_piece(tmp_path):
    make_pair(tmp_path, 3000)
    paths = [tmp_path / f"{name}.tif" for name in ("guide", "signal")]
    for tile in (512, 3008):
        gsjbu.raster.upsample(*paths, tmp_path / f"{tile}.tif", tile=tile)
    with rasterio.open(tmp_path / "512.tif") as many, rasterio.open(tmp_path / "3008.tif") as one:
        tiles, whole = many.read(1), one.read(1)
    apart = float(np.abs(tiles - whole).max() / np.abs(whole).max())
    print(f"\ntiles against one piece: {apart:.1e} of the largest value")
    assert apart <= 1e-5
