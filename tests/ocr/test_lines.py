from __future__ import annotations

from concurrent.futures import CancelledError
from dataclasses import replace

import numpy as np
import pytest

from tests.ocr.drawing import glyph, glyph_column, glyph_line, line, paste, quad, white
from tests.ocr.fakes import GlyphReader, glyph_recognizer
from ziyan.ocr.lines import read_lines
from ziyan.ocr.orient import Strip
from ziyan.ocr.types import Line, Pixels, Polygon, ReadOptions, Region

OPTIONS = ReadOptions()


def strip(polygon: Polygon, *, vertical: bool = False, score: float = 0.9) -> Strip:
    return Strip(polygon, vertical, Region(polygon, score))


def read(page: Pixels, *strips: Strip, options: ReadOptions = OPTIONS, reader: GlyphReader | None = None) -> list[Line]:
    with glyph_recognizer(reader, reader) as recognizer:
        return read_lines(page, strips, recognizer, options, lambda: None)


def page_of(text: str, *, headlong: bool = False) -> tuple[Pixels, Strip]:
    page, part = white(500, 120), glyph_line(text, 40)
    return page, strip(paste(page, part[::-1, ::-1] if headlong else part, 20, 30))


def test_a_line_is_read_where_it_was_found() -> None:
    page, found = page_of("甲乙丙丁")
    (result,) = read(page, found)
    assert result.text == "甲乙丙丁"
    assert result.score == pytest.approx(0.99)
    assert (result.orientation, result.vertical, result.detection_score) == (0, False, 0.9)
    np.testing.assert_array_equal(result.polygon, found.quad)


def test_a_line_on_its_head_is_turned_and_begins_at_its_own_top_left() -> None:
    page, found = page_of("甲乙丙丁", headlong=True)
    (result,) = read(page, found)
    assert (result.text, result.orientation) == ("甲乙丙丁", 180)
    np.testing.assert_array_equal(result.polygon, np.roll(found.quad, -2, axis=0))


def test_lines_are_not_turned_when_that_is_not_wanted() -> None:
    page, found = page_of("甲乙丙丁", headlong=True)
    options = ReadOptions(line_orientation=False, min_score=0.1)
    (result,) = read(page, found, options=options)
    assert (result.text, result.orientation) == ("丁丙乙甲", 0)


def test_a_line_that_reads_well_is_read_once() -> None:
    page, found = page_of("甲乙丙丁")
    reader = GlyphReader()
    read(page, found, reader=reader)
    assert len(reader.widths) == 1


@pytest.mark.parametrize("text", ["甲乙丙", "甲乙丙丁戊己甲乙"])
def test_a_column_is_read_from_top_to_bottom(text: str) -> None:
    page = white(100, 400)
    found = strip(paste(page, glyph_column(text, 40), 30, 20), vertical=True)
    (result,) = read(page, found)
    assert (result.text, result.vertical) == (text, True)
    np.testing.assert_array_equal(result.polygon, found.quad)


def test_a_column_of_characters_on_their_backs_is_read_lying() -> None:
    page = white(100, 400)
    turned = np.ascontiguousarray(np.rot90(glyph_line("甲乙丙丁", 40), -1))
    (result,) = read(page, strip(paste(page, turned, 30, 20), vertical=True))
    assert (result.text, result.vertical) == ("甲乙丙丁", True)
    assert result.score == pytest.approx(0.99)


def read_column(text: str, quick: GlyphReader, deciding: GlyphReader) -> Line:
    page = white(100, 400)
    found = strip(paste(page, glyph_column(text, 40), 30, 20), vertical=True)
    with glyph_recognizer(deciding, quick) as recognizer:
        (result,) = read_lines(page, [found], recognizer, OPTIONS, lambda: None)
    return result


def test_a_lone_column_that_the_quick_weights_are_sure_of_needs_no_others() -> None:
    deciding = GlyphReader()
    assert read_column("甲乙丙丁", GlyphReader(lying=0.99), deciding).text == "甲乙丙丁"
    assert deciding.widths == []


def test_a_lone_column_that_the_quick_weights_doubt_is_decided_by_the_others() -> None:
    deciding = GlyphReader()
    assert read_column("甲乙丙丁", GlyphReader(upright=0.7), deciding).score == pytest.approx(0.99)
    assert len(deciding.widths) == 1


def test_a_column_that_reads_the_same_on_its_back_is_not_read_so_again() -> None:
    deciding = GlyphReader(upright=0.9)
    assert read_column("甲乙丙丁", GlyphReader(upright=0.7, lying=0.99), deciding).score == pytest.approx(0.9)
    assert len(deciding.widths) == 1


@pytest.mark.parametrize("vertical", [False, True])
def test_a_tall_single_character_stays_upright(vertical: bool) -> None:
    page = white(100, 100)
    found = strip(paste(page, glyph("甲", 24, 44), 30, 20), vertical=vertical)
    (result,) = read(page, found)
    assert (result.text, result.vertical) == ("甲", False)


@pytest.mark.parametrize(
    ("score", "detection_score", "min_score", "text", "kept"),
    [
        (0.8, 0.9, 0.5, "甲乙丙丁戊己", True),
        (0.8, 0.9, 0.85, "甲乙丙丁戊己", False),
        (0.6, 0.9, 0.5, "甲乙丙丁戊己", True),
        (0.6, 0.9, 0.5, "甲", False),
        (0.99, 0.9, 0.5, "甲", True),
        (0.6, 0.46, 0.5, "甲乙丙丁戊己", False),
        (0.99, 0.46, 0.5, "甲乙丙丁戊己", True),
    ],
)
def test_short_texts_and_faint_regions_have_to_read_better(
    score: float, detection_score: float, min_score: float, text: str, kept: bool
) -> None:
    page, found = page_of(text)
    found = strip(found.quad, score=detection_score)
    reader = GlyphReader(upright=score, lying=score, headlong=0.1)
    assert bool(read(page, found, options=ReadOptions(min_score=min_score), reader=reader)) == kept


def test_nothing_is_invented_on_an_empty_strip() -> None:
    assert read(white(300, 60), strip(quad(0, 0, 300, 60))) == []


def test_no_strips_no_lines() -> None:
    assert read(white(300, 60)) == []


def scattered(count: int, with_text: int) -> tuple[Pixels, list[Strip]]:
    """So many strips in rows, the last few of them with a line on, the others empty."""
    page = white(1000, 60 * (count // 10 + 1))
    strips = []
    for number in range(count):
        x, y = 100 * (number % 10), 60 * (number // 10)
        if number >= count - with_text:
            paste(page, glyph_line("甲乙丙", 30), x, y)
        strips.append(strip(quad(x, y, 90, 30), score=0.9 if number >= count - with_text else 0.6))
    return page, strips


def test_reading_soon_ends_on_a_texture_that_looks_like_text_all_over() -> None:
    page, strips = scattered(1000, 0)
    reader = GlyphReader(headlong=0.0)
    assert read(page, *strips, reader=reader) == []
    assert len(reader.widths) < 500


def test_the_surest_strips_are_read_first_so_a_few_lines_in_a_texture_are_kept() -> None:
    page, strips = scattered(1000, 5)
    assert [result.text for result in read(page, *strips)] == ["甲乙丙"] * 5


def test_a_page_of_thousands_of_lines_is_read_by_the_quick_weights() -> None:
    page, found = page_of("甲乙丙丁戊己甲乙丙丁")
    deciding, quick = GlyphReader(), GlyphReader()
    with glyph_recognizer(deciding, quick) as recognizer:
        lines = read_lines(page, [found] * 1000, recognizer, OPTIONS, lambda: None)
    assert {result.text for result in lines} == {"甲乙丙丁戊己甲乙丙丁"}
    assert (len(lines), len(deciding.widths), len(quick.widths)) == (1000, 0, 1000)


def lines_of(count: int) -> tuple[Pixels, list[Strip]]:
    page = white(500, 60 * count)
    return page, [strip(paste(page, glyph_line("甲乙丙丁戊己", 40), 20, 60 * row + 10)) for row in range(count)]


def read_both(count: int, quick_score: float) -> tuple[list[str], int, int]:
    """Texts, and how often the deciding and the quick weights ran, on a page of so many lines."""
    page, strips = lines_of(count)
    deciding, quick = GlyphReader(), GlyphReader(upright=quick_score)
    with glyph_recognizer(deciding, quick) as recognizer:
        lines = read_lines(page, strips, recognizer, OPTIONS, lambda: None)
    return [line.text for line in lines], len(deciding.widths), len(quick.widths)


def test_what_the_quick_weights_are_sure_of_is_not_read_again() -> None:
    assert read_both(20, 0.95) == (["甲乙丙丁戊己"] * 20, 0, 20)


def test_on_a_page_that_the_quick_weights_are_unsure_of_only_a_few_lines_are_tried() -> None:
    assert read_both(20, 0.8) == (["甲乙丙丁戊己"] * 20, 20, 4)


@pytest.mark.parametrize("count", [2, 3])
def test_pages_of_a_few_lines_are_read_wholly(count: int) -> None:
    assert read_both(count, 0.95) == (["甲乙丙丁戊己"] * count, 0, count)
    assert read_both(count, 0.8) == (["甲乙丙丁戊己"] * count, count, 2)


def test_a_line_without_others_is_left_to_the_deciding_weights() -> None:
    assert read_both(1, 0.99) == (["甲乙丙丁戊己"], 1, 0)


def test_words_are_given_when_wanted() -> None:
    page, found = page_of("甲乙丙")
    assert read(page, found)[0].words == ()
    words = read(page, found, options=replace(OPTIONS, detail="word"))[0].words
    assert [word.text for word in words] == ["甲", "乙", "丙"]
    assert words[1].box[0] == pytest.approx(60, abs=8)


def test_characters_are_given_when_wanted() -> None:
    page, found = page_of("甲乙丙")
    (line,) = read(page, found, options=replace(OPTIONS, detail="character"))
    assert [c.text for word in line.words for c in word.characters] == ["甲", "乙", "丙"]


@pytest.mark.parametrize(("least", "read_as"), [(0.0, 1), (0.95, 1), (0.985, 1), (0.995, 0)])
def test_a_line_is_given_from_the_score_on_that_is_asked_for(least: float, read_as: int) -> None:
    """However short it is: what is believed anyway needs no more than that."""
    page, found = page_of("甲乙丙")
    assert len(read(page, found, options=replace(OPTIONS, min_score=least))) == read_as


def test_stopping_ends_before_the_next_run_of_the_network() -> None:
    page, found = page_of("甲乙丙")
    reader, asked = GlyphReader(), 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked > 5:
            raise CancelledError

    with glyph_recognizer(reader, reader, threads=1) as recognizer, pytest.raises(CancelledError):
        read_lines(page, [found] * 50, recognizer, OPTIONS, stop)
    assert len(reader.widths) == 5


def test_a_line_knows_its_box() -> None:
    assert line("甲", quad(10, 20, 100, 40)).box == (10, 20, 110, 60)
