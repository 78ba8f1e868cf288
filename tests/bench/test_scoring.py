from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.samples import label
from ziyan.bench import scoring
from ziyan.bench.scoring import Score, edit_distance, normalise, plain_edit_distance, score, squeeze, words


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("ＡＢＣ１２３", "ABC123"),
        ("“甲„ ‘乙’ `c`", "\"甲\" '乙' 'c'"),
        ("a—b–c‐d−e～f", "a-b-c-d-e~f"),
        ("甲…乙⋯", "甲...乙..."),
        ("一、二。三，四：五", "一,二.三,四:五"),
        ("〔甲〕【乙】《丙》〈丁〉", "[甲][乙]<丙><丁>"),
        ("￥5 ¥5", "¥5 ¥5"),
        (" a\t b　c\n", "a b c"),
        ("①ﬁ㎏", "1fikg"),
    ],
)
def test_what_a_reader_takes_for_the_same_is_the_same(text: str, compared: str) -> None:
    assert normalise(text) == compared
    assert squeeze(text) == compared.replace(" ", "")


def test_a_chinese_or_japanese_character_is_a_word() -> None:
    assert words("今天 hello world，3.5元 カナ") == ["今", "天", "hello", "world,3.5", "元", "カ", "ナ"]


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("甲乙丙", "丙乙甲", 2)],
)
def test_edit_distance(one: str, other: str, edits: int) -> None:
    assert plain_edit_distance(one, other) == edit_distance(one, other) == edits
    assert plain_edit_distance(list(one), list(other)) == edits


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_both_ways_to_count_edits_agree(one: str, other: str) -> None:
    assert plain_edit_distance(one, other) == edit_distance(one, other)


@pytest.fixture
def without_rapidfuzz(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("rapidfuzz"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    scoring._rapidfuzz.cache_clear()
    yield
    scoring._rapidfuzz.cache_clear()


@pytest.mark.usefixtures("without_rapidfuzz")
def test_edits_are_counted_without_rapidfuzz_too() -> None:
    assert scoring._rapidfuzz() is None
    assert edit_distance("kitten", "sitting") == 3


def test_a_right_reading_is_exact() -> None:
    it = score(label("第一行", "the second", language="mixed"), ["第一行", "the second"])
    assert (it.cer, it.f2, it.exact_share, it.wer) == (0, 1, 1, 0)


def test_cer_joins_the_lines_so_that_a_line_break_is_no_error() -> None:
    it = score(label("今天天气", "很好"), ["今天", "天气很好"])
    assert (it.edits, it.characters, it.exact) == (0, 6, 1)
    assert it.f2 < 1


def test_order_costs_cer_and_not_f2() -> None:
    it = score(label("甲乙丙", "丁戊己"), ["丁戊己", "甲乙丙"])
    assert it.cer == 1
    assert it.f2 == 1


def test_order_free_lines_may_come_in_any_order() -> None:
    assert score(label("甲乙丙", "丁戊己", order_free=True), ["丁戊己", "甲乙丙"]).cer == 0


def test_f2_weighs_missed_and_added_bigrams() -> None:
    it = score(label("abcd"), ["abc"])
    assert (it.bigrams, it.read_bigrams, it.matched_bigrams) == (3, 2, 2)
    assert it.f2 == pytest.approx(0.8)


def test_a_line_of_one_character_counts_in_f2() -> None:
    assert score(label("甲"), ["甲"]).f2 == 1
    assert score(label("甲"), ["乙"]).f2 == 0


def test_glued_words_cost_wer_and_not_cer() -> None:
    it = score(label("read the text", language="en"), ["readthe text"])
    assert it.cer == 0
    assert it.wer == pytest.approx(2 / 3)


@pytest.mark.parametrize("language", ["zh", "zh-Hant", "ja"])
def test_wer_is_for_latin_script_alone(language: str) -> None:
    assert score(label("今天", language=language), ["今夭"]).wer is None


def test_ignored_text_counts_neither_way() -> None:
    truth = label("合同", ignored_text=("公司专用章",))
    assert score(truth, ["合同"]).edits == 0
    assert score(truth, ["公司专用草", "合同"]).edits == 0  # one of five misread
    assert score(truth, ["公同专用", "合同"]).edits == 0  # two of five
    assert score(truth, ["公同专", "合同"]).edits == 3  # three of five: another text
    assert score(truth, ["", "合同"]).edits == 0


def test_without_text_cer_is_the_share_of_pictures_on_which_some_was_invented() -> None:
    empty, invented = score(label(), []), score(label(), ["幻觉"])
    both = empty + invented
    assert (empty.cer, empty.f2, invented.cer, invented.f2) == (0, 1, 1, 0)
    assert (both.pictures, both.cer, both.f2, both.exact_share) == (2, 0.5, 0.5, 0.5)


def test_scores_add_up_before_they_are_divided() -> None:
    it = score(label("甲乙丙丁戊己庚辛"), ["甲乙丙丁戊己庚辛"]) + score(label("天地"), ["天"])
    assert it.cer == pytest.approx(1 / 10)
    assert it.exact_share == 0.5
    assert sum([it], Score()) == it
