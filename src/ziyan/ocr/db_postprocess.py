"""From DBNet's probability map to polygons.

The algorithm is that of *Real-time Scene Text Detection with Differentiable Binarization* (Liao et al., AAAI 2020):
threshold, connected outlines, score inside the outline, and the shrunken kernel grown back by
``distance = area x unclip_ratio / perimeter`` (Vatti clipping).  For the rectangle around an outline the grown
shape's own rectangle is known in closed form (every side moves out by the distance), so no polygon clipping is needed
and all candidates are grown in one vectorised step.  Kernels that fill little of their rectangle but are evenly thick
are bent lines: these become ribbons (``ribbon.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ziyan.ocr.polygon import quad_size
from ziyan.ocr.ribbon import find_ribbon

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DBOptions:
    """DBNet's terms.

    Attributes:
        binary_thresh: Text probability above which a pixel belongs to a kernel.
        box_thresh: Mean probability inside a candidate below which it is dropped.
        unclip_ratio: How far kernels are grown back.
        max_candidates: Outlines looked at, largest first.
        min_side: Kernels whose shorter side is below this many map pixels are dropped.
        bent: Kernels that fill less than this share of their rectangle may be bent lines.
    """

    binary_thresh: float = 0.2
    box_thresh: float = 0.45
    unclip_ratio: float = 1.4
    max_candidates: int = 3000
    min_side: float = 3.0
    bent: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Rotated rectangles, in map pixels.

    Attributes:
        centers: ``[N, 2]`` float32, x and y.
        sizes: ``[N, 2]`` float32, along and across ``angles``; both positive.
        angles: ``[N]`` float32, degrees clockwise from the x axis to the side ``sizes[:, 0]``, in [-45, 45).
        scores: ``[N]`` float32, mean text probability inside the kernel's rectangle or, if it is bent, outline.
        ribbons: Where the text runs, by the number of the candidate, for those that are bent; ``[2 K, 2]`` float32
            each.  Their ``sizes`` are the ribbon's length and height.
    """

    centers: Floats
    sizes: Floats
    angles: Floats
    scores: Floats
    ribbons: Mapping[int, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many."""
        return len(self.scores)


def find_candidates(prob_map: Floats, options: DBOptions) -> Candidates:
    """Rectangles of the text kernels in ``prob_map``, grown back to the text's size.

    Args:
        prob_map: ``[H, W]`` float32 text probabilities, 0..1.
        options: DBNet's thresholds.
    """
    kernels = (prob_map > options.binary_thresh).astype(np.uint8)
    outlines = cv2.findContours(kernels, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]
    if len(outlines) > options.max_candidates:
        # Not by their number of points: a clean rectangle has four, a ragged speck has more.
        outlines = sorted(outlines, key=lambda outline: cv2.arcLength(outline, True), reverse=True)
        outlines = outlines[: options.max_candidates]
    rows: list[tuple[float, ...]] = []
    ribbons: dict[int, Floats] = {}
    for outline in outlines:
        (x, y), (w, h), angle = cv2.minAreaRect(outline)
        if min(w, h) < options.min_side:
            continue
        ribbon = None
        if cv2.contourArea(outline) < options.bent * w * h:
            ribbon = find_ribbon(np.asarray(outline, np.int32), options.unclip_ratio)
        shape = cv2.boxPoints(((x, y), (w, h), angle)) if ribbon is None else outline[:, 0]
        score = _score(prob_map, cv2.boundingRect(outline), shape)
        if score >= options.box_thresh:
            if ribbon is not None:
                ribbons[len(rows)] = ribbon
            rows.append((x, y, w, h, angle, score))
    table = np.array(rows, np.float32).reshape(-1, 6)
    sizes, angles = _turn_level(table[:, 2:4], table[:, 4])
    distance = sizes.prod(axis=1) * options.unclip_ratio / (2 * sizes.sum(axis=1))
    sizes = sizes + 2 * distance[:, None]
    for row, ribbon in ribbons.items():
        sizes[row] = quad_size(ribbon)
    return Candidates(table[:, 0:2], sizes, angles, table[:, 5], ribbons)


def _score(prob_map: Floats, bounds: Sequence[int], shape: npt.NDArray[Any]) -> float:
    """Mean of ``prob_map`` inside ``shape``, a polygon around or along an outline with these upright ``bounds``."""
    height, width = prob_map.shape
    x0, y0, w, h = bounds
    # The rotated rectangle may stick out of the outline's upright box by a little; the rest is cut, as in the original.
    x1, y1 = min(x0 + w, width), min(y0 + h, height)
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(mask, [np.round(shape - (x0, y0)).astype(np.int32)], 1)
    return float(cv2.mean(prob_map[y0:y1, x0:x1], mask)[0])


def _turn_level(sizes: Floats, angles: Floats) -> tuple[Floats, Floats]:
    """Name each rectangle's sides so that its angle lies in [-45, 45)."""
    quarter = np.floor((angles + 45) / 90).astype(np.int32)
    swapped = (quarter % 2 != 0)[:, None]
    return np.where(swapped, sizes[:, ::-1], sizes), (angles - 90 * quarter).astype(np.float32)
