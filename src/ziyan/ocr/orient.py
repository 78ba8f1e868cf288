"""How the page lies and which way each line runs.

Detection says where text is, not which way up.  Instead of trusting a classifier of pictures, a few lines are read
quickly each way they could be held, and the way that reads best wins: a page is turned only where that helps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ziyan.ocr.crop import LINE_HEIGHT, cut_line
from ziyan.ocr.polygon import grow_quad, quad_size, turn
from ziyan.ocr.recognize import Reading
from ziyan.ocr.stack import lay_side_by_side
from ziyan.ocr.types import Orientation, Pixels, Polygon, Region

Glance = Callable[[Sequence[Pixels]], list[Reading]]

#: A region is tall when it is this many times as high as wide.
TALL = 1.5
#: And no single character from here on.
CLEARLY_TALL = 2.5
#: How far strips reach beyond what was detected, at their ends and (columns) at their sides, in letter heights.
_SLACK = 0.1
_COLUMN_SLACK = 0.05
_MARKS = 0.12
#: How far level strips reach beyond their sides, where a page has more than a few and they are so many times as long as
#: high.  A crop with room is shorter, so cheaper, and read at least as well; but a lone "1" in a table gets lost in it,
#: and where a few lines fill the picture there is no room to be had.
_ROOM = 0.08
_FEW = 3
_LONG = 5.0
#: Lines, or columns, read each way to find how the page lies; columns are read three ways, so fewer of them.
_SAMPLES, _COLUMN_SAMPLES = 3, 2
#: And how much of each, in multiples of its height.
_SAMPLE_LENGTH = 8.0
#: Mean score from which on the samples are read well enough as they are.
_WELL = 0.85
#: How much better another way must read.
_MARGIN = 0.08
_CLEARLY = 0.2


@dataclass(frozen=True, slots=True)
class Pose:
    """How a page lies.

    Attributes:
        orientation: How far the page is turned clockwise.
        vertical: Its tall regions are columns of upright characters.
    """

    orientation: Orientation = 0
    vertical: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A region with the direction of its text known.

    Attributes:
        quad: ``[4, 2]`` float32, pixels of the original upright image, clockwise from the text's own top-left; for a
            vertical line, from the column's top-left; for bent text a ribbon, ``[2 N, 2]``.
        vertical: Characters stand upright one under another.
        region: What was detected.
    """

    quad: Polygon
    vertical: bool
    region: Region


def find_pose(pixels: Pixels, regions: Sequence[Region], glance: Glance) -> Pose:
    """How the page lies, judged by reading its longest lines each way.

    Args:
        pixels: ``[H, W, 3]`` uint8.
        regions: Their polygons begin at the corner nearest the picture's top-left.
        glance: Reads crops quickly.
    """
    regions = [region for region in regions if len(region.polygon) == 4]
    sizes = [quad_size(region.polygon) for region in regions]
    flat = [i for i, (w, h) in enumerate(sizes) if w >= TALL * h]
    tall = [i for i, (w, h) in enumerate(sizes) if h >= TALL * w]
    if sum(sizes[i][0] for i in flat) >= sum(sizes[i][1] for i in tall):
        samples = [_beginning(regions[i].polygon) for i in _longest(flat, sizes, _SAMPLES)]
        return Pose(180 if _stands_on_its_head(pixels, samples, glance) else 0)
    samples = [_beginning(regions[i].polygon) for i in _longest(tall, sizes, _COLUMN_SAMPLES)]
    # Columns are also read, though worse, turned so that their characters lie on their backs ("down"); laid side by
    # side, the lying characters of a page turned the other way are read too.  Only two patterns say "turned page".
    down = _mean(glance([cut_line(pixels, turn(quad, 1)) for quad in samples]))
    if down + _CLEARLY < 1 and down + _CLEARLY < _mean(glance([cut_line(pixels, turn(quad, 3)) for quad in samples])):
        return Pose(270)
    if down >= _WELL and down > _CLEARLY + _mean(glance([cut_column(pixels, quad, None) for quad in samples])):
        return Pose(90)
    return Pose(0, vertical=True)


def _stands_on_its_head(pixels: Pixels, samples: Sequence[Polygon], glance: Glance) -> bool:
    """Whether level lines read better turned around.  One that reads well settles it; a lone one is turned alone."""
    if len(samples) < 2 or _mean(glance([cut_line(pixels, samples[0])])) >= _WELL:
        return False
    upright = _mean(glance([cut_line(pixels, quad) for quad in samples]))
    return _mean(glance([cut_line(pixels, turn(quad, 2)) for quad in samples])) > upright + _MARGIN


def _beginning(quad: Polygon) -> Polygon:
    """The first characters of a line or column: enough to tell how it lies."""
    width, height = quad_size(quad)
    share = min(1.0, _SAMPLE_LENGTH * min(width, height) / max(width, height, 1.0))
    part = quad.copy()
    if width >= height:
        part[[1, 2]] = quad[[0, 3]] + (quad[[1, 2]] - quad[[0, 3]]) * share
    else:
        part[[2, 3]] = quad[[1, 0]] + (quad[[2, 3]] - quad[[1, 0]]) * share
    return part


def _longest(chosen: Sequence[int], sizes: Sequence[tuple[float, float]], most: int) -> list[int]:
    return sorted(chosen, key=lambda i: max(sizes[i]), reverse=True)[:most]


def _mean(readings: Sequence[Reading]) -> float:
    return float(np.mean([reading.score for reading in readings])) if readings else 0.0


def place(regions: Sequence[Region], pose: Pose) -> list[Strip]:
    """Each region with its direction in a page that lies as ``pose`` says."""
    quarters = pose.orientation // 90
    strips = []
    room = _ROOM if len(regions) > _FEW else 0.0
    for region in regions:
        quad = turn(region.polygon, quarters)
        if len(quad) > 4:
            strips.append(Strip(quad, False, region))
            continue
        width, height = quad_size(quad)
        # On a page of level lines a "1" is taller than wide too: only what is clearly a column is taken for one.
        vertical = height >= (TALL if pose.vertical else CLEARLY_TALL) * width
        letters = min(width, height)
        if vertical:
            quad = grow_quad(quad, _COLUMN_SLACK * letters, _SLACK * letters)
            # Full stops and commas stand to the right of the characters and reach out of the column.
            quad[1:3] += _MARKS * (quad[1:3] - quad[[0, 3]])
        else:
            quad = grow_quad(quad, _SLACK * letters, room * letters if width > _LONG * height else 0.0)
        strips.append(Strip(quad, vertical, region))
    return strips


def cut_column(pixels: Pixels, quad: Polygon, pitch: float | None) -> Pixels:
    """The crop of a vertical line with its characters side by side, ``[48, W, 3]`` uint8.

    Args:
        pixels: The picture.
        quad: The column, from its top-left.
        pitch: Pixels from one character to the next; None takes nine tenths of the column's width.
    """
    width, height = quad_size(quad)
    scale = min(1.0, 2 * LINE_HEIGHT / max(width, 1.0))
    column = cut_line(pixels, quad, max(1, round(height * scale)))
    return lay_side_by_side(column, (pitch or 0.9 * width) * scale)
