from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.ocr.drawing import glyph_column, glyph_line, paste, quad, region, turned_points, white
from tests.ocr.fakes import GlyphReader, glyph_recognizer
from ziyan.ocr.crop import cut_line
from ziyan.ocr.orient import CLEARLY_TALL, TALL, Pose, cut_column, find_pose, place, turn
from ziyan.ocr.polygon import quad_size
from ziyan.ocr.recognize import Reading
from ziyan.ocr.types import Orientation, Pixels, Region

QUARTERS: tuple[Orientation, ...] = (0, 90, 180, 270)
LEVEL = ("甲乙丙丁戊己甲乙", "丙丁戊己甲乙", "丁甲乙丙戊己丙")


def page_of_lines(quarters: int = 0, lines: Sequence[str] = LEVEL) -> tuple[Pixels, list[Region]]:
    """Level lines one under another, the whole turned clockwise by quarters, and the regions found on it."""
    page = white(400, 400)
    quads = [paste(page, glyph_line(text, 40), 30, 40 + 70 * number) for number, text in enumerate(lines)]
    return turned(page, quads, quarters)


def page_of_columns(quarters: int = 0) -> tuple[Pixels, list[Region]]:
    """Columns from right to left, likewise."""
    page = white(400, 400)
    quads = [paste(page, glyph_column(text, 40), 300 - 70 * number, 30) for number, text in enumerate(LEVEL)]
    return turned(page, quads, quarters)


def turned(page: Pixels, quads: Sequence[np.ndarray], quarters: int) -> tuple[Pixels, list[Region]]:
    lies = np.ascontiguousarray(np.rot90(page, -quarters))
    return lies, [region(turned_points(corners, 90 * quarters, (200, 200)).round()) for corners in quads]


def pose_of(pixels: Pixels, regions: Sequence[Region], reader: GlyphReader | None = None) -> Pose:
    with glyph_recognizer(quick=reader) as recognizer:
        return find_pose(pixels, regions, recognizer.glance)


@pytest.mark.parametrize("quarters", range(4))
def test_a_page_lies_the_way_its_lines_read_best(quarters: int) -> None:
    assert pose_of(*page_of_lines(quarters)) == Pose(QUARTERS[quarters])


def test_columns_of_upright_characters_are_no_turned_page() -> None:
    assert pose_of(*page_of_columns()) == Pose(0, vertical=True)


def test_a_page_without_regions_lies_as_it_is() -> None:
    assert pose_of(white(100, 100), []) == Pose()


@pytest.mark.parametrize("quarters", [0, 2])
def test_a_lone_line_does_not_turn_the_page(quarters: int) -> None:
    assert pose_of(*page_of_lines(quarters, LEVEL[:1])) == Pose()


def test_a_page_that_reads_no_better_another_way_is_not_turned() -> None:
    same = GlyphReader(upright=0.6, lying=0.6, headlong=0.6)
    for quarters in (0, 2):
        assert pose_of(*page_of_lines(quarters), same) == Pose()


def test_a_page_that_reads_well_is_looked_at_once() -> None:
    reader = GlyphReader()
    pose_of(*page_of_lines(), reader)
    assert len(reader.widths) == 1


def test_only_the_beginnings_of_lines_are_read() -> None:
    page = white(2000, 400)
    quads = [paste(page, glyph_line("甲乙丙丁" * 12, 40), 20, 40 + 70 * number) for number in range(3)]
    reader = GlyphReader()
    pose_of(np.ascontiguousarray(page[::-1, ::-1]), [region(turned_points(q, 180, (1000, 200))) for q in quads], reader)
    assert max(reader.widths) < 48 * 48 / 2


def test_a_few_tall_pieces_do_not_make_a_page_vertical() -> None:
    page, regions = page_of_lines()
    regions.append(region(paste(page, glyph_column("甲乙", 40), 350, 300)))
    assert pose_of(page, regions) == Pose()


def test_glances_may_find_nothing() -> None:
    page, regions = page_of_columns()

    def blind(crops: Sequence[Pixels]) -> list[Reading]:
        return [Reading((), crop.shape[1], "blind") for crop in crops]

    assert find_pose(page, regions, blind) == Pose(0, vertical=True)


@pytest.mark.parametrize("quarters", range(4))
def test_strips_begin_where_their_text_begins(quarters: int) -> None:
    page, regions = page_of_lines(quarters)
    with glyph_recognizer() as recognizer:
        for strip, text in zip(place(regions, Pose(QUARTERS[quarters])), LEVEL, strict=True):
            assert not strip.vertical
            reading = recognizer.deciding.read(cut_line(page, strip.quad))
            assert (reading.text, round(reading.score, 2)) == (text, 0.99)


def test_columns_begin_at_their_top_left() -> None:
    page, regions = page_of_columns()
    with glyph_recognizer() as recognizer:
        for strip, text in zip(place(regions, Pose(0, vertical=True)), LEVEL, strict=True):
            assert strip.vertical
            assert recognizer.deciding.read(cut_column(page, strip.quad, 40)).text == text
            assert recognizer.deciding.read(cut_column(page, strip.quad, None)).text == text


def test_strips_reach_a_little_beyond_their_regions_ends() -> None:
    (strip,) = place([region(quad(100, 100, 200, 20))], Pose())
    width, height = quad_size(strip.quad)
    assert 200 < width < 210
    assert height == pytest.approx(20)


@pytest.mark.parametrize(
    ("ratio", "pose", "vertical"),
    [
        (CLEARLY_TALL + 0.1, Pose(), True),
        (TALL + 0.1, Pose(), False),
        (TALL + 0.1, Pose(vertical=True), True),
        (TALL - 0.1, Pose(vertical=True), False),
    ],
)
def test_what_is_a_column_depends_on_the_page(ratio: float, pose: Pose, vertical: bool) -> None:
    """A one is tall on a page of level lines; on a page of columns what is tall is the end of one."""
    (strip,) = place([region(quad(0, 0, 20, 20 * ratio))], pose)
    assert strip.vertical == vertical


@pytest.mark.parametrize("quarters", range(5))
def test_turning_names_the_corners_anew(quarters: int) -> None:
    corners = quad(0, 0, 10, 5)
    assert (turn(corners, quarters)[0] == corners[quarters % 4]).all()
