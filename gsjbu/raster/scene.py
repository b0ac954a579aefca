"""A whole scene, tile by tile: what is larger than memory is read, upsampled and written in pieces that agree."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gsjbu.core import clipping, interpolation
from gsjbu.core.blend import Blend
from gsjbu.core.files import Unwritable
from gsjbu.core.fit import fit_kernel
from gsjbu.core.grid import Grid
from gsjbu.core.sharing import Shared
from gsjbu.errors import GsjbuError, SettingError
from gsjbu.io import addresses
from gsjbu.io.class_codes import OWN_CHANNEL
from gsjbu.io.gaps import Invalid
from gsjbu.io.kinds import AUTO, RASTER_KINDS
from gsjbu.raster.coarse import coarse_of
from gsjbu.raster.frame import Frame, frame_of, laid
from gsjbu.raster.guide import Guide
from gsjbu.raster.legend import copy_legend
from gsjbu.raster.numbers import Numbers
from gsjbu.raster.opening import need_rasterio, opened
from gsjbu.settings import default

PASSES = 3  # of back-projection, for a measured quantity: as the objective auto has it
START = (0.6, 0.2)  # of the fixed kernel: σ in strides, σr; that of measured quantities
ENDINGS = (".tif", ".tiff")
CACHE_MB = 64
TILE = 768  # pixels a side: larger ones are hardly faster, and with six bands come near a gigabyte

_Tile = tuple[int, int, int, int]  # its first cell and its cells (rows, columns)


@dataclass(frozen=True)
class Report:
    """What was done: ``shape`` [C, H, W], a cell's height and width in guide pixels, tiles, kind, and sentences on
    choices."""

    shape: tuple[int, int, int]
    stride: int
    stride_x: int
    tiles: int
    kind: str
    notes: tuple[str, ...]


def upsample(
    guide: str | Path,
    signal: str | Path,
    output: str | Path,
    *,
    kind: str = AUTO,
    invalid: Invalid = AUTO,
    clouds: str | Path | None = None,
    tile: int = TILE,
    radius: int = default("radius"),
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Report:
    """Write ``signal`` on the grid of ``guide``, along its edges, as a cloud-optimised GeoTIFF.

    Args:
        guide, signal: rasters that rasterio opens, aligned by their georeference; the signal's pixels are larger. 1 to
            many bands each. A guide's palette stands for its colours. Where the guide has no data, or ``clouds`` (a
            raster on the guide's grid) is not 0, the result is bilinear; where the signal has none in reach, it is
            nodata: the signal's, or NaN, or a whole number that no value is, which a note says.
        kind: depth (any measured quantity: cell means are given back, in the range of each window), labels (numbers
            stay what they are), features (mixed only), or auto: labels where one band has a colour table or is taken
            for them by :func:`gsjbu.io.signals.understand`, depth otherwise.
        invalid: numbers of the signal that mean "no value": auto (its nodata, or what ``understand`` finds where it
            names none), none, or the numbers.
        tile: pixels a side that are worked on at once, besides an overlap that makes tiles agree with one piece.
        progress: called with tiles done and tiles in all.

    Raises:
        GsjbuError: with a sentence, where one cannot be read, where the two cannot be laid over each other, where
            ``output`` is one of the files read or is called otherwise than .tif or .tiff, where no number is left to
            stand for no value. OSError: what cannot be written.
    """
    rasterio = need_rasterio()
    if kind not in RASTER_KINDS:
        raise SettingError("kind", f"kind is {kind!r}; for rasters it must be one of {', '.join(RASTER_KINDS)}.")
    place = addresses.named(output, "The result's name")
    if place.suffix.lower() not in ENDINGS:
        text = f"{place.name} ends in {place.suffix or 'nothing'}; a GeoTIFF is written: use {' or '.join(ENDINGS)}."
        raise GsjbuError("output_format", text)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=CACHE_MB))
        fine, low = (stack.enter_context(opened(path)) for path in (guide, signal))
        cloudy = None if clouds is None else stack.enter_context(opened(clouds))
        read = [file for data in (fine, low, cloudy) if data is not None for file in data.files]
        addresses.spare(read, output)
        if cloudy is not None and cloudy.shape != fine.shape:
            raise GsjbuError("raster_clouds", "The clouds must lie on the guide's own grid.")
        frame = frame_of(fine, low)
        coarse = coarse_of(low, kind, invalid)
        values, known = laid(fine, coarse, frame)
        used = values[:, known] if coarse.classes is None else coarse.classes
        numbers = Numbers.of(np.dtype(low.dtypes[0]), coarse.gap, used)
        over = Guide.over(fine, cloudy)
        work = _Work(over, frame, values, known, radius, threads, coarse.kind, coarse.classes, numbers)
        tiles = list(_tiles(frame, tile))
        notes = [f"The LR grid: {frame.note}.", *coarse.notes]
        with _beside(place) as plain:
            with rasterio.open(plain, "w", **work.profile(fine, low)) as out:
                some_missing = work.write(out, tiles, progress)
                copy_legend(low, out)
                if some_missing and not numbers.told:
                    out.nodata = numbers.gap
                    notes.append(numbers.note)
            _to_cog(plain, place, coarse.is_labels)
        return Report((low.count, fine.height, fine.width), *frame.step, len(tiles), coarse.kind, tuple(notes))


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A place for the tiles in the result's own folder; what cannot be written there is told by the result's name."""
    try:
        with tempfile.TemporaryDirectory(dir=output.resolve().parent) as folder:
            yield Path(folder) / "tiles.tif"
    except OSError as error:
        why = "No file can be made there" if error.errno == errno.ENOENT else error.strerror or str(error)
        raise Unwritable(error.errno, why, str(output)) from error


def _tiles(frame: Frame, tile: int) -> Iterator[_Tile]:
    """Parts of about ``tile`` × ``tile`` pixels that together cover the guide: whole cells, as row, column, rows and
    columns."""
    down, across = (max(1, tile // step) for step in frame.step)
    for row in range(0, frame.rows, down):
        for col in range(0, frame.cols, across):
            yield row, col, min(down, frame.rows - row), min(across, frame.cols - col)


@dataclass(frozen=True)
class _Work:
    guide: Guide
    frame: Frame
    values: np.ndarray  # float64 [C, rows, cols]
    known: np.ndarray  # bool [rows, cols]
    radius: int
    threads: int | None
    kind: str
    classes: np.ndarray | None  # of labels, whose values are places among them
    numbers: Numbers

    def profile(self, fine: Any, coarse: Any) -> dict[str, Any]:
        """What the result's file is: the guide's place and the signal's numbers."""
        return {
            "driver": "GTiff", "height": fine.height, "width": fine.width, "count": coarse.count,
            "dtype": self.numbers.dtype.name, "crs": fine.crs, "transform": fine.transform,
            "nodata": self.numbers.gap if self.numbers.told else None,
            "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "bigtiff": "if_safer",
        }  # fmt: skip

    def write(self, out: Any, tiles: list[_Tile], progress: Callable[[int, int], object] | None) -> bool:
        """All tiles into an open dataset; True if some pixel has no value."""
        some_missing = False
        for number, place in enumerate(tiles, 1):
            window, made, missing = self.tile(*place)
            if self.classes is not None:
                made = self.classes[np.where(missing, 0, made).astype(np.intp)]
            out.write(self.numbers.held(made, missing), window=window)
            some_missing |= bool(missing.any())
            if progress is not None:
                progress(number, len(tiles))
        return some_missing

    @property
    def margin(self) -> int:
        """Cells that a tile's values depend on beyond it: the window, and one more window for each pass."""
        return self.radius * (PASSES + 1 if self.kind == "depth" else 1)

    def tile(self, row: int, col: int, rows: int, cols: int) -> tuple[Any, np.ndarray, np.ndarray]:
        """The tile's window on the guide, its values, float64 [C, height, width], and where there is none."""
        from rasterio.windows import Window

        f, (sy, sx) = self.frame, self.frame.step
        first_row, first_col = max(0, row - self.margin), max(0, col - self.margin)
        last_row, last_col = min(f.rows, row + rows + self.margin), min(f.cols, col + cols + self.margin)
        cells = np.s_[first_row:last_row, first_col:last_col]
        height, width = (last_row - first_row) * sy, (last_col - first_col) * sx
        picture, seen = self.guide.tile(f.top + first_row * sy, f.left + first_col * sx, height, width, f.step)
        high = self._upsampled(picture, seen, self.values[(slice(None), *cells)], self.known[cells])
        top, left = f.top + row * sy, f.left + col * sx
        bottom = min(top + rows * sy, self.guide.data.height)
        right = min(left + cols * sx, self.guide.data.width)
        inner_top, inner_left = max(top, 0), max(left, 0)
        down = inner_top - (f.top + first_row * sy)
        across = inner_left - (f.left + first_col * sx)
        part = high[:, down : down + bottom - inner_top, across : across + right - inner_left]
        window = Window(inner_left, inner_top, right - inner_left, bottom - inner_top)
        return window, part, ~np.isfinite(part).all(axis=0)

    @cached_property
    def _is_whole(self) -> bool:
        """Whether the bands are shares of a whole: of all cells, for tiles must not differ in it."""
        return clipping.is_whole(torch.from_numpy(self.values), torch.from_numpy(self.known))

    def _upsampled(self, picture: np.ndarray, seen: np.ndarray, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """float64 [C, H, W]; NaN where there is no value."""
        if not known.any():
            return np.full((len(values), *seen.shape), np.nan)
        grid = Grid.from_sizes(*seen.shape, *known.shape)
        mixed = partial(self._mixed, torch.from_numpy(picture), seen, known, grid)
        codes = None if self.classes is None else np.unique(values[:, known])
        if codes is not None and len(codes) > OWN_CHANNEL:
            places = np.zeros(known.shape, np.int64)
            places[known] = np.searchsorted(codes, values[0][known])
            shared = Shared.over(places, self.radius)
            high = mixed(shared.values)
            scores = torch.from_numpy(high)
            best = codes[shared.strongest(lambda _: scores, grid, together=True).numpy()]
            return np.where(np.isfinite(high[0]), best, np.nan)[None]
        offset = 0.0 if codes is not None else float(values[:, known].mean())
        low = (values[0] == codes[:, None, None]) if codes is not None else (values - offset) * known
        high = mixed(torch.from_numpy(low.astype(np.float32)))
        if codes is not None:
            made = codes[np.nan_to_num(high).argmax(axis=0)][None]
            return np.where(np.isfinite(high).all(axis=0), made, np.nan)
        made, mask = torch.from_numpy(high.astype(np.float64) + offset), torch.from_numpy(known)
        made = clipping.clip_(made, torch.from_numpy(values), grid, self.radius, mask)
        return (clipping.whole_(made) if self._is_whole else made).numpy()

    def _mixed(
        self, picture: torch.Tensor, seen: np.ndarray, known: np.ndarray, grid: Grid, low: torch.Tensor
    ) -> np.ndarray:
        """[C, H, W]: along the guide where it is seen, bilinear where it is not, NaN where nothing is in reach."""
        # Not gsjbu.fit: it stretches what fills little of [0, 1], and tiles would differ.
        kernel = fit_kernel(
            picture, grid, iters=0, radius=self.radius, objective="rgb", lr_image="area", sigma=START[0],
            sigma_r=START[1], threads=self.threads,
        )  # fmt: skip
        if self.kind == "depth":
            kernel = replace(kernel, blend=Blend(passes=PASSES))
        mask = torch.from_numpy(known)
        high = kernel.render(low, mask=mask).numpy()
        if seen.all():
            return high
        share = interpolation.bilinear(mask[None].to(torch.float32), grid)
        plain = interpolation.bilinear(low * mask, grid) / share.clamp_min(1e-6)
        plain = torch.where(share > 1e-3, plain, float("nan"))
        return np.where(seen, high, plain.numpy())


def _to_cog(plain: Path, output: Path, is_labels: bool) -> None:
    """GDAL copies in blocks; its overviews of numbers that stand for something are not averaged."""
    from rasterio.shutil import copy

    part = plain.with_name("cog.tif")  # goes with its folder, whatever happens
    resampling = "nearest" if is_labels else "average"
    copy(plain, part, driver="COG", compress="deflate", overview_resampling=resampling)
    shutil.move(part, output)
