"""Endlessly many different pictures out of a few: what a long-running reader sees."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

#: Sides are scaled by a factor between these.
_SCALES = (0.4, 1.6)
#: At least this share of each side is kept.
_LEAST_CROP = 0.5
#: Pictures are scaled down to this many pixels, the size of a sharp photograph or a very long screenshot.
_MOST_PIXELS = 16_000_000
_FLIPS = (None, None, None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180)


def variants(pictures: Sequence[Path], count: int, seed: int) -> Iterator[bytes]:
    """``count`` files, each picture in turn cropped, scaled, turned and encoded at random.

    The same arguments give the same files.

    Args:
        pictures: What they are made from.
        count: How many.
        seed: Of the random numbers.
    """
    chance = np.random.default_rng(seed)
    for number in range(count):
        yield variant(pictures[number % len(pictures)], chance)


def variant(picture: Path, chance: np.random.Generator) -> bytes:
    """One file, JPEG or PNG, made from ``picture``."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    kept_width, kept_height = (max(1, round(side * chance.uniform(_LEAST_CROP, 1))) for side in image.size)
    left = int(chance.integers(0, image.width - kept_width + 1))
    top = int(chance.integers(0, image.height - kept_height + 1))
    most_scale = math.sqrt(_MOST_PIXELS / (kept_width * kept_height))
    # width and height apart, so that nearly every picture has a shape of its own
    width, height = (
        max(1, round(side * min(chance.uniform(*_SCALES), most_scale))) for side in (kept_width, kept_height)
    )
    image = image.resize((width, height), Image.Resampling.BILINEAR, (left, top, left + kept_width, top + kept_height))
    flip = _FLIPS[int(chance.integers(len(_FLIPS)))]
    if flip is not None:
        image = image.transpose(flip)
    file = io.BytesIO()
    if chance.random() < 0.7:
        image.save(file, "JPEG", quality=int(chance.integers(50, 95)))
    else:
        image.save(file, "PNG", compress_level=1)
    return file.getvalue()
