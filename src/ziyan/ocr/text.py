"""From decoded characters to text as a person writes it: spaces, words, lines joined."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from ziyan.ocr.polygon import points_along, sides_of, turn
from ziyan.ocr.recognize import Reading
from ziyan.ocr.types import Polygon, Word

_LATIN = re.compile(r"[0-9A-Za-z\u00c0-\u024f]")
#: Ideographs, kana and their punctuation: each stands for itself.
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")

_HIGH_MARK = re.compile(r"(?<=[\u3040-\u30ff\u3400-\u9fff])[°'’]")


def line_text(reading: Reading, vertical: bool) -> str:
    """The text of one line, single spaces, none at its ends."""
    text = reading.text
    if vertical:
        # A full stop or comma stands in the top right corner of its cell and looks like another sign there.
        text = _HIGH_MARK.sub(lambda mark: "。" if mark[0] == "°" else "，", text)
    return " ".join(text.split())


def line_words(reading: Reading, quad: Polygon, vertical: bool) -> tuple[Word, ...]:
    """Words of one line: runs of Latin letters and digits, and every other character for itself.

    Args:
        reading: The line.
        quad: Its place, from its own top-left; a ribbon if it is bent.
        vertical: It runs from top to bottom.
    """
    groups: list[list[int]] = []
    for i, token in enumerate(reading.tokens):
        if token.text.isspace():
            continue
        follows = i > 0 and groups and groups[-1][-1] == i - 1
        if follows and _CJK.search(token.text) is None and _CJK.search(reading.tokens[i - 1].text) is None:
            groups[-1].append(i)
        else:
            groups.append([i])
    words = []
    for group in groups:
        tokens = [reading.tokens[i] for i in group]
        # The recogniser may see a character in the padding behind the crop.
        start, stop = (min(1.0, place / reading.width) for place in (tokens[0].start, tokens[-1].stop))
        score = float(np.mean([token.score for token in tokens]))
        words.append(Word("".join(t.text for t in tokens), score, _part(quad, start, stop, vertical)))
    return tuple(words)


def _part(quad: Polygon, start: float, stop: float, vertical: bool) -> Polygon:
    """The part of ``quad`` from ``start`` to ``stop``, shares of its length."""
    upper, lower = sides_of(turn(quad, 1) if vertical else quad)
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
