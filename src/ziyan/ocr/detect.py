"""From a picture to text regions: the right scale, DBNet, polygons on the original picture.

The scale follows the text, not the picture.  A first look is taken with the longer side at ``Scales.first_look`` pixels
(pictures are never enlarged for it).  Where the letters found are too low for the network a second look is taken at the
scale that makes them legible.  Long pictures are looked at in overlapping windows whose probability maps are
stitched into one before any polygon is made, so no line is cut or read twice at a seam.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from ziyan.ocr.crop import scaled
from ziyan.ocr.db_postprocess import Candidates, DBOptions, find_candidates
from ziyan.ocr.polygon import turn
from ziyan.ocr.session import Session, Tensor
from ziyan.ocr.types import Pixels, Region

#: ImageNet's means and deviations, R G B, as the network was trained.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32) * 255
Floats = npt.NDArray[np.float32]
#: Start and end of a window along a side, and of the part of it that is kept: up to the middle of the overlaps.
Window = tuple[int, int, int, int]

_LINE_RATIO = 2.5
#: No line has more characters than this.
_LINE_LIMIT = 240
_LINE_SIDE = 240
#: Nothing lower than this many pixels can be read.
_LEGIBLE = 6
_LINE_SHARE = 0.6
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32) * 255


@dataclass(frozen=True, slots=True)
class Scales:
    """How large the network sees the picture.  All in pixels of its input.

    Attributes:
        first_look: Longer side, unless that makes the shorter one less than ``short_side``.
        short_side: Shorter side that long pictures keep.
        strip: Shorter side of strips.
        strip_ratio: Pictures this many times as long as wide are strips.
        legible: Median height of the letters below which a second look is taken.
        aim: Median height that the second look aims at.
        window: Longest side of a window along the picture's longer side.
        breadth: Along its shorter side.
        overlap: Of neighbouring windows.
        margin: Plain border around the picture: text that touches the edge is not found without.
        sides: All that sides of windows may be, so that shapes are few: a runtime prepares for each.
    """

    first_look: int = 960
    short_side: int = 448
    strip: int = 32
    strip_ratio: float = 6.0
    legible: float = 11.0
    aim: float = 16.0
    window: int = 576
    breadth: int = 960
    overlap: int = 64
    margin: int = 24
    sides: tuple[int, ...] = (64, 128, 192, 320, 448, 576, 704, 832, 960)


@dataclass(frozen=True, slots=True)
class Detector:
    """DBNet and the threads it computes on.

    Attributes:
        session: ``[1, 3, H, W]`` → ``[1, 1, H, W]``, on one thread.
        pool: Runs windows side by side.
    """

    session: Session
    pool: ThreadPoolExecutor


#: For weights chosen for speed: every pixel of the first look counts.
QUICK_SCALES = Scales(first_look=640, short_side=416, legible=9.0, aim=12.0)


def detect(
    detector: Detector, pixels: Pixels, scales: Scales, options: DBOptions, stop: Callable[[], None]
) -> list[Region]:
    """Text regions of a picture.

    Args:
        detector: DBNet.
        pixels: ``[H, W, 3]`` uint8 RGB.
        scales: How large the network sees the picture.
        options: DBNet's thresholds.
        stop: Called before each window; raises to stop.

    Returns:
        Regions in pixels of the picture, in no particular order; polygons of bent text are ribbons.
    """
    height, width = pixels.shape[:2]
    longer, shorter = max(height, width), min(height, width)
    # A strip is a line or two: seen as low as lines on a page, or its letters are too big for the network.
    is_strip = longer > scales.strip_ratio * shorter and shorter <= _LINE_SIDE
    sides = scales.strip, scales.short_side
    low, full = (min(1.0, max(scales.first_look / longer, side / shorter)) for side in sides)
    scale = low if is_strip else full
    candidates = _look(detector, pixels, scale, scales, options, stop)
    if not candidates and scale < full:
        # No line but many that are too small to be seen so low: a long, narrow screenshot.
        scale, candidates = full, _look(detector, pixels, full, scales, options, stop)
    letters = _median_height(candidates)
    if candidates and letters < scales.legible:
        scale *= min(2.0, scales.aim / letters)
        candidates = _look(detector, pixels, scale, scales, options, stop)
    regions = _regions(candidates, scale, scales)
    return [_whole(pixels, regions)] if _is_one_line(pixels, regions) else regions


def detect_turned(
    detector: Detector,
    pixels: Pixels,
    quarters: int,
    scales: Scales,
    options: DBOptions,
    stop: Callable[[], None],
) -> list[Region]:
    """Regions of a page that lies turned clockwise by ``quarters`` x 90 degrees, found on the page set upright.

    The network takes a column of numbers that lies on its side for a line of text, so a turned page is looked at again.

    Returns:
        As ``detect``: polygons on ``pixels`` as they are, beginning at the corner that is the top-left there.
    """
    upright = np.ascontiguousarray(np.rot90(pixels, quarters))
    height, width = pixels.shape[:2]
    regions = []
    for region in detect(detector, upright, scales, options, stop):
        x, y = region.polygon.T
        across, down = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters]
        polygon = turn(np.stack([across, down], axis=1).astype(np.float32), -quarters)
        regions.append(Region(polygon, region.detection_score))
    return regions


def usual_windows(scales: Scales) -> list[tuple[int, int]]:
    """Heights and widths of the windows that pages and strips are mostly seen in, smallest first."""
    shapes = {shape for side in scales.sides for shape in ((side, scales.window), (scales.window, side))}
    return sorted(shapes, key=lambda shape: (shape[0] * shape[1], shape))


def _is_one_line(pixels: Pixels, regions: list[Region]) -> bool:
    """Whether the picture is the cut-out of a single line: long, and nothing found in it but pieces of one row."""
    height, width = pixels.shape[:2]
    axis, long, short = (1, height, width) if height > width else (0, width, height)
    if not (_LINE_RATIO * short <= long <= _LINE_LIMIT * short and _LEGIBLE <= short <= _LINE_SIDE):
        return False
    if not regions:
        return True
    if any(len(region.polygon) > 4 for region in regions):
        return False
    spans = np.array([[region.polygon.min(axis=0), region.polygon.max(axis=0)] for region in regions])
    across = spans[:, :, 1 - axis]
    longest, highest = (float(np.ptp(spans[:, :, side], axis=1).max()) for side in (axis, 1 - axis))
    level = bool(np.abs(across.mean(axis=1) - across.mean()).max() < 0.3 * highest)
    # The lines of a narrow receipt are level with each other too, but each lies across the picture.
    return highest >= _LINE_SHARE * short and longest >= highest and level


def _whole(pixels: Pixels, regions: list[Region]) -> Region:
    """The whole picture as one region."""
    height, width = pixels.shape[:2]
    polygon = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return Region(polygon, max((region.detection_score for region in regions), default=0.5))


def _median_height(candidates: Candidates) -> float:
    """Of the candidates' shorter sides, longer candidates counting for more; 0 where there are none."""
    if not len(candidates):
        return 0.0
    short, long = candidates.sizes.min(axis=1), candidates.sizes.max(axis=1)
    order = np.argsort(short)
    weights = np.cumsum(long[order])
    return float(short[order][np.searchsorted(weights, weights[-1] / 2)])


def _look(
    detector: Detector, pixels: Pixels, scale: float, scales: Scales, options: DBOptions, stop: Callable[[], None]
) -> Candidates:
    """Candidates at ``scale``, in pixels of the scaled picture (margin taken off)."""
    height, width = pixels.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = scaled(pixels, *size)
    margin = _margin(size, scales)
    limits = (scales.window, scales.breadth) if height >= width else (scales.breadth, scales.window)
    canvas = _framed(small, margin, limits, scales)
    prob_map = _prob_map(detector, canvas, limits, scales, stop)
    found = find_candidates(prob_map, options)
    ribbons = {row: ribbon - np.float32(margin) for row, ribbon in found.ribbons.items()}
    return replace(found, centers=found.centers - np.float32(margin), ribbons=ribbons)


def _margin(size: tuple[int, int], scales: Scales) -> int:
    """Border for a picture of ``size``: strips need a little, or their letters fill all that the network sees."""
    return min(scales.margin, max(size[0], size[1]) // 4) if min(size) > scales.strip else scales.strip // 2


def _framed(pixels: Pixels, margin: int, limits: tuple[int, int], scales: Scales) -> Pixels:
    """``pixels`` with a border of at least ``margin`` in the colour of its edges, each side a window's or longer.

    Args:
        pixels: ``[H, W, 3]`` uint8.
        margin: Pixels.
        limits: The longest that windows may be down and across.
        scales: Gives the sides of windows.
    """
    sides = [side + 2 * margin for side in pixels.shape[:2]]
    below, right = (
        (_side(side, scales) if side <= limit else side) - side + margin
        for side, limit in zip(sides, limits, strict=True)
    )
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = tuple(int(v) for v in np.median(edge, axis=0))
    framed = cv2.copyMakeBorder(pixels, margin, below, margin, right, cv2.BORDER_CONSTANT, value=colour)
    return np.asarray(framed, np.uint8)


def _side(length: int, scales: Scales) -> int:
    """The shortest side of a window that covers ``length``."""
    return next(side for side in scales.sides if side >= length)


def _prob_map(
    detector: Detector, canvas: Pixels, limits: tuple[int, int], scales: Scales, stop: Callable[[], None]
) -> Floats:
    """``[H, W]`` text probabilities of ``canvas``, stitched from windows that are computed side by side."""
    height, width = canvas.shape[:2]
    down, across = (_windows(side, limit, scales) for side, limit in zip((height, width), limits, strict=True))
    windows = [(rows, columns) for rows in down for columns in across]
    stitched = np.zeros((height, width), np.float32)

    def compute(window: tuple[Window, Window]) -> None:
        stop()
        (y0, y1, top, bottom), (x0, x1, left, right) = window
        part = detector.session.run(_to_tensor(canvas[y0:y1, x0:x1]))[0, 0]
        stitched[top:bottom, left:right] = part[top - y0 : bottom - y0, left - x0 : right - x0]

    list(detector.pool.map(compute, windows))
    return stitched


def _windows(length: int, longest: int, scales: Scales) -> list[Window]:
    """As few windows along a side as cover it."""
    if length <= longest:
        return [(0, length, 0, length)]
    count = -(-(length - scales.overlap) // (longest - scales.overlap))
    size = _side(-(-(length + (count - 1) * scales.overlap) // count), scales)
    starts = np.linspace(0, length - size, count).round().astype(int).tolist()
    cuts = [0, *((a + size + b) // 2 for a, b in pairwise(starts)), length]
    return [(start, start + size, cuts[i], cuts[i + 1]) for i, start in enumerate(starts)]


def _to_tensor(canvas: Pixels) -> Tensor:
    """``[1, 3, H, W]`` float32, BGR, normalised as the network was trained."""
    tensor = np.empty((1, 3, *canvas.shape[:2]), np.float32)
    for plane, channel in enumerate((2, 1, 0)):
        # The files were trained on BGR pictures with the means of RGB: plane 0 is blue with red's mean.
        np.subtract(canvas[:, :, channel], _MEAN[plane], out=tensor[0, plane])
        tensor[0, plane] /= _DEVIATION[plane]
    return tensor


def _regions(candidates: Candidates, scale: float, scales: Scales) -> list[Region]:
    """Regions on the original picture."""
    radians = np.deg2rad(candidates.angles)
    along = np.stack([np.cos(radians), np.sin(radians)], axis=1) * candidates.sizes[:, :1] / 2
    across = np.stack([-np.sin(radians), np.cos(radians)], axis=1) * candidates.sizes[:, 1:] / 2
    corners = np.stack([-along - across, along - across, along + across, -along + across], axis=1)
    polygons = ((candidates.centers[:, None] + corners) / scale).astype(np.float32)
    bent = {row: (ribbon / scale).astype(np.float32) for row, ribbon in candidates.ribbons.items()}
    return [Region(bent.get(row, polygons[row]), float(score)) for row, score in enumerate(candidates.scores)]
