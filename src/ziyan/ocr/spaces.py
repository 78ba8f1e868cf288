"""Spaces between words where the recogniser left them out.

The recogniser drops many spaces, above all beside digits and punctuation.  They are on the picture, though: a word
space is a run of empty columns clearly wider than the gaps between the letters of the same line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from ziyan.ocr.ctc import Token
from ziyan.ocr.types import Pixels

#: Narrowest gap that is a space where the kind of character changes, in columns of a crop 48 rows high, and in
#: multiples of the line's usual gap between letters (typewriter faces set everything wide).
_CHANGE = 9.0, 1.5
#: The same between two characters of one kind, where the recogniser rarely errs.
_SAME = 13.0, 2.5
#: The same where a long line was cut in two, in whose widest gap a space is likely, and neither half can hold it.
_CUT = 6.0, 1.5
#: A one has no more ink than a stroke, but the cell of any digit: as much is empty on each side of it.
_ONE = 4.0
_LATIN = re.compile(r"[!-~€£¥]")


def add_spaces(tokens: Sequence[Token], crop: Pixels, cuts: Sequence[int] = ()) -> list[Token]:
    """``tokens`` with the spaces that stand between Latin letters, digits and their punctuation on the picture.

    Args:
        tokens: As decoded, their places in columns of the crop.
        crop: ``[48, W, 3]`` uint8 that was read.
        cuts: Columns between the parts that were read apart.
    """
    pairs = [i for i, (a, b) in enumerate(pairwise(tokens)) if _LATIN.match(a.text) and _LATIN.match(b.text)]
    if not pairs:
        return list(tokens)
    empty = _empty_columns(crop)
    middles = [(token.start + token.stop) / 2 for token in tokens]
    gaps = {i: _longest_run(empty, middles[i], middles[i + 1]) for i in pairs}
    usual = float(np.percentile(list(gaps.values()), 75))
    spaced: list[Token] = []
    for i, token in enumerate(tokens):
        spaced.append(token)
        if i not in gaps:
            continue
        if any(middles[i] < cut <= middles[i + 1] for cut in cuts):
            least = max(_CUT[0], _CUT[1] * usual)
        else:
            least = _least_gap(token.text, tokens[i + 1].text, usual)
        if gaps[i] >= least:
            spaced.append(Token(" ", min(token.score, tokens[i + 1].score), token.stop, tokens[i + 1].start))
    return spaced


def _least_gap(left: str, right: str, usual: float) -> float:
    """Columns from which on a gap between ``left`` and ``right`` is a space."""
    kinds = _kind(left), _kind(right)
    if kinds == ("lower", "digit") or kinds[::-1] == ("lower", "digit") or (kinds[1] == "upper" and kinds[0] != "mark"):
        narrowest, multiple = _CHANGE if kinds[0] != kinds[1] else _SAME
    elif "mark" not in kinds:
        narrowest, multiple = _SAME
    elif (left in ",;)" and kinds[1] != "mark") or (right in "$#(€£¥" and kinds[0] != "mark"):
        narrowest, multiple = _SAME[0], _CHANGE[1]
    else:
        # Full stops, colons and the like stand apart inside numbers and addresses too.
        return math.inf
    return max(narrowest, multiple * usual) + _ONE * (left + right).count("1")


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "upper" if character.isupper() else "lower"
    return "mark"


def _empty_columns(crop: Pixels) -> npt.NDArray[np.bool_]:
    """``[W]``: columns without ink.  A line that runs through all columns (ruling, underline) is no ink."""
    ink = count_ink(crop)
    return np.asarray(ink <= np.percentile(ink, 8) + 0.5)


def count_ink(crop: Pixels) -> npt.NDArray[np.int32]:
    """``[W]``: how many pixels of each column are ink."""
    return np.asarray(find_ink(crop).sum(axis=0, dtype=np.int32))


def find_ink(crop: Pixels) -> npt.NDArray[np.bool_]:
    """``[H, W]``: which pixels are ink, whichever of ink and paper is lighter (threshold of Otsu, 1979)."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    light = np.asarray(cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1], np.bool_)
    return ~light if light.mean() > 0.5 else light


def _longest_run(empty: npt.NDArray[np.bool_], start: float, stop: float) -> float:
    """Longest run of empty columns between two places."""
    part = empty[max(0, round(start)) : max(0, round(stop))]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], part.astype(np.int8), [0]])))
    return float((edges[1::2] - edges[::2]).max(initial=0))
