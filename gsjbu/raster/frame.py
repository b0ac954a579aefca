"""Where the coarse raster lies on the fine one: a frame of whole cells that covers the guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gsjbu.errors import GsjbuError
from gsjbu.raster.coarse import Coarse

#: Pixels of the guide: edges that lie so near each other are the same edge.
SAME = 1e-3
#: Two rasters without a projection lie on one plane; any that is a plane stands for it.
PLANE = "EPSG:3857"


@dataclass(frozen=True)
class Frame:
    """Cells of ``step`` (y, x) guide pixels; the first begins at guide pixel (``top``, ``left``), 0 or before it."""

    step: tuple[int, int]
    top: int
    left: int
    rows: int
    cols: int
    is_own: bool  # whether these cells are the signal's own pixels
    note: str  # how it came to lie on them


def frame_of(guide: Any, signal: Any) -> Frame:
    """From two open datasets. Raises GsjbuError where they cannot be laid over each other.

    Where neither names a projection, it is one and the same.
    """
    for data, name in ((guide, "guide"), (signal, "signal")):
        if data.transform.is_identity:
            raise GsjbuError("raster_unplaced", f"The {name} has no georeference; gsjbu upsample goes by array shape.")
        if data.crs is None and (guide.crs or signal.crs):
            raise GsjbuError(
                "raster_unplaced",
                f"The {name} has a transform, and no projection that it is in, which the other has; name it "
                "(gdal_edit.py -a_srs EPSG:...).",
            )
        if data.transform.b or data.transform.d:
            raise GsjbuError("raster_rotated", f"The {name} is rotated; warp it to a north-up grid first (gdalwarp).")
    step, top, left = _steps(guide, signal) if guide.crs == signal.crs else (None, 0.0, 0.0)
    if step is not None and all(abs(v - round(v)) < SAME for v in (*step, top, left)):
        is_own, note = True, "the signal's own pixels"
        down, across = round(step[0]), round(step[1])
        if min(down, across) < 1 or max(down, across) < 2:
            raise GsjbuError("raster_scale", "The signal's pixels are no larger than the guide's.")
        first_row, first_col = -(-round(top) % down), -(-round(left) % across)
    else:
        down = across = max(2, round(_ground(guide, signal)))
        is_own, first_row, first_col = False, 0, 0
        note = f"the signal resampled to cells of {down} pixels of the guide, as its own do not meet them"
    rows = -(-(guide.height - first_row) // down)
    cols = -(-(guide.width - first_col) // across)
    return Frame((down, across), first_row, first_col, rows, cols, is_own, note)


def _steps(guide: Any, signal: Any) -> tuple[tuple[float, float], float, float]:
    """Guide pixels per signal pixel (y, x), whichever way its rows run, and where it begins in guide pixels (y, x)."""
    g, s = guide.transform, signal.transform
    return (abs(s.e / g.e), abs(s.a / g.a)), (s.f - g.f) / g.e, (s.c - g.c) / g.a


def _ground(guide: Any, signal: Any) -> float:
    """Guide pixels per signal pixel, where they differ in projection or in shape: by the area of one pixel."""
    from rasterio.warp import calculate_default_transform

    there, _, _ = calculate_default_transform(
        signal.crs or PLANE, guide.crs or PLANE, signal.width, signal.height, *signal.bounds
    )
    ratio = float(np.sqrt(abs(there.a * there.e / (guide.transform.a * guide.transform.e))))
    if ratio < 1.5:
        raise GsjbuError("raster_scale", "The signal's pixels are hardly larger than the guide's.")
    return ratio


def laid(guide: Any, coarse: Coarse, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """The signal on the frame's cells, float64 [C, rows, cols], and where it has values, bool [rows, cols]."""
    out = _placed(guide, coarse, frame) if frame.is_own else _resampled(guide, coarse, frame)
    known = np.asarray(np.isfinite(out).all(axis=0))
    if not known.any():
        raise GsjbuError("raster_apart", "Guide and signal do not overlap on the ground.")
    return np.where(known, out, 0), known


def _placed(guide: Any, coarse: Coarse, frame: Frame) -> np.ndarray:
    """The signal's own pixels in the frame's cells: none is computed."""
    g, s = guide.transform, coarse.data.transform
    y = frame.top + frame.step[0] * (np.arange(frame.rows) + 0.5)
    x = frame.left + frame.step[1] * (np.arange(frame.cols) + 0.5)
    rows = np.floor((g.f + g.e * y - s.f) / s.e).astype(int)
    cols = np.floor((g.c + g.a * x - s.c) / s.a).astype(int)
    height, width = coarse.values.shape[1:]
    inside = np.ix_((rows >= 0) & (rows < height), (cols >= 0) & (cols < width))
    out = np.full((len(coarse.values), frame.rows, frame.cols), np.nan)
    there = np.ix_(rows[inside[0].ravel()], cols[inside[1].ravel()])
    out[(slice(None), *inside)] = coarse.values[(slice(None), *there)]
    return out


def _resampled(guide: Any, coarse: Coarse, frame: Frame) -> np.ndarray:
    """The signal on the frame's cells; numbers that stand for something are not averaged."""
    from rasterio.enums import Resampling
    from rasterio.transform import Affine
    from rasterio.warp import reproject

    down, across = frame.step
    to = guide.transform * Affine.translation(frame.left, frame.top) * Affine.scale(across, down)
    out = np.full((len(coarse.values), frame.rows, frame.cols), np.nan)
    for plane, target in zip(coarse.values, out, strict=True):
        reproject(
            plane, target, src_transform=coarse.data.transform, src_crs=coarse.data.crs or PLANE, src_nodata=np.nan,
            dst_transform=to, dst_crs=guide.crs or PLANE, dst_nodata=np.nan,
            resampling=Resampling.nearest if coarse.is_labels else Resampling.bilinear,
        )  # fmt: skip
    return out
