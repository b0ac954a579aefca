"""Pictures made to hurt: bombs, polyglots and damage, written byte by byte where no encoder would write them."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

_BLOCK = 1 << 22
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, body: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@cache
def zeros(count: int) -> bytes:
    """``count`` zero bytes, packed (about a thousandth of that): one block of them, packed once, again and again."""
    blocks, rest = divmod(count, _BLOCK)
    packer = zlib.compressobj(9)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(bytes(rest)) + packer.flush()
    return head + block * blocks + last[:-4] + struct.pack(">HH", count % 65521, 1)  # its Adler-32


def png(width: int, height: int, body: bytes, *more: bytes, bits: int = 1, kind: int = 0, interlace: int = 0) -> bytes:
    """A PNG with the given header, ancillary chunks and packed pixel data."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlace)
    return _SIGNATURE + chunk(b"IHDR", header) + b"".join(more) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _tiny(*more: bytes) -> bytes:
    return png(8, 8, zlib.compress(bytes(8 * 25)), *more, bits=8, kind=2)


def webp(kind: bytes, body: bytes) -> bytes:
    """A RIFF container with one WebP chunk."""
    inner = b"WEBP" + kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def noise(width: int = 48, height: int = 32) -> Image.Image:
    """Something that does not compress."""
    return Image.fromarray(np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of ``image`` as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def good_jpeg() -> bytes:
    """A small, sound JPEG."""
    return saved(noise(), "JPEG", quality=80)


def good_png() -> bytes:
    """A small, sound PNG."""
    return saved(noise(), "PNG")


def _scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: each repeat costs a pass over the whole picture."""
    data = saved(Image.new("RGB", (4000, 4000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


def _frames(kind: str, count: int, side: int) -> bytes:
    frames = [Image.new("RGB", (side, side), (n, 0, 0)) for n in range(count)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=10)


def _icc_segments() -> bytes:
    """A JPEG with 255 ICC segments of 64 KiB each."""
    body = good_jpeg()
    segment = b"".join(
        b"\xff\xe2\xff\xff" + b"ICC_PROFILE\0" + bytes([n, 255]) + bytes(65535 - 2 - 14) for n in range(1, 256)
    )
    return body[:2] + segment + body[2:]


def _exif_loop() -> bytes:
    """A JPEG whose EXIF directory points to itself."""
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    body = b"Exif\0\0" + tiff
    data = good_jpeg()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


@cache
def files() -> dict[str, bytes]:
    """Name → bytes. Some are sound pictures of an odd shape and may be accepted; none may hurt."""
    jpeg, plain = good_jpeg(), good_png()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
    html = b"<!doctype html><script>alert(1)</script>"
    return {
        "png_30000x30000.png": png(30000, 30000, zeros(30000 * 3751)),
        "png_20000x20000_header_only.png": png(20000, 20000, b""),
        "png_2e9.png": png(2**31 - 1, 2**31 - 1, b"\0"),
        "png_zero.png": png(0, 0, b""),
        "png_40mp_bit.png": png(7745, 5164, zeros(5164 * 970)),
        "png_6000_interlaced.png": png(6000, 6000, zeros(6000 * 18100), bits=8, kind=2, interlace=1),
        "png_1x65535.png": png(1, 65535, zeros(65535 * 2)),
        "png_65535x1.png": png(65535, 1, zeros(8193)),
        "png_idat_bomb.png": png(10, 10, zeros(500_000_000)),
        "png_ztxt_bomb.png": _tiny(chunk(b"zTXt", b"Comment\0\0" + zeros(500_000_000))),
        "png_itxt_bomb.png": _tiny(chunk(b"iTXt", b"Comment\0\1\0\0\0" + zeros(500_000_000))),
        "png_iccp_bomb.png": _tiny(chunk(b"iCCP", b"icc\0\0" + zeros(500_000_000))),
        "png_many_text.png": _tiny(*[chunk(b"tEXt", b"k%d\0" % n + b"x" * 1000) for n in range(5000)]),
        "png_huge_chunk_length.png": _SIGNATURE + b"\x7f\xff\xff\xffIDAT" + bytes(100),
        "apng_100_frames.png": _frames("PNG", 100, 256),
        "webp_16383_lossless.webp": webp(b"VP8L", b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(40)),
        "webp_16383_lossy.webp": webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383) + bytes(40)),
        "webp_2e24_canvas.webp": webp(b"VP8X", b"\x10\0\0\0" + b"\xff\xff\xff" * 2 + bytes(40)),
        "webp_lies_about_canvas.webp": webp(b"VP8X", b"\0\0\0\0" + b"\1\0\0" * 2)[:30]
        + saved(Image.new("RGB", (16000, 16)), "WEBP", lossless=True)[12:],
        "webp_40mp_38_bytes.webp": saved(Image.new("RGB", (7700, 5100)), "WEBP", lossless=True, method=0),
        "webp_60_frames.webp": _frames("WEBP", 60, 512),
        "jpeg_65500.jpg": jpeg.replace(
            jpeg[jpeg.index(b"\xff\xc0") :][:9], b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 65500, 65500)
        ),
        "jpeg_1000_scans.jpg": _scans(1000),
        "jpeg_90_scans.jpg": _scans(80),
        "jpeg_icc_16mb.jpg": _icc_segments(),
        "jpeg_exif_loop.jpg": _exif_loop(),
        "jpeg_cmyk.jpg": saved(noise().convert("CMYK"), "JPEG"),
        "jpeg_zip_polyglot.jpg": jpeg + b"PK\x03\x04" + bytes(100),
        "png_html_polyglot.png": _tiny(chunk(b"tEXt", b"Comment\0" + html)),
        "gif_js_polyglot.png": b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)",
        "svg.png": svg,
        "html.png": html,
        "pdf.jpg": b"%PDF-1.7\n" + bytes(50),
        "zip.png": b"PK\x03\x04" + bytes(50),
        "tiff.png": saved(noise(), "TIFF"),
        "bmp.png": saved(noise(), "BMP"),
        "gif.png": saved(noise(), "GIF"),
        "ico.png": saved(noise(), "ICO"),
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
        "text.png": b"this is not a picture\n",
        "empty.png": b"",
        "signature_only.png": _SIGNATURE,
        "jpeg_start_only.jpg": b"\xff\xd8\xff",
        "png_palette_outside.png": png(8, 8, zlib.compress(b"\0\xff" * 8), chunk(b"PLTE", b"\1\2\3"), bits=8, kind=3),
        "png_16bit.png": saved(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "PNG"),
        "png_plain.png": plain,
    }


def npy(shape: str, kind: str = "<f4", body: bytes = b"") -> bytes:
    """An .npy file with any header."""
    head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + body


def _npz(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


NUMBERS = bytes(13 * k % 32 for k in range(32))  # in no order, as class numbers are


@cache
def signals() -> dict[str, bytes]:
    """Signal files that must all be refused."""
    pickled = pickle.dumps({"x": 1})
    return {
        "npy_huge_shape.npy": npy("(100000, 100000)"),
        "npy_negative.npy": npy("(-1, 5)"),
        "npy_overflow.npy": npy("(4294967296, 4294967296)"),
        "npy_object.npy": npy("(3,)", "|O", pickled),
        "npy_code_in_header.npy": npy("__import__('os').getpid()"),
        "npy_deep_header.npy": npy("(" * 2000 + ")" * 2000),
        "npy_short.npy": npy("(8, 8)", body=bytes(10)),
        "npz_bomb.npz": _npz({"a.npy": npy("(40000, 40000)", "|u1", bytes(400_000_000))}),
        "npz_many.npz": _npz({f"{n}.npy": npy("(2, 2)", body=bytes(16)) for n in range(3000)}),
        "npz_outside.npz": _npz({"../../evil.npy": npy("(2, 2)", "|O", pickled)}),
        "npz_cut.npz": _npz({"a.npy": npy("(2, 2)", body=bytes(16))})[:60],
        "pickle.npy": pickled,
        # One known cell in a hole of 16 million; classes that would need 2 GB and 17 GB as one channel each.
        "npz_hole.npz": _npz({"a.npy": npy("(4096, 4096)", "<f4", bytes(4) + b"\0\0\xc0\x7f" * (4096**2 - 1))}),
        "npz_32_classes.npz": _npz({"a.npy": npy("(4096, 4096)", "|u1", NUMBERS * (4096**2 // 32))}),
        "png_256_classes.png": png(
            4096, 4096, zlib.compress((b"\0" + bytes(range(256)) * 16) * 4096), chunk(b"PLTE", bytes(range(256)) * 3),
            bits=8, kind=3,
        ),
        # The decoder believes the last of several headers.
        "png_two_headers.png": png(
            5, 5, zeros(6000 * 6001), chunk(b"IHDR", struct.pack(">IIBBBBB", 6000, 6000, 8, 0, 0, 0, 0)), bits=8
        ),
        "npy_too_great.npy": npy("(3, 8, 8)", body=struct.pack("<f", 3e38) * 192),
        "npy_too_small.npy": npy("(8, 8)", body=struct.pack("<f", 1e-40) * 64),
    }  # fmt: skip


def truncated(step: int = 64) -> Iterator[tuple[str, bytes]]:
    """A sound JPEG and PNG, each cut at every ``step``-th byte."""
    for name, data in (("jpg", good_jpeg()), ("png", good_png())):
        for at in range(step, len(data), step):
            yield f"cut_{at}.{name}", data[:at]
