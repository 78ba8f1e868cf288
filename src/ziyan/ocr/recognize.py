"""From crops to texts and scores.

Every crop is read alone, in a width that follows from that crop, so its text cannot depend on its neighbours; crops
are read side by side, one thread each, which on few cores is faster than batching and than two threads on one crop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ziyan.ocr.crop import LINE_HEIGHT
from ziyan.ocr.ctc import Token, decode_greedy
from ziyan.ocr.session import Session, Tensor
from ziyan.ocr.spaces import add_spaces
from ziyan.ocr.types import Pixels

T = TypeVar("T")
R = TypeVar("R")

_SHORTEST = 64
#: Crops are cut off here: the widest input that the files were made for, times two.
WIDEST = 6400


@dataclass(frozen=True, slots=True)
class Reading:
    """One crop read.

    Attributes:
        tokens: The characters; time steps as shares of the crop's width, see ``steps``.
        steps: Time steps that the crop itself (without padding) spans.
        model: Which weights read it.
    """

    tokens: tuple[Token, ...]
    steps: float
    model: str

    @property
    def text(self) -> str:
        """The characters as decoded."""
        return "".join(token.text for token in self.tokens)

    @property
    def score(self) -> float:
        """Mean score of the characters, 0..1; 0 where there are none."""
        return float(np.mean([token.score for token in self.tokens])) if self.tokens else 0.0

    @property
    def weight(self) -> float:
        """How much was read: every character counts for as much as its score is better than even."""
        return sum(token.score - 0.5 for token in self.tokens)


@dataclass(frozen=True, slots=True)
class Alphabet:
    """A recogniser: its name, its charset (blank at index 0) and its session."""

    name: str
    charset: Sequence[str]
    session: Session

    def read(self, crop: Pixels) -> Reading:
        """Read one crop, ``[48, W, 3]`` uint8 RGB."""
        crop = crop[:, :WIDEST]
        tensor = to_tensor(crop)
        probs = self.session.run(tensor)[0]
        columns_per_step = tensor.shape[3] / len(probs)
        tokens = add_spaces(decode_greedy(probs, self.charset), crop, columns_per_step)
        return Reading(tokens, crop.shape[1] / columns_per_step, self.name)


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Reads crops, several at once; holds nothing of any call.

    Attributes:
        each: The weights that decide, on one thread, for crops read side by side.
        alone: The same on all threads, for a crop that has no company.
        quick: Cheaper weights to compare ways of holding a crop.
        pool: As many threads as may compute.
    """

    each: Alphabet
    alone: Alphabet
    quick: Alphabet
    pool: ThreadPoolExecutor

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """``work`` of each item, in their order, side by side on the recogniser's threads."""
        return list(self.pool.map(work, items))

    def glance(self, crops: Iterable[Pixels]) -> list[Reading]:
        """Cheap readings of ``crops``."""
        return self.map(self.quick.read, crops)


def bucket_width(columns: int) -> int:
    """Width a crop of ``columns`` is padded to; depends on the crop alone.

    Steps grow with the width (at most an eighth of it), so that shapes stay few and padding small.
    """
    step = 32
    while columns > 8 * step:
        step *= 2
    return max(_SHORTEST, -(-columns // step) * step)


def to_tensor(crop: Pixels) -> Tensor:
    """The recogniser's input for one crop.

    Args:
        crop: ``[48, W, 3]`` uint8 RGB.

    Returns:
        ``[1, 3, 48, bucket_width(W)]`` float32, BGR in -1..1, zero to the right of the crop.
    """
    columns = crop.shape[1]
    tensor = np.zeros((1, 3, LINE_HEIGHT, bucket_width(columns)), np.float32)
    channels: npt.NDArray[np.uint8] = crop[:, :, ::-1].transpose(2, 0, 1)
    np.multiply(channels, np.float32(1 / 127.5), out=tensor[0, :, :, :columns])
    tensor[0, :, :, :columns] -= 1
    return tensor
