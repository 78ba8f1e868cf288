"""The records of reading.  All are frozen and picklable: they travel between processes.

Frames of reference: every polygon and box is in pixels of the *original upright* image, that is the picture as a
person sees it after its EXIF orientation, before page orientation, deskewing or resizing.  x runs right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Polygon = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]
ModelName = Literal["tiny", "small", "medium"]
Orientation = Literal[0, 90, 180, 270]
#: How finely lines are taken apart.
Detail = Literal["line", "word", "character"]
#: ``reading``: by columns and blocks, pieces that stand level joined; ``position``: each piece by itself, from the top
#: and then from the left.
Order = Literal["reading", "position"]

#: What the wire contract of ``/ocr`` accepts.
MARKETPLACE_FORMATS: frozenset[str] = frozenset({"JPEG", "PNG", "GIF"})
#: Every kind of picture that can be decoded.
ALL_FORMATS: frozenset[str] = frozenset({"JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "HEIF", "AVIF"})


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is refused from a picture's header, before any of it is decoded.

    Attributes:
        max_bytes: Size of the file.
        max_pixels: Width times height.
        max_side: Width or height, whichever is longer.
        formats: Accepted kinds, named as in ``ALL_FORMATS``.
    """

    max_bytes: int = 1 << 20
    max_pixels: int = 64_000_000
    max_side: int = 65_500
    formats: frozenset[str] = MARKETPLACE_FORMATS


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How one picture is to be read.  Passed down unchanged; nothing of it is kept on any object.

    Attributes:
        model: Which weights; None takes the engine's own.
        limits: What is refused before decoding.
        page_orientation: Turn pages that lie on their side or upside down.
        line_orientation: Turn single lines that stand upside down.
        min_score: Lines recognised with a lower score (0..1) are dropped.
        detail: Also give each line's words with their boxes, and each word's characters.
        order: How lines follow each other.
    """

    model: ModelName | None = None
    limits: ImageLimits = field(default_factory=ImageLimits)
    page_orientation: bool = True
    line_orientation: bool = True
    min_score: float = 0.5
    detail: Detail = "line"
    order: Order = "reading"


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A decoded picture.

    Attributes:
        pixels: ``[H, W, 3]`` uint8, RGB, upright (EXIF orientation applied), contiguous.
        format: Kind of the file it came from, as in ``ALL_FORMATS``.
    """

    pixels: Pixels
    format: str

    @property
    def width(self) -> int:
        """Pixels per row."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A detected piece of text.

    Attributes:
        polygon: ``[P ≥ 4, 2]`` float32, clockwise from the text's own top-left.
        detection_score: Mean text probability inside the polygon, 0..1.
    """

    polygon: Polygon
    detection_score: float


@dataclass(frozen=True, slots=True, eq=False)
class Character:
    """One character of a word.

    Attributes:
        text: The character.
        score: Its recognition score, 0..1.
        polygon: ``[P ≥ 4, 2]`` float32, clockwise from the text's own top-left; on its word's.
    """

    text: str
    score: float
    polygon: Polygon

    @property
    def box(self) -> Box:
        """x0, y0, x1, y1 around the polygon."""
        return bounding_box(self.polygon)


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A token of a line: a Latin word, a number, or one CJK character.

    Attributes:
        text: The characters.
        score: Mean recognition score, 0..1.
        polygon: ``[P ≥ 4, 2]`` float32, clockwise from the text's own top-left; more than four points where the line is
            bent.
        characters: In the order of the text; empty unless asked for with ``ReadOptions.detail``.
    """

    text: str
    score: float
    polygon: Polygon
    characters: tuple[Character, ...] = ()

    @property
    def box(self) -> Box:
        """x0, y0, x1, y1 around the polygon."""
        return bounding_box(self.polygon)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One region read.

    Attributes:
        text: The characters, spaces between Latin words as written.
        score: Mean recognition score, 0..1.
        polygon: ``[P ≥ 4, 2]`` float32, clockwise from the text's own top-left.
        detection_score: The region's score, 0..1.
        orientation: How far the line's own top is turned clockwise from the page's, 0 or 180.
        vertical: Written from top to bottom.
        block: Number of the block it belongs to, in reading order from 0.
        words: Empty unless asked for with ``ReadOptions.detail``.
    """

    text: str
    score: float
    polygon: Polygon
    detection_score: float
    orientation: Orientation = 0
    vertical: bool = False
    block: int = 0
    words: tuple[Word, ...] = ()

    @property
    def box(self) -> Box:
        """x0, y0, x1, y1 around the polygon."""
        return bounding_box(self.polygon)


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One picture, read.

    Attributes:
        lines: In reading order.
        text: All lines joined as ``/ocr`` answers them with ``ver=0``.
        width: Of the original upright picture, pixels.
        height: The same.
        orientation: How far the page lay turned clockwise; it was turned back by as much before reading.
        skew: Degrees, clockwise, by which the text ran off the horizontal and was straightened.
        model: Weights that read it.
        timings: Milliseconds of wall time by stage, in the order of the flow.
    """

    lines: tuple[Line, ...]
    text: str
    width: int
    height: int
    orientation: Orientation = 0
    skew: float = 0.0
    model: str = ""
    timings: dict[str, float] = field(default_factory=dict)


def bounding_box(polygon: Polygon) -> Box:
    """x0, y0, x1, y1 of ``polygon``, in its own frame."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
