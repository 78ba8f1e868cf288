"""Test pictures, drawn and encoded in memory; the hand-made encoders write what no encoder would."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFont

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]

RED, GREEN, BLUE, YELLOW = (230, 20, 30), (20, 160, 40), (30, 50, 210), (240, 220, 40)
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def corners(width: int = 48, height: int = 32) -> Pixels:
    """``[H, W, 3]``: four quarters of different colours, so that no turn or mirroring goes unseen."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = YELLOW
    return pixels


def lettering(text: str = "Ziyan 2026", size: int = 40) -> Pixels:
    """``[H, W]``: black writing on white, in the font that comes with Pillow (Latin only)."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    picture = Image.new("L", (round(right - left) + size, round(bottom - top) + size), 255)
    ImageDraw.Draw(picture).text((size // 2 - left, size // 2 - top), text, font=font, fill=0)
    return np.asarray(picture)


def encode(pixels: Array | Image.Image, kind: str, **options: Any) -> bytes:
    """File of ``kind``, written by Pillow."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def grey_rgb(grey: Array) -> Pixels:
    """``[H, W]`` → ``[H, W, 3]``."""
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def opaque(rgb: Array) -> Array:
    """``[H, W, 3]`` → ``[H, W, 4]``."""
    return np.dstack([rgb, np.full_like(rgb[..., 0], 255)])


def assert_same(pixels: Array, expected: Array, tolerance: int) -> None:
    """``pixels`` are those of ``expected``, apart from the seams between its quarters, which lossy codecs blur."""
    assert pixels.shape == expected.shape
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    inner = np.ones(expected.shape[:2], bool)
    height, width = expected.shape[:2]
    inner[height // 2 - 4 : height // 2 + 4] = inner[:, width // 2 - 4 : width // 2 + 4] = False
    assert np.abs(pixels[inner].astype(int) - expected[inner]).max() <= tolerance


def patched(file: bytes, mark: bytes, skip: int, value: bytes) -> bytes:
    """``file`` with ``value`` written over what stands ``skip`` bytes behind ``mark``."""
    at = file.index(mark) + len(mark) + skip
    return file[:at] + value + file[at + len(value) :]


def exif(orientation: int, order: str = "<") -> bytes:
    """EXIF block with one tag, beginning with ``Exif``."""
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)


def stored(upright: Pixels, orientation: int) -> Pixels:
    """How a camera stores ``upright`` when it notes ``orientation`` (CIPA DC-008: where row 0 and column 0 belong)."""
    turned = {
        1: upright,  # top, left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: upright.swapaxes(0, 1),  # left, top
        6: upright[:, ::-1].swapaxes(0, 1),  # right, top
        7: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
        8: upright[::-1].swapaxes(0, 1),  # left, bottom
    }[orientation]
    return np.ascontiguousarray(turned)


def chunk(name: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int,
    height: int,
    depth: int,
    colour_type: int,
    rows: bytes,
    *,
    interlace: int = 0,
    before: bytes = b"",
    behind: bytes = b"",
) -> bytes:
    """PNG by hand: ``rows`` with their filter bytes, ``before`` and ``behind`` the pixels any chunks."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlace)
    pixels = chunk(b"IDAT", zlib.compress(rows, 9))
    return PNG_MAGIC + chunk(b"IHDR", header) + before + pixels + behind + chunk(b"IEND", b"")


def interlaced_png(rgb: Pixels) -> bytes:
    """PNG in Adam7 order, which Pillow does not write."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b"".join(samples(rgb[top::down, left::right], 8) for top, left, down, right in passes)
    return png(rgb.shape[1], rgb.shape[0], 8, 2, rows, interlace=1)


def samples(values: Array, depth: int) -> bytes:
    """PNG rows of ``[H, W]`` or ``[H, W, C]`` samples of ``depth`` bits, unfiltered."""
    flat = values.reshape(values.shape[0], -1)
    if depth == 16:
        return b"".join(b"\0" + row.astype(">u2").tobytes() for row in flat)
    bits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :]
    return b"".join(b"\0" + np.packbits(row).tobytes() for row in bits.reshape(flat.shape[0], -1))


def insert_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    """``jpeg`` with another segment right behind its start."""
    return jpeg[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def four_channel_jpeg(rgb: Pixels, *, ycck: bool = False, adobe: bool = True) -> bytes:
    """CMYK as Adobe writes it (every channel inverted), the same as YCCK, or straight and without Adobe's mark."""
    if ycck:
        inverted = Image.fromarray(255 - rgb).convert("YCbCr")
        planes = [ImageChops.invert(plane) for plane in (*inverted.split(), Image.new("L", inverted.size, 255))]
        file = encode(Image.merge("CMYK", planes), "JPEG", quality=95)
        return patched(file, b"Adobe", 6, b"\2")
    cmyk = Image.fromarray(rgb).convert("CMYK")
    if adobe:
        return encode(cmyk, "JPEG", quality=95)
    file = encode(ImageChops.invert(cmyk), "JPEG", quality=95)
    assert file[2:4] == b"\xff\xee"
    return file[:2] + file[18:]


def misdescribed_jpeg(*, marker: int = 0xC0, precision: int = 8, height: int = 32, width: int = 48) -> bytes:
    """JPEG of ``corners`` whose frame header says something else than its data."""
    file = encode(corners(), "JPEG")
    return patched(file, b"\xff\xc0", -2, struct.pack(">BBHBHH", 0xFF, marker, 17, precision, height, width))


def many_scans(side: int, count: int) -> bytes:
    """Progressive JPEG of ``side`` × ``side`` pixels with ``count`` more passes than it needs."""
    file = encode(np.full((side, side), 250, np.uint8), "JPEG", progressive=True)
    last = file[file.rindex(b"\xff\xda") : -2]
    return file[:-2] + last * count + file[-2:]


def gif(canvas: tuple[int, int], *, repeat: int = 1) -> bytes:
    """GIF of ``corners``, its frame ``repeat`` times, on a ``canvas`` of any size."""
    file = encode(corners(), "GIF")
    frame = file.rindex(b",\0\0\0\0")
    return file[:6] + struct.pack("<HH", *canvas) + file[10:frame] + file[frame:-1] * repeat + b";"


def tiff(width: int, height: int, tags: dict[int, int] | None = None) -> bytes:
    """TIFF by hand: one grey strip of 256 deflated zeros, a page that names itself as the next, any more ``tags``."""
    data = zlib.compress(bytes(256))
    fields = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1, 278: height, 279: len(data)} | (tags or {})
    fields[273] = 8 + 2 + 12 * (len(fields) + 1) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + struct.pack("<I", 8) + data
