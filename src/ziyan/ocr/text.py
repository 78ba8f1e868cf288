"""From decoded characters to text as a person writes it: spaces, words, lines joined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ziyan.ocr.crop import LINE_HEIGHT
from ziyan.ocr.ctc import Token
from ziyan.ocr.polygon import points_along, shares_of, sides_of, turn
from ziyan.ocr.recognize import Reading
from ziyan.ocr.types import Character, Polygon, Word

_LATIN = re.compile(r"[0-9A-Za-z\u00c0-\u024f]")
#: Ideographs, kana and their punctuation: each stands for itself.
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")

#: Half the width of a CJK character, and of another, where the line does not tell; columns of a crop.
_HALF_WIDTHS = 0.4 * LINE_HEIGHT, 0.2 * LINE_HEIGHT
#: Characters are at most this many times as wide as is usual on their line.
_WIDE = 1.25
_HIGH_MARK = re.compile(r"(?<=[\u3040-\u30ff\u3400-\u9fff])[°'’]")


def line_text(reading: Reading, vertical: bool) -> str:
    """The text of one line, single spaces, none at its ends."""
    return " ".join("".join(token.text for token in _tokens(reading, vertical)).split())


def _tokens(reading: Reading, vertical: bool) -> Sequence[Token]:
    """The characters of a line; in a column, its full stops and commas as what they are."""
    if not vertical:
        return reading.tokens
    # A full stop or comma stands in the top right corner of its cell and looks like another sign there.
    text = _HIGH_MARK.sub(lambda mark: "。" if mark[0] == "°" else "，", reading.text)
    tokens = []
    for token in reading.tokens:
        tokens.append(replace(token, text=text[: len(token.text)]))
        text = text[len(token.text) :]
    return tokens


def line_words(reading: Reading, quad: Polygon, vertical: bool, *, characters: bool = False) -> tuple[Word, ...]:
    """Words of one line: runs of Latin letters and digits, and every other character for itself.

    Args:
        reading: The line.
        quad: Its place, from its own top-left; a ribbon if it is bent.
        vertical: It runs from top to bottom.
        characters: Give the characters of each word too.
    """
    tokens = _tokens(reading, vertical)
    places = [(start / reading.width, stop / reading.width) for start, stop in find_cells(tokens, reading.width)]
    words = []
    for group in _groups(tokens):
        inside = tuple(
            Character(tokens[i].text, tokens[i].score, _part(quad, *places[i], vertical)) for i in group if characters
        )
        words.append(
            Word(
                text="".join(tokens[i].text for i in group),
                score=float(np.mean([tokens[i].score for i in group])),
                polygon=_part(quad, places[group[0]][0], places[group[-1]][1], vertical),
                characters=inside,
            )
        )
    return tuple(words)


def _groups(tokens: Sequence[Token]) -> list[list[int]]:
    """Which tokens are the characters of each word."""
    groups: list[list[int]] = []
    for i, token in enumerate(tokens):
        if token.text.isspace():
            continue
        follows = i > 0 and groups and groups[-1][-1] == i - 1
        if follows and not _is_cjk(token.text) and not _is_cjk(tokens[i - 1].text):
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _is_cjk(text: str) -> bool:
    """Whether it holds an ideograph, kana or their punctuation."""
    return _CJK.search(text) is not None


def find_cells(tokens: Sequence[Token], width: float) -> list[tuple[float, float]]:
    """Where each character begins and ends, in columns of its crop; none overlaps the next.

    The recogniser sees a character in the middle of it only, in a step or two.  So it is taken to reach half way to its
    neighbours, but no farther than characters of its kind usually do on this line.

    Args:
        tokens: The characters of one line, from its beginning on.
        width: Columns of the crop.
    """
    if not tokens:
        return []
    # The recogniser may see a character in the padding behind the crop.
    middles = [min(width, (token.start + token.stop) / 2) for token in tokens]
    wide = [_is_cjk(token.text) for token in tokens]
    gaps: tuple[list[float], list[float]] = [], []
    for (a, b), (one, other), (left, right) in zip(
        pairwise(middles), pairwise(wide), pairwise(token.text for token in tokens), strict=True
    ):
        if one == other and not (left.isspace() or right.isspace()):
            gaps[0 if one else 1].append(b - a)
    halves = [float(np.median(found)) / 2 if found else usual for found, usual in zip(gaps, _HALF_WIDTHS, strict=True)]
    reach = [_WIDE * max(1.0, halves[0 if one else 1]) for one in wide]
    splits = [
        a + (b - a) * one / (one + other)
        for (a, b), (one, other) in zip(pairwise(middles), pairwise(reach), strict=True)
    ]
    return [
        (max(left, middle - far), min(right, middle + far))
        for middle, far, left, right in zip(middles, reach, [0.0, *splits], [*splits, float(width)], strict=True)
    ]


def _part(quad: Polygon, start: float, stop: float, vertical: bool) -> Polygon:
    """The part of ``quad`` from ``start`` to ``stop``, shares of its length; as bent as that is."""
    upper, lower = sides_of(turn(quad, 1) if vertical else quad)
    corners = np.concatenate([shares_of(upper), shares_of(lower)])
    shares = np.unique([start, *corners[(corners > start) & (corners < stop)], stop])
    if len(shares) < 2:
        shares = np.array([start, stop])
    part = np.concatenate([points_along(upper, shares), points_along(lower, shares)[::-1]]).astype(np.float32)
    return turn(part, -1) if vertical else part


def join_lines(lines: Iterable[str]) -> str:
    """All lines in one string, as ``/ocr`` answers with ``ver=0``.

    Nothing stands between lines; one space where a Latin letter or digit would meet another.
    """
    joined = ""
    for line in lines:
        if joined and line and _LATIN.match(joined[-1]) and _LATIN.match(line[0]):
            joined += " "
        joined += line
    return joined
