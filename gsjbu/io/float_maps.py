"""Results as maps of floats: .pfm, .exr, and .flo of optical flow. They say nothing of their numbers."""

from __future__ import annotations

import errno
import struct
import tempfile
from pathlib import Path

import numpy as np

from gsjbu.errors import GsjbuError
from gsjbu.extras import lacking

#: How many channels each holds; those of EXR by their names.
CHANNELS: dict[str, tuple[int, ...]] = {"pfm": (1, 3), "flo": (2,), "exr": (1, 3, 4)}
_NAMES = {1: "Z", 3: "RGB", 4: "RGBA"}
_WHOLE = 1 << 24  # float32 has all whole numbers up to it
NO_MOTION = "A .flo holds motion, and the result is the shares of two classes; write .npy or .png instead."
UNKNOWN_FLOW = 1e10  # as those who made the format write it


def check(form: str, shape: tuple[int, ...]) -> None:
    """Refuse, before any work, a number of channels that a file has no room for, and what cannot be written here."""
    channels = shape[0] if len(shape) == 3 else 1
    if channels not in CHANNELS[form]:
        wanted = " or ".join(map(str, CHANNELS[form]))
        text = f"A .{form} holds {wanted} channels, and the result has {channels}; write .npy instead."
        raise GsjbuError("output_format", text)
    if form == "exr" and (why := lacking("exr", "Writing .exr")):
        raise GsjbuError("output_format", why)


def check_digits(form: str, offset: float, scale: float) -> None:
    """Refuse, before any work, values of ``offset`` ± ``scale`` of which float32 keeps no 1024th of their range."""
    if abs(offset) * np.finfo(np.float32).eps > 2 * scale / 1024:
        text = f"A .{form} holds float32, which has too few digits for values around {offset:.6g}, all within "
        raise GsjbuError("output_format", f"{text}{2 * scale:.3g}; write .npy or .tif instead.")


def encoded(form: str, result: np.ndarray) -> bytes:
    """A result [H, W] or [C, H, W] as the file of that ``form``. Raises GsjbuError for numbers beyond float32's."""
    check(form, result.shape)
    if result.dtype.kind in "iu" and max(abs(int(result.min())), abs(int(result.max()))) > _WHOLE:
        text = f"A .{form} holds whole numbers up to {_WHOLE}, and the result larger ones; write .npy instead."
        raise GsjbuError("output_format", text)
    planes = (result if result.ndim == 3 else result[None]).astype("<f4")
    return {"pfm": _pfm, "flo": _flo, "exr": _exr}[form](planes)


def _pfm(planes: np.ndarray) -> bytes:
    """Rows run upwards; a scale below 0 says little-endian."""
    channels, height, width = planes.shape
    rows = np.ascontiguousarray(planes.transpose(1, 2, 0)[::-1])
    return f"P{'f' if channels == 1 else 'F'}\n{width} {height}\n-1.0\n".encode() + rows.tobytes()


def _flo(planes: np.ndarray) -> bytes:
    _, height, width = planes.shape
    flow = np.where(np.isnan(planes), np.float32(UNKNOWN_FLOW), planes).transpose(1, 2, 0)
    return b"PIEH" + struct.pack("<ii", width, height) + np.ascontiguousarray(flow, "<f4").tobytes()


def _exr(planes: np.ndarray) -> bytes:
    import OpenEXR

    channels = {name: np.ascontiguousarray(p) for name, p in zip(_NAMES[len(planes)], planes, strict=True)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:  # it writes to paths only
        path = Path(folder) / "result.exr"
        try:
            OpenEXR.File(header, channels).write(str(path))
        except RuntimeError as error:  # whatever the reason
            raise OSError(errno.EIO, "OpenEXR cannot write its temporary file; the disk may be full", folder) from error
        return path.read_bytes()
