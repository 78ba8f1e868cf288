"""Vertical writing: a column's characters, one under another, laid side by side as the recogniser expects them.

The recogniser has seen few columns; turned on their side, every character lies on its back.  So a column is cut
between its characters and they are set upright in a row.  Where to cut is found by dynamic programming over the
column's ink: cuts want to fall into gaps, and cells want to be as long as the column's own pitch.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from ziyan.ocr.crop import LINE_HEIGHT, scaled
from ziyan.ocr.spaces import count_ink, find_ink
from ziyan.ocr.types import Pixels

#: Rows that a column's width is scaled to where its cuts are looked for.
_FINE = 24
#: Marks are no larger than this share of the column's width, and have at least so much ink.
_MARK = 0.45
_FAINT = 0.01
_SHORTEST, _LONGEST = 0.55, 1.5


def lay_side_by_side(column: Pixels, pitch: float) -> Pixels:
    """A vertical line as a horizontal one.

    Args:
        column: ``[H, W, 3]`` uint8, upright, one character wide.
        pitch: Rows from one character to the next.

    Returns:
        ``[48, W', 3]`` uint8, the characters from top to bottom now from left to right.
    """
    rows, columns = column.shape[:2]
    scale = _FINE / max(1, columns)
    ink = _ink(scaled(column, _FINE, max(_FINE, round(rows * scale))))
    cuts = [round(cut * rows / len(ink)) for cut in find_cuts(ink, pitch * scale)]
    cells = [_cell(_settled(column[a:b])) for a, b in pairwise(cuts) if b > a]
    return np.ascontiguousarray(np.concatenate(cells, axis=1))


def find_cuts(ink: npt.NDArray[np.float32], pitch: float) -> list[int]:
    """Rows between characters, both ends included.

    Args:
        ink: ``[L]`` float32, share of ink in each row of the column, 0..1.
        pitch: Rows from one character to the next, about.
    """
    length = len(ink)
    spans = np.arange(max(1, int(_SHORTEST * pitch)), max(2, int(_LONGEST * pitch)) + 1)
    strain = ((spans - pitch) / pitch) ** 2
    costs = np.full(length + 1, np.inf)
    costs[0] = 0.0
    previous = np.zeros(length + 1, np.int64)
    for end in range(int(spans[0]), length + 1):
        fitting = spans[: end - int(spans[0]) + 1]
        totals = costs[end - fitting] + strain[: len(fitting)]
        cheapest = int(totals.argmin())
        # The last cell may end in the margin below; inside, a cut through ink is dear.
        costs[end] = totals[cheapest] + (ink[end] if end < length else 0.0)
        previous[end] = end - fitting[cheapest]
    if not np.isfinite(costs[length]):
        return [0, length]
    cuts = [length]
    while cuts[-1] > 0:
        cuts.append(int(previous[cuts[-1]]))
    return cuts[::-1]


def _ink(column: Pixels) -> npt.NDArray[np.float32]:
    """Share of ink in each row, 0..1."""
    share = count_ink(np.swapaxes(column, 0, 1)) / column.shape[1]
    return np.asarray(np.minimum(1.0, share * 4), np.float32)


def _settled(part: Pixels) -> Pixels:
    """``part`` with a small mark moved to the lower left, where level writing puts full stops and commas.

    In vertical writing they stand in the upper right of their cell or in its middle and are taken for other signs.
    """
    ink = find_ink(part)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return part
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    height, width = part.shape[:2]
    if max(bottom - top, right - left) > _MARK * width or ink.mean() < _FAINT:
        return part
    settled = np.empty_like(part)
    settled[:] = np.median(part[~ink], axis=0)
    mark = part[top:bottom, left:right]
    low, near = height - round(0.12 * width), round(0.1 * width)
    low = max(low, bottom - top)
    settled[low - (bottom - top) : low, near : near + right - left] = mark
    return settled


def _cell(part: Pixels) -> Pixels:
    """One character, ``[48, W, 3]``: a square, unless it is longer than wide."""
    height, width = part.shape[:2]
    side = max(height, width)
    above = (side - height) // 2
    square = cv2.copyMakeBorder(part, above, side - height - above, 0, 0, cv2.BORDER_REPLICATE)
    return scaled(np.asarray(square, np.uint8), max(1, round(width * LINE_HEIGHT / side)), LINE_HEIGHT)
