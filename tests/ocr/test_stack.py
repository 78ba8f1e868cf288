from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.ocr.drawing import glyph_column, white
from tests.ocr.fakes import CHARSET, GlyphReader
from ziyan.ocr.crop import LINE_HEIGHT
from ziyan.ocr.recognize import Alphabet
from ziyan.ocr.stack import find_cuts, lay_side_by_side

READER = Alphabet("glyphs", CHARSET, GlyphReader())


@pytest.mark.parametrize("text", ["甲", "甲乙", "甲乙丙丁戊己", "甲甲乙乙"])
@pytest.mark.parametrize("side", [24, 40, 90])
@pytest.mark.parametrize("estimate", [0.85, 1.0, 1.15])
def test_characters_stand_side_by_side_from_top_to_bottom(text: str, side: int, estimate: float) -> None:
    row = lay_side_by_side(glyph_column(text, side), side * estimate)
    assert row.shape[0] == LINE_HEIGHT
    reading = READER.read(row)
    assert reading.text == text
    assert reading.score > 0.95


def test_light_characters_on_dark_paper_are_cut_between_too() -> None:
    dark = np.zeros((160, 40, 3), np.uint8)
    for number in range(4):
        dark[40 * number + 6 : 40 * number + 34, 6:34] = 255
    row = lay_side_by_side(dark, 40)
    bright = row[24].mean(axis=1) > 127
    assert np.flatnonzero(np.diff(bright.astype(int)) > 0).size == 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 40), (4000, 3), (200, 40)])
@pytest.mark.parametrize("pitch", [0.5, 36.0, 5000.0])
def test_any_column_gives_a_row(shape: tuple[int, int], pitch: float) -> None:
    row = lay_side_by_side(white(shape[1], shape[0]), pitch)
    assert row.shape[0] == LINE_HEIGHT
    assert row.shape[1] >= 1


def test_a_full_stop_moves_from_its_upper_right_to_the_lower_left() -> None:
    column = glyph_column("甲乙", 40)
    cell = white(40, 40)
    cell[4:12, 28:36] = 0
    row = lay_side_by_side(np.concatenate([column, cell]), 40)
    last = row[:, -LINE_HEIGHT:].mean(axis=2) < 127
    rows, columns = np.flatnonzero(last.any(axis=1)), np.flatnonzero(last.any(axis=0))
    assert rows.min() > LINE_HEIGHT / 2
    assert columns.max() < LINE_HEIGHT / 2


@pytest.mark.parametrize("pitch", [9, 10, 11])
def test_cuts_fall_into_gaps(pitch: float) -> None:
    ink = np.ones(50, np.float32)
    gaps = [10, 19, 31, 40]
    ink[gaps] = 0
    assert find_cuts(ink, pitch) == [0, *gaps, 50]


def test_without_gaps_cuts_keep_the_pitch() -> None:
    assert find_cuts(np.zeros(60, np.float32), 12) == [0, 12, 24, 36, 48, 60]


@pytest.mark.parametrize("length", [1, 2, 5, 23, 24, 500])
@pytest.mark.parametrize("pitch", [0.3, 1.0, 7.3, 100.0])
def test_cuts_cover_the_column_in_order(length: int, pitch: float) -> None:
    cuts = find_cuts(np.random.default_rng(length).uniform(0, 1, length).astype(np.float32), pitch)
    assert (cuts[0], cuts[-1]) == (0, length)
    assert all(a < b for a, b in pairwise(cuts))
