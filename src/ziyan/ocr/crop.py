"""From a polygon on the picture to the upright crop of one line."""

from __future__ import annotations

import cv2
import numpy as np

from ziyan.ocr.polygon import quad_size
from ziyan.ocr.ribbon import cut_ribbon
from ziyan.ocr.types import Pixels, Polygon

#: Rows of every crop that the recogniser takes.
LINE_HEIGHT = 48
#: Corners this near to a pixel grid (in pixels) are cut out rather than warped.
_STRAIGHT = 0.75
#: Quads are warped at up to this many times the height that is wanted.
_OVERSIZE = 2.0
#: OpenCV warps pictures up to 32,767 pixels a side.
_WARPED = 32_000
#: Widest crop: what is longer has no readable height.
_COLUMNS = 64_000
_NOTHING: Pixels = np.zeros((1, 1, 3), np.uint8)


def scaled(pixels: Pixels, width: int, height: int) -> Pixels:
    """``pixels`` in another size, averaged where they shrink."""
    shrinks = height < pixels.shape[0]
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8)


def cut_line(pixels: Pixels, quad: Polygon, height: int = LINE_HEIGHT) -> Pixels:
    """The crop of one line, upright, level and scaled.

    Args:
        pixels: ``[H, W, 3]`` uint8, the picture.
        quad: ``[4, 2]`` float32, pixels of the picture, clockwise from the text's own top-left; or a ribbon.
        height: Rows of the crop.

    Returns:
        ``[height, W', 3]`` uint8, contiguous; W' keeps the line's proportions.
    """
    width, own_height = quad_size(quad)
    width, own_height = max(width, 1.0), max(own_height, 1.0)
    columns = min(_COLUMNS, max(1, round(width * height / own_height)))
    if len(quad) > 4:
        rows = min(round(_OVERSIZE * height), max(height, round(own_height)))
        return scaled(cut_ribbon(pixels, quad, max(1, round(columns * rows / height)), rows), columns, height)
    native = _cut_straight(pixels, quad)
    if native is None:
        # What is far larger than needed is shrunk before it is warped: averaged, and at a bounded cost.
        native = _cut_warped(pixels, quad, (width, own_height), min(1.0, _OVERSIZE * height / own_height))
    return scaled(native, columns, height)


def _cut_straight(pixels: Pixels, quad: Polygon) -> Pixels | None:
    """The rows and columns inside ``quad``, turned upright; None where its sides are not those of the picture."""
    low, high = quad.min(axis=0), quad.max(axis=0)
    corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    quarters = [k for k in range(4) if np.abs(np.roll(quad, k, axis=0) - corners).max() < _STRAIGHT]
    if not quarters:
        return None
    x0, y0 = np.floor(low).astype(int)
    x1, y1 = np.maximum(np.ceil(high).astype(int), (x0 + 1, y0 + 1))
    rows, columns = pixels.shape[:2]
    inside = pixels[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if not inside.size:
        return _NOTHING
    edges = (max(-y0, 0), max(y1 - rows, 0), max(-x0, 0), max(x1 - columns, 0))
    if any(edges):
        inside = np.asarray(cv2.copyMakeBorder(inside, *edges, cv2.BORDER_REPLICATE), np.uint8)
    return np.rot90(inside, quarters[0])


def _cut_warped(pixels: Pixels, quad: Polygon, size: tuple[float, float], shrink: float) -> Pixels:
    # Only the surroundings are warped from: OpenCV's warps stop at 32,767 pixels a side.
    low = np.maximum(np.floor(quad.min(axis=0)).astype(int) - 2, 0)
    high = np.ceil(quad.max(axis=0)).astype(int) + 2
    near = pixels[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    if not near.size:
        return _NOTHING
    rows, columns = near.shape[:2]
    shrink = min(shrink, _WARPED / max(rows, columns, *size))
    if shrink < 1:
        near = scaled(near, max(1, round(columns * shrink)), max(1, round(rows * shrink)))
    width, height = max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))
    source = (quad - low) * (near.shape[1] / columns, near.shape[0] / rows)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source.astype(np.float32), target)
    warped = cv2.warpPerspective(near, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)
