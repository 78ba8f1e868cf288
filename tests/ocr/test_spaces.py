from __future__ import annotations

import numpy as np
import pytest

from tests.ocr.drawing import text_strip
from ziyan.ocr.ctc import Token
from ziyan.ocr.spaces import add_spaces, count_ink, find_ink
from ziyan.ocr.types import Pixels


def glued(text: str) -> tuple[list[Token], Pixels]:
    """``text`` drawn, and read with every space forgotten."""
    crop, places = text_strip(text)
    tokens = [Token(c, 0.9, a, b) for c, (a, b) in zip(text, places, strict=True) if c != " "]
    return tokens, crop


@pytest.mark.parametrize(
    "text",
    [
        "Reading Room 206",
        "Invoice 2031 total 52",
        "one two three four",
        "Maple Bridge Library",
        "elsewhere, altogether",
        "Message 11 of 171",
        "unbroken",
        "www.example.org",
        "3.14159",
        "9:30-18:45",
        "x",
    ],
)
@pytest.mark.parametrize("inverted", [False, True])
def test_spaces_come_back_where_the_picture_has_them_and_nowhere_else(text: str, inverted: bool) -> None:
    tokens, crop = glued(text)
    spaced = add_spaces(tokens, 255 - crop if inverted else crop)
    assert "".join(token.text for token in spaced) == text


def test_what_has_no_latin_letters_is_left_alone() -> None:
    tokens = [Token("图", 0.9, 0, 40), Token("书", 0.9, 100, 140), Token("A", 0.9, 200, 240)]
    assert add_spaces(tokens, np.full((48, 240, 3), 255, np.uint8)) == tokens


def test_no_second_space_is_added_to_one_that_was_read() -> None:
    crop, places = text_strip("one two")
    tokens = [Token(c, 0.9, a, b) for c, (a, b) in zip("one two", places, strict=True)]
    assert add_spaces(tokens, crop) == tokens


def test_a_space_is_as_sure_as_its_less_sure_neighbour_and_fills_the_gap() -> None:
    crop, places = text_strip("abc def")
    scores = [0.9, 0.9, 0.8, 0.0, 0.7, 0.9, 0.9]
    tokens = [Token(c, s, a, b) for c, s, (a, b) in zip("abc def", scores, places, strict=True) if c != " "]
    space = add_spaces(tokens, crop)[3]
    assert space == Token(" ", 0.7, places[2][1], places[4][0])


def test_an_underline_does_not_fill_the_gaps() -> None:
    tokens, crop = glued("one two three four")
    underlined = crop.copy()
    underlined[-3:] = 0
    assert "".join(token.text for token in add_spaces(tokens, underlined)) == "one two three four"


def test_where_a_long_line_was_cut_a_narrow_gap_is_a_space_already() -> None:
    """The recogniser would have seen it, had it not been at the end of what it was given."""
    crop = np.full((48, 200, 3), 255, np.uint8)
    for x in range(4, 200, 20):
        crop[16:40, x : x + 16] = 0
    crop[16:40, 104:108] = 255  # the sixth letter begins later: a gap of 8 where the others are 4
    tokens = [Token("a", 0.9, x, x + 16) for x in range(4, 200, 20)]
    assert add_spaces(tokens, crop) == tokens
    assert [token.text for token in add_spaces(tokens, crop, [102])] == ["a"] * 5 + [" "] + ["a"] * 5


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_plain_crop_has_no_gaps_to_speak_of(value: int) -> None:
    tokens = [Token("a", 0.5, 0, 8), Token("b", 0.5, 8, 16)]
    add_spaces(tokens, np.full((48, 64, 3), value, np.uint8))


@pytest.mark.parametrize("inverted", [False, True])
def test_ink_is_the_rarer_of_dark_and_light(inverted: bool) -> None:
    crop = np.full((48, 10, 3), 240, np.uint8)
    crop[10:20, 4:6] = 20
    crop = 255 - crop if inverted else crop
    assert count_ink(crop).tolist() == [0, 0, 0, 0, 10, 10, 0, 0, 0, 0]
    assert find_ink(crop).sum() == 20
