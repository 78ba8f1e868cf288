"""A line that is alone on its picture, read in two halves at the same time: else all cores but one would wait for it.

The halves overlap, so that each character near the seam is seen whole, between its neighbours, by one half at least.
Whether a line is read so depends on the line alone, never on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ziyan.ocr.ctc import Token
from ziyan.ocr.recognize import WIDEST, Alphabet, Reading, Recognizer, bucket_width
from ziyan.ocr.spaces import add_spaces
from ziyan.ocr.types import Pixels

#: Narrower crops are read at once: there is little to win.
_NARROWEST = 448
#: Columns that each half reaches beyond the seam at least: a wide character and half of the next.
_REACH = 64
#: Columns by which two readings of one character may differ in where it is.
_SAME_PLACE = 16.0


@dataclass(frozen=True, slots=True)
class Halves:
    """Reads crops as ``alphabet`` does, in halves where that is quicker.  Not to be called on the recogniser's threads.

    Attributes:
        alphabet: The weights.
        recognizer: On whose threads the halves are read.
    """

    alphabet: Alphabet
    recognizer: Recognizer

    def read(self, crop: Pixels) -> Reading:
        """See ``Reads.read``."""
        width = crop.shape[1]
        if not _NARROWEST <= width <= WIDEST:
            return self.alphabet.read(crop)
        # Padding costs as much as picture: a half reaches as far as its input has room.
        half = min(width, bucket_width(width // 2 + _REACH))
        left, right = self.recognizer.map(
            lambda columns: self.alphabet.read_part(crop, *columns), [(0, half), (width - half, width)]
        )
        return Reading(tuple(add_spaces(splice(left, right, width / 2), crop)), width, self.alphabet.name)

    def read_again(self, crop: Pixels, first: Reading) -> Reading:
        """See ``Reads.read_again``."""
        return first if first.model == self.alphabet.name else self.read(crop)


def splice(left: Sequence[Token], right: Sequence[Token], seam: float) -> list[Token]:
    """The tokens of two readings that overlap around ``seam``, each character once.

    They are joined at the character nearest to the seam that both have read alike, or at the seam if there is none.
    A space beside that character is kept if either has seen it.
    """
    shared = [
        (abs(_middle(a) - seam), i, j)
        for i, a in enumerate(left)
        for j, b in enumerate(right)
        if a.text == b.text != " " and abs(_middle(a) - _middle(b)) <= _SAME_PLACE
    ]
    if not shared:
        left = [token for token in left if _middle(token) < seam]
        return [*left, *(token for token in right if _middle(token) >= seam)]
    _, i, j = min(shared)
    before = [] if _spaces(left, i - 1) else _spaces(right, j - 1)
    after = [] if _spaces(right, j + 1) else _spaces(left, i + 1)
    return [*left[:i], *before, left[i], *after, *right[j + 1 :]]


def _spaces(tokens: Sequence[Token], place: int) -> Sequence[Token]:
    """The token at ``place``, if there is one and it is a space."""
    return [token for token in tokens[max(place, 0) : place + 1] if token.text == " "]


def _middle(token: Token) -> float:
    return (token.start + token.stop) / 2
