"""Image bytes → ``Image``: judged by content, limited by the header, decoded, composed on paper, turned upright.

Pillow's codecs do the decoding, and each kind is handed to its own codec class rather than to ``PIL.Image.open``.
So no parser runs that ``limits.formats`` does not name, and the limits are those of the call: Pillow's own,
``MAX_IMAGE_PIXELS``, is a global of the process that two callers would have to share.

Colour profiles (ICC) are ignored on purpose.  Reading depends on the contrast of ink and paper, which no profile met
in practice turns round, and parsing one is work that a hostile file would choose.  CMYK is converted by the plain
formula ``(1 - C)(1 - K)``: its colours are a little too bright, its letters are the same.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO

import cv2
import numpy as np
import PIL.Image
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageChops,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from ziyan.errors import ImageTooLargeError, UndecodableImageError, UnsupportedImageError
from ziyan.ocr.types import Image, ImageLimits, Pixels

_CODECS: dict[str, Callable[[BytesIO], ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}

#: What codecs raise on bytes they cannot make sense of; Pillow has no base class for it.  Deliberately not
#: ``Exception``: KeyboardInterrupt is none, and an ImageError raised on purpose passes through.
_CODEC_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})

_ORIENTATION_TAG = 0x0112
_TIFF_PHOTOMETRIC, _TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 262, 322, 323
_TIFF_WHITE_IS_ZERO = 0

#: Passes over all pixels that a JPEG may ask for, counted for a picture of ``max_pixels``.  Encoders write about ten.
_MAX_SCANS = 32
#: Rows converted at a time, so that a large picture is never in memory three times over.
_BAND = 256

_PILLOW_WARNINGS = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def sniff(image_bytes: bytes) -> str | None:
    """Kind of the picture, as in ``ALL_FORMATS``, by its first bytes; None if it is none of them."""
    head = image_bytes[:12]
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if head.startswith(b"BM") and int.from_bytes(image_bytes[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if head[4:8] == b"ftyp":
        return _sniff_brands(image_bytes)
    return None


def _sniff_brands(image_bytes: bytes) -> str | None:
    # ISO base media: size, "ftyp", major brand, version, compatible brands.  "mif1" is the major brand of both kinds.
    box = image_bytes[8 : min(int.from_bytes(image_bytes[:4], "big"), 256)]
    brands = {box[at : at + 4] for at in range(0, len(box), 4)}
    if brands & _AVIF_BRANDS and box[:4] not in _HEIF_BRANDS - {b"mif1", b"msf1"}:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None


def decode(image_bytes: bytes, limits: ImageLimits) -> Image:
    """Decode one picture: first frame or page, transparency composed, EXIF orientation applied.

    Args:
        image_bytes: The file's bytes; its name or declared type plays no part.
        limits: What is refused from the header, before any pixel is decoded.

    Raises:
        UnsupportedImageError: Not a picture of ``limits.formats``.
        ImageTooLargeError: More bytes, pixels or a longer side than ``limits`` allow.
        UndecodableImageError: Damaged, truncated or of a refused flavour; never a picture in part.
    """
    if len(image_bytes) > limits.max_bytes:
        raise ImageTooLargeError(
            f"The file has {len(image_bytes):,} bytes and at most {limits.max_bytes:,} are accepted: "
            "scale the picture down or compress it more."
        )
    kind = _accepted_kind(image_bytes, limits)
    _mute_pillow()
    with _codec_faults():
        picture = _open(kind, image_bytes)
        _check_size(*picture.size, limits)
        _check_work(kind, picture, image_bytes, limits)
        pixels = _pixels(kind, picture)
        orientation = _orientation(kind, picture)  # after loading: a PNG may give it behind its pixels
    # An HEIF may turn out larger than its header said.
    _check_size(pixels.shape[1], pixels.shape[0], limits)
    return Image(_upright(pixels, orientation), kind)


def _accepted_kind(image_bytes: bytes, limits: ImageLimits) -> str:
    accepted = ", ".join(sorted(limits.formats))
    if not image_bytes:
        raise UnsupportedImageError(f"The file is empty: send a picture ({accepted}).")
    kind = sniff(image_bytes)
    if kind is None:
        raise UnsupportedImageError(
            f"The file is not a picture of an accepted kind ({accepted}), judged by its content: convert it to one."
        )
    if kind not in limits.formats:
        raise UnsupportedImageError(f"{kind} pictures are not accepted here: convert it to one of {accepted}.")
    return kind


def _mute_pillow() -> None:
    """Keep Pillow's warnings about odd files from callers and, where warnings are errors, from failing a picture.

    The filter stays in place.  ``warnings.catch_warnings`` would swap the whole process's filters there and back,
    which goes wrong as soon as two threads do it.
    """
    if _PILLOW_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module=_PILLOW_WARNINGS[3].pattern)


@contextmanager
def _codec_faults() -> Iterator[None]:
    try:
        yield
    except PIL.Image.DecompressionBombError as fault:
        raise ImageTooLargeError(
            "The picture asks for far more memory than its kind may: scale it down.", internal=str(fault)
        ) from fault
    except _CODEC_FAULTS as fault:
        internal = f"{type(fault).__name__}: {fault}"
        if "-bit layers" in str(fault):
            raise UndecodableImageError(
                "The JPEG does not have 8 bits a channel: save it with 8 bits.", internal=internal
            ) from fault
        raise UndecodableImageError(
            "The picture is damaged or incomplete: open it, save it again and send the new file.", internal=internal
        ) from fault


def _open(kind: str, image_bytes: bytes) -> ImageFile:
    """Read the header; no pixel is decoded."""
    if kind == "HEIF":
        try:
            from pi_heif import HeifImageFile
        except ImportError:
            raise UnsupportedImageError(
                "HEIC pictures cannot be read by this installation: send a JPEG, "
                "or have the operator install ziyan[heic]."
            ) from None
        _check_heif_strings(image_bytes)
        picture: ImageFile = HeifImageFile(BytesIO(image_bytes))
        return picture
    return _CODECS[kind](BytesIO(image_bytes))


def _check_heif_strings(image_bytes: bytes) -> None:
    """Raise UnicodeDecodeError where an item's type, name or content type is not UTF-8, as ISO/IEC 14496-12 demands.

    pi_heif 1.4 takes it for granted and brings the whole process down (pillow-heif 1.8 has the cure, #478).
    """
    for mark in re.finditer(b"infe", image_bytes):
        size = int.from_bytes(image_bytes[mark.start() - 4 : mark.start()], "big")
        start, end = mark.end(), mark.start() - 4 + size
        if size == 1:  # the true size is in the next eight bytes
            start, end = start + 8, mark.start() - 4 + int.from_bytes(image_bytes[start : start + 8], "big")
        elif size == 0:  # up to the end of the file
            end = len(image_bytes)
        identifier = 4 if image_bytes[start : start + 1] == b"\3" else 2
        image_bytes[start + 4 + identifier + 2 : end].decode("utf-8")


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    if max(width, height) > limits.max_side:
        raise ImageTooLargeError(
            f"The picture is {width} × {height} pixels and a side may have at most {limits.max_side:,}: "
            "scale it down or cut it into parts."
        )
    if width * height > limits.max_pixels:
        raise ImageTooLargeError(
            f"The picture is {width} × {height} pixels and at most {limits.max_pixels:,} are accepted in all: "
            "scale it down or cut it into parts."
        )


def _check_work(kind: str, picture: ImageFile, image_bytes: bytes, limits: ImageLimits) -> None:
    """Refuse a small header that asks for a lot: JPEG scans by the hundred, TIFF tiles larger than the picture."""
    if kind == "JPEG":
        # Inside a scan's data every FF is escaped, so this finds markers (and now and then one of a thumbnail).
        scans = image_bytes.count(b"\xff\xda")
        if scans * picture.width * picture.height > _MAX_SCANS * limits.max_pixels:
            raise ImageTooLargeError(
                f"The JPEG is {picture.width} × {picture.height} pixels in {scans} passes: save it as a baseline JPEG."
            )
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        tile = picture.tag_v2.get(_TIFF_TILE_WIDTH, 0), picture.tag_v2.get(_TIFF_TILE_LENGTH, 0)
        _check_size(*tile, limits)


# --- pixels ---------------------------------------------------------------------------------------------------


def _pixels(kind: str, picture: ImageFile) -> Pixels:
    """``[H, W, 3]`` uint8 RGB, as stored (not yet upright)."""
    frame = picture.tile[0].extents if kind == "GIF" else None
    picture.load()
    if picture.mode in {"I", "F"} or picture.mode.startswith("I;16"):
        return _deep_grey(picture)
    if frame is not None and frame != (0, 0, *picture.size):
        rgba = _array(picture, "RGBA")
        _clear_around(rgba, frame)
        return _on_paper(rgba)
    if picture.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info:
        return _on_paper(_array(picture, "RGBA"))
    if kind == "JPEG" and picture.mode == "CMYK" and "adobe" not in picture.info:
        # Adobe writes CMYK inverted and says so by its marker; Pillow takes every file for such a one.
        return _array(ImageChops.invert(picture), "RGB")
    return _array(picture, "RGB")


def _array(picture: PIL.Image.Image, mode: str) -> Pixels:
    """``[H, W, len(mode)]`` uint8."""
    width, height = picture.size
    array = np.empty((height, width, len(mode)), np.uint8)
    for top in range(0, height, _BAND):
        bottom = min(top + _BAND, height)
        band = picture.crop((0, top, width, bottom))
        array[top:bottom] = np.asarray(band if band.mode == mode else band.convert(mode))
    picture.close()
    return array


def _deep_grey(picture: ImageFile) -> Pixels:
    """Grey of 16 bits, scaled rather than clipped."""
    values = np.asarray(picture)
    if values.dtype.itemsize != 2:  # 32-bit integers and floats have no agreed white
        raise UndecodableImageError("The picture has 32 bits a channel: save it with 8 or 16.")
    # Many writers put 8, 10 or 12 bits into 16 without scaling them up: such a page would come out black.
    brightest = int(values.max())
    shift = 8 if brightest > 0x0FFF else max(0, brightest.bit_length() - 8)
    grey = (values >> shift).astype(np.uint8)
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        photometric = picture.tag_v2.get(_TIFF_PHOTOMETRIC)
        if photometric == _TIFF_WHITE_IS_ZERO:  # Pillow turns it round for 8 bits only
            grey = 255 - grey
    return np.repeat(grey[..., None], 3, axis=2)


def _clear_around(rgba: Pixels, frame: tuple[int, int, int, int]) -> None:
    """Make everything outside ``frame`` (x0, y0, x1, y1) transparent: a GIF says nothing about it."""
    x0, y0, x1, y1 = frame
    alpha = rgba[..., 3]
    alpha[:y0] = alpha[y1:] = 0
    alpha[:, :x0] = alpha[:, x1:] = 0


def _on_paper(rgba: Pixels) -> Pixels:
    """Compose on white, or on black where that shows more: white writing on nothing is common in screen graphics.

    What a paper shows is measured by the steps in brightness between neighbouring pixels on it.
    """
    alpha = rgba[..., 3]
    if alpha.min() == 255 or alpha.max() == 0:
        # Where all is transparent the channel means nothing: 32-bit bitmaps leave it at zero.
        return cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)
    grey_on_black = cv2.multiply(cv2.cvtColor(rgba, cv2.COLOR_RGBA2GRAY), alpha, scale=1 / 255)
    white = 255 - alpha
    on_white = _contrast(cv2.add(grey_on_black, white)) >= _contrast(grey_on_black)
    composed = np.empty((*alpha.shape, 3), np.uint8)
    for channel in range(3):
        ink = cv2.multiply(rgba[..., channel], alpha, scale=1 / 255)
        composed[..., channel] = cv2.add(ink, white) if on_white else ink
    return composed


def _contrast(grey: cv2.typing.MatLike) -> float:
    across = cv2.norm(grey[:, 1:], grey[:, :-1], cv2.NORM_L1) if grey.shape[1] > 1 else 0.0
    down = cv2.norm(grey[1:], grey[:-1], cv2.NORM_L1) if grey.shape[0] > 1 else 0.0
    return across + down


# --- orientation ----------------------------------------------------------------------------------------------


def _orientation(kind: str, picture: ImageFile) -> int:
    """EXIF orientation, 1..8, that is still to be applied."""
    if kind in {"TIFF", "HEIF"}:
        return 1  # applied by the codec as it loads: to TIFF from its tag, to HEIF from irot and imir
    exif = picture.info.get("exif")  # for AVIF, Pillow puts irot and imir there
    return _exif_orientation(exif) if isinstance(exif, bytes) else 1


def _exif_orientation(exif: bytes) -> int:
    """Orientation tag of an EXIF block; 1 where there is none or the block is broken."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (entries,) = struct.unpack_from(order + "H", block, start)
        for entry in range(entries):
            tag, value = struct.unpack_from(order + "H6xH", block, start + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (CIPA DC-008, tag 274): ``pixels`` as stored → as a person sees them."""
    if orientation in {5, 7}:
        pixels = cv2.transpose(pixels).astype(np.uint8, copy=False)
        orientation = {5: 1, 7: 3}[orientation]
    turn = {
        2: lambda: cv2.flip(pixels, 1),
        3: lambda: cv2.rotate(pixels, cv2.ROTATE_180),
        4: lambda: cv2.flip(pixels, 0),
        6: lambda: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
        8: lambda: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
    }.get(orientation)
    return turn().astype(np.uint8, copy=False) if turn else pixels
