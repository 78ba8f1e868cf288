"""Geometry of the polygons that text lies in: rectangles, in perspective or not, and ribbons.

A ribbon is a polygon of ``2 N`` points: ``N`` along the upper side of the text from its beginning to its end, then as
many along the lower side back.  A rectangle is the ribbon with ``N = 2``, so most of the pipeline need not know which
of the two it has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ziyan.ocr.types import Polygon


def sides_of(polygon: Polygon) -> tuple[Polygon, Polygon]:
    """The upper and the lower side of a ribbon or rectangle, ``[N, 2]`` each, both from the text's beginning on."""
    half = len(polygon) // 2
    return polygon[:half], polygon[: half - 1 : -1]


def shares_of(side: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """``[K]``: the shares (0..1) of a side's length at which its points are."""
    passed = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(side.astype(np.float64), axis=0).T))])
    return np.asarray(passed / max(passed[-1], 1e-9))


def points_along(side: npt.NDArray[Any], shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``[K, 2]``: the points at these shares (0..1) of a side's length."""
    steps = np.hypot(*np.diff(side.astype(np.float64), axis=0).T)
    passed = np.concatenate([[0.0], np.cumsum(steps)])
    return np.stack([np.interp(shares * passed[-1], passed, side[:, axis]) for axis in (0, 1)], axis=1)


def length_of(line: npt.NDArray[Any]) -> float:
    """Length of a line through ``[K, 2]`` points."""
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


def quad_size(polygon: Polygon) -> tuple[float, float]:
    """Width (along the text) and height of a rectangle or ribbon, pixels: means of its opposite sides and ends."""
    upper, lower = (side.astype(np.float64) for side in sides_of(polygon))
    return (length_of(upper) + length_of(lower)) / 2, float(np.hypot(*(lower - upper).T).mean())


def grow_quad(quad: Polygon, along: float, across: float) -> Polygon:
    """``quad`` with its ends moved out by ``along`` and its sides by ``across`` pixels."""
    width, height = quad_size(quad)
    x = (quad[1] - quad[0] + quad[2] - quad[3]) / max(2 * width, 1e-6)
    y = (quad[3] - quad[0] + quad[2] - quad[1]) / max(2 * height, 1e-6)
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    grown: Polygon = (quad + signs[:, :1] * x * along + signs[:, 1:] * y * across).astype(np.float32)
    return grown


def turn(quad: Polygon, quarters: int) -> Polygon:
    """``quad`` beginning at the corner that is the top-left of text turned clockwise by ``quarters`` x 90 degrees.

    A ribbon begins at its other end after half a turn; quarters of one only undo each other.
    """
    return np.roll(quad, -quarters * (len(quad) // 4), axis=0)
