"""Sessions without weights: they compute something known from their input, as the real ones do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cv2
import numpy as np
import numpy.typing as npt

from tests.ocr.drawing import GLYPHS
from ziyan.ocr.recognize import Alphabet, Recognizer
from ziyan.ocr.session import Tensor

CHARSET = ("", *GLYPHS, " ")
_STRIDE = 8
_UPPER, _LOWER = slice(10, 20), slice(28, 38)


class GlyphReader:
    """Reads ``tests.ocr.drawing.glyph``: well where they stand upright, worse on their backs, badly on their heads."""

    def __init__(self, upright: float = 0.99, lying: float = 0.6, headlong: float = 0.3) -> None:
        self.scores = {"upright": upright, "lying": lying, "headlong": headlong}
        self.widths: list[int] = []
        self._lock = threading.Lock()

    def run(self, batch: Tensor) -> Tensor:
        with self._lock:
            self.widths.append(batch.shape[3])
        return np.stack([self._read(crop) for crop in batch])

    def _read(self, crop: Tensor) -> npt.NDArray[np.float32]:
        """``[3, 48, W]`` BGR in -1..1 → ``[W / 8, C]``."""
        steps = crop.reshape(3, crop.shape[1], -1, _STRIDE)
        upper, lower = (steps[::-1, rows].mean(axis=(1, 3)).T for rows in (_UPPER, _LOWER))
        probs = np.zeros((len(upper), len(CHARSET)), np.float32)
        for step, (above, below) in enumerate(zip(upper, lower, strict=True)):
            character, score = self._judge(above, below)
            probs[step] = (1 - score) / len(CHARSET)
            probs[step, character] = score
        return probs

    def _judge(self, above: Tensor, below: Tensor) -> tuple[int, float]:
        """Class and score of one step, from the colours of its upper and lower half."""
        kinds = _kind(above), _kind(below)
        if kinds == ("colour", "ink"):
            return _class(above), self.scores["upright"]
        if kinds == ("ink", "colour"):
            return _class(below), self.scores["headlong"]
        if kinds == ("colour", "colour"):
            return _class(above), self.scores["lying"]
        return 0, 0.99


def _kind(colour: Tensor) -> str:
    if colour.max() < -0.5:
        return "ink"
    return "paper" if colour.min() > -0.3 else "colour"


def _class(colour: Tensor) -> int:
    bits = tuple(255 if value > 0 else 0 for value in colour)
    colours = list(GLYPHS.values())
    return colours.index(bits) + 1 if bits in colours else 0


class InkFinder:
    """A detector for which whatever is dark is text, blurred a little as networks do."""

    def __init__(self, blur: int = 1) -> None:
        self.blur = blur
        self.shapes: list[tuple[int, int]] = []
        self._lock = threading.Lock()

    def run(self, batch: Tensor) -> Tensor:
        with self._lock:
            self.shapes.append((batch.shape[2], batch.shape[3]))
        # Normalised as ImageNet: 0 is a little below middle grey.
        dark = (batch.mean(axis=1) < 0).astype(np.float32)
        return np.stack([cv2.blur(one, (self.blur, self.blur))[None] for one in dark])


@contextmanager
def glyph_recognizer(
    deciding: GlyphReader | None = None, quick: GlyphReader | None = None, threads: int = 2
) -> Iterator[Recognizer]:
    """A recogniser of glyphs, on so many threads."""
    slow = Alphabet("slow", CHARSET, deciding or GlyphReader())
    with ThreadPoolExecutor(threads) as pool:
        yield Recognizer(deciding=slow, quick=Alphabet("fast", CHARSET, quick or GlyphReader()), pool=pool)
