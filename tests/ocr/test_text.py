from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ocr.drawing import quad
from ziyan.ocr.ctc import Token
from ziyan.ocr.recognize import Reading
from ziyan.ocr.text import find_cells, join_lines, line_text, line_words
from ziyan.ocr.types import Polygon, bounding_box


def reading(text: str, width: int | None = None) -> Reading:
    """Every character ten columns wide."""
    tokens = tuple(Token(c, 0.9, 10 * i, 10 * i + 10) for i, c in enumerate(text))
    return Reading(tokens, width or 10 * len(text), "test")


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        ([], ""),
        (["一"], "一"),
        (["第一行", "第二行"], "第一行第二行"),
        (["Hello", "world"], "Hello world"),
        (["2031", "05"], "2031 05"),
        (["Hello", "世界"], "Hello世界"),
        (["世界", "Hello"], "世界Hello"),
        (["a hyphen-", "ated word"], "a hyphen-ated word"),
        (["The end.", "Next"], "The end.Next"),
        (["naïve é", "ümlaut"], "naïve é ümlaut"),
        (["中", "1", "2"], "中1 2"),
    ],
)
def test_lines_are_joined_as_the_wire_contract_says(lines: list[str], joined: str) -> None:
    assert join_lines(lines) == joined


@pytest.mark.parametrize(
    ("decoded", "text"),
    [("", ""), ("  ", ""), (" a  b ", "a b"), ("一 二", "一 二"), ("a\u3000b", "a b"), ("37°", "37°")],
)
def test_a_line_has_single_spaces_and_none_at_its_ends(decoded: str, text: str) -> None:
    assert line_text(reading(decoded), vertical=False) == text


@pytest.mark.parametrize(
    ("decoded", "text"), [("月光°", "月光。"), ("月光'", "月光，"), ("月’光", "月，光"), ("5°", "5°"), ("it's", "it's")]
)
def test_high_marks_in_a_column_are_its_full_stops_and_commas(decoded: str, text: str) -> None:
    assert line_text(reading(decoded), vertical=True) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Reading Room 206", ["Reading", "Room", "206"]),
        ("共3.5米", ["共", "3.5", "米"]),
        ("用iPhone拍", ["用", "iPhone", "拍"]),
        ("你好，世界。", ["你", "好", "，", "世", "界", "。"]),
        ("A，B", ["A", "，", "B"]),
        ("한국 글", ["한국", "글"]),
        ("カナ𠮷", ["カ", "ナ", "𠮷"]),
        ("desk@example.org", ["desk@example.org"]),
    ],
)
def test_words_are_latin_words_numbers_and_single_characters(text: str, words: list[str]) -> None:
    assert [word.text for word in line_words(reading(text), quad(0, 0, 100, 20), vertical=False)] == words


def test_a_word_is_where_its_characters_are() -> None:
    first, second = line_words(reading("ab cd"), quad(100, 50, 200, 20), vertical=False)
    np.testing.assert_allclose(first.polygon, quad(100, 50, 80, 20), atol=1e-4)
    np.testing.assert_allclose(second.polygon, quad(220, 50, 80, 20), atol=1e-4)
    assert second.box == pytest.approx((220, 50, 300, 70))
    assert first.score == pytest.approx(0.9)


def test_words_of_a_column_lie_one_under_another() -> None:
    words = line_words(reading("月光下"), quad(100, 50, 20, 300), vertical=True)
    assert [word.box for word in words] == [pytest.approx((100, y, 120, y + 100)) for y in (50, 150, 250)]
    np.testing.assert_allclose(words[0].polygon, quad(100, 50, 20, 100), atol=1e-4)


def test_words_of_a_line_on_its_head_run_from_right_to_left() -> None:
    upside_down = np.roll(quad(100, 50, 200, 20), -2, axis=0)
    first, second = line_words(reading("月光"), upside_down, vertical=False)
    assert first.box[0] > second.box[0]


@given(
    st.text("ab1 ，月.", max_size=30),
    st.booleans(),
    st.floats(-180, 180),
    st.integers(1, 400),
)
def test_words_lie_inside_their_line(text: str, vertical: bool, angle: float, width: int) -> None:
    """Even those that were seen in the padding behind the crop."""
    place = quad(100, 100, 300, 40, angle)
    along, across = place[1] - place[0], place[3] - place[0]
    for word in line_words(reading(text, width), place, vertical):
        u, v = (word.polygon - place[0]) @ along / (along @ along), (word.polygon - place[0]) @ across / 1600
        assert -1e-3 <= min(u.min(), v.min()) <= max(u.max(), v.max()) <= 1 + 1e-3


def test_words_of_a_bent_line_lie_along_it() -> None:
    angles = np.deg2rad(np.linspace(-60, 60, 16))
    outer, inner = (np.stack([r * np.sin(angles), -r * np.cos(angles)], axis=1) for r in (110, 90))
    words = line_words(reading("月光下"), np.concatenate([outer, inner[::-1]]).astype(np.float32), vertical=False)
    corners = [np.concatenate([half[[0, -1]] for half in np.split(word.polygon, 2)]) for word in words]
    middles = np.mean(corners, axis=1)
    np.testing.assert_allclose(np.rad2deg(np.arctan2(middles[:, 0], -middles[:, 1])), [-40, 0, 40], atol=1)
    assert all(len(word.polygon) > 4 for word in words), "as bent as the line is"


def across(quad: Polygon, points: Polygon) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where ``points`` lie in a rectangle: shares of its width and of its height."""
    right, down = quad[1] - quad[0], quad[3] - quad[0]
    return (points - quad[0]) @ right / (right @ right), (points - quad[0]) @ down / (down @ down)


@given(st.text("ab1 ，月.", max_size=30), st.booleans(), st.floats(-180, 180), st.integers(1, 400))
def test_characters_lie_in_their_word_one_after_another(text: str, vertical: bool, angle: float, width: int) -> None:
    place = quad(100, 100, 300, 40, angle)
    words = line_words(reading(text, width), place, vertical, characters=True)
    assert "".join(c.text for word in words for c in word.characters) == "".join(word.text for word in words)
    ends = 0.0
    for word in words:
        inside = [across(place, c.polygon)[1 if vertical else 0] for c in word.characters]
        reach = across(place, word.polygon)[1 if vertical else 0]
        for along in inside:
            assert ends - 1e-3 <= along.min() <= along.max() <= reach.max() + 1e-3
            ends = along.max()
        assert (inside[0].min(), inside[-1].max()) == pytest.approx((reach.min(), reach.max()), abs=1e-3)


@pytest.mark.parametrize("text", ["Maple Bridge", "月光下的桥"])
def test_characters_of_a_bent_line_lie_on_their_words(text: str) -> None:
    angles = np.deg2rad(np.linspace(-60, 60, 16))
    outer, inner = (np.stack([r * np.sin(angles), -r * np.cos(angles)], axis=1) for r in (110, 90))
    ribbon = np.concatenate([outer, inner[::-1]]).astype(np.float32)
    turned = -90.0
    for word in line_words(reading(text), ribbon, vertical=False, characters=True):
        outline = word.polygon.reshape(-1, 1, 2)
        for character in word.characters:
            middle = character.polygon.mean(axis=0)
            assert turned < (turned := float(np.rad2deg(np.arctan2(middle[0], -middle[1]))))
            assert all(cv2.pointPolygonTest(outline, [float(x), float(y)], True) > -0.01 for x, y in character.polygon)
            assert bounding_box(np.concatenate([word.polygon, character.polygon])) == pytest.approx(word.box, abs=0.01)
            assert character.box == bounding_box(character.polygon)


def test_characters_are_given_only_when_asked_for() -> None:
    assert [word.characters for word in line_words(reading("月光"), quad(0, 0, 100, 20), vertical=False)] == [(), ()]


def spikes(*tokens: tuple[str, float]) -> list[Token]:
    """Characters as the recogniser sees them: eight columns in the middle of each."""
    return [Token(text, 0.9, middle - 4, middle + 4) for text, middle in tokens]


def test_a_character_reaches_half_way_to_its_neighbours() -> None:
    assert find_cells(spikes(("月", 20), ("光", 60), ("下", 100)), 120) == [(0, 40), (40, 80), (80, 120)]


def test_a_character_is_no_wider_than_others_of_its_line() -> None:
    assert find_cells(spikes(("月", 100), ("光", 140)), 1000) == [(75, 120), (120, 165)]


def test_a_line_of_one_character_is_as_wide_as_such_characters_are() -> None:
    assert find_cells(spikes(("月", 100)), 1000) == [pytest.approx((76, 124))]
    assert find_cells(spikes(("a", 100)), 1000) == [pytest.approx((88, 112))]
    assert find_cells([], 1000) == []


def test_a_word_ends_before_the_space_behind_it() -> None:
    tokens = spikes(("a", 10), ("b", 30), (" ", 50), ("c", 70), ("d", 90))
    assert [cell for cell, token in zip(find_cells(tokens, 100), tokens, strict=True) if token.text == "b"] == [
        (20, 40)
    ]


def test_a_wide_character_takes_more_of_the_way_to_a_narrow_one() -> None:
    tokens = spikes(("月", 40), ("光", 120), ("a", 170), ("b", 190))
    moon, light, a, b = find_cells(tokens, 220)
    assert light[1] - light[0] > 2 * (a[1] - a[0])
    assert moon[1] == light[0]
    assert light[1] == a[0]
    assert a[1] == b[0]


def test_the_marks_of_a_column_are_the_same_in_its_words() -> None:
    words = line_words(reading("月光°"), quad(0, 0, 20, 90), vertical=True, characters=True)
    assert [word.text for word in words] == ["月", "光", "。"]
    assert words[2].characters[0].text == "。"
