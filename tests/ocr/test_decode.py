"""Intake: a table of every kind of picture with its outcome, and the limits."""

from __future__ import annotations

import struct
import sys
import threading
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests.pictures import (
    PNG_MAGIC,
    Array,
    assert_same,
    chunk,
    corners,
    encode,
    exif,
    four_channel_jpeg,
    gif,
    grey_rgb,
    interlaced_png,
    many_scans,
    misdescribed_jpeg,
    opaque,
    patched,
    png,
    samples,
    tiff,
)
from ziyan.errors import ImageError, ImageTooLargeError, UndecodableImageError, UnsupportedImageError
from ziyan.ocr.decode import decode, sniff
from ziyan.ocr.types import ALL_FORMATS, ImageLimits

ALL = ImageLimits(formats=ALL_FORMATS)
HEIC = Path(__file__).parents[1] / "resources" / "corners-turned.heic"

RGB = corners()
PICTURE = PIL.Image.fromarray(RGB)
GREY = np.asarray(PICTURE.convert("L"))
BINARY = (GREY > 128).astype(np.uint8) * 255
BILEVEL = PIL.Image.fromarray(BINARY).convert("1")
WIDE = np.uint16(257)  # from 8 to 16 bits
DEEP = GREY * WIDE
#: Four grey levels that every bit depth from 2 upwards can hold.
LEVELS = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((16, 24), np.uint8))
LA = np.dstack([GREY, np.full_like(GREY, 255)])
DARK = PIL.Image.new("RGB", (48, 32))

KINDS: dict[str, tuple[str, Callable[[], bytes], Array, int]] = {
    # name: kind, file, pixels, tolerance
    "jpeg baseline": ("JPEG", lambda: encode(RGB, "JPEG", quality=95, subsampling=0), RGB, 4),
    "jpeg subsampled": ("JPEG", lambda: encode(RGB, "JPEG"), RGB, 8),
    "jpeg progressive": ("JPEG", lambda: encode(RGB, "JPEG", progressive=True), RGB, 8),
    "jpeg optimised": ("JPEG", lambda: encode(RGB, "JPEG", optimize=True), RGB, 8),
    "jpeg restart markers": ("JPEG", lambda: encode(RGB, "JPEG", restart_marker_blocks=1), RGB, 8),
    "jpeg grey": ("JPEG", lambda: encode(GREY, "JPEG"), grey_rgb(GREY), 4),
    "jpeg cmyk, adobe": ("JPEG", lambda: four_channel_jpeg(RGB), RGB, 8),
    "jpeg ycck, adobe": ("JPEG", lambda: four_channel_jpeg(RGB, ycck=True), RGB, 8),
    "jpeg cmyk, straight": ("JPEG", lambda: four_channel_jpeg(RGB, adobe=False), RGB, 8),
    "jpeg and trailing junk": ("JPEG", lambda: encode(RGB, "JPEG") + b"\xff\xd8\xffjunk", RGB, 8),
    "png rgb": ("PNG", lambda: encode(RGB, "PNG"), RGB, 0),
    "png rgb interlaced": ("PNG", lambda: interlaced_png(RGB), RGB, 0),
    "png rgb 16 bits": ("PNG", lambda: png(48, 32, 16, 2, samples(RGB * WIDE, 16)), RGB, 0),
    "png rgba": ("PNG", lambda: encode(PICTURE.convert("RGBA"), "PNG"), RGB, 0),
    "png rgba 16 bits": ("PNG", lambda: png(48, 32, 16, 6, samples(opaque(RGB) * WIDE, 16)), RGB, 0),
    "png grey 1 bit": ("PNG", lambda: png(48, 32, 1, 0, samples(BINARY // 255, 1)), grey_rgb(BINARY), 0),
    "png grey 2 bits": ("PNG", lambda: png(48, 32, 2, 0, samples(LEVELS, 2)), grey_rgb(LEVELS * 85), 0),
    "png grey 4 bits": ("PNG", lambda: png(48, 32, 4, 0, samples(LEVELS * 5, 4)), grey_rgb(LEVELS * 85), 0),
    "png grey 8 bits": ("PNG", lambda: encode(GREY, "PNG"), grey_rgb(GREY), 0),
    "png grey 16 bits": ("PNG", lambda: png(48, 32, 16, 0, samples(DEEP, 16)), grey_rgb(GREY), 0),
    "png grey and alpha": ("PNG", lambda: png(48, 32, 8, 4, samples(LA, 8)), grey_rgb(GREY), 0),
    "png grey and alpha 16": ("PNG", lambda: png(48, 32, 16, 4, samples(LA * WIDE, 16)), grey_rgb(GREY), 0),
    "png palette": ("PNG", lambda: encode(PICTURE.quantize(4), "PNG"), RGB, 0),
    "png palette 8 bits": ("PNG", lambda: encode(PICTURE.quantize(256), "PNG", bits=8), RGB, 0),
    "png palette 1 bit": ("PNG", lambda: encode(BILEVEL.convert("L").quantize(2), "PNG"), grey_rgb(BINARY), 0),
    "png animated": ("PNG", lambda: encode(RGB, "PNG", save_all=True, append_images=[DARK]), RGB, 0),
    "png and trailing junk": ("PNG", lambda: encode(RGB, "PNG") + b"junk", RGB, 0),
    "gif": ("GIF", lambda: encode(RGB, "GIF"), RGB, 0),
    "gif interlaced": ("GIF", lambda: encode(RGB, "GIF", interlace=1), RGB, 0),
    "gif grey": ("GIF", lambda: encode(GREY, "GIF"), grey_rgb(GREY), 0),
    "gif animated": ("GIF", lambda: encode(RGB, "GIF", save_all=True, append_images=[DARK]), RGB, 0),
    "gif of 2,000 frames": ("GIF", lambda: gif((48, 32), repeat=2000), RGB, 0),
    "gif without a canvas": ("GIF", lambda: gif((0, 0)), RGB, 0),
    "webp lossy": ("WEBP", lambda: encode(RGB, "WEBP", quality=95), RGB, 8),
    "webp lossless": ("WEBP", lambda: encode(RGB, "WEBP", lossless=True), RGB, 0),
    "webp animated": ("WEBP", lambda: encode(RGB, "WEBP", lossless=True, save_all=True, append_images=[DARK]), RGB, 0),
    "bmp": ("BMP", lambda: encode(RGB, "BMP"), RGB, 0),
    "bmp palette": ("BMP", lambda: encode(PICTURE.quantize(4), "BMP"), RGB, 0),
    "bmp 1 bit": ("BMP", lambda: encode(BILEVEL, "BMP"), grey_rgb(BINARY), 0),
    "tiff": ("TIFF", lambda: encode(RGB, "TIFF"), RGB, 0),
    "tiff lzw": ("TIFF", lambda: encode(RGB, "TIFF", compression="tiff_lzw"), RGB, 0),
    "tiff deflate": ("TIFF", lambda: encode(RGB, "TIFF", compression="tiff_adobe_deflate"), RGB, 0),
    "tiff jpeg": ("TIFF", lambda: encode(RGB, "TIFF", compression="jpeg", quality=95), RGB, 8),
    "tiff cmyk": ("TIFF", lambda: encode(PICTURE.convert("CMYK"), "TIFF", compression="tiff_lzw"), RGB, 0),
    "tiff fax": ("TIFF", lambda: encode(BILEVEL, "TIFF", compression="group4"), grey_rgb(BINARY), 0),
    "tiff 16 bits": ("TIFF", lambda: encode(DEEP, "TIFF"), grey_rgb(GREY), 0),
    "tiff 16 bits, white is 0": ("TIFF", lambda: encode(DEEP, "TIFF", tiffinfo={262: 0}), grey_rgb(255 - GREY), 0),
    "tiff of two pages": ("TIFF", lambda: encode(RGB, "TIFF", save_all=True, append_images=[DARK]), RGB, 0),
    "tiff big": ("TIFF", lambda: encode(RGB, "TIFF", big_tiff=True), RGB, 0),
    "avif": ("AVIF", lambda: encode(RGB, "AVIF", quality=95), RGB, 12),
    "heic": ("HEIF", HEIC.read_bytes, corners(96, 64), 8),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_comes_out_with_its_own_pixels(name: str) -> None:
    kind, make, expected, tolerance = KINDS[name]
    image = decode(make(), ALL)
    assert image.format == kind
    assert_same(image.pixels, expected, tolerance)


def png_header(width: int, height: int) -> bytes:
    return PNG_MAGIC + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + b"\0\0\0\x09IDATx"


REFUSED: dict[str, tuple[type[ImageError], Callable[[], bytes]]] = {
    "nothing": (UnsupportedImageError, lambda: b""),
    "text": (UnsupportedImageError, lambda: "你好".encode()),
    "html": (UnsupportedImageError, lambda: b"<!doctype html><title>404</title>"),
    "pdf": (UnsupportedImageError, lambda: b"%PDF-1.7\n"),
    "postscript": (UnsupportedImageError, lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "photoshop": (UnsupportedImageError, lambda: b"8BPS\0\1" + bytes(40)),
    "jpeg 2000": (UnsupportedImageError, lambda: encode(RGB, "JPEG2000")),
    "bitmap in name only": (UnsupportedImageError, lambda: b"BM, a German car maker, is no picture."),
    "mp4": (UnsupportedImageError, lambda: struct.pack(">I", 24) + b"ftypisom" + bytes(4) + b"isommp42"),
    "leading junk": (UnsupportedImageError, lambda: b"junk" + encode(RGB, "PNG")),
    "jpeg magic alone": (UndecodableImageError, lambda: b"\xff\xd8\xff"),
    "png magic alone": (UndecodableImageError, lambda: PNG_MAGIC),
    "gif magic alone": (UndecodableImageError, lambda: b"GIF89a"),
    "tiff magic alone": (UndecodableImageError, lambda: b"II*\0"),
    "webp magic alone": (UndecodableImageError, lambda: b"RIFF\0\0\0\0WEBP"),
    "jpeg 12 bits": (UndecodableImageError, lambda: misdescribed_jpeg(marker=0xC1, precision=12)),
    "jpeg lossless": (UndecodableImageError, lambda: misdescribed_jpeg(marker=0xC3)),
    "jpeg of no height": (UndecodableImageError, lambda: misdescribed_jpeg(height=0)),
    "png of no width": (UndecodableImageError, lambda: png(0, 5, 8, 2, b"")),
    "tiff of no width": (UndecodableImageError, lambda: tiff(0, 16)),
    "tiff of floats": (UndecodableImageError, lambda: encode(PICTURE.convert("F"), "TIFF")),
    "tiff tile of text": (UndecodableImageError, lambda: patched(tiff(9, 9, {322: 0}), b"\x42\1", 0, b"\2\0")),
    "png text bomb": (UndecodableImageError, lambda: chunked(b"zTXt", b"c\0\0" + bomb())),
    "png text bomb behind": (UndecodableImageError, lambda: chunked(b"zTXt", b"c\0\0" + bomb(), behind=True)),
    "png international text bomb": (UndecodableImageError, lambda: chunked(b"iTXt", b"c\0\1\0\0\0" + bomb())),
    "png profile bomb": (UndecodableImageError, lambda: chunked(b"iCCP", b"c\0\0" + bomb())),
    "heic lies, larger": (UndecodableImageError, lambda: resized(HEIC.read_bytes(), 7000, 7000)),
    "jpeg lies": (ImageTooLargeError, lambda: misdescribed_jpeg(height=65_000, width=65_000)),
    "jpeg of 2,000 passes": (ImageTooLargeError, lambda: many_scans(1024, 2000)),
    "png lies": (ImageTooLargeError, lambda: png_header(60_000, 60_000)),
    "png of 2^31 squared": (ImageTooLargeError, lambda: png_header(2**31 - 1, 2**31 - 1)),
    "png 65,535 × 1": (ImageTooLargeError, lambda: encode(np.zeros((1, 65_535), np.uint8), "PNG")),
    "png 1 × 65,535": (ImageTooLargeError, lambda: encode(np.zeros((65_535, 1), np.uint8), "PNG")),
    "gif canvas": (ImageTooLargeError, lambda: gif((65_535, 65_535))),
    "gif frame beyond its canvas": (ImageTooLargeError, lambda: patched(gif((48, 32)), b",\0\0\0\0", 0, b"\xff" * 4)),
    "bmp lies": (ImageTooLargeError, lambda: patched(encode(RGB, "BMP"), b"BM", 16, b"\xff\xff\0\0" * 2)),
    "webp lies": (ImageTooLargeError, lambda: patched(exif_webp(), b"VP8X", 8, b"\xfd\x3f\0" * 2)),
    "tiff lies": (ImageTooLargeError, lambda: tiff(60_000, 60_000)),
    "tiff tile larger than its page": (ImageTooLargeError, lambda: tiff(16, 16, {322: 30_000, 323: 30_000})),
    "avif lies": (ImageTooLargeError, lambda: resized(encode(RGB, "AVIF"), 9_000, 9_000)),
    "heic lies": (ImageTooLargeError, lambda: resized(HEIC.read_bytes(), 30_000, 30_000)),
}


def exif_webp() -> bytes:
    return encode(RGB, "WEBP", exif=exif(1))  # metadata bring the header with a canvas


def resized(iso_media: bytes, width: int, height: int) -> bytes:
    return patched(iso_media, b"ispe", 4, struct.pack(">II", width, height))


def bomb() -> bytes:
    return zlib.compress(bytes(50 << 20), 9)


def chunked(name: bytes, data: bytes, *, behind: bool = False) -> bytes:
    more = chunk(name, data)
    return png(48, 32, 8, 2, samples(RGB, 8), before=b"" if behind else more, behind=more if behind else b"")


@pytest.mark.parametrize("name", REFUSED)
def test_each_refusal_has_its_own_error(name: str) -> None:
    error, make = REFUSED[name]
    with pytest.raises(error) as refusal:
        decode(make(), ALL)
    assert type(refusal.value) is error
    assert ": " in str(refusal.value), "what happened: what to do next"
    assert "PIL" not in str(refusal.value)


def test_a_12_bit_jpeg_is_told_from_a_damaged_one() -> None:
    with pytest.raises(UndecodableImageError, match="8 bits"):
        decode(misdescribed_jpeg(precision=12), ALL)


@pytest.mark.parametrize("kind", sorted(ALL_FORMATS - {"HEIF"}))
def test_kinds_outside_the_limits_are_refused_by_name(kind: str) -> None:
    file = encode(RGB, kind)
    assert sniff(file) == kind
    with pytest.raises(UnsupportedImageError, match=kind):
        decode(file, ImageLimits(formats=ALL_FORMATS - {kind}))


def test_without_the_extra_a_heic_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(UnsupportedImageError, match=r"ziyan\[heic\]"):
        decode(HEIC.read_bytes(), ALL)


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"avif....mif1", "AVIF"),
        (b"avis....msf1", "AVIF"),
        (b"mif1....mif1avif", "AVIF"),
        (b"mif1....mif1heic", "HEIF"),
        (b"heic....mif1heic", "HEIF"),
        (b"isom....isom", None),
    ],
)
def test_iso_media_is_told_apart_by_its_brands(brands: bytes, kind: str | None) -> None:
    assert sniff(struct.pack(">I", len(brands) + 8) + b"ftyp" + brands + b"\0\0\0\x08meta") == kind


# --- limits ---------------------------------------------------------------------------------------------------


def test_limits_hold_to_the_last_byte_and_pixel() -> None:
    file = encode(RGB, "PNG")
    exact = ImageLimits(max_bytes=len(file), max_pixels=48 * 32, max_side=48)
    assert decode(file, exact).pixels.shape == (32, 48, 3)
    for tighter in (
        ImageLimits(max_bytes=len(file) - 1),
        ImageLimits(max_pixels=48 * 32 - 1),
        ImageLimits(max_side=47),
    ):
        with pytest.raises(ImageTooLargeError):
            decode(file, tighter)


@pytest.mark.parametrize("kind", sorted(ALL_FORMATS - {"HEIF"}))
def test_size_is_refused_before_any_pixel_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: object) -> None:
        raise AssertionError("decoded")

    file = encode(RGB, kind)
    monkeypatch.setattr(type(PIL.Image.open(BytesIO(file))), "load", load)
    with pytest.raises(UndecodableImageError):
        decode(file, ALL)
    with pytest.raises(ImageTooLargeError):
        decode(file, ImageLimits(formats=ALL_FORMATS, max_pixels=100))


def test_one_pixel_is_a_picture() -> None:
    assert decode(encode(np.full((1, 1, 3), 7, np.uint8), "PNG"), ALL).pixels.tolist() == [[[7, 7, 7]]]


def test_the_longest_side_that_is_allowed_is_read() -> None:
    assert decode(encode(np.zeros((1, 65_500), np.uint8), "PNG"), ALL).width == 65_500


def test_a_png_stream_is_read_no_further_than_its_picture() -> None:
    rows = samples(RGB, 8) + bytes(50 << 20)
    assert_same(decode(png(48, 32, 8, 2, rows), ALL).pixels, RGB, 0)


def test_pillow_s_own_limit_neither_changes_nor_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PIL.Image.MAX_IMAGE_PIXELS
    decode(encode(RGB, "PNG"), ALL)
    assert before == PIL.Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    for kind in ("JPEG", "PNG", "BMP"):
        assert decode(encode(RGB, kind), ALL).width == 48


def test_two_threads_keep_their_own_limits() -> None:
    file = encode(RGB, "JPEG")
    outcomes: dict[str, set[str]] = {"generous": set(), "tight": set()}

    def work(name: str, limits: ImageLimits) -> None:
        for _ in range(200):
            try:
                outcomes[name].add(str(decode(file, limits).pixels.shape))
            except ImageError as error:
                outcomes[name].add(type(error).__name__)

    threads = [
        threading.Thread(target=work, args=("generous", ALL)),
        threading.Thread(target=work, args=("tight", ImageLimits(max_pixels=1000))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"generous": {"(32, 48, 3)"}, "tight": {"ImageTooLargeError"}}
