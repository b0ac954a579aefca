"""Rasters to follow docs/raster.md with, drawn from a built-in scene as if it were land seen from above.

    python -m examples.make_rasters my-maps

writes guide.tif (six bands of 10 m, a fifth under clouds), clear.tif (the same without), clouds.tif, truth.tif (height
in 10 m), height.tif (its means over cells of 160 m, of a larger extent) and classes.tif (one a cell). Needs rasterio.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from gsjbu.core.grid import Grid
from gsjbu.errors import GsjbuError
from gsjbu.io.colours import palette
from gsjbu.raster.scene import need_rasterio
from gsjbu.samples import SAMPLES

STRIDE, METRES, BANDS = 16, 10, 6
TOP, LEFT = 37, 21  # pixels of the scene that the guide leaves out: the coarse rasters reach further than it
CLOUDS = ((120, 150, 85), (360, 300, 95))  # row, column and radius, in pixels


def write(path: Path, planes: np.ndarray, place: Any, **profile: Any) -> None:
    """``planes`` [C, H, W] as a GeoTIFF whose corner and pixel ``place`` says."""
    count, height, width = planes.shape
    with need_rasterio().open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=planes.dtype, transform=place,
        crs="EPSG:32633", **profile,
    ) as out:  # fmt: skip
        out.write(planes)


def bands_of(image: np.ndarray, seed: int = 0) -> np.ndarray:
    """uint16 [6, H, W]: mixtures of the scene's colours [3, H, W] and a sensor's noise."""
    rng = np.random.default_rng(seed)
    mixture = rng.dirichlet(np.ones(3), BANDS)
    bands = np.einsum("bc,chw->bhw", mixture, image) + rng.normal(0, 0.01, (BANDS, *image.shape[1:]))
    return (np.clip(bands, 0, 1) * 10_000).astype(np.uint16)


def cloud_mask(height: int, width: int) -> np.ndarray:
    """uint8 [1, H, W], 1 under a cloud."""
    y, x = np.mgrid[:height, :width]
    return np.any([np.hypot(y - cy, x - cx) < r for cy, cx, r in CLOUDS], axis=0)[None].astype(np.uint8)


def write_rasters(folder: Path, name: str = "still_life") -> None:
    """All six, of the scene ``name``. Raises GsjbuError where rasterio is not installed."""
    rasterio = need_rasterio()
    from_origin = rasterio.transform.from_origin
    folder.mkdir(parents=True, exist_ok=True)
    scene = SAMPLES[name]
    height, width = scene.depth.shape
    fine = from_origin(500_000 + LEFT * METRES, 5_000_000 - TOP * METRES, METRES, METRES)
    coarse = from_origin(500_000, 5_000_000, STRIDE * METRES, STRIDE * METRES)
    clouds = cloud_mask(height - TOP, width - LEFT)
    bands = bands_of(scene.image.numpy())[:, TOP:, LEFT:]
    write(folder / "guide.tif", np.where(clouds, 9_500, bands).astype(np.uint16), fine)
    write(folder / "clear.tif", bands, fine)
    write(folder / "clouds.tif", clouds, fine)
    write(folder / "truth.tif", scene.depth.numpy()[None, TOP:, LEFT:], fine)
    means = Grid.from_stride(height, width, STRIDE).cell_means(scene.depth[None]).numpy()
    write(folder / "height.tif", means, coarse)
    classes = scene.labels.numpy().astype(np.uint8)[None, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    write(folder / "classes.tif", classes, coarse)
    colours = {n: (*(int(v) for v in c), 255) for n, c in enumerate(palette(len(scene.label_names)))}
    with rasterio.open(folder / "classes.tif", "r+") as out:
        out.write_colormap(1, colours)


def main() -> None:
    """Write the rasters into the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    try:
        write_rasters(folder)
    except GsjbuError as error:
        parser.exit(2, f"{parser.prog}: {error.message}\n")
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


if __name__ == "__main__":
    main()
