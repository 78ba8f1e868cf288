"""Intake: which way up, what lies behind transparency, and how deep samples become 8 bits."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from tests.pictures import (
    BLUE,
    YELLOW,
    Array,
    assert_same,
    chunk,
    corners,
    encode,
    exif,
    gif,
    grey_rgb,
    insert_segment,
    lettering,
    png,
    samples,
    stored,
)
from ziyan.ocr.decode import decode
from ziyan.ocr.types import ALL_FORMATS, ImageLimits

RGB = corners()
GREY = np.asarray(PIL.Image.fromarray(RGB).convert("L"))


def read(image_bytes: bytes) -> Array:
    return decode(image_bytes, ImageLimits(formats=ALL_FORMATS)).pixels


# --- orientation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright_once(kind: str, orientation: int) -> None:
    file = encode(stored(RGB, orientation), kind, exif=exif(orientation), quality=95)
    assert_same(read(file), RGB, 12)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_of_exif_are_read(order: str) -> None:
    assert_same(read(encode(stored(RGB, 6), "JPEG", exif=exif(6, order))), RGB, 8)


def test_exif_behind_the_pixels_of_a_png_counts() -> None:
    turned = stored(RGB, 8)
    file = png(32, 48, 8, 2, samples(turned, 8), behind=chunk(b"eXIf", exif(8)[6:]))
    assert_same(read(file), RGB, 0)


WHOLE = exif(6)
TIFF_HEADER, FAR_AWAY = b"II*\0\x08\0\0\0", b"\xff\xff\xff\x7f"
BROKEN_EXIF = {
    "no block": b"Exif\0\0",
    "neither byte order": WHOLE.replace(b"II", b"XX"),
    "directory far away": WHOLE[:10] + FAR_AWAY + WHOLE[14:],
    "65,535 entries": WHOLE[:14] + b"\xff\xff" + bytes(24),
    "orientation 9": exif(9),
    "orientation 0": exif(0),
    "cut in the tag": WHOLE[:20],
    "a string longer than the file": b"Exif\0\0" + TIFF_HEADER + b"\1\0" + struct.pack("<HHII", 0x010F, 2, 2**31, 4),
}


@pytest.mark.parametrize("name", BROKEN_EXIF)
def test_a_broken_exif_block_never_fails_the_picture(name: str) -> None:
    block = BROKEN_EXIF[name]
    without_density = encode(RGB, "JPEG")
    at = without_density.index(b"JFIF") - 4
    jpeg = without_density[:at] + without_density[at + 18 :]  # so that Pillow looks for the density in EXIF
    assert_same(read(insert_segment(jpeg, 0xE1, block)), RGB, 8)
    assert_same(read(png(48, 32, 8, 2, samples(RGB, 8), before=chunk(b"eXIf", block[6:]))), RGB, 0)


# --- transparency and depth -----------------------------------------------------------------------------------


INK = 255 - lettering()  # 255 where the writing is


def written(colour: tuple[int, int, int]) -> Array:
    """``[H, W, 4]``: writing of ``colour`` on nothing."""
    return np.dstack([np.full((*INK.shape, 3), colour, np.uint8), INK])


def shaded() -> Array:
    """White writing with a soft black shadow around it."""
    rgba = written((255, 255, 255))
    shadow = np.clip(INK.astype(int) + 60, 0, 60)
    rgba[..., 3] = np.maximum(INK, shadow)
    rgba[..., :3][INK == 0] = 0
    return rgba


def with_blot() -> Array:
    """White writing on nothing, beside a large black blot."""
    rgba = written((255, 255, 255))
    return np.concatenate([rgba, np.full_like(rgba, 0) + np.array([0, 0, 0, 255], np.uint8)], axis=1)


@pytest.mark.parametrize(
    ("name", "rgba", "paper"),
    [
        ("black writing", written((0, 0, 0)), 255),
        ("white writing", written((255, 255, 255)), 0),
        ("yellow writing", written(YELLOW), 0),
        ("blue writing", written(BLUE), 255),
        ("white writing with a shadow", shaded(), 0),
        ("white writing and a black blot", with_blot(), 0),
    ],
)
def test_transparency_becomes_the_paper_that_shows_the_ink(name: str, rgba: Array, paper: int) -> None:
    pixels = read(encode(rgba, "PNG"))
    assert pixels[0, 0].max() - paper in range(-60, 1)
    writing = pixels[:, : INK.shape[1]][INK == 255].astype(int)
    assert np.abs(writing.mean() - pixels[0, 0].mean()) > 90, "the writing stands out"


WHITE = written((255, 255, 255))
HEIGHT, WIDTH = INK.shape
KEY = (1, 2, 3)
WHITE_ON_NOTHING: dict[str, Callable[[], bytes]] = {
    "png": lambda: encode(WHITE, "PNG"),
    "png grey": lambda: encode(WHITE[..., 2:], "PNG"),
    "png palette": lambda: png(
        *(WIDTH, HEIGHT, 8, 3),
        samples(INK // 255, 8),
        before=chunk(b"PLTE", b"\xff" * 6) + chunk(b"tRNS", b"\0\xff"),
    ),
    "png colour key": lambda: png(
        *(WIDTH, HEIGHT, 8, 2),
        samples(np.where(INK[..., None] == 255, 255, KEY), 8),
        before=chunk(b"tRNS", struct.pack(">HHH", *KEY)),
    ),
    "gif": lambda: encode(PIL.Image.fromarray(WHITE), "GIF"),
    "webp": lambda: encode(WHITE, "WEBP", lossless=True),
    "tiff": lambda: encode(WHITE, "TIFF"),
    "avif": lambda: encode(WHITE, "AVIF", quality=95),
}


@pytest.mark.parametrize("name", WHITE_ON_NOTHING)
def test_white_writing_on_nothing_is_kept_in_every_kind(name: str) -> None:
    make = WHITE_ON_NOTHING[name]
    pixels = read(make())
    assert pixels[INK == 255].mean() > 240
    assert pixels[INK == 0].mean() < 15


def test_a_gif_frame_smaller_than_its_canvas_lies_on_paper() -> None:
    pixels = read(gif((100, 60)))
    assert pixels.shape == (60, 100, 3)
    assert_same(pixels[:32, :48].copy(), RGB, 0)
    outside = np.concatenate([pixels[32:].reshape(-1, 3), pixels[:32, 48:].reshape(-1, 3)])
    assert (outside == outside[0]).all()
    assert outside[0].tolist() in ([0, 0, 0], [255, 255, 255])


def test_a_channel_that_makes_everything_transparent_is_ignored() -> None:
    assert_same(read(encode(np.dstack([RGB, np.zeros_like(GREY)]), "PNG")), RGB, 0)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_fewer_bits_in_16_are_not_black(bits: int) -> None:
    values = (GREY.astype(np.uint32) * (2**bits - 1) // GREY.max()).astype(np.uint16)
    pixels = read(png(48, 32, 16, 0, samples(values, 16)))
    assert_same(pixels, grey_rgb(GREY.astype(int) * 255 // GREY.max()), 1)
