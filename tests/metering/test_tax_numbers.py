from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziyan.metering.tax_numbers import check_character, is_tax_number, normalized

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
#: The standard's own example, and codes that companies and authorities print.
PUBLISHED = ["91350100M000100Y43", "91110000600037341L", "91330106673959654P", "914403001922038216"]


@pytest.mark.parametrize("code", PUBLISHED)
def test_published_credit_codes_are_right(code: str) -> None:
    assert is_tax_number(code)


@given(st.sampled_from(PUBLISHED), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(code: str, place: int, char: str) -> None:
    wrong = code[:place] + char + code[place + 1 :]
    assert is_tax_number(wrong) == (wrong == code)


@given(st.sampled_from(PUBLISHED), st.integers(0, 16))
def test_two_neighbours_exchanged_are_noticed(code: str, place: int) -> None:
    wrong = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert is_tax_number(wrong) == (wrong == code)


@given(st.text(ALPHABET, min_size=2, max_size=2), st.text("0123456789", min_size=6, max_size=6), st.data())
def test_the_check_character_makes_any_code_right(kind: str, place: str, data: st.DataObject) -> None:
    first = kind + place + data.draw(st.text(ALPHABET, min_size=9, max_size=9))
    assert is_tax_number(first + check_character(first))


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("110108600037341", True),
        ("11010860003734A", True),
        ("110108197001011", True),
        ("11010819700101123", True),
        ("11010819700101123X01", True),
        ("", False),
        ("1101086000373", False),
        ("1101086000373411", False),
        ("A10108600037341", False),
        ("11010819700101123XX", False),
        ("91350100M000100Y4", False),
        ("91110000600037341", False),
        ("91350100I000100Y43", False),
        ("９1350100M000100Y43", False),
    ],
)
def test_older_forms(number: str, right: bool) -> None:
    assert is_tax_number(number) is right


def test_one_form() -> None:
    assert normalized(" 91350100 m000100y４３\n") == "91350100M000100Y43"
