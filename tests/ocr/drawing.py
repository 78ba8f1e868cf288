"""What the tests of reading draw: pages of text, and *glyphs* whose reader needs no weights.

A glyph is a square with a coloured upper and a black lower half.  Its colour says which character it is, the order of
the halves which way up it stands, so ``tests.ocr.fakes.GlyphReader`` can tell a line held right from one on its head
or on its back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ziyan.ocr.types import Line, Pixels, Polygon, Region

#: Character of each glyph and its colour.
GLYPHS: dict[str, tuple[int, int, int]] = {
    "甲": (255, 0, 0),
    "乙": (0, 255, 0),
    "丙": (0, 0, 255),
    "丁": (255, 255, 0),
    "戊": (255, 0, 255),
    "己": (0, 255, 255),
}


def white(width: int, height: int) -> Pixels:
    """An empty page."""
    return np.full((height, width, 3), 255, np.uint8)


def glyph(character: str, width: int, height: int | None = None) -> Pixels:
    """``[height, width, 3]``: one character with a white margin; square unless a height is given."""
    height = height or width
    cell = white(width, height)
    x, y = width // 8, height // 8
    cell[y : height // 2, x : width - x] = GLYPHS[character]
    cell[height // 2 : height - y, x : width - x] = 0
    return cell


def glyph_line(text: str, side: int = 40) -> Pixels:
    """Glyphs side by side."""
    return np.concatenate([glyph(character, side) for character in text], axis=1)


def glyph_column(text: str, side: int = 40) -> Pixels:
    """Glyphs one under another, upright."""
    return np.concatenate([glyph(character, side) for character in text], axis=0)


def paste(page: Pixels, part: Pixels, x: int, y: int) -> Polygon:
    """Put ``part`` on ``page``; where it lies, clockwise from its top-left."""
    height, width = part.shape[:2]
    page[y : y + height, x : x + width] = part
    return quad(x, y, width, height)


def quad(x: float, y: float, width: float, height: float, angle: float = 0.0) -> Polygon:
    """A rectangle, clockwise from its own top-left, turned clockwise by ``angle`` degrees about its middle."""
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)
    return turned_points(corners, angle, (x + width / 2, y + height / 2))


def turned_points(points: Polygon, angle: float, middle: tuple[float, float]) -> Polygon:
    """``points`` turned clockwise by ``angle`` degrees about ``middle``."""
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    return np.asarray((points - np.array(middle)) @ turn + np.array(middle), np.float32)


def region(polygon: Polygon, score: float = 0.9) -> Region:
    """A region as detection gives it: beginning at the corner nearest the picture's top-left."""
    first = int(polygon.sum(axis=1).argmin())
    return Region(np.roll(polygon, -first, axis=0), score)


def line(text: str, polygon: Polygon, *, vertical: bool = False) -> Line:
    """A line that was read well."""
    return Line(text=text, score=0.99, polygon=polygon, detection_score=0.9, vertical=vertical)


def text_page(lines: Sequence[str], width: int = 640, size: int = 24, *, ink: int = 0, paper: int = 255) -> Image.Image:
    """Latin lines one under another, in the font that comes with Pillow."""
    page = Image.new("L", (width, (2 * len(lines) + 2) * size), paper)
    font, canvas = ImageFont.load_default(size), ImageDraw.Draw(page)
    for number, text in enumerate(lines):
        canvas.text((2 * size, (2 * number + 1.4) * size), text, font=font, fill=ink)
    return page


def text_strip(text: str, space: int = 18) -> tuple[Pixels, list[tuple[float, float]]]:
    """One line, ``[48, W, 3]``, its spaces so wide, and where each of its characters begins and ends, pixels."""
    font = ImageFont.load_default(36)
    ends = [24.0]
    for character in text:
        ends.append(ends[-1] + (space if character == " " else font.getlength(character)))
    strip = Image.new("RGB", (round(ends[-1]) + 24, 48), (255, 255, 255))
    for character, x in zip(text, ends, strict=False):
        ImageDraw.Draw(strip).text((x, 24), character, font=font, fill=(0, 0, 0), anchor="lm")
    return np.asarray(strip), list(pairwise(ends))


def bent(strip: Pixels, degrees: float, *, hanging: bool = False, side: int = 700) -> Pixels:
    """A level strip along an arc of so many degrees of a circle, its middle in the middle of a white square.

    It stands on the circle (∩), its upper side outwards, or hangs in it (∪), its upper side inwards.
    """
    height, width = strip.shape[:2]
    radius = width / np.deg2rad(degrees)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) - side / 2
    down = (-y if hanging else y) - radius
    away = np.hypot(x, down)
    along = np.arctan2(x, -down) * radius + width / 2
    across = height / 2 + (away - radius if hanging else radius - away)
    places = along.astype(np.float32), across.astype(np.float32)
    return np.asarray(cv2.remap(strip, *places, cv2.INTER_LINEAR, borderValue=(255, 255, 255)), np.uint8)


def bars(width: int, height: int, boxes: Iterable[tuple[int, int, int, int]]) -> Pixels:
    """A white page with black bars x, y, w, h: what ``tests.ocr.fakes.InkFinder`` takes for text."""
    page = white(width, height)
    for x, y, w, h in boxes:
        cv2.rectangle(page, (x, y), (x + w - 1, y + h - 1), (0, 0, 0), cv2.FILLED)
    return page
