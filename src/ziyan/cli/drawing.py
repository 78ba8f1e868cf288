"""Draws what was read onto the picture, for people to look at."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ziyan.errors import InputError
from ziyan.ocr.types import Page

COLOURS = ("#d81b60", "#1e88e5", "#2e7d32", "#f57c00", "#6a1b9a")


def draw(image_bytes: bytes, page: Page, target: Path) -> None:
    """Save the upright picture as PNG with each line's polygon and its number in reading order.

    Lines of one block share a colour.

    Args:
        image_bytes: The file that ``page`` was read from.
        page: What was read; its polygons are in pixels of the upright picture.
        target: Where to; missing folders are made.

    Raises:
        InputError: The picture cannot be opened or the drawing not be saved.
    """
    try:
        picture = _upright(image_bytes)
        _outline(picture, page)
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.save(target, format="PNG")
    except OSError as error:
        raise InputError(f"The boxes cannot be drawn: {error.strerror or error}", internal=str(error)) from error


def _outline(picture: Image.Image, page: Page) -> None:
    stroke = max(2, round(max(picture.size) / 800))
    font = ImageFont.load_default(size=max(11, 7 * stroke))
    canvas = ImageDraw.Draw(picture)
    for number, line in enumerate(page.lines, start=1):
        colour = COLOURS[line.block % len(COLOURS)]
        points = [(float(x), float(y)) for x, y in line.polygon]
        canvas.line([*points, points[0]], fill=colour, width=stroke, joint="curve")
        label = canvas.textbbox(points[0], str(number), font=font, anchor="lb")
        canvas.rectangle((label[0] - stroke, label[1] - stroke, label[2] + stroke, label[3]), fill=colour)
        canvas.text(points[0], str(number), font=font, anchor="lb", fill="white")


def _upright(image_bytes: bytes) -> Image.Image:
    with contextlib.suppress(ImportError):
        import pi_heif

        pi_heif.register_heif_opener()
    with _no_pixel_limit():
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(image_bytes)))
        if not picture.has_transparency_data:
            return picture.convert("RGB")
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture.convert("RGBA"))
        return paper.convert("RGB")


@contextlib.contextmanager
def _no_pixel_limit() -> Iterator[None]:
    """Lift Pillow's own limit: the picture has passed ours before it was read."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit
