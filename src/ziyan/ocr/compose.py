"""Reading order: from lines anywhere on the page to rows, columns and blocks in the order a person reads them.

Works on one *page frame*, where text runs along x and lines follow each other along y.  Vertical writing is brought
into the same frame by a quarter turn (top to bottom becomes left to right, right to left becomes top to bottom), so
that one algorithm orders both:

1. A *gutter* is a place that no line crosses over a stretch of the page while running text stands on both sides.  The
   gutter with the most lines beside it splits its stretch in two columns; what is above, left, right and below is
   ordered by the same rule, so three columns and columns under a title come out by recursion.  Cells of a table are
   not running text, so a table has no gutters.
2. Where there is none, pieces that stand level with each other are one row (a table row, a form field and its value),
   and rows follow from top to bottom.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ziyan.ocr.orient import TALL, Pose
from ziyan.ocr.polygon import quad_size
from ziyan.ocr.types import Line, Order, Polygon

#: A piece counts as running text from this width on, in multiples of its height.
_RUNNING_TEXT = 7.0
#: Lines that a column needs.
_COLUMN_LINES = 3
#: About as many places are tried for a gutter.
_GUTTERS = 100
#: Pieces are level when their middles differ by less than this share of the lower one's height.
_LEVEL = 0.45
_HEIGHT_RATIO = 1.9


@dataclass(frozen=True, slots=True)
class Piece:
    """A line's place in the page frame, pixels.

    Attributes:
        index: The caller's number for it.
        x0: Left end.
        x1: Right end.
        y: Middle.
        height: Of the letters' band.
    """

    index: int
    x0: float
    x1: float
    y: float
    height: float

    @property
    def width(self) -> float:
        """Along the text."""
        return self.x1 - self.x0

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return self.y + self.height / 2


Row = list[Piece]
Block = list[Row]


def order_pieces(pieces: Sequence[Piece]) -> list[Block]:
    """Blocks of rows of pieces, all three in reading order; every piece exactly once."""
    blocks: list[Block] = []
    waiting = [list(pieces)]
    while waiting:
        if not (part := waiting.pop()):
            continue
        if (gutter := _find_gutter(part)) is None:
            blocks.append(_rows(part))
        else:
            waiting.extend(reversed(gutter))
    return blocks


def _find_gutter(pieces: Sequence[Piece]) -> tuple[list[Piece], ...] | None:
    """Above, left, right and below of the best gutter, or None."""
    pieces = sorted(pieces, key=_place)
    table = np.array([(p.x0, p.x1, _runs(p)) for p in pieces])
    best: tuple[list[Piece], list[Piece]] | None = None
    lines = 0
    for x in _gutter_candidates(pieces):
        for stretch in _stretches(table, x, lines + 1):
            left, right = [pieces[i] for i in stretch[0]], [pieces[i] for i in stretch[1]]
            left, right = _without_outliers(left, right), _without_outliers(right, left)
            if len(left) + len(right) > lines and _is_column(left) and _is_column(right):
                best, lines = (left, right), len(left) + len(right)
    return best and _four_parts(pieces, *best)


def _gutter_candidates(pieces: Sequence[Piece]) -> list[float]:
    """Places just left of where running text begins; the middle one first, so that equal halves are tried first."""
    starts = sorted({round(p.x0) for p in pieces if _runs(p)})
    height = float(np.median([p.height for p in pieces]))
    merged: list[float] = []
    for start in starts:
        if not merged or start - merged[-1] > max(height / 2, (starts[-1] - starts[0]) / _GUTTERS):
            merged.append(start)
    middle = len(merged) // 2
    return [merged[i] - 0.25 * height for i in sorted(range(len(merged)), key=lambda i: abs(i - middle))]


def _stretches(table: npt.NDArray[np.float64], x: float, at_least: int) -> list[tuple[list[int], list[int]]]:
    """What may be two columns at ``x``: the pieces left and right of it between any two that cross it.

    Args:
        table: ``[N, 3]``, left end, right end and whether it is running text, of each piece from the top down.
        x: Where the gutter would be.
        at_least: Pieces that both sides must have together.

    Returns:
        Rows of ``table`` on the left and on the right.
    """
    x0, x1, running = table.T
    left, right = x1 <= x, x0 >= x
    # Stretches are numbered by the crossing pieces above them.
    number = np.cumsum(~(left | right))
    count = int(number[-1]) + 1
    lines = np.bincount(number, left | right, count)
    running_left, running_right = (np.bincount(number, side * running, count) for side in (left, right))
    promising = (np.minimum(running_left, running_right) >= _COLUMN_LINES) & (lines >= at_least)
    return [
        (np.flatnonzero(left & (number == i)).tolist(), np.flatnonzero(right & (number == i)).tolist())
        for i in np.flatnonzero(promising)
    ]


def _four_parts(pieces: Sequence[Piece], left: list[Piece], right: list[Piece]) -> tuple[list[Piece], ...]:
    """Above, left, right and below: whatever is in neither column belongs to the nearer end of them."""
    columns = [*left, *right]
    beside = {p.index for p in columns}
    middle = (min(p.y for p in columns) + max(p.y for p in columns)) / 2
    others = [p for p in pieces if p.index not in beside]
    return [p for p in others if p.y < middle], left, right, [p for p in others if p.y >= middle]


def _place(piece: Piece) -> tuple[float, float, float]:
    """Sorts pieces from the top down; of level ones, from the left, whatever order they came in."""
    return piece.y, piece.x0, piece.x1


def _runs(piece: Piece) -> bool:
    """Whether it is wide enough to be running text."""
    return piece.width >= _RUNNING_TEXT * piece.height


def _without_outliers(column: list[Piece], other: list[Piece]) -> list[Piece]:
    """``column`` without what stands apart from it, above or below all of ``other``: headers, footnotes, numbers."""
    pitch = float(np.median(np.diff([p.y for p in column])))
    top, bottom = min(p.top for p in other), max(p.bottom for p in other)
    apart = 1.7 * max(pitch, column[0].height)
    while len(column) > 1 and column[0].bottom < top and column[1].y - column[0].y > apart:
        column = column[1:]
    while len(column) > 1 and column[-1].top > bottom and column[-1].y - column[-2].y > apart:
        column = column[:-1]
    return column


def _is_column(pieces: Sequence[Piece]) -> bool:
    """Whether ``pieces`` are running text one line under another."""
    if len(pieces) < _COLUMN_LINES:
        return False
    running = sum(map(_runs, pieces))
    return running >= _COLUMN_LINES and running >= 0.6 * len(pieces)


def _rows(pieces: Sequence[Piece]) -> Block:
    """Level pieces together, left to right; rows from top to bottom."""
    rows: list[Row] = []
    for piece in sorted(pieces, key=_place):
        for row in reversed(rows[-6:]):
            place = bisect(row, piece.x0, key=lambda p: p.x0)
            if _fits(piece, row[max(0, place - 2) : place + 2]):
                row.insert(place, piece)
                break
        else:
            rows.append([piece])
    return sorted(rows, key=lambda row: float(np.mean([p.y for p in row])))


def _fits(piece: Piece, neighbours: Sequence[Piece]) -> bool:
    """Whether ``piece`` stands level with the nearest of its would-be neighbours in a row and over none of them."""
    nearest = min(neighbours, key=lambda p: max(p.x0 - piece.x1, piece.x0 - p.x1))
    low, high = sorted((piece.height, nearest.height))
    if high > _HEIGHT_RATIO * low or abs(piece.y - nearest.y) > _LEVEL * low:
        return False
    return all(min(piece.x1, p.x1) - max(piece.x0, p.x0) < 0.5 * min(piece.width, p.width) for p in neighbours)


def compose(lines: Sequence[Line], pose: Pose, order: Order = "reading") -> tuple[list[Line], float]:
    """Lines in order, in reading order pieces of one row joined, and the page's skew.

    Args:
        lines: As read, in any order.
        pose: How the page lies.
        order: Which order.

    Returns:
        The lines, numbered by block, and degrees clockwise by which the text runs off the page's own horizontal.
    """
    turned = np.deg2rad(float(pose.orientation))
    # Bent text (a seal, a title on an arc) is part of no row, though it may lie across several.
    bent = [line for line in lines if len(line.polygon) > 4]
    straight = [line for line in lines if len(line.polygon) == 4]
    columns = [line for line in straight if line.vertical or (pose.vertical and not _is_flat(line))]
    level = [line for line in straight if line not in columns]
    skew = _skew(level, turned)
    x_axis, y_axis = _axes(turned + skew)
    if order == "position":
        return _by_position(lines, x_axis, y_axis), _degrees(skew)
    ordered = _order(level, x_axis, y_axis), _order(columns, y_axis, -x_axis), *([[line]] for line in bent)
    blocks = [block for group in _by_top(ordered, y_axis) for block in group]
    numbered = [replace(line, block=number) for number, block in enumerate(blocks) for line in block]
    return numbered, _degrees(skew)


def _degrees(skew: float) -> float:
    return round(float(np.rad2deg(skew)), 2) + 0.0  # never -0.0


def _by_position(lines: Sequence[Line], x_axis: npt.NDArray[np.float64], y_axis: npt.NDArray[np.float64]) -> list[Line]:
    """Each line by itself, from the top and then from the left, all in one block.

    Columns and bent lines stand where they begin, level lines where their middle is, so that a row is one.
    """
    pieces = []
    for index, line in enumerate(lines):
        along, across = line.polygon @ x_axis, line.polygon @ y_axis
        letters = min(quad_size(line.polygon))
        middle = across.min() + letters / 2 if line.vertical or len(line.polygon) > 4 else across.mean()
        pieces.append(Piece(index, float(along.min()), float(along.max()), float(middle), letters))
    return [lines[piece.index] for row in _rows(pieces) for piece in row]


def _is_flat(line: Line) -> bool:
    """Whether it is too wide for a character or two at the end of a column."""
    width, height = quad_size(line.polygon)
    return width >= TALL * height


def _by_top(groups: Sequence[list[list[Line]]], y_axis: npt.NDArray[np.float64]) -> list[list[list[Line]]]:
    """Level lines, columns and each bent line, whichever begins higher on the page first."""

    def top(group: list[list[Line]]) -> float:
        return min(float((line.polygon @ y_axis).min()) for block in group for line in block)

    return sorted((group for group in groups if group), key=top)


def _axes(angle: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The page's own rightward and downward unit vectors on the picture."""
    return np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])


def _skew(lines: Sequence[Line], turned: float) -> float:
    """Radians by which long lines run off ``turned``: the median, longer lines counting for more."""
    angles, weights = [], []
    for line in lines:
        width, height = quad_size(line.polygon)
        if width < 3 * height:
            continue
        run = line.polygon[1] - line.polygon[0]
        off = np.arctan2(run[1], run[0]) - turned
        # A line that stands on its head runs the other way and tells as much.
        angles.append((off + np.pi / 2) % np.pi - np.pi / 2)
        weights.append(width)
    if not angles:
        return 0.0
    order = np.argsort(angles)
    passed = np.cumsum(np.array(weights)[order])
    return float(np.array(angles)[order][np.searchsorted(passed, passed[-1] / 2)])


def _order(lines: Sequence[Line], x_axis: npt.NDArray[np.float64], y_axis: npt.NDArray[np.float64]) -> list[list[Line]]:
    """Blocks of rows; ``x_axis`` runs along the text and ``y_axis`` from line to line."""
    pieces = []
    for index, line in enumerate(lines):
        along, across = line.polygon @ x_axis, line.polygon @ y_axis
        width, height = quad_size(line.polygon)
        letters = width if line.vertical else height
        pieces.append(Piece(index, float(along.min()), float(along.max()), float(across.mean()), letters))
    return [
        [_joined([lines[piece.index] for piece in row], x_axis, y_axis) for row in block]
        for block in order_pieces(pieces)
    ]


def _joined(row: Sequence[Line], x_axis: npt.NDArray[np.float64], y_axis: npt.NDArray[np.float64]) -> Line:
    """One line of the pieces of a row, their texts a space apart."""
    if len(row) == 1:
        return row[0]
    weights = [max(1, len(line.text)) for line in row]
    polygon = _around(np.concatenate([line.polygon for line in row]), x_axis, y_axis)
    vertical = any(line.vertical for line in row)
    return Line(
        text=" ".join(line.text for line in row),
        score=float(np.average([line.score for line in row], weights=weights)),
        # Columns too begin at their own top-left, though their axes run down and to the left.
        polygon=np.roll(polygon, 1, axis=0) if vertical else polygon,
        detection_score=float(np.average([line.detection_score for line in row], weights=weights)),
        vertical=vertical,
        words=tuple(word for line in row for word in line.words),
    )


def _around(points: Polygon, x_axis: npt.NDArray[np.float64], y_axis: npt.NDArray[np.float64]) -> Polygon:
    """The rectangle along the axes around ``points``."""
    along, across = points @ x_axis, points @ y_axis
    x0, x1, y0, y1 = along.min(), along.max(), across.min(), across.max()
    return np.array([x * x_axis + y * y_axis for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], np.float32)
