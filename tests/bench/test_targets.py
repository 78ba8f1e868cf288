from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.bench.samples import label
from ziyan.bench.contestant import Reading
from ziyan.bench.dataset import Label
from ziyan.bench.race import Outcome
from ziyan.bench.results import Results
from ziyan.bench.targets import DEFAULT, SMALL, TINY, TUNED, Verdict, judge

CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"
LONG = CHARACTERS * 40  # 960 characters: half a point is 4.8 of them, three of them are 0.31 points

GOOD_TIMES = {SMALL: 1.0, TINY: 0.3, TUNED: 2.0, DEFAULT: 4.0}


def wrong(text: str, edits: int) -> list[str]:
    return ["囧" * edits + text[edits:]]


def picture(truth: Label, edits: Mapping[str, int], times: Mapping[str, float] = GOOD_TIMES) -> Outcome:
    text = "".join(truth.lines)
    return read(truth, {name: wrong(text, edits.get(name, 0)) for name in GOOD_TIMES}, times)


def read(truth: Label, lines: Mapping[str, Sequence[str]], times: Mapping[str, float] = GOOD_TIMES) -> Outcome:
    return Outcome(truth, {name: Reading(tuple(lines[name]), times[name], times[name]) for name in GOOD_TIMES})


NOTHING = label(category="no_text", language="zh")
EMPTY = read(NOTHING, dict.fromkeys(GOOD_TIMES, ()))


def verdict(outcomes: Sequence[Outcome], part: str) -> Verdict:
    found = [it for it in judge(Results.of(outcomes)) if part in it.target]
    assert len(found) == 1
    return found[0]


def text(category: str = "text", language: str = "zh") -> Label:
    return label(LONG, category=category, language=language)


@pytest.mark.parametrize(("ours", "met"), [(39, True), (40, True), (41, False)])
def test_mean_cer_against_the_tuned_rival(ours: int, met: bool) -> None:
    outcomes = [picture(text(), {SMALL: ours, TUNED: 100, DEFAULT: 1})]
    assert verdict(outcomes, "mean CER").met is met


@pytest.mark.parametrize(("missed", "met"), [(50, True), (70, False)])
def test_mean_f2(missed: int, met: bool) -> None:
    readings = {**dict.fromkeys(GOOD_TIMES, (LONG,)), SMALL: (LONG[missed:],)}
    assert verdict([read(text(), readings)], "mean F2").met is met


@pytest.mark.parametrize(
    ("truth", "ours", "tuned", "default", "met"),
    [
        (LONG, 4, 0, 9, True),  # within half a point of the better one
        (LONG, 5, 0, 9, False),
        (LONG, 9, 9, 4, False),  # the better one may be the default set-up
        (LONG, 8, 9, 4, True),
        (CHARACTERS, 3, 0, 0, True),  # far more than half a point, but only three characters
        (CHARACTERS, 4, 0, 0, False),
    ],
)
def test_no_category_much_worse_than_the_better_set_up(
    truth: str, ours: int, tuned: int, default: int, met: bool
) -> None:
    outcomes = [picture(label(truth, language="zh"), {SMALL: ours, TUNED: tuned, DEFAULT: default})]
    found = verdict(outcomes, "no category's CER")
    assert found.met is met
    assert found.figures.startswith("none" if met else "c ")


def test_text_must_not_be_invented() -> None:
    assert verdict([EMPTY], "invented").met
    other = label(category="no_text", name="other.png")
    found = verdict([EMPTY, read(other, {**dict.fromkeys(GOOD_TIMES, ()), SMALL: ("幻",)})], "invented")
    assert not found.met
    assert "on 1 of 2 pictures: no_text/other.png" in found.figures


def test_without_pictures_of_nothing_it_is_not_shown_that_nothing_is_invented() -> None:
    assert not verdict([picture(text(), {})], "invented").met


@pytest.mark.parametrize(("language", "judged"), [("en", True), ("mixed", True), ("zh", False), ("ja", False)])
def test_words_are_judged_where_all_is_mixed_or_english(language: str, judged: bool) -> None:
    verdicts = judge(Results.of([EMPTY, picture(text("lines", language), {})]))
    assert [it.target for it in verdicts if it.target.startswith("WER")] == [
        "WER of lines at most 0.5 × rapidocr tuned"
    ] * judged


@pytest.mark.parametrize(("glued", "met"), [(1, True), (2, False)])
def test_half_as_many_glued_words_as_the_rival(glued: int, met: bool) -> None:
    truth = label("one two three four five six", language="en")
    readings = {
        SMALL: [["one two three four five six", "onetwo three four five six", "onetwo threefour five six"][glued]],
        TUNED: ["onetwo threefour five six"],
        DEFAULT: ["one two three four five six"],
        TINY: [""],
    }
    assert verdict([read(truth, readings)], "WER").met is met


@pytest.mark.parametrize(
    ("part", "times", "met"),
    [
        ("wall seconds a picture, geometric mean of the categories' ratios to rapidocr tuned", {TUNED: 1.67}, True),
        ("cpu seconds a picture, geometric mean of the categories' ratios to rapidocr tuned", {TUNED: 1.65}, False),
        ("wall seconds a picture, geometric mean of the categories' ratios to rapidocr default", {DEFAULT: 3.34}, True),
        ("cpu seconds a picture, geometric mean of the categories' ratios to rapidocr default", {DEFAULT: 3.32}, False),
        ("wall seconds of ziyan tiny", {TINY: 0.35}, True),
        ("cpu seconds of ziyan tiny", {TINY: 0.36}, False),
    ],
)
def test_times(part: str, times: dict[str, float], met: bool) -> None:
    assert verdict([picture(text(), {}, {**GOOD_TIMES, **times})], part).met is met


def test_no_category_may_be_slower_whatever_the_mean() -> None:
    quick = [picture(text(f"quick{number}"), {}, {**GOOD_TIMES, TUNED: 100.0}) for number in range(3)]
    slow = picture(text("slow"), {}, {**GOOD_TIMES, TUNED: 0.9})
    for clock in ("wall", "cpu"):
        found = verdict([*quick, slow], f"{clock} seconds, worst category's ratio")
        assert not found.met
        assert found.figures.endswith("slow")
        assert verdict(
            [*quick, slow], f"{clock} seconds a picture, geometric mean of the categories' ratios to {TUNED}"
        ).met


def test_what_could_not_be_timed_is_missed() -> None:
    readings = {name: Reading((LONG,), 1.0, 0.0, "gone", died=True) for name in GOOD_TIMES}
    found = verdict([Outcome(text(), readings)], "wall seconds of ziyan tiny")
    assert (found.met, found.figures) == (False, "nothing could be timed")
