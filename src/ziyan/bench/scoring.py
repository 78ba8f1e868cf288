"""How right a reading is.

Text is compared after NFKC, with quotes, dashes and ellipses unified and all white space removed, so that only what a
reader would call a mistake counts.  The figures:

* CER: edits divided by the label's characters, lines joined in reading order; summed over a category before dividing.
* F2: F1 over the character bigrams of the lines; does not depend on the order of the lines.
* exact: share of pictures without a single edit.
* WER: edits of words, for pictures with Latin script; keeps the spaces between words, so glued words count.

On pictures without text CER is the share on which any was invented, and F2 the share on which none was.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise

from ziyan.bench.dataset import Label

#: Marks that look alike to a reader, by the one that stands for all of them; NFKC has unified others before.
_ALIKE = {
    '"': "“”„",
    "'": "‘’`",
    "-": "—–―‐−",
    "...": "⋯",
    ".": "·•・。",
    ",": "、",
    "[": "〔【",
    "]": "〕】",
    "<": "《〈",
    ">": "》〉",
}
_UNIFY = str.maketrans({mark: one for one, marks in _ALIKE.items() for mark in marks})
#: A Chinese or Japanese character is a word of its own; else whatever stands between spaces.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+")
#: A line this close to an ignored text (edits by its characters) is a reading of it.
_IGNORED_DISTANCE = 0.4
#: Languages without words between spaces.
_WORDLESS = ("zh", "ja")


def normalise(text: str) -> str:
    """``text`` as it is compared: NFKC, look-alike marks unified, single spaces."""
    # again at the end: what stands for a mark may compose with an accent after it where the mark did not
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).translate(_UNIFY))
    return " ".join(text.split())


def squeeze(text: str) -> str:
    """``text`` normalised, without any white space."""
    return normalise(text).replace(" ", "")


def words(text: str) -> list[str]:
    """The words of ``text`` as a reader sees them."""
    return _WORD.findall(normalise(text))


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Levenshtein distance of two sequences; through rapidfuzz where it is installed, which is only faster."""
    fast = _rapidfuzz()
    return fast(one, other) if fast else plain_edit_distance(one, other)


@cache
def _rapidfuzz() -> Callable[[Sequence[Hashable], Sequence[Hashable]], int] | None:
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError:
        return None
    return Levenshtein.distance


def plain_edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Levenshtein distance by the row-by-row dynamic programme of Wagner and Fischer (1974)."""
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, 1):
        diagonal, row[0] = row[0], number
        for column, right in enumerate(other, 1):
            substituted = diagonal + (left != right)
            diagonal = row[column]
            row[column] = min(row[column] + 1, row[column - 1] + 1, substituted)
    return row[-1]


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over one or more pictures; they add up, the figures come out of the sums.

    Attributes:
        pictures: How many.
        exact: Of those, read without an edit.
        characters: In the labels.
        edits: Between labels and readings.
        bigrams: In the labels, line by line.
        read_bigrams: In the readings.
        matched_bigrams: In both.
        words: In the labels of pictures with Latin script.
        word_edits: Between those labels and their readings.
    """

    pictures: int = 0
    exact: int = 0
    characters: int = 0
    edits: int = 0
    bigrams: int = 0
    read_bigrams: int = 0
    matched_bigrams: int = 0
    words: int = 0
    word_edits: int = 0

    def __add__(self, other: Score) -> Score:
        """The score of both sets of pictures together."""
        return Score(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Score)))

    @property
    def exact_share(self) -> float:
        """Share of pictures read without an edit, 0..1."""
        return self.exact / max(1, self.pictures)

    @property
    def cer(self) -> float:
        """Character error rate, 0 and up; without text the share of pictures on which some was invented."""
        return self.edits / self.characters if self.characters else 1 - self.exact_share

    @property
    def f2(self) -> float:
        """F1 over bigrams, 0..1; without text the share of pictures on which none was invented."""
        if not self.characters:
            return self.exact_share
        return 2 * self.matched_bigrams / max(1, self.bigrams + self.read_bigrams)

    @property
    def wer(self) -> float | None:
        """Word error rate; None where no picture has Latin script."""
        return self.word_edits / self.words if self.words else None


def score(label: Label, lines: Iterable[str]) -> Score:
    """How right ``lines``, as read, are."""
    truth, read = list(label.lines), _without_ignored(lines, label.ignored_text)
    if label.order_free:
        truth, read = sorted(truth), sorted(read)
    joined_truth, joined_read = squeeze("".join(truth)), squeeze("".join(read))
    edits = edit_distance(joined_truth, joined_read)
    true_bigrams, read_bigrams = _bigrams(truth), _bigrams(read)
    true_words: list[str] = []
    word_edits = 0
    if not label.language.startswith(_WORDLESS):
        true_words = words(" ".join(truth))
        word_edits = edit_distance(true_words, words(" ".join(read)))
    return Score(
        pictures=1,
        exact=int(edits == 0),
        characters=len(joined_truth),
        edits=edits,
        bigrams=true_bigrams.total(),
        read_bigrams=read_bigrams.total(),
        matched_bigrams=(true_bigrams & read_bigrams).total(),
        words=len(true_words),
        word_edits=word_edits,
    )


def _without_ignored(lines: Iterable[str], ignored: Iterable[str]) -> list[str]:
    texts = [squeeze(text) for text in ignored]
    return [line for line in lines if not any(_is_reading_of(squeeze(line), text) for text in texts)]


def _is_reading_of(line: str, text: str) -> bool:
    return bool(line) and edit_distance(line, text) <= _IGNORED_DISTANCE * len(text)


def _bigrams(lines: Iterable[str]) -> Counter[tuple[str, str]]:
    """Pairs of neighbours within each line; a line of one character counts with its two ends."""
    pairs: Counter[tuple[str, str]] = Counter()
    for line in filter(None, map(squeeze, lines)):
        text = line if len(line) > 1 else f"\x02{line}\x03"
        pairs.update(pairwise(text))
    return pairs
