"""Which weights read a line: the quick ones where they are sure of every character, the deciding ones elsewhere.

On clean print the quick weights are sure of most lines, and then as right as the deciding ones at a quarter of their
cost; on handwriting, small print or unusual faces they are rarely sure, and asking them first would only be dearer.  So
a few lines of a page are tried, and the rest of it is read in the way that they suggest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ziyan.ocr.recognize import Alphabet, Reading
from ziyan.ocr.types import Pixels

#: Least score of a line's least certain character.
_SURE = 0.9
#: Share of the tried lines' width that the quick weights must be sure of.
_WORTH = 0.4
#: Lines tried: a share of the page's, within bounds, and not one after another where they are few.
_SHARE = 0.25
_FEWEST, _MOST = 2, 8
_KANA = re.compile(r"[\u3040-\u30ff]")
_IDEOGRAPHS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class Reads(Protocol):
    """Whatever reads one crop."""

    def read(self, crop: Pixels) -> Reading:
        """Read one crop, ``[48, W, 3]`` uint8 RGB."""

    def read_again(self, crop: Pixels, first: Reading) -> Reading:
        """Read a crop that the quick weights have read already; ``first`` is what they read."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """The quick weights first, the deciding ones where those are unsure.

    Attributes:
        quick: Asked first.
        deciding: Asked where ``quick`` is unsure.
    """

    quick: Alphabet
    deciding: Reads

    def read(self, crop: Pixels) -> Reading:
        """See ``Reads.read``."""
        return self.read_again(crop, self.quick.read(crop))

    def read_again(self, crop: Pixels, first: Reading) -> Reading:
        """See ``Reads.read_again``."""
        return first if is_sure(first) else self.deciding.read(crop)

    def is_worth_it(self, tried: Sequence[Reading]) -> bool:
        """Whether the quick weights were sure often enough of the lines that this has read."""
        sure = sum(reading.width for reading in tried if reading.model == self.quick.name)
        return sure >= _WORTH * sum(reading.width for reading in tried)


def is_sure(reading: Reading) -> bool:
    """Whether a reading of the quick weights can be believed.

    Their charset has few traditional characters and little Japanese, and they take the others for their simplified
    neighbours without a doubt.  So a line with a character outside of GB 2312, or with kana, is left to the others.
    """
    if not reading.tokens or min(token.score for token in reading.tokens) < _SURE:
        return False
    if _KANA.search(reading.text):
        return False
    try:
        "".join(_IDEOGRAPHS.findall(reading.text)).encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def count_trials(lines: int) -> int:
    """How many of a page's ``lines`` are read to find out whether asking the quick weights first is worth it."""
    return min(lines, _MOST, max(_FEWEST, 2 * round(_SHARE * lines / 2)))
