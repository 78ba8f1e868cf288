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
from ziyan.ocr.types import Pixels

T = TypeVar("T")
R = TypeVar("R")

_SHORTEST = 64
#: Least score of any character from which on a draft's reading stands.
SURE = 0.98
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
    def least(self) -> float:
        """Lowest score of the characters, 0..1; 0 where there are none."""
        return min((token.score for token in self.tokens), default=0.0)


@dataclass(frozen=True, slots=True)
class Alphabet:
    """A recogniser: its session, its charset (blank at index 0) and its name."""

    name: str
    session: Session
    charset: Sequence[str]

    def read(self, crop: Pixels) -> Reading:
        """Read one crop, ``[48, W, 3]`` uint8 RGB."""
        tensor = to_tensor(crop[:, :WIDEST])
        probs = self.session.run(tensor)[0]
        steps = len(probs) * min(crop.shape[1], WIDEST) / tensor.shape[3]
        return Reading(tuple(decode_greedy(probs, self.charset)), steps, self.name)


class Recognizer:
    """Reads crops, several at once; holds nothing of any call."""

    def __init__(self, final: Alphabet, draft: Alphabet | None, pool: ThreadPoolExecutor, sure: float = SURE) -> None:
        """Read with ``final``; where ``draft`` is given, with that first, and its answer stands where it is ``sure``.

        Args:
            final: The weights that decide.
            draft: Cheaper weights, or None.
            pool: As many threads as may compute.
            sure: Least score of any character from which on the draft's reading stands.
        """
        self.final = final
        self.draft = draft
        self._pool = pool
        self._sure = sure

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """``work`` of each item, in their order, side by side on the recogniser's threads."""
        return list(self._pool.map(work, items))

    def read(self, crop: Pixels) -> Reading:
        """Read one crop."""
        if self.draft is not None:
            reading = self.draft.read(crop)
            if reading.least >= self._sure:
                return reading
        return self.final.read(crop)

    def glance(self, crops: Iterable[Pixels]) -> list[Reading]:
        """Cheap readings of ``crops``, to compare ways of holding them."""
        return list(self._pool.map((self.draft or self.final).read, crops))


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
