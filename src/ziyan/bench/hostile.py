"""Pictures that mean harm: damaged, lying, swollen, or drawn to keep a detector busy.  Seeded, lazy, in memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Dice = np.random.Generator
Maker = Callable[[Dice], bytes]
Array = npt.NDArray[Any]

#: No picture has more bytes; the wire contract accepts 1 MiB.
MAX_BYTES = 1_500_000
_PNG = b"\x89PNG\r\n\x1a\n"


def hostile_pictures(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Make hostile pictures one by one; the same ``seed`` gives the same ones.

    Every kind comes round in turn, but of the costly ones (large pictures that are within the usual limits) only one
    a round.

    Args:
        count: How many pictures.
        seed: Of all chance; picture ``i`` depends on ``seed`` and ``i`` alone.

    Yields:
        The kind, as in the tables of this module, and the file's bytes, at most ``MAX_BYTES``.
    """
    usual, costly = tuple(_USUAL.items()), tuple(_COSTLY.items())
    for index in range(count):
        turn, place = divmod(index, len(usual) + 1)
        kind, make = usual[place] if place < len(usual) else costly[turn % len(costly)]
        yield kind, make(np.random.default_rng([seed, index]))[:MAX_BYTES]


def hostile_kinds() -> tuple[str, ...]:
    """Every kind that ``hostile_pictures`` makes."""
    return (*_USUAL, *_COSTLY)


# --- whole files, to be damaged -------------------------------------------------------------------------------


def _encode(pixels: Array | Image.Image, kind: str, **options: Any) -> bytes:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _page(width: int = 480, height: int = 320) -> Image.Image:
    page = Image.new("RGB", (width, height), (250, 248, 240))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(24)
    for line, top in enumerate(range(10, height - 30, 40)):
        draw.text((12, top), f"Line {line}: 0123456789 The quick brown fox", font=font, fill=(20, 20, 60 + 9 * line))
    return page


def _exif(orientation: int) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHIHHI", 0x0112, 3, 1, orientation, 0, 0)


@cache
def _whole() -> dict[str, bytes]:
    """Sound files of every flavour, by name; the first four letters are the kind."""
    page = _page()
    grey = np.asarray(page.convert("L"))
    return {
        "JPEG": _encode(page, "JPEG"),
        "JPEG progressive": _encode(page, "JPEG", progressive=True),
        "JPEG cmyk": _encode(page.convert("CMYK"), "JPEG"),
        "JPEG turned": _encode(page, "JPEG", exif=_exif(6)),
        "PNG ": _encode(page, "PNG"),
        "PNG palette": _encode(page.quantize(200), "PNG"),
        "PNG alpha": _encode(page.convert("RGBA"), "PNG"),
        "PNG 16 bits": _encode(grey * np.uint16(257), "PNG"),
        "PNG animated": _encode(page, "PNG", save_all=True, append_images=[page.rotate(180)]),
        "GIF ": _encode(page, "GIF"),
        "GIF animated": _encode(page, "GIF", save_all=True, append_images=[page.rotate(180)] * 3),
        "WEBP": _encode(page, "WEBP"),
        "BMP ": _encode(page.convert("L"), "BMP"),
        "TIFF": _encode(page, "TIFF", compression="tiff_lzw"),
        "AVIF": _encode(page.resize((240, 160)), "AVIF", speed=10),
    }


def _any(dice: Dice, kind: str = "") -> bytes:
    files = [file for name, file in _whole().items() if name.startswith(kind)]
    return files[dice.integers(len(files))]


def _at(dice: Dice, file: bytes | bytearray) -> int:
    """Somewhere in ``file``, half of the time near its start, where the structure is."""
    return int(dice.integers(min(len(file), 700) if dice.random() < 0.5 else len(file)))


# --- damage ---------------------------------------------------------------------------------------------------


def _truncated(dice: Dice) -> bytes:
    file = _any(dice)
    return file[: _at(dice, file)]


def _header_only(dice: Dice) -> bytes:
    return _any(dice)[: dice.integers(1, 40)]


def _bits_flipped(dice: Dice) -> bytes:
    file = bytearray(_any(dice))
    for _ in range(dice.integers(1, 50)):
        file[_at(dice, file)] ^= 1 << int(dice.integers(8))
    return bytes(file)


def _run_overwritten(dice: Dice) -> bytes:
    file = _any(dice)
    at, length = _at(dice, file), int(dice.integers(1, 400))
    run = dice.bytes(length) if dice.random() < 0.5 else bytes([int(dice.choice([0, 255]))]) * length
    return file[:at] + run + file[at + length :]


def _spliced(dice: Dice) -> bytes:
    head, tail = _any(dice), _any(dice)
    return head[: _at(dice, head)] + tail[_at(dice, tail) :]


def _piece_repeated(dice: Dice) -> bytes:
    file = _any(dice)
    start, end = sorted((_at(dice, file), _at(dice, file)))
    return file[:end] + file[start:end] * int(dice.integers(1, 30)) + file[end:]


def _wrong_magic(dice: Dice) -> bytes:
    file, other = _any(dice), _any(dice)
    return other[:12] + file[12:]


def _junk_around(dice: Dice) -> bytes:
    junk = dice.bytes(int(dice.integers(1, 5000)))
    return _any(dice) + junk if dice.random() < 0.5 else junk + _any(dice)


# --- no pictures ----------------------------------------------------------------------------------------------


def _empty(_: Dice) -> bytes:
    return b""


def _noise_behind_magic(dice: Dice) -> bytes:
    return _any(dice)[: int(dice.integers(2, 40))] + dice.bytes(int(dice.integers(1, 20_000)))


def _noise(dice: Dice) -> bytes:
    return dice.bytes(int(dice.integers(1, 20_000)))


_OTHER_HEADS = (
    b"%PDF-1.7\n",
    b"PK\3\4",
    b"<!doctype html><html>",
    b"<svg xmlns='http://www.w3.org/2000/svg'>",
    b"%!PS-Adobe-3.0 EPSF-3.0\n",
    b"8BPS\0\1",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"\0\0\0\x18ftypisom",
    "文字".encode(),
)


def _other_file(dice: Dice) -> bytes:
    return _OTHER_HEADS[dice.integers(len(_OTHER_HEADS))] + dice.bytes(200)


# --- lies and bombs -------------------------------------------------------------------------------------------


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, depth: int, colour_type: int, stream: bytes, before: bytes = b"") -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    return _PNG + header + before + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


@cache
def _zeros(megabytes: int) -> bytes:
    return zlib.compress(bytes(megabytes << 20), 9)


def _large_side(dice: Dice) -> int:
    return int(dice.choice([3000, 8000, 9000, 20_000, 65_535]))


def _jpeg_of_size(width: int, height: int) -> bytes:
    file = _whole()["JPEG"]
    at = file.index(b"\xff\xc0") + 5
    return file[:at] + struct.pack(">HH", height, width) + file[at + 4 :]


def _jpeg_lies(dice: Dice) -> bytes:
    return _jpeg_of_size(int(dice.choice([0, 1, 9000, 40_000, 65_535])), int(dice.choice([0, 1, 9000, 65_535])))


def _jpeg_12_bits(_: Dice) -> bytes:
    file = _whole()["JPEG"]
    at = file.index(b"\xff\xc0") + 4
    return file[:at] + b"\x0c" + file[at + 1 :]


def _jpeg_scans(dice: Dice) -> bytes:
    side = int(dice.choice([64, 1000, 2000]))
    file = _encode(np.full((side, side), 250, np.uint8), "JPEG", progressive=True)
    last = file[file.rindex(b"\xff\xda") : -2]
    return file[:-2] + last * int(dice.integers(100, 3000)) + file[-2:]


def _jpeg_segments(dice: Dice) -> bytes:
    file = _whole()["JPEG"]
    data = b"Exif\0\0" + dice.bytes(int(dice.integers(1, 30)))
    segment = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    return file[:2] + segment * int(dice.integers(1000, 20_000)) + file[2:]


def _png_lies(dice: Dice) -> bytes:
    return _png(_large_side(dice) * int(dice.integers(1, 9)), _large_side(dice), 8, 2, zlib.compress(b"\0"))


def _png_swollen(dice: Dice) -> bytes:
    """A small picture in a stream that inflates to hundreds of megabytes."""
    return _png(int(dice.integers(1, 60)), int(dice.integers(1, 60)), 8, 2, _zeros(300))


def _png_beyond(dice: Dice) -> bytes:
    """Too many pixels, and truly all there."""
    return _png(40_000, 60_000, 1, 0, _zeros(300))


def _png_metadata(dice: Dice) -> bytes:
    name, head = [(b"zTXt", b"c\0\0"), (b"iTXt", b"c\0\1\0\0\0"), (b"iCCP", b"c\0\0")][dice.integers(3)]
    file = _whole()["PNG "]
    at = 33 if dice.random() < 0.5 else len(file) - 12  # behind the header, or before the end
    return file[:at] + _chunk(name, head + _zeros(300)) + file[at:]


def _png_chunks(dice: Dice) -> bytes:
    file = _whole()["PNG "]
    chunk = _chunk(bytes(dice.choice([b"tEXt", b"zzzz", b"fcTL", b"PLTE", b"tRNS"])), dice.bytes(3))
    return file[:33] + chunk * int(dice.integers(100, 20_000)) + file[33:]


def _gif_canvas(dice: Dice) -> bytes:
    file = _whole()["GIF "]
    return file[:6] + struct.pack("<HH", _large_side(dice), _large_side(dice)) + file[10:]


def _gif_frames(dice: Dice) -> bytes:
    file = _encode(Image.new("P", (16, 16), 3), "GIF")
    frame = file.rindex(b",\0\0\0\0")
    return file[:frame] + file[frame:-1] * int(dice.integers(1000, 15_000)) + b";"


def _broken_exif(dice: Dice) -> bytes:
    block = bytearray(_exif(int(dice.integers(0, 12))))
    for _ in range(dice.integers(1, 6)):
        block[dice.integers(6, len(block))] = dice.integers(256)
    file = _whole()["JPEG"]
    return file[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + bytes(block) + file[2:]


def _swollen_jpeg(dice: Dice) -> bytes:
    """Sound, but around the size limit of the wire contract."""
    side = int(dice.integers(900, 1250))
    return _encode(dice.integers(0, 256, (side, side), np.uint8), "JPEG", quality=92)


# --- shapes and modes -----------------------------------------------------------------------------------------


def _grey(dice: Dice) -> int:
    return int(dice.integers(256))


def _one_pixel(dice: Dice) -> bytes:
    return _encode(np.full((1, 1, 3), _grey(dice), np.uint8), str(dice.choice(["PNG", "GIF", "JPEG"])))


def _few_pixels(dice: Dice) -> bytes:
    shape = tuple(dice.integers(1, 12, 2))
    return _encode(dice.integers(0, 256, (*shape, 3), np.uint8), str(dice.choice(["PNG", "GIF", "JPEG"])))


def _wide_line(dice: Dice) -> bytes:
    return _encode(dice.integers(0, 256, (1, 65_535), np.uint8), "PNG")


def _high_line(dice: Dice) -> bytes:
    return _encode(dice.integers(0, 256, (65_535, 1), np.uint8), "PNG")


def _thin(dice: Dice) -> bytes:
    """Within every limit, and thousands of times longer than wide."""
    strip = np.repeat(dice.integers(0, 2, (1, 15_000), np.uint8) * 255, int(dice.integers(1, 5)), axis=0)
    return _encode(strip if dice.random() < 0.5 else np.ascontiguousarray(strip.T), "PNG")


def _deep(dice: Dice) -> bytes:
    return _encode(dice.integers(0, 1 << int(dice.integers(1, 17)), (200, 300)).astype(np.uint16), "PNG")


def _palette(dice: Dice) -> bytes:
    """Indices beyond the palette's end, and a transparency for more colours than there are."""
    rows = b"".join(b"\0" + dice.bytes(300) for _ in range(200))
    colours = _chunk(b"PLTE", dice.bytes(3 * int(dice.integers(1, 256)))) + _chunk(b"tRNS", dice.bytes(256))
    return _png(300, 200, 8, 3, zlib.compress(rows), colours)


def _see_through(dice: Dice) -> bytes:
    return _encode(dice.integers(0, 256, (200, 300, 4), np.uint8), "PNG")


def _four_channels(dice: Dice) -> bytes:
    return _encode(Image.fromarray(dice.integers(0, 256, (200, 300, 4), np.uint8), "CMYK"), "JPEG")


# --- drawn to keep a detector busy ----------------------------------------------------------------------------


def _drawn(dice: Dice, pixels: Array) -> bytes:
    grey = np.where(pixels, 255, 0).astype(np.uint8)
    return _encode(255 - grey if dice.random() < 0.5 else grey, "PNG")


def _sides(dice: Dice, most: int = 1600) -> tuple[int, int]:
    height, width = dice.integers(200, most, 2)
    return int(height), int(width)


def _one_colour(dice: Dice) -> bytes:
    return _encode(np.full(_sides(dice), dice.choice([0, 255, _grey(dice)]), np.uint8), "PNG")


def _checkerboard(dice: Dice) -> bytes:
    side = int(dice.integers(1, 9))
    y, x = np.indices(_sides(dice)) // side
    return _drawn(dice, (x + y) % 2)


def _stripes(dice: Dice) -> bytes:
    y, x = np.indices(_sides(dice))
    return _drawn(dice, (x * dice.integers(-2, 3) + y * dice.integers(1, 3)) // dice.integers(1, 12) % 2)


def _dots(dice: Dice) -> bytes:
    """Up to tens of thousands of small blocks, each of them a candidate."""
    step, size = int(dice.integers(6, 24)), int(dice.integers(2, 6))
    y, x = np.indices(_sides(dice))
    return _drawn(dice, (x % step < size) & (y % step < size))


def _rings(dice: Dice) -> bytes:
    height, width = _sides(dice)
    y, x = np.indices((height, width))
    return _drawn(dice, np.hypot(y - height / 2, x - width / 2) // dice.integers(1, 15) % 2)


def _static(dice: Dice) -> bytes:
    return _drawn(dice, dice.random(_sides(dice)) < dice.uniform(0.01, 0.99))


def _tiny_letters(dice: Dice) -> bytes:
    """Thousands of words of a few pixels."""
    height, width = _sides(dice)
    row = Image.new("L", (width, int(dice.integers(5, 14))), 255)
    text = "".join(dice.choice(list("abcdefghik 0123456789"), width // 2))
    ImageDraw.Draw(row).text((0, 0), text, font=ImageFont.load_default(int(dice.integers(4, 10))), fill=0)
    return _encode(np.tile(np.asarray(row), (height // row.height, 1)), "PNG")


def _giant_letter(dice: Dice) -> bytes:
    page = Image.new("L", (1500, 1500), 255)
    font = ImageFont.load_default(int(dice.integers(800, 2500)))
    ImageDraw.Draw(page).text((-100, -300), str(dice.choice(list("ABWMg8%"))), font=font, fill=0)
    return _encode(page.rotate(float(dice.uniform(0, 360)), fillcolor=255), "PNG")


# --- costly: large, and within the usual limits ---------------------------------------------------------------


def _giant_blank(dice: Dice) -> bytes:
    return _png(8000, int(dice.integers(2000, 8001)), 1, 0, _zeros(8))


def _giant_lie(dice: Dice) -> bytes:
    return _jpeg_of_size(8000, int(dice.integers(1000, 8001)))


def _giant_dots(dice: Dice) -> bytes:
    step = int(dice.integers(8, 40))
    inside = np.arange(4000) % step < step // 2
    return _encode(Image.fromarray(inside[:, None] & inside[None, :]), "PNG")


def _long_strip(dice: Dice) -> bytes:
    strip = _page(600, int(dice.integers(5000, 30_000))).convert("1")
    return _encode(strip if dice.random() < 0.5 else strip.transpose(Image.Transpose.ROTATE_90), "PNG")


_USUAL: dict[str, Maker] = {
    "truncated": _truncated,
    "header only": _header_only,
    "bits flipped": _bits_flipped,
    "run overwritten": _run_overwritten,
    "spliced": _spliced,
    "piece repeated": _piece_repeated,
    "wrong magic": _wrong_magic,
    "junk around": _junk_around,
    "sound": _any,
    "empty": _empty,
    "noise": _noise,
    "noise behind magic": _noise_behind_magic,
    "other file": _other_file,
    "jpeg lies": _jpeg_lies,
    "jpeg 12 bits": _jpeg_12_bits,
    "jpeg of many scans": _jpeg_scans,
    "jpeg of many segments": _jpeg_segments,
    "jpeg swollen": _swollen_jpeg,
    "jpeg of four channels": _four_channels,
    "png lies": _png_lies,
    "png swollen": _png_swollen,
    "png beyond the limits": _png_beyond,
    "png metadata bomb": _png_metadata,
    "png of many chunks": _png_chunks,
    "png palette": _palette,
    "png 16 bits": _deep,
    "png see-through": _see_through,
    "gif canvas": _gif_canvas,
    "gif of many frames": _gif_frames,
    "broken exif": _broken_exif,
    "one pixel": _one_pixel,
    "few pixels": _few_pixels,
    "65,535 × 1": _wide_line,
    "1 × 65,535": _high_line,
    "thin": _thin,
    "one colour": _one_colour,
    "checkerboard": _checkerboard,
    "stripes": _stripes,
    "dots": _dots,
    "rings": _rings,
    "static": _static,
    "tiny letters": _tiny_letters,
    "giant letter": _giant_letter,
}
_COSTLY: dict[str, Maker] = {
    "giant and blank": _giant_blank,
    "giant lie": _giant_lie,
    "giant of dots": _giant_dots,
    "long strip": _long_strip,
}
