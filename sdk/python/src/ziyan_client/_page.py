"""What a picture says, as frozen records.

Coordinates are pixels of the original upright picture (after its EXIF orientation), x to the right, y down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Character:
    """One character of a word.

    Attributes:
        text: The character.
        score: Recognition score, 0..1.
        polygon: Corners, clockwise from the text's own top-left.
        box: x0, y0, x1, y1 around the polygon.
    """

    text: str
    score: float
    polygon: tuple[Point, ...]
    box: Box


@dataclass(frozen=True)
class Word(Character):
    """A Latin word, a number, or one CJK character.

    Attributes:
        characters: Empty unless ``detail="character"``.
    """

    characters: tuple[Character, ...] = ()


@dataclass(frozen=True)
class Line(Character):
    """A line of text.

    Attributes:
        detection_score: How sure it is that there is text at all, 0..1.
        orientation: 180 if the line stands on its head on its page, else 0.
        vertical: Written from top to bottom.
        words: Empty unless ``detail="word"`` or ``"character"``.
    """

    detection_score: float = 0.0
    orientation: int = 0
    vertical: bool = False
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Block:
    """Lines that belong together: a paragraph, a column, a table.

    Attributes:
        text: The lines, one under another.
        box: x0, y0, x1, y1 around them.
        lines: In order.
    """

    text: str
    box: Box
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Page:
    """A picture, read.

    Attributes:
        request_id: To be named when asking for help.
        model: Weights that read.
        width: Of the original upright picture, pixels.
        height: The same.
        orientation: Degrees by which the page lay turned clockwise: 0, 90, 180 or 270.
        angle: Degrees, clockwise, by which the text ran off the horizontal.
        text: All lines, one under another, with an empty line between blocks.
        blocks: In order; empty where there is no text.
        timings: Milliseconds by stage, and ``total``.
        billed: Whether the call was billed.
        remaining: Calls that are left; None where that is not known.
    """

    request_id: str
    model: str
    width: int
    height: int
    orientation: int
    angle: float
    text: str
    blocks: tuple[Block, ...]
    timings: Mapping[str, float]
    billed: bool
    remaining: int | None

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all blocks, in order."""
        return tuple(line for block in self.blocks for line in block.lines)


def parse_page(content: Mapping[str, Any]) -> Page:
    """The page in an answer; members that are not known are passed over."""
    return Page(
        request_id=content["request_id"],
        model=content["model"],
        width=content["width"],
        height=content["height"],
        orientation=content["orientation"],
        angle=content["angle"],
        text=content["text"],
        blocks=tuple(_block(block) for block in content["blocks"]),
        timings=dict(content["timings"]),
        billed=content["billed"],
        remaining=content.get("remaining"),
    )


def _block(content: Mapping[str, Any]) -> Block:
    return Block(content["text"], _box(content["box"]), tuple(_line(line) for line in content["lines"]))


def _line(content: Mapping[str, Any]) -> Line:
    return Line(
        **_read(content),
        detection_score=content["detection_score"],
        orientation=content["orientation"],
        vertical=content["vertical"],
        words=tuple(_word(word) for word in content.get("words", ())),
    )


def _word(content: Mapping[str, Any]) -> Word:
    characters = tuple(Character(**_read(character)) for character in content.get("characters", ()))
    return Word(**_read(content), characters=characters)


def _read(content: Mapping[str, Any]) -> dict[str, Any]:
    """What lines, words and characters all have."""
    return {
        "text": content["text"],
        "score": content["score"],
        "polygon": tuple((x, y) for x, y in content["polygon"]),
        "box": _box(content["box"]),
    }


def _box(numbers: list[float]) -> Box:
    x0, y0, x1, y1 = numbers
    return x0, y0, x1, y1
