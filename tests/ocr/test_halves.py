from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.ocr.drawing import glyph_line
from tests.ocr.fakes import CHARSET, GlyphReader
from ziyan.ocr.ctc import Token
from ziyan.ocr.halves import Halves, splice
from ziyan.ocr.recognize import WIDEST, Alphabet, Recognizer

TEXT = "甲乙丙丁甲丙乙丁甲乙丙丁"


def tokens(text: str, start: float, pitch: float = 20.0) -> list[Token]:
    return [Token(character, 0.9, start + i * pitch, start + (i + 1) * pitch) for i, character in enumerate(text)]


def text_of(spliced: list[Token]) -> str:
    return "".join(token.text for token in spliced)


@pytest.mark.parametrize("text", [TEXT, TEXT[:10], TEXT + TEXT])
def test_both_ways_read_the_same_where_context_does_not_matter(text: str) -> None:
    session = GlyphReader()
    alphabet = Alphabet("slow", CHARSET, session)
    crop = glyph_line(text, 48)
    with ThreadPoolExecutor(2) as pool:
        reading = Halves(alphabet, Recognizer(alphabet, alphabet, pool)).read(crop)
    whole = alphabet.read(crop)
    assert (reading.text, reading.width, reading.model) == (text, crop.shape[1], "slow")
    assert [token.start for token in reading.tokens] == pytest.approx([token.start for token in whole.tokens], abs=8)


@pytest.mark.parametrize(("characters", "runs"), [(4, 1), (12, 2), (WIDEST // 48 + 1, 2)])
def test_only_what_is_long_is_read_in_halves_and_what_is_cut_anyway_is_left(characters: int, runs: int) -> None:
    session = GlyphReader()
    alphabet = Alphabet("slow", CHARSET, session)
    with ThreadPoolExecutor(2) as pool:
        Halves(alphabet, Recognizer(alphabet, alphabet, pool)).read(glyph_line("甲" * characters, 48))
    assert len(session.widths) == runs


@pytest.mark.parametrize(("model", "runs"), [("slow", 0), ("fast", 2)])
def test_what_the_same_weights_have_read_is_not_read_again(model: str, runs: int) -> None:
    session = GlyphReader()
    alphabet = Alphabet("slow", CHARSET, session)
    crop = glyph_line(TEXT, 48)
    first = Alphabet(model, CHARSET, GlyphReader()).read(crop)
    with ThreadPoolExecutor(2) as pool:
        again = Halves(alphabet, Recognizer(alphabet, alphabet, pool)).read_again(crop, first)
    assert (again.text, again.model, len(session.widths)) == (TEXT, "slow", runs)


def test_halves_are_joined_where_both_read_alike() -> None:
    # Each half errs beside its end, where it sees half a character.
    left, right = tokens("春眠不觉晓处闻", 0), tokens("十晓处处闻啼鸟", 60)
    assert text_of(splice(left, right, 90)) == "春眠不觉晓处处闻啼鸟"


def test_a_shift_between_the_halves_neither_doubles_nor_drops_a_character() -> None:
    assert text_of(splice(tokens("abcdef", 0), tokens("defghi", 52), 85)) == "abcdefghi"
    assert text_of(splice(tokens("abcdef", 0), tokens("defghi", 68), 85)) == "abcdefghi"


def test_halves_that_agree_on_nothing_are_joined_at_the_seam() -> None:
    assert text_of(splice(tokens("abcd", 0), tokens("wxyz", 40), 60)) == "abcxyz"
    assert text_of(splice(tokens("ab", 0), [], 60)) == "ab"
    assert text_of(splice([], tokens("yz", 60), 60)) == "yz"


def test_halves_may_end_with_the_character_that_joins_them() -> None:
    assert text_of(splice(tokens("ab", 0), tokens("b", 20), 30)) == "ab"
    assert text_of(splice(tokens("b", 20), tokens("bc", 20), 30)) == "bc"


@pytest.mark.parametrize(
    ("left", "right"),
    [("ab c", "bc"), ("abc", "b c"), ("ab c", "b c")],
)
def test_a_space_that_either_half_has_seen_is_kept_once(left: str, right: str) -> None:
    def placed(text: str, start: float) -> list[Token]:
        result = []
        for character in text:
            if character == " ":
                result.append(Token(" ", 0.9, start - 4, start))
            else:
                result += tokens(character, start)
                start += 20
        return result

    assert text_of(splice(placed(left, 0), placed(right, 20), 30)) == "ab c"
