"""Pieces that detection left of one line, put together before reading.

The recogniser reads a whole line better than its parts, and what stands in the gap between two pieces (a comma, a pale
stroke) is read only if the gap is part of the crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

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
    """Strips with the pieces of each line joined; bent ones stay as they are."""
    bent = [strip for strip in strips if len(strip.quad) > 4]
    level = [strip for strip in strips if len(strip.quad) == 4 and not strip.vertical]
    columns = [strip for strip in strips if strip.vertical]
    return bent + _join(level, _GAP) + _join(columns, _COLUMN_GAP)


def _join(strips: Sequence[Strip], widest_gap: float) -> list[Strip]:
    """Grow each strip, from the longest on, by its next neighbours on the line."""
    runs = sorted((_Run(strip) for strip in strips), key=lambda run: -run.length)
    table = _Table.of(runs)
    waiting = np.ones(len(runs), np.bool_)
    joined = []
    for first, run in enumerate(runs):
        if not waiting[first]:
            continue
        waiting[first] = False
        if run.length >= run.height:
            while (fits := np.flatnonzero(waiting & table.continues(run, widest_gap))).size:
                waiting[fits] = False
                run = run.with_pieces([runs[i] for i in fits])
        joined.append(run.strip)
    return joined


class _Run:
    """A strip in its own frame: along its text from its beginning, across from its middle."""

    def __init__(self, strip: Strip) -> None:
        quad = strip.quad.astype(np.float64)
        if strip.vertical:
            quad = np.roll(quad, -1, axis=0)
        self.strip = strip
        self.middle = quad.mean(axis=0)
        self.origin = (quad[0] + quad[3]) / 2
        run = (quad[1] + quad[2]) / 2 - self.origin
        self.length = float(np.hypot(*run))
        self.height = float(np.hypot(*(quad[3] - quad[0])))
        self.along = run / max(self.length, 1e-6)
        self.across = np.array([-self.along[1], self.along[0]])

    def with_pieces(self, pieces: Sequence[_Run]) -> _Run:
        """One run around this and ``pieces``, along this one's direction."""
        points: Polygon = np.concatenate([self.strip.quad, *(piece.strip.quad for piece in pieces)])
        x, y = (points - self.origin) @ self.along, (points - self.origin) @ self.across
        corners = ((x.min(), y.min()), (x.max(), y.min()), (x.max(), y.max()), (x.min(), y.max()))
        quad = np.array([self.origin + a * self.along + b * self.across for a, b in corners], np.float32)
        if self.strip.vertical:
            quad = np.roll(quad, 1, axis=0)
        lengths = [self.length, *(piece.length for piece in pieces)]
        scores = [self.strip.region.detection_score, *(piece.strip.region.detection_score for piece in pieces)]
        region = Region(quad, float(np.average(scores, weights=lengths)))
        return _Run(replace(self.strip, quad=quad, region=region))


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Runs by column, because every run is compared with every other: ``[N, 2]`` and ``[N]`` float64."""

    middles: npt.NDArray[np.float64]
    alongs: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.float64]
    heights: npt.NDArray[np.float64]

    @classmethod
    def of(cls, runs: Sequence[_Run]) -> _Table:
        """The table of ``runs``."""
        middles = np.array([run.middle for run in runs]).reshape(-1, 2)
        alongs = np.array([run.along for run in runs]).reshape(-1, 2)
        return cls(middles, alongs, np.array([run.length for run in runs]), np.array([run.height for run in runs]))

    def continues(self, run: _Run, widest_gap: float) -> npt.NDArray[np.bool_]:
        """``[N]``: which are pieces of the same line as ``run``, right before or after."""
        offsets = self.middles - run.origin
        off = np.abs(offsets @ run.across)
        low, high = np.minimum(run.height, self.heights), np.maximum(run.height, self.heights)
        level = (high <= _HEIGHT_RATIO * low) & (off <= _LEVEL * low)
        # The direction of a short piece says nothing.
        parallel = (self.lengths <= 2 * self.heights) | (self.alongs @ run.along >= _PARALLEL)
        gap = np.abs(offsets @ run.along - run.length / 2) - (run.length + self.lengths) / 2
        fits: npt.NDArray[np.bool_] = level & parallel & (-_OVERLAP * low <= gap) & (gap <= widest_gap * low)
        return fits
