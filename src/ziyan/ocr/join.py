"""Pieces that detection left of one line, put together before reading.

The recogniser reads a whole line better than its parts, and what stands in the gap between two pieces (a comma, a pale
stroke) is read only if the gap is part of the crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ziyan.ocr.orient import Strip
from ziyan.ocr.types import Polygon, Region

#: Widest gap that is closed, in multiples of the letters' height.
_GAP = 0.7
_COLUMN_GAP = 1.3
#: Farthest that one piece may overlap the next along the line, likewise.
_OVERLAP = 0.7
#: How far the pieces' middles may be off, in multiples of the smaller one's height.
_LEVEL = 0.3
_HEIGHT_RATIO = 1.5
_PARALLEL = np.cos(np.deg2rad(6))


def join_strips(strips: Sequence[Strip]) -> list[Strip]:
    """Strips with the pieces of each line joined."""
    level = _join([strip for strip in strips if not strip.vertical], _GAP)
    return level + _join([strip for strip in strips if strip.vertical], _COLUMN_GAP)


def _join(strips: list[Strip], widest_gap: float) -> list[Strip]:
    """Grow each strip, from the longest on, by its next neighbours on the line."""
    waiting = sorted(strips, key=lambda strip: -_Run(strip).length)
    joined = []
    while waiting:
        strip = waiting.pop(0)
        if _Run(strip).length < _Run(strip).height:
            joined.append(strip)
            continue
        while True:
            run = _Run(strip)
            offsets = run.offsets(waiting)
            fits = [i for i, other in enumerate(waiting) if run.continues(other, offsets[i], widest_gap)]
            if not fits:
                break
            strip = run.with_pieces([waiting[i] for i in fits])
            waiting = [other for i, other in enumerate(waiting) if i not in set(fits)]
        joined.append(strip)
    return joined


class _Run:
    """A strip in its own frame: along its text from its beginning, across from its middle."""

    def __init__(self, strip: Strip) -> None:
        quad = strip.quad.astype(np.float64)
        if strip.vertical:
            quad = np.roll(quad, -1, axis=0)
        self.strip = strip
        self.origin = (quad[0] + quad[3]) / 2
        run = (quad[1] + quad[2]) / 2 - self.origin
        self.length = float(np.hypot(*run))
        self.height = float(np.hypot(*(quad[3] - quad[0])))
        self.along = run / max(self.length, 1e-6)
        self.across = np.array([-self.along[1], self.along[0]])

    def offsets(self, others: Sequence[Strip]) -> list[tuple[float, float]]:
        """Middles of ``others``, along and across."""
        middles = [other.quad.mean(axis=0) - self.origin for other in others]
        return [(float(middle @ self.along), float(middle @ self.across)) for middle in middles]

    def continues(self, other: Strip, offset: tuple[float, float], widest_gap: float) -> bool:
        """Whether ``other`` is a piece of the same line, right before or after."""
        if abs(offset[1]) > self.height:
            return False
        run = _Run(other)
        low, high = sorted((self.height, run.height))
        if high > _HEIGHT_RATIO * low or abs(offset[1]) > _LEVEL * low:
            return False
        if run.length > 2 * run.height and float(run.along @ self.along) < _PARALLEL:
            return False
        gap = abs(offset[0] - self.length / 2) - (self.length + run.length) / 2
        return -_OVERLAP * low <= gap <= widest_gap * low

    def with_pieces(self, pieces: Sequence[Strip]) -> Strip:
        """One strip around this and ``pieces``, along this one's direction."""
        points: Polygon = np.concatenate([self.strip.quad, *(piece.quad for piece in pieces)])
        x, y = (points - self.origin) @ self.along, (points - self.origin) @ self.across
        corners = ((x.min(), y.min()), (x.max(), y.min()), (x.max(), y.max()), (x.min(), y.max()))
        quad = np.array([self.origin + a * self.along + b * self.across for a, b in corners], np.float32)
        if self.strip.vertical:
            quad = np.roll(quad, 1, axis=0)
        lengths = [self.length, *(_Run(piece).length for piece in pieces)]
        scores = [strip.region.detection_score for strip in (self.strip, *pieces)]
        region = Region(quad, float(np.average(scores, weights=lengths)))
        return replace(self.strip, quad=quad, region=region)
