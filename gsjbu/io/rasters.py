"""Signals in picture files: PNG, JPEG and what else Pillow reads, TIFF, PFM, PGM and the .flo of optical flow.

Their numbers are as they are.
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from gsjbu.errors import ImageError, SignalError
from gsjbu.extras import lacking
from gsjbu.io import alphas, pictures
from gsjbu.io.brought import MAX_CHANNELS, MAX_SIDE, Brought, check
from gsjbu.io.meaning import levels_of, with_notes
from gsjbu.io.notes import notes_of
from gsjbu.io.pictures import TEXT_KEY

#: Colours of a TIFF page (its tag "photometric interpretation").
_WHITE_IS_ZERO, _PALETTE, _LAB = 0, 3, 8
_NODATA_TAG = 42113  # GDAL's
_ORIENTATION_TAG = pictures.EXIF_ORIENTATION
_PLACES = (33550, 34264)  # GeoTIFF's tags of a pixel's size on the ground, or of the way there
_MARKED_ALPHA = (1, 2)  # of the tag "extra samples"
_ALPHA = {"LA": "L", "PA": "P", "RGBA": "RGB", "La": "L", "RGBa": "RGB"}
#: More is unknown, by the reader of those who made the format; some write just as much.
_MOST_FLOW = 1e9
_PNM_HEAD = 4096
_COMMENT = re.compile(rb"#[^\r\n]*")
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"P([2356])" + _GAP + rb"(\d{1,6})" + _GAP + rb"(\d{1,6})" + _GAP + rb"(\d{1,6})\s")
_PFM = re.compile(rb"P([fF])\s+(\d{1,6})\s+(\d{1,6})\s+([-+0-9.eE]{1,32})\s")


def read_picture(data: bytes, form: str, max_values: int) -> Brought:
    """A PNG, JPEG, BMP, WebP or AVIF file: grey, palette, black and white, or colours."""
    if form == "PNG":
        width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
        _check_size(width, height, max_values)
        if bits == 16 and colour != 0:
            raise SignalError(
                "signal_type",
                "The PNG has 16 bits and more than one channel, of which only half the bits can be read; save it as "
                "16-bit grey, .tif or .npy.",
            )
    with _as_of_a_signal():
        scans = pictures.check_before_opening(data, form, max_values)
    with Image.open(io.BytesIO(data), formats=[form]) as file:
        width, height = file.size  # what will be decoded: the last header counts, if there are several
        _check_size(width, height, max_values)
        with _as_of_a_signal():
            pictures.check_scans(scans, file.size)
        file.load()
        if sorted(file.size) != sorted((width, height)):  # Pillow 10 turns a TIFF as it loads it
            raise ValueError("the picture changes its size")
        source = f"{_MODES.get(file.mode, file.mode)} {form}"
        if form == "PNG" and colour == 0 and bits in (2, 4):
            source = f"{bits}-bit {source}, whose levels 0 to {2**bits - 1} stand for 0 to 255"
        found = from_picture(file, source, form == "JPEG")
        found = replace(_upright(found, pictures.orientation(file)), pages=pictures.frames(file))
        return _with_meaning(found, str(getattr(file, "text", {}).get(TEXT_KEY, "")))


def _upright(found: Brought, orientation: int) -> Brought:
    """What was found in a file, [h, w] or [h, w, C], turned as the file says."""
    if orientation == 1:
        return found
    known = None if found.known is None else pictures.turned(found.known, orientation)
    source = f"{found.source}, turned as its EXIF says"
    return replace(found, array=pictures.turned(found.array, orientation), known=known, source=source)


@contextmanager
def _as_of_a_signal() -> Iterator[None]:
    """What is refused of a picture is refused of a signal."""
    try:
        yield
    except ImageError as refusal:
        raise SignalError(refusal.code.replace("image", "signal"), refusal.message) from refusal


def _with_meaning(found: Brought, text: str) -> Brought:
    """A picture that says what its levels mean, as those values: 16-bit grey, or three channels of 8 bits."""
    notes = notes_of(text)
    told = levels_of(notes)
    if not told or found.array.dtype not in (np.uint16, np.uint8):
        return found if found.colours else with_notes(found, notes)
    values = told["offset"] + told["scale"] * found.array.astype(np.float64)
    values[found.array == told["gap_level"]] = np.nan
    finest = np.abs(values[np.isfinite(values)]).max(initial=0) * np.finfo(np.float32).eps
    array = values if finest > abs(told["scale"]) else values.astype(np.float32)
    found = replace(found, array=array, source=f"{found.source} with a scale", colours=False, codes=())
    return with_notes(found, notes | {"gaps": None})


def from_picture(image: Image.Image, source: str = "", lossy: bool = False) -> Brought:
    """A Pillow image, its pixels as it holds them."""
    mode = image.mode
    source = source or f"{_MODES.get(mode, mode)} picture"
    known = None
    if mode in _ALPHA:
        alpha = np.asarray(image.getchannel(image.getbands()[-1]))
        image = image.convert(_ALPHA[mode])
        mode = image.mode
        is_mask, known = alphas.parted(np.asarray(image.convert("RGB")), alpha)
        if is_mask:
            return _of_alpha(alpha, source)
    if mode == "P":
        palette = bytes(image.getpalette() or [])  # RGB triples
        return Brought(np.array(image), source, known=known, kind="labels", palette=palette)
    if mode == "1":
        return Brought(np.array(image, dtype=bool), source, known=known, kind="labels")
    if mode == "F" or mode == "L" or mode.startswith("I"):
        pixels = np.array(image)
        if mode.startswith("I;16"):
            pixels = pixels.astype(np.uint16)
        return Brought(pixels, source, known=known, lossy=lossy)
    return _of_colours(np.array(image.convert("RGB")), source, known, lossy)


def _of_alpha(alpha: np.ndarray, source: str) -> Brought:
    """The alpha [h, w] of a picture of one colour: a mask, hard or soft."""
    source = f"{source} of one colour, its alpha"
    return Brought(alpha.copy(), source, kind="soft_labels" if len(np.unique(alpha)) > 2 else None)


def _of_colours(pixels: np.ndarray, source: str, known: np.ndarray | None, lossy: bool) -> Brought:
    """[h, w, 3]: grey where all three are equal, colours otherwise."""
    if (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all():
        return Brought(pixels[..., 0].copy(), f"{source} of equal channels", known=known, lossy=lossy)
    return Brought(pixels, source, layout="HWC", known=known, colours=True, lossy=lossy)


_MODES = {"L": "grey", "LA": "grey", "P": "palette", "1": "black-and-white", "RGB": "colour", "RGBA": "colour",
          "I;16": "16-bit grey", "I": "32-bit grey", "F": "float"}  # fmt: skip


def _check_size(width: int, height: int, max_values: int) -> None:
    if width > MAX_SIDE or height > MAX_SIDE or width * height > max_values:
        raise SignalError(
            "signal_too_large",
            f"The picture is {width}×{height}; at most {MAX_SIDE} either way and {max_values / 1e6:.3g} million "
            "pixels are read.",
        )


# --------------------------------------------------------------------------------------------- TIFF


def read_tiff(data: bytes, max_values: int) -> Brought:
    """A TIFF of any bits and tiling; pages of one shape are channels, but those of colours, which are pictures."""
    if why := lacking("geo", "Reading TIFF"):
        raise SignalError("signal_type", why)
    import tifffile

    with _quiet(), tifffile.TiffFile(io.BytesIO(data)) as file:
        pages = _pages(file)
        first = pages[0]
        alike = [page for page in pages if page.shape == first.shape and page.dtype == first.dtype]
        several = 1
        if len(first.shape) > 2 or int(first.photometric) == _PALETTE:
            alike, several = alike[:1], len(alike)
        if first.dtype is None:
            raise SignalError("signal_type", "The TIFF's numbers are of no type that is known.")
        check(first.dtype, (len(alike), *first.shape), max_values)
        codes = _nodata(first)
        try:
            planes = [page.asarray() for page in alike]
        except (ValueError, NotImplementedError, ImportError) as error:
            if isinstance(error, ValueError) and "imagecodecs" not in str(error):
                raise
            # Compressed in a way that Pillow may know, which reads the first page.
            found = _by_pillow(data, first, max_values)
            return replace(found, codes=codes, pages=max(several, len(alike)), placed=_is_placed(first))
        bits = 8 * first.dtype.itemsize
        source = f"{bits}-bit {'float ' if first.dtype.kind == 'f' else ''}TIFF"
        planes = _rising(first, planes)
        planes, source = _upright_pages(alike, planes, source)
        found = replace(_of_pages(first, planes, source, codes), pages=several, placed=_is_placed(first))
        return with_notes(found, notes_of(first.description))


def _pages(file: Any) -> list[Any]:
    """The pages of a TIFF, but for smaller copies of the same."""
    pages, offsets = [], set()
    for index, page in enumerate(file.pages):
        if index >= MAX_CHANNELS:
            raise SignalError("signal_too_large", f"The TIFF has more than {MAX_CHANNELS} pages.")
        if page.offset in offsets:
            raise SignalError("signal_corrupt", "The TIFF is damaged: its pages go in a circle.")
        offsets.add(page.offset)
        if not page.subfiletype & 1:
            pages.append(page)
    return pages


@contextmanager
def _quiet() -> Iterator[None]:
    """What tifffile logs of tags that it does not need is nothing to those who bring a file."""
    log = logging.getLogger("tifffile")
    log.addFilter(_nothing)
    try:
        yield
    finally:
        log.removeFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _by_pillow(data: bytes, page: Any, max_values: int) -> Brought:
    """The first ``page`` as Pillow reads it; what it does not read either is refused by what it is."""
    try:
        found = read_picture(data, "TIFF", max_values)
        if int(page.photometric) == _WHITE_IS_ZERO and found.array.dtype == np.uint8:
            return replace(found, array=255 - found.array)  # Pillow's are those that are shown
        return found
    except (SignalError, MemoryError):
        raise
    except Exception as error:  # Pillow raises nearly anything on what it does not know
        how = getattr(page.compression, "name", page.compression)
        raise SignalError(
            "signal_type",
            f"The TIFF has {page.bitspersample} bits a value, the compression {how} and predictor "
            f"{int(page.predictor)}, which is not read; save it with 8, 16 or 32 bits, uncompressed or by Deflate "
            "(gdal_translate -co COMPRESS=DEFLATE).",
        ) from error


def _upright_pages(pages: list[Any], planes: list[np.ndarray], source: str) -> tuple[list[np.ndarray], str]:
    """Pages' pixels turned as each says, and what is said of it."""
    usual = _orientation(pages[0], 1)  # tags of a stack may stand in its first page alone
    ways = [_orientation(page, usual) for page in pages]
    if set(ways) == {1}:
        return planes, source
    if len({way >= 5 for way in ways}) > 1 and planes[0].shape[-1] != planes[0].shape[-2]:
        raise SignalError(
            "signal_shape", "The TIFF's pages are turned in different ways; save them upright, in one shape."
        )
    turned = [_turned(*one) for one in zip(pages, planes, ways, strict=True)]
    return turned, f"{source}, turned as its orientation says"


def _turned(page: Any, plane: np.ndarray, way: int) -> np.ndarray:
    """A page's pixels without the orientation ``way``."""
    if plane.ndim == 2 or _is_contiguous(page):
        return pictures.turned(plane, way)
    return np.moveaxis(pictures.turned(np.moveaxis(plane, 0, -1), way), -1, 0)  # channels stand first


def _rising(first: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
    """Pages whose two levels rise with what they show, where it is the other way round, or whose levels do not rise for
    signed bits. More levels than two are a quantity or numbers of classes, whichever way they are shown."""
    if int(first.photometric) == _WHITE_IS_ZERO and first.dtype == bool:
        return [~plane for plane in planes]
    if int(first.photometric) == _LAB and first.dtype in (np.uint8, np.uint16) and len(first.shape) == 3:
        return [_around_middle(plane, _is_contiguous(first)) for plane in planes]
    return planes


def _around_middle(plane: np.ndarray, contiguous: bool) -> np.ndarray:
    """A page of CIELAB whose a* and b*, signed by their bits, rise through neutral, as L* rises through grey."""
    channels = np.moveaxis(plane.copy(), -1 if contiguous else 0, 0)
    channels[1:3] ^= plane.dtype.type(1 << (8 * plane.dtype.itemsize - 1))
    return np.moveaxis(channels, 0, -1 if contiguous else 0)


def _orientation(page: Any, usual: int) -> int:
    tag = page.tags.get(_ORIENTATION_TAG)
    value = tag.value if tag is not None else usual
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_contiguous(page: Any) -> bool:
    """Whether the channels of each pixel lie together."""
    return int(page.planarconfig or 1) == 1


def _of_pages(first: Any, planes: list[np.ndarray], source: str, codes: tuple[float, ...]) -> Brought:
    if len(planes) > 1:
        return Brought(np.stack(planes), f"{source} of {len(planes)} pages", layout="CHW", codes=codes)
    plane = planes[0]
    if plane.ndim == 2:
        if int(first.photometric) == _PALETTE and first.colormap is not None:
            palette = (np.asarray(first.colormap).T >> 8).astype(np.uint8).tobytes()
            return Brought(plane, source, kind="labels", palette=palette, codes=codes)
        return Brought(plane, source, codes=codes)
    if plane.dtype == np.uint8 and plane.shape[-1] == 3:
        found = _of_colours(plane, source, None, False)
        return replace(found, blank=codes) if found.colours else replace(found, codes=codes)
    alpha = any(int(extra) in _MARKED_ALPHA for extra in first.extrasamples)
    return Brought(plane, source, layout="HWC" if _is_contiguous(first) else "CHW", codes=codes, alpha=alpha)


def _is_placed(page: Any) -> bool:
    return any(tag in page.tags for tag in _PLACES)


def _nodata(page: Any) -> tuple[float, ...]:
    tag = page.tags.get(_NODATA_TAG)
    with suppress(ValueError, TypeError):
        return (float(str(tag.value).strip("\0 ")),) if tag is not None else ()
    return ()


# ------------------------------------------------------------------------------ PFM, PGM, .flo


def _ends_early(form: str, width: int, height: int) -> SignalError:
    return SignalError("signal_corrupt", f"The .{form} ends early: its header promises {width}×{height}.")


def read_pfm(data: bytes, max_values: int) -> Brought:
    """A portable float map; its rows run upwards."""
    head = _PFM.match(data)
    if head is None:
        raise SignalError("signal_corrupt", "The .pfm has no valid header.")
    channels = 3 if head[1] == b"F" else 1
    width, height, scale = int(head[2]), int(head[3]), float(head[4])
    check(np.dtype(np.float32), (channels, height, width), max_values)
    count = channels * width * height
    body = data[head.end() :]
    if len(body) < 4 * count:
        raise _ends_early("pfm", width, height)
    values = np.frombuffer(body, "<f4" if scale < 0 else ">f4", count).astype(np.float32)
    rows = values.reshape(height, width, channels)[::-1]
    return Brought(np.ascontiguousarray(rows[..., 0] if channels == 1 else rows), "PFM",
                   layout="HWC" if channels == 3 else "auto")  # fmt: skip


def read_pnm(data: bytes, max_values: int) -> Brought:
    """A portable grey or colour map (.pgm, .ppm) of 8 or 16 bits; its levels as they are, whatever the largest is."""
    head = _PNM.match(data[:_PNM_HEAD])
    if head is None or not 0 < int(head[4]) <= 65535:
        raise SignalError("signal_corrupt", "The .pgm has no valid header.")
    width, height, top = (int(number) for number in head.groups()[1:])
    colours, plain = head[1] in b"36", head[1] in b"23"
    shape = (height, width, 3) if colours else (height, width)
    dtype = np.dtype(np.uint8 if top < 256 else ">u2")
    check(dtype, shape, max_values)
    count, body = math.prod(shape), data[head.end() :]
    if plain:
        values = np.fromstring(_COMMENT.sub(b"", body), np.int64, sep=" ")[:count]
    else:
        values = np.frombuffer(body[: count * dtype.itemsize], dtype)
    if len(values) < count:
        raise _ends_early("pgm", width, height)
    if values.min() < 0 or values.max() > top:
        raise SignalError("signal_corrupt", f"The .pgm has levels beyond {top}, the largest by its header.")
    pixels = values.astype(np.uint8 if top < 256 else np.uint16).reshape(shape)
    source = f"{'' if top < 256 else '16-bit '}{'colour PPM' if colours else 'grey PGM'}"
    if colours and top < 256:
        return _of_colours(pixels, source, None, False)
    return Brought(pixels, source, layout="HWC" if colours else "auto")


def read_flo(data: bytes, max_values: int) -> Brought:
    """Optical flow (.flo of Middlebury): two channels, to the right and down; where it is unknown there is a gap."""
    width, height = struct.unpack("<ii", data[4:12])
    check(np.dtype(np.float32), (2, height, width), max_values)
    count = 2 * width * height
    if len(data) < 12 + 4 * count:
        raise _ends_early("flo", width, height)
    values = np.frombuffer(data, "<f4", count, offset=12).astype(np.float32).reshape(height, width, 2)
    values[~(np.abs(values) < _MOST_FLOW)] = np.nan
    return Brought(values, "optical flow (.flo)", layout="HWC", told="features")
