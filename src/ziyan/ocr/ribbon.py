"""Text along a curve: from the outline of its kernel to a ribbon, and from a ribbon to a level crop.

An outline is cut in two sides at the two places that bring them closest together; their middle, smoothed by a
polynomial, is the line that the text runs along.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ziyan.ocr.polygon import length_of, points_along, sides_of
from ziyan.ocr.types import Pixels

Floats = npt.NDArray[np.float32]

#: Points along each side of a ribbon; even, so that a quarter of a turn is a whole number of points.
POINTS = 16
#: Places on the outline that are compared, and the share at either end of the text where its sides close.
_PLACES = 96
_ENDS = 0.08
_DEGREE = 5
#: Kernels at least this many times as long as thick are ribbons, if their thickness varies by no more than this.
_LONG = 5.0
_EVEN = 1.8
#: From this steepness of its chord on, text runs clockwise around whatever it encloses rather than to the right.
_STEEP = 2.0


def find_ribbon(outline: npt.NDArray[np.int32], unclip_ratio: float) -> Floats | None:
    """The ribbon of a text kernel that is bent.

    Args:
        outline: ``[P, 1, 2]``, as OpenCV finds it, pixels.
        unclip_ratio: The kernel is grown back by area x ratio / perimeter, as DBNet's kernels are.

    Returns:
        ``[2 * POINTS, 2]`` float32, pixels; None if the kernel is too short or too uneven to be a bent line.
    """
    closed = np.concatenate([outline[:, 0], outline[:1, 0]]).astype(np.float64)
    around = points_along(closed, np.linspace(0, 1, _PLACES + 1))[:-1]
    one, other = _sides(around)
    inner = slice(round(_ENDS * len(one)), -round(_ENDS * len(one)))
    thick = np.hypot(*(one - other)[inner].T)
    thickness = float(np.median(thick))
    middle = _smoothed(((one + other) / 2)[inner])
    if length_of(middle) < _LONG * thickness or np.percentile(thick, 90) > _EVEN * thickness:
        return None
    grow = cv2.contourArea(outline) * unclip_ratio / cv2.arcLength(outline, closed=True)
    return _around(_directed(_lengthened(middle, thickness / 2 + grow)), thickness / 2 + grow)


def cut_ribbon(pixels: Pixels, ribbon: Floats, width: int, height: int) -> Pixels:
    """What lies on ``ribbon``, level: ``[height, width, 3]`` uint8.

    Args:
        pixels: ``[H, W, 3]`` uint8, the picture.
        ribbon: ``[2 N, 2]``, pixels of the picture.
        width: Columns, from the beginning of the text to its end.
        height: Rows.
    """
    upper, lower = sides_of(ribbon)
    along = (np.arange(width) + 0.5) / width
    top, bottom = points_along(upper, along), points_along(lower, along)
    down = ((np.arange(height) + 0.5) / height)[:, None, None]
    # Pixel 0 reaches from 0 to 1, and OpenCV names it by its middle.
    places = (top + (bottom - top) * down - 0.5).astype(np.float32)
    low = np.maximum(np.floor(places.min(axis=(0, 1))).astype(int) - 2, 0)
    high = np.ceil(places.max(axis=(0, 1))).astype(int) + 3
    near = pixels[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    if not near.size:
        return np.zeros((height, width, 3), np.uint8)
    x, y = np.moveaxis(places - low.astype(np.float32), -1, 0)
    level = cv2.remap(near, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(level, np.uint8)


def _sides(around: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The two sides of a closed outline, from the same end on: split at the two places that bring them closest.

    One side may be longer than the other (the outer one of a ring), so both are gone along by shares of their length.
    """
    count = len(around)
    apart = np.hypot(*(around[:, None] - around).transpose(2, 0, 1))
    share = np.linspace(0, 1, count // 4)
    begin = np.arange(count)[:, None, None]
    length = np.arange(count // 3, count - count // 3 + 1)[:, None]
    one, other = (np.rint(begin + way * share).astype(int) % count for way in (length, length - count))
    first, second = np.unravel_index(apart[one, other].mean(axis=2).argmin(), (count, len(length)))
    return around[one[first, second]], around[other[first, second]]


def _smoothed(line: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    places = np.linspace(-1, 1, len(line))
    fitted = np.polynomial.polynomial.polyfit(places, line, _DEGREE)
    return np.asarray(np.polynomial.polynomial.polyval(places, fitted).T)


def _lengthened(line: npt.NDArray[np.float64], by: float) -> npt.NDArray[np.float64]:
    """``line`` gone on at both ends, as bent as it is there, by the share that was left off and ``by`` pixels."""
    by += length_of(line) * _ENDS / (1 - 2 * _ENDS)
    for _ in range(2):
        line = np.concatenate([line, _continuation(line, by)])[::-1]
    return points_along(line, np.linspace(0, 1, POINTS))


def _continuation(line: npt.NDArray[np.float64], length: float) -> npt.NDArray[np.float64]:
    """Points beyond the end of ``line``, which go on turning as its last quarter does."""
    last = np.diff(line[-len(line) // 4 :], axis=0)
    step = length_of(line) / len(line)
    angles = np.unwrap(np.arctan2(last[:, 1], last[:, 0]))
    bend = (angles[-1] - angles[0]) / max(1, len(angles) - 1)
    ways = angles[-1] + bend * np.arange(1, max(1, round(length / step)) + 1)
    return np.asarray(line[-1] + step * np.cumsum(np.stack([np.cos(ways), np.sin(ways)], axis=1), axis=0))


def _directed(line: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``line`` in the direction in which it is read."""
    across, down = line[-1] - line[0]
    if abs(down) <= _STEEP * abs(across):
        return line if across >= 0 else line[::-1]
    # Twice the area between the line and its chord: positive where the line runs clockwise (y grows downward).
    x, y = (line - line[0]).T
    clockwise = float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) >= 0
    return line if clockwise else line[::-1]


def _around(line: npt.NDArray[np.float64], reach: float) -> Floats:
    """The ribbon that reaches so far to both sides of ``line``."""
    run = np.gradient(line, axis=0)
    run /= np.maximum(np.hypot(*run.T), 1e-6)[:, None]
    up = np.stack([run[:, 1], -run[:, 0]], axis=1)
    return np.concatenate([line + up * reach, (line - up * reach)[::-1]]).astype(np.float32)
