"""From crops to texts and scores.

Every crop is read alone, in a width that follows from that crop, so its text cannot depend on its neighbours; crops
are read side by side, one thread each, which on few cores is faster than batching and than two threads on one crop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ziyan.errors import ModelNotInstalledError
from ziyan.ocr.crop import LINE_HEIGHT
from ziyan.ocr.ctc import Token, decode_greedy
from ziyan.ocr.session import Session, Tensor
from ziyan.ocr.spaces import add_spaces, count_ink
from ziyan.ocr.types import Pixels

T = TypeVar("T")
R = TypeVar("R")

_SHORTEST = 64
#: Widest crop that is read at once; longer ones are cut within the last share.  The files were made for twice as much,
#: but read no better for it, and a runtime keeps memory for the largest input it has seen.
WIDEST = 1536
_CUT_WITHIN = 0.1
_STEP = 32


@dataclass(frozen=True, slots=True)
class Reading:
    """One crop read.

    Attributes:
        tokens: The characters, their starts and stops in columns of the crop.
        width: Columns of the crop.
        model: Which weights read it.
    """

    tokens: tuple[Token, ...]
    width: int
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
        """Read one crop, ``[48, W, 3]`` uint8 RGB.  Long ones are read in parts cut where there is least ink."""
        cuts = find_cuts(crop)
        tokens = [token for start, stop in pairwise(cuts) for token in self.read_part(crop, start, stop)]
        return Reading(tuple(add_spaces(tokens, crop, cuts[1:-1])), crop.shape[1], self.name)

    def read_again(self, crop: Pixels, first: Reading) -> Reading:
        """Read a crop that other weights may have read already; ``first`` is what they read."""
        return first if first.model == self.name else self.read(crop)

    def read_part(self, crop: Pixels, start: int, stop: int) -> list[Token]:
        """What stands between two columns of ``crop``, placed in columns of the whole crop."""
        tensor = to_tensor(crop[:, start:stop])
        probs = self.session.run(tensor)[0]
        scale = tensor.shape[3] / len(probs)

        def place(step: float) -> float:
            # The last character may be seen in the padding, which is not part of the crop.
            return float(min(start + step * scale, stop))

        return [
            replace(token, start=place(token.start), stop=place(token.stop))
            for token in decode_greedy(probs, self.charset)
        ]


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Reads crops, several at once; holds nothing of any call.

    Attributes:
        deciding: The weights that decide.
        quick: Cheaper weights, asked first or to compare ways of holding a crop.
        pool: As many threads as may compute.
        further: Weights that decide where a call asks for them.
    """

    deciding: Alphabet
    quick: Alphabet
    pool: ThreadPoolExecutor
    further: tuple[Alphabet, ...] = ()

    @property
    def alphabets(self) -> tuple[Alphabet, ...]:
        """All weights, those that usually decide first."""
        return (self.deciding, self.quick, *self.further)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the weights that can decide, the usual ones first."""
        return tuple(dict.fromkeys(alphabet.name for alphabet in self.alphabets))

    def with_model(self, name: str | None) -> Recognizer:
        """The same with other weights deciding; None leaves the usual ones.

        Raises:
            ModelNotInstalledError: It does not have them.
        """
        if name in {None, self.deciding.name}:
            return self
        chosen = next((alphabet for alphabet in self.alphabets if alphabet.name == name), None)
        if chosen is None:
            raise ModelNotInstalledError(f"The model {name} is not loaded; take one of {', '.join(self.models)}.")
        return replace(self, deciding=chosen)

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """``work`` of each item, in their order, side by side on the recogniser's threads."""
        return list(self.pool.map(work, items))

    def glance(self, crops: Iterable[Pixels]) -> list[Reading]:
        """Cheap readings of ``crops``."""
        return self.map(self.quick.read, crops)


def find_cuts(crop: Pixels) -> list[int]:
    """Columns where ``crop`` is cut into parts of at most ``WIDEST``, both ends included."""
    cuts, width = [0], crop.shape[1]
    if width <= WIDEST:
        return [0, width]
    whole = count_ink(crop)
    while width - cuts[-1] > WIDEST:
        first = cuts[-1] + round(WIDEST * (1 - _CUT_WITHIN))
        ink = whole[first : cuts[-1] + WIDEST]
        # The middle of the widest stretch with the least ink: between words rather than between strokes.
        emptiest = np.flatnonzero(ink == ink.min())
        runs = np.split(emptiest, np.flatnonzero(np.diff(emptiest) > 1) + 1)
        cuts.append(first + int(np.median(max(runs, key=len))))
    return [*cuts, width]


def bucket_width(columns: int) -> int:
    """Width a crop of ``columns`` is padded to; depends on the crop alone.

    Steps grow with the width (at most an eighth of it), so that shapes stay few and padding small.
    """
    step = _STEP
    while columns > 8 * step:
        step *= 2
    return max(_SHORTEST, -(-columns // step) * step)


def bucket_widths() -> list[int]:
    """Every width that ``bucket_width`` gives for a crop that is read at once, narrowest first."""
    return sorted({bucket_width(columns) for columns in range(_STEP, WIDEST + 1, _STEP)})


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
