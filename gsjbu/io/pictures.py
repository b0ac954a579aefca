"""Pictures in and out: file bytes → pixels, arrays → tensors, smaller pictures, and PNG files.

Files come from strangers. Only JPEG, PNG, WebP and AVIF are read, told by their content and never by their name;
the header's size is held against a bound before anything is decoded; whatever the decoder raises becomes one
:class:`~gsjbu.errors.ImageError` with a sentence. Colours stay as the file has them (no colour management).
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gsjbu.core.plain import finite_image
from gsjbu.errors import ImageError
from gsjbu.io.notes import encoded

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
MAX_PIXELS = 40_000_000
# A progressive JPEG of a few kilobytes can ask for thousands of passes over the whole picture; real
# ones have about ten.
MAX_JPEG_SCANS = 100
# … and a large one fewer: its scans times its pixels, as 15 scans of 40 megapixels.
MAX_SCANNED_PIXELS = 600_000_000
EXIF_ORIENTATION = 0x0112

# Pillow walks a PNG's chunks one by one; encoders put 8 KB and more into each, so 40 megapixels have some 20,000.
MAX_PNG_CHUNKS = 50_000

#: Under which a PNG keeps what its levels mean.
TEXT_KEY = "gsjbu"

# How Pillow gives the low bytes of a PNG's channels of 16 bits, by its kind of colours: as if they were the high ones.
# Grey with alpha has no such way; its four bytes are taken as four channels.
_LOW = {2: "RGB;16L", 4: "RGBA", 6: "RGBA;16L"}
_ALPHA = 4  # a bit of that kind

_SCALES = {"uint8": 255.0, "uint16": 65535.0}
_ACCEPTED = "A JPEG, PNG, WebP or AVIF picture is needed."


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Picture file → ``[3, H, W]`` float32 in [0, 1].

    First frame only, EXIF orientation applied, transparency over white, grey repeated to three channels,
    16-bit values kept to 1/65535.
    """
    return to_image(decode_pixels(data, max_pixels))


def decode_pixels(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """As :func:`decode`, but the compact array: uint8 or uint16 ``[H, W, 3]``, or uint16 ``[H, W]``."""
    with loaded(data, max_pixels) as file:
        return upright(file, data)


@contextmanager
def loaded(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    """Picture file → a Pillow image with its pixels read and found sound; for :func:`upright` and its size.

    Whatever is raised while it is held becomes an ImageError too.
    """
    if not data:
        raise ImageError("image_empty", f"The file is empty. {_ACCEPTED}")
    kind = sniffed(data)
    if kind is None:
        raise ImageError(
            "image_type", f"The file is not a JPEG, PNG, WebP or AVIF picture, whatever its name. {_ACCEPTED}"
        )
    scans = check_before_opening(data, kind, max_pixels)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as file:
            check_size(file.size, max_pixels)
            check_scans(scans, file.size)
            file.load()
            if kind == "PNG":
                _check_png_data(data)
            yield file
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("over 89 million", max_pixels) from error
    except Exception as error:  # Pillow raises nearly every built-in exception on damaged files
        raise ImageError("image_corrupt", f"The {kind} picture is damaged or cut short; save it again.") from error


def check_before_opening(data: bytes, kind: str, max_pixels: int) -> int:
    """What Pillow must not be given: huge canvases, endless chunks and scans, 12 bits. A JPEG's scans."""
    if kind == "WEBP":
        check_size(_webp_size(data), max_pixels)  # Pillow allocates the whole canvas on opening a WebP
    if kind == "PNG" and any(islice(_png_chunks(data), MAX_PNG_CHUNKS, None)):
        raise ImageError("image_too_large", f"The PNG has more than {MAX_PNG_CHUNKS} chunks; save it again as usual.")
    if kind == "JPEG" and _is_of_twelve_bits(data):
        raise ImageError("image_type", "The JPEG has 12 bits a channel, which are not read; save it with 8, or as PNG.")
    scans = data.count(b"\xff\xda") if kind == "JPEG" else 0
    if scans > MAX_JPEG_SCANS:
        raise _too_many_scans(scans)
    return scans


def frames(image: Image.Image) -> int:
    """Pictures in the file of ``image``; previews and layers, as photographs and drawings have them, are none."""
    return getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1


def check_scans(scans: int, size: tuple[int, int]) -> None:
    """Refuse a JPEG of so many scans at this width and height: each is a pass over all pixels."""
    if scans * size[0] * size[1] > MAX_SCANNED_PIXELS:
        raise _too_many_scans(scans)


def upright(image: Image.Image, data: bytes = b"") -> np.ndarray:
    """The pixels as they are to be seen, over white: uint8 ``[H, W, 3]``, or of 16 bits uint16 ``[H, W]`` for grey and
    ``[H, W, 3]`` for colours.

    ``data`` is the file it came from, if it did: Pillow's image has but 8 bits of a PNG's deep colours.
    """
    return turned(_flatten(image, data), orientation(image))


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as they are to be seen, from the header alone."""
    width, height = image.size
    return (height, width) if orientation(image) >= 5 else (width, height)


def notes(file: Image.Image) -> tuple[str, ...]:
    """What a loaded file holds that the picture does not show, in sentences."""
    return (*first_of(frames(file)), *clear_parts(file))


def first_of(count: int) -> tuple[str, ...]:
    """What is said of a file of ``count`` pictures."""
    return () if count == 1 else (f"The file holds {count} pictures, of which the first is followed.",)


def clear_parts(image: Image.Image) -> tuple[str, ...]:
    """What is said of a picture with pixels that are not opaque."""
    return ("Transparent parts of the picture are taken as white.",) if _is_clear(image) else ()


def _is_clear(image: Image.Image) -> bool:
    """Whether any pixel is not opaque."""
    if not image.has_transparency_data:
        return False
    clear = image.info.get("transparency")
    if image.mode.startswith("I"):
        return bool((np.asarray(image) == clear).any())
    seen = image if image.mode in ("RGBA", "LA") else image.convert("RGBA")
    return bool(np.asarray(seen.getchannel("A")).min() < 255)


def to_image(x: Any) -> Tensor:
    """PIL image, array or tensor → float32 ``[C, H, W]``.

    A PIL image gives its pixels as it holds them, as ``np.asarray`` does: only files are turned by their EXIF. Arrays
    are ``[H, W]`` or ``[H, W, 3]``: uint8 (/255), uint16 (/65535) or float in [0, 1]. A grey array or picture is
    repeated to three channels. Tensors are ``[C, H, W]`` or ``[H, W]`` with any number of channels (a guide need not be
    RGB): floats as they are, uint8 /255.
    """
    if isinstance(x, Tensor):
        return _tensor_image(x)
    if isinstance(x, Image.Image):
        x = _flatten(x, b"")
    if not isinstance(x, np.ndarray):
        raise ImageError("image_type", f"An image must be a tensor, an array or a PIL image, not {type(x).__name__}.")
    if x.ndim == 3 and x.shape[2] == 1:
        x = x[:, :, 0]
    if not (x.ndim == 2 or (x.ndim == 3 and x.shape[2] == 3)) or x.size == 0:
        raise ImageError("image_shape", f"An image array must be [H, W] or [H, W, 3]; this one is {list(x.shape)}.")
    scale = _SCALES.get(x.dtype.name)
    if scale is None and x.dtype.kind != "f":
        raise ImageError("image_type", f"An image array must be uint8, uint16 or float, not {x.dtype.name}.")
    planes = x[None].repeat(3, axis=0) if x.ndim == 2 else x.transpose(2, 0, 1)
    out = np.ascontiguousarray(planes, dtype=np.float32)
    if scale is not None:
        out = out / np.float32(scale)
    return finite_image(torch.from_numpy(out))


def shrunk_size(height: int, width: int, resolution: int) -> tuple[int, int]:
    """Height and width of what :func:`shrink` makes of an image of this size."""
    longest = max(height, width)
    if longest <= resolution:
        return height, width
    return max(1, round(height * resolution / longest)), max(1, round(width * resolution / longest))


def shrink(image: Tensor | np.ndarray, resolution: int) -> Tensor:
    """``image`` made smaller so that its long side is ``resolution`` pixels, ``[C, H', W']``; never enlarged.

    Each new pixel is the exact mean of the area it covers, parts of pixels included.
    """
    whole_numbers = isinstance(image, np.ndarray) and image.dtype.name in _SCALES and image.ndim in (2, 3)
    x = image if whole_numbers else to_image(image)
    height, width = x.shape[:2] if whole_numbers else x.shape[1:]
    new_h, new_w = shrunk_size(height, width, resolution)
    if (new_h, new_w) == (height, width):
        return to_image(x)
    if isinstance(x, Tensor):
        in_file = _as_in_a_file(x)
        if in_file is None:
            return resize_area(x, new_h, new_w)
        x = in_file
    if x.dtype == np.uint16 and not (x % 257).any():  # 8 bits, saved as 16: to be what it would be as 8
        x = (x // 257).astype(np.uint8)
    if x.ndim == 2 and x.dtype == np.uint8:
        x = np.repeat(x[:, :, None], 3, axis=2)  # sums of three columns and of one round differently
    # A photograph as it comes: summed as it is, converted once it is small.
    channels = x.shape[2] if x.ndim == 3 else 1
    rows = _area_rows(x.reshape(height, -1), new_h).reshape(new_h, width, channels)
    both = _area_rows(rows.transpose(1, 0, 2).reshape(width, -1), new_w).reshape(new_w, new_h, channels)
    return to_image(np.minimum(both.transpose(1, 0, 2) / np.float32(_SCALES[x.dtype.name]), 1))


def _as_in_a_file(x: Tensor) -> np.ndarray | None:
    """The whole numbers that ``x`` [3, H, W] was decoded from, of 8 or 16 bits, [H, W, 3] or [H, W]; None if from none.

    A fit follows the last bit of its picture. Whether a caller decodes first or hands over what the file holds, the
    smaller picture is the same to that bit.
    """
    if x.shape[0] != 3 or x.device.type != "cpu":
        return None
    planes = x.detach().to(torch.float32).numpy()
    if (levels := _all_levels(planes, np.uint8)) is not None:
        return levels
    if torch.equal(x[0], x[1]) and torch.equal(x[0], x[2]):
        return _levels(planes[0], np.uint16)
    return _all_levels(planes, np.uint16)


def _all_levels(planes: np.ndarray, kind: type[np.unsignedinteger]) -> np.ndarray | None:
    """``planes`` [3, H, W] as levels [H, W, 3], if all are some."""
    found = []
    for plane in planes:
        levels = _levels(plane, kind)
        if levels is None:
            return None
        found.append(levels)
    return np.stack(found, axis=-1)


def _levels(plane: np.ndarray, kind: type[np.unsignedinteger]) -> np.ndarray | None:
    """``plane`` [H, W] in [0, 1] as whole levels of ``kind``, if it is exactly those levels over the top one.

    A row that is not ends it, so pictures that are no file's are told at once.
    """
    top = np.float32(np.iinfo(kind).max)
    out = np.empty(plane.shape, kind)
    for row, levels in zip(plane, out, strict=True):
        whole = np.rint(row * top)
        if whole.min() < 0 or whole.max() > top or not np.array_equal(whole / top, row):
            return None
        levels[:] = whole
    return out


def resize_area(x: Tensor, height: int, width: int) -> Tensor:
    """``x [C, H, W]`` → ``[C, height, width]`` float32 by the mean over each new pixel's area."""
    planes = x.detach().to("cpu", torch.float32).numpy()
    means = [_area_rows(_area_rows(p, height).T, width).T for p in planes]
    ends = [(np.fmin.reduce(p, axis=None), np.fmax.reduce(p, axis=None)) for p in planes]
    # Rounding leaves the mean of what is white above white.
    return torch.from_numpy(np.stack([m.clip(*end) for m, end in zip(means, ends, strict=True)]))


def _area_rows(plane: np.ndarray, count: int) -> np.ndarray:
    """``[H, N]`` → float32 ``[count, N]``: each new row the mean of the rows it covers, cut ones by their share."""
    plane = np.ascontiguousarray(plane)
    size = len(plane) / count
    out = np.empty((count, plane.shape[1]), np.float32)
    for i in range(count):
        first, last = math.floor(i * size), min(math.ceil((i + 1) * size), len(plane))
        rows = np.arange(first, last)
        inside = np.minimum(rows + 1, (i + 1) * size) - np.maximum(rows, i * size)
        share = (inside / inside.sum()).astype(np.float32)
        np.matmul(share, plane[first:last].astype(np.float32), out=out[i])
    return out


def to_uint8(image: Tensor) -> np.ndarray:
    """``[3, H, W]`` or ``[1, H, W]`` in [0, 1] → uint8 ``[H, W, 3]``, rounded and clipped."""
    x = image.detach().to("cpu", torch.float32).numpy()
    if x.shape[0] == 1:
        x = x.repeat(3, axis=0)
    out = np.empty((*x.shape[1:], 3), np.uint8)
    for c in range(3):
        out[:, :, c] = np.clip(x[c] * np.float32(255) + np.float32(0.5), 0, 255)
    return out


def png_bytes(pixels: np.ndarray, palette: bytes = b"", text: str = "") -> bytes:
    """uint8 ``[H, W, 3]`` or ``[H, W]``, or uint16 ``[H, W]``, → a PNG file, written for speed.

    ``palette``: RGB triples, of which uint8 ``[H, W]`` are the numbers. ``text``: kept in the file under ``gsjbu``.

    Rows are stored as differences from the row above and packed by zlib's run-length strategy: on
    photographs a third of the time of Pillow's fastest setting and no larger. zlib releases the GIL, so
    threads help.
    """
    if not isinstance(pixels, np.ndarray):
        what = "; to_uint8 makes them of a tensor" if isinstance(pixels, Tensor) else ""
        raise ImageError("image_type", f"A PNG is written from an array, not {type(pixels).__name__}{what}.")
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.size == 0:
        raise ImageError("image_shape", f"A PNG is written from uint8 or uint16 pixels, not {pixels.dtype.name}.")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8)):
        raise ImageError("image_shape", f"A PNG is written from [H, W] or [H, W, 3], not {list(pixels.shape)}.")
    height, width = pixels.shape[:2]
    bits = 8 * pixels.itemsize
    colour_type = 2 if pixels.ndim == 3 else 3 if palette else 0
    if bits == 16:
        pixels = pixels.astype(">u2").view(np.uint8)  # PNG is big-endian
    samples = pixels.reshape(height, -1)
    rows = np.empty((height, samples.shape[1] + 1), np.uint8)
    rows[:, 0] = 2  # filter "up"
    rows[0, 1:] = samples[0]
    np.subtract(samples[1:], samples[:-1], out=rows[1:, 1:])
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = packer.compress(rows.data) + packer.flush()
    extra = _chunk(b"PLTE", palette) if palette else b""
    if text:  # iTXt: keyword, not compressed, no language, UTF-8
        extra += _chunk(b"iTXt", TEXT_KEY.encode() + b"\0\0\0\0\0" + encoded(text))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def _tensor_image(x: Tensor) -> Tensor:
    if x.ndim == 2:
        x = x[None]
    if x.ndim != 3 or x.numel() == 0:
        raise ImageError("image_shape", f"An image tensor must be [C, H, W] or [H, W]; this one is {list(x.shape)}.")
    if x.dtype == torch.uint8:
        return torch.from_numpy(x.detach().to("cpu").numpy() / np.float32(255))
    if not x.is_floating_point():
        raise ImageError("image_type", f"An image tensor must be float or uint8, not {x.dtype}.")
    return finite_image(x.to(torch.float32))


def sniffed(data: bytes) -> str | None:
    """Which of :data:`FORMATS` a file is, by its first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    return None


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture of more pixels, before they are made."""
    if size[0] * size[1] > max_pixels:
        raise _too_large(f"{size[0]}×{size[1]}", max_pixels)


def _too_large(size: str, max_pixels: int) -> ImageError:
    limit = f"at most {max_pixels / 1e6:g} million pixels are read, so make it smaller first"
    return ImageError("image_too_large", f"The picture is {size} pixels; {limit}.")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk of a PNG, as far as they can be followed: its name, where its data begins, and their length."""
    at = 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], at + 8, length
        at += 12 + length


def _check_png_data(data: bytes) -> None:
    """Pillow skips the checksums of the pixel chunks; a wrong one means damaged pixels."""
    for name, at, length in _png_chunks(data):
        if name == b"IEND":
            return
        if name == b"IDAT":
            (stored,) = struct.unpack_from(">I", data, at + length)
            if stored != zlib.crc32(memoryview(data)[at - 4 : at + length]):
                raise ValueError("wrong IDAT checksum")
    raise ValueError("no end")


def _too_many_scans(scans: int) -> ImageError:
    text = f"The JPEG has {scans} scans, far more than its size calls for; save it again as usual."
    return ImageError("image_too_large", text)


def _is_of_twelve_bits(data: bytes) -> bool:
    """Whether a JPEG's frame header says 12 bits; damaged files say nothing."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[at + 4] == 12
        at += 2 if 0xD0 <= marker <= 0xD9 else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas size from a WebP header; (0, 0) where it cannot be told, which Pillow then refuses."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return (0, 0)
    if kind == b"VP8X":
        return (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        return (int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF)
    return (0, 0)


def _flatten(image: Image.Image, data: bytes) -> np.ndarray:
    """Pixels over white, as of :func:`upright`."""
    clear = image.info.get("transparency")
    if (deep := _deep_colours(image, data)) is not None:
        if isinstance(clear, tuple):
            deep[(deep == np.array(clear)).all(axis=2)] = 65535
        return deep[..., 0] if (deep == deep[..., :1]).all() else deep
    if image.mode.startswith("I") or image.mode == "F":
        if image.mode == "F":
            raise ImageError("image_type", "A floating-point picture has no fixed white; pass it as an array.")
        grey = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        if isinstance(clear, int):
            grey[grey == clear] = 65535
        return grey
    if image.mode == "RGB" and isinstance(clear, tuple):
        rgb = np.array(image)
        rgb[(rgb == np.array(clear, np.int64)).all(axis=2)] = 255
        return rgb
    if clear is None and image.mode not in ("RGBA", "LA", "PA", "La", "RGBa"):
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    return _over_white(np.asarray(image.convert("RGBA")))


def _deep_colours(image: Image.Image, data: bytes) -> np.ndarray | None:
    """The uint16 ``[H, W, 3]`` over white of a PNG of more than one channel of 16 bits; None of any other picture."""
    bits, colours = data[24:26] if data[:4] == b"\x89PNG" else (0, 0)
    if bits != 16 or colours not in _LOW:
        return None
    high, low = np.asarray(image), _bytes_as(data, _LOW[colours])
    if _LOW[colours] == "RGBA":
        high, low = low[..., [0, 0, 0, 2]], low[..., [1, 1, 1, 3]]
    deep = high.astype(np.uint16) << 8
    deep |= low
    return _over_white(deep) if colours & _ALPHA else deep


def _bytes_as(data: bytes, mode: str) -> np.ndarray:
    """A PNG's bytes taken apart as Pillow's raw ``mode`` does."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
        file.tile = [(*tile[:3], mode) for tile in file.tile]  # type: ignore[misc] # tuples do
        return np.asarray(file)


def _over_white(rgba: np.ndarray) -> np.ndarray:
    """``[H, W, 4]`` of 8 or 16 bits over white, rounded."""
    top = np.iinfo(rgba.dtype).max
    out = np.empty((*rgba.shape[:2], 3), rgba.dtype)
    for row in range(0, rgba.shape[0], 64):  # in bands: a 40-megapixel picture stays one copy
        band = rgba[row : row + 64].astype(np.uint32)
        alpha = band[:, :, 3:]
        out[row : row + 64] = (band[:, :, :3] * alpha + top * (top - alpha) + top // 2) // top  # below 2³²
    return out


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1–8. Unreadable EXIF means upright: the picture itself is still good."""
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # Pillow's EXIF parser raises nearly anything on damaged metadata
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """``pixels`` [H, W, …] without their EXIF orientation: 5–8 swap the axes, then each of the two may be reversed."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
