"""Intake: whatever the bytes, the answer is an Image or an ImageError, and a damaged picture is never read in part."""

from __future__ import annotations

import struct
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import chunk, corners, encode, patched, png, samples, tiff
from ziyan.errors import ImageError, UndecodableImageError, UnsupportedImageError
from ziyan.ocr.decode import decode
from ziyan.ocr.types import ALL_FORMATS, Image, ImageLimits

ALL = ImageLimits(formats=ALL_FORMATS)
HEIC = (Path(__file__).parents[1] / "resources" / "corners-turned.heic").read_bytes()
SMALL = corners(24, 16)
WHOLE = {
    "jpeg": encode(SMALL, "JPEG"),
    "jpeg progressive": encode(SMALL, "JPEG", progressive=True),
    "png": encode(SMALL, "PNG"),
    "png palette": encode(PIL.Image.fromarray(SMALL).quantize(4), "PNG"),
    "gif": encode(SMALL, "GIF"),
    "webp": encode(SMALL, "WEBP"),
    "webp lossless": encode(SMALL, "WEBP", lossless=True),
    "bmp": encode(SMALL, "BMP"),
    "tiff": encode(SMALL, "TIFF"),
    "tiff lzw": encode(SMALL, "TIFF", compression="tiff_lzw"),
    "avif": encode(SMALL, "AVIF"),
    "heic": HEIC,
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_truncated_file_is_never_read_in_part(name: str) -> None:
    file = WHOLE[name]
    whole = decode(file, ALL).pixels
    refused = 0
    for cut in range(len(file)):
        try:
            pixels = decode(file[:cut], ALL).pixels
        except (UndecodableImageError, UnsupportedImageError):
            refused += 1
        else:  # all that is missing is an end mark, or metadata
            assert np.array_equal(pixels, whole), cut
    assert refused > len(file) * 0.6


def answer(image_bytes: bytes) -> Image | ImageError:
    """Whatever the bytes, one of two things; under ``-W error`` a warning of a codec would be a third."""
    try:
        image = decode(image_bytes, ImageLimits(formats=ALL_FORMATS, max_pixels=200_000))
    except ImageError as error:
        assert str(error)
        return error
    assert image.pixels.dtype == np.uint8
    assert image.pixels.ndim == 3
    assert image.pixels.shape[2] == 3
    assert image.pixels.flags.c_contiguous
    return image


MAGIC = [b"", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"BM" + bytes(12) + b"\x0c"]
MAGIC += [file[:16] for file in WHOLE.values()]
FUZZ = settings(max_examples=300, deadline=None, derandomize=True, database=None)


@FUZZ
@given(st.sampled_from(MAGIC), st.binary(max_size=300))
def test_arbitrary_bytes_give_a_picture_or_an_image_error(head: bytes, tail: bytes) -> None:
    answer(head + tail)


@FUZZ
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4),
)
def test_spliced_files_give_a_picture_or_an_image_error(name: str, cuts: list[tuple[float, int, bytes]]) -> None:
    file = WHOLE[name]
    for where, removed, inserted in cuts:
        at = int(where * len(file))
        file = file[:at] + inserted + file[at + removed :]
    answer(file)


@pytest.mark.parametrize("size", [0, 1, 21])
def test_heic_items_with_names_that_are_no_text_never_reach_the_library_they_crash(size: int) -> None:
    at = HEIC.index(b"Exif")  # the type of the second item, whose box begins 16 bytes before
    box = struct.pack(">I4sIHH", size, b"infe", 2 << 24, 2, 0)
    box = box.replace(b"infe", b"infe" + struct.pack(">Q", 29)) if size == 1 else box
    with pytest.raises(UndecodableImageError) as refusal:
        decode(HEIC[: at - 16] + box + b"\xff\xff\xff\xff" + HEIC[at + 4 :], ALL)
    assert "UnicodeDecodeError" in refusal.value.internal


ODD = {
    "invalid animation": png(24, 16, 8, 2, samples(SMALL, 8), before=chunk(b"acTL", bytes(8))),
    "tag data beyond the file": patched(
        encode(SMALL, "TIFF", description="x" * 50), struct.pack("<HH", 270, 2), 0, b"\xff\xff\0\0"
    ),
    "no next directory": tiff(16, 16)[:110],
}


@pytest.mark.parametrize("name", ODD)
def test_pillow_s_warnings_reach_nobody(name: str) -> None:
    with pytest.warns(UserWarning):
        PIL.Image.open(BytesIO(ODD[name]))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        answer(ODD[name])
    assert seen == []
