from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ocr.drawing import line, quad, turned_points
from ziyan.ocr import compose as module
from ziyan.ocr.compose import Piece, compose, order_pieces
from ziyan.ocr.db_postprocess import DBOptions
from ziyan.ocr.orient import Pose
from ziyan.ocr.text import join_lines
from ziyan.ocr.types import Line, Orientation

#: x, y, width, height and text of each line on a page, in the order it has to be read.
Layout = Sequence[tuple[float, float, float, float, str]]
MIDDLE = (300.0, 300.0)


def rows(x: float, y: float, widths: Sequence[float], names: str, pitch: float = 30) -> Layout:
    return [(x, y + pitch * i, w, 20, name) for i, (w, name) in enumerate(zip(widths, names, strict=True))]


COLUMN = [240, 236, 240, 238, 150]
TWO_COLUMNS: Layout = [
    (150, 20, 300, 36, "T"),
    *rows(20, 80, COLUMN, "abcde"),
    *rows(320, 80, COLUMN, "ABCDE"),
    (20, 280, 560, 16, "f"),
    (290, 330, 20, 16, "9"),
]
THREE_COLUMNS: Layout = [
    (30, 20, 520, 36, "T"),
    *rows(20, 80, [160, 158, 160, 150], "abcd"),
    *rows(210, 80, [160, 158, 160, 150], "ABCD"),
    *rows(400, 80, [160, 158, 160, 150], "1234"),
]
UNEVEN_COLUMNS: Layout = [
    *rows(20, 20, [240] * 4, "abcd"),
    (20, 160, 500, 30, "S"),
    *rows(20, 210, [240] * 6, "efghij"),
    *rows(320, 210, [240] * 3, "ABC"),
]
PAGES: dict[str, Layout] = {
    "one line": [(20, 20, 200, 20, "a")],
    "running text": rows(20, 20, [400, 390, 400, 120], "abcd"),
    "two columns under a title, footnote and page number below": TWO_COLUMNS,
    "three columns under a title": THREE_COLUMNS,
    "one column, a heading across, two uneven columns": UNEVEN_COLUMNS,
    "a running head over the left of two columns": [
        (20, 20, 200, 16, "h"),
        *rows(20, 120, COLUMN, "abcde"),
        *rows(320, 120, COLUMN, "ABCDE"),
    ],
    "indented paragraphs": [
        (60, 20, 340, 20, "a"),
        (20, 50, 380, 20, "b"),
        (20, 80, 200, 20, "c"),
        (60, 110, 340, 20, "d"),
        (20, 140, 300, 20, "e"),
    ],
    "chat bubbles": [
        (20, 20, 200, 20, "a"),
        (340, 70, 200, 20, "b"),
        (20, 120, 120, 20, "c"),
        (300, 170, 240, 20, "d"),
        (300, 200, 180, 20, "e"),
    ],
}


def as_lines(layout: Layout, *, vertical: bool = False) -> list[Line]:
    return [line(text, quad(x, y, w, h), vertical=vertical) for x, y, w, h, text in layout]


QUARTERS: tuple[Orientation, ...] = (0, 90, 180, 270)


def turned(lines: Sequence[Line], angle: float, quarters: int = 0) -> list[Line]:
    """The lines of a page that is turned clockwise."""
    total = angle + 90 * quarters
    return [line(one.text, turned_points(one.polygon, total, MIDDLE), vertical=one.vertical) for one in lines]


def read(lines: Sequence[Line], pose: Pose | None = None, seed: int = 0) -> list[str]:
    """Texts in reading order; the lines are given in any order."""
    shuffled = [lines[i] for i in np.random.default_rng(seed).permutation(len(lines))]
    return [one.text for one in compose(shuffled, pose or Pose())[0]]


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("angle", [0, 3, -8, 15, -15])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_in_order_however_it_lies(name: str, angle: float, quarters: int) -> None:
    lines = as_lines(PAGES[name])
    pose = Pose(QUARTERS[quarters])
    assert read(turned(lines, angle, quarters), pose) == [one.text for one in lines]
    _, skew = compose(turned(lines, angle, quarters), pose)
    assert skew == pytest.approx(angle, abs=0.1)


def grid(columns: Sequence[tuple[float, float]], count: int) -> tuple[list[Line], list[str]]:
    """A table of so many rows, and its rows as they have to be read."""
    lines = [
        line(f"{name}{row}", quad(x, 20 + 40 * row, w, 20))
        for row in range(count)
        for name, (x, w) in zip("abcdef", columns, strict=False)
    ]
    return lines, [" ".join(f"{name}{row}" for name in "abcdef"[: len(columns)]) for row in range(count)]


@pytest.mark.parametrize("angle", [0, 2, -12])
@pytest.mark.parametrize(
    "columns",
    [[(20, 60), (220, 60)], [(20, 80), (180, 60), (320, 100), (500, 40)], [(20, 70), (150, 300)]],
    ids=["two", "four", "form"],
)
def test_tables_and_forms_are_read_row_by_row(columns: Sequence[tuple[float, float]], angle: float) -> None:
    lines, expected = grid(columns, 6)
    assert read(turned(lines, angle)) == expected


def test_pieces_of_a_row_make_one_line_around_them() -> None:
    pieces = [line("名", quad(20, 20, 40, 20)), line("王小明", quad(100, 22, 120, 20))]
    ((joined,), _) = compose(pieces, Pose())
    assert joined.text == "名 王小明"
    assert joined.box == (20, 20, 220, 42)
    assert joined.score == pytest.approx(0.99)
    np.testing.assert_allclose(joined.polygon[0], (20, 20), atol=1e-4)


COLUMNS = [(420, 40, 30, 300, "a"), (360, 40, 30, 280, "b"), (300, 40, 30, 300, "c"), (240, 40, 30, 90, "d")]


@pytest.mark.parametrize("vertical_page", [False, True])
def test_columns_are_read_from_right_to_left(vertical_page: bool) -> None:
    assert read(as_lines(COLUMNS, vertical=True), Pose(0, vertical=vertical_page)) == list("abcd")


@pytest.mark.parametrize(("y", "expected"), [(0, "Tabcd"), (400, "abcdT")])
def test_a_level_banner_comes_before_or_after_the_columns_as_it_stands(y: float, expected: str) -> None:
    lines = [*as_lines(COLUMNS, vertical=True), line("T", quad(200, y, 250, 24))]
    assert read(lines, Pose(0, vertical=True)) == list(expected)


def test_a_lone_character_under_a_column_belongs_to_it() -> None:
    lines = [*as_lines(COLUMNS, vertical=True), line("z", quad(420, 345, 30, 30))]
    assert read(lines, Pose(0, vertical=True)) == ["a z", "b", "c", "d"]


def test_the_pieces_of_a_column_make_one_column_from_its_top_left() -> None:
    pieces = as_lines([(100, 20, 30, 90, "上"), (100, 150, 30, 90, "下")], vertical=True)
    ((joined,), _) = compose(pieces, Pose(0, vertical=True))
    assert (joined.text, joined.vertical) == ("上 下", True)
    np.testing.assert_allclose(joined.polygon, quad(100, 20, 30, 220), atol=1e-4)


def test_blocks_are_numbered_in_reading_order() -> None:
    lines, _ = compose(as_lines(TWO_COLUMNS), Pose())
    blocks = {one.text: one.block for one in lines}
    assert [one.block for one in lines] == sorted(one.block for one in lines)
    assert blocks["T"] < blocks["a"] == blocks["e"] < blocks["A"] == blocks["E"] < blocks["f"]


def test_an_empty_page_is_level() -> None:
    assert compose([], Pose()) == ([], 0.0)


def test_short_lines_say_nothing_of_the_skew() -> None:
    lines = [line("a", quad(20, 20, 40, 20, 9)), line("b", quad(20, 60, 300, 20)), line("c", quad(20, 99, 40, 20, 9))]
    assert compose(lines, Pose())[1] == 0.0
    assert compose(lines[:1], Pose())[1] == 0.0


def test_a_line_on_its_head_tells_the_skew_as_well() -> None:
    upright = turned(as_lines(PAGES["running text"]), 4)
    headlong = [line(one.text, np.roll(one.polygon, -2, axis=0)) for one in upright]
    assert compose(headlong, Pose())[1] == pytest.approx(4, abs=0.1)


def test_what_lies_on_top_of_each_other_is_no_row() -> None:
    lines = [line("a", quad(20, 20, 200, 20)), line("b", quad(60, 24, 200, 20)), line("c", quad(20, 20, 200, 20))]
    assert sorted(read(lines)) == ["a", "b", "c"]


def test_latin_columns_are_joined_in_order_too() -> None:
    lines = [line(word, quad(20, 20 + 30 * i, 200, 20)) for i, word in enumerate(("Hello", "world", "你好"))]
    assert join_lines(read(lines)) == "Hello world你好"


# --- properties -----------------------------------------------------------------------------------------------

PLACES = st.tuples(st.integers(0, 60), st.integers(0, 40), st.integers(1, 40), st.integers(1, 4))


def pieces_of(places: Sequence[tuple[int, int, int, int]]) -> list[Piece]:
    return [Piece(i, 10.0 * x, 10.0 * (x + w), 15.0 * y, 10.0 * h) for i, (x, y, w, h) in enumerate(places)]


def numbers(pieces: Sequence[Piece]) -> list[list[list[int]]]:
    return [[[piece.index for piece in row] for row in block] for block in order_pieces(pieces)]


@given(st.lists(PLACES, max_size=40))
def test_every_piece_comes_exactly_once(places: list[tuple[int, int, int, int]]) -> None:
    found = [i for block in numbers(pieces_of(places)) for row in block for i in row]
    assert sorted(found) == list(range(len(places)))


@given(st.lists(PLACES, max_size=25, unique_by=lambda place: (place[0], place[1])), st.randoms(use_true_random=False))
def test_the_order_given_changes_nothing(places: list[tuple[int, int, int, int]], random: Random) -> None:
    pieces = pieces_of(places)
    shuffled = list(pieces)
    random.shuffle(shuffled)
    assert numbers(shuffled) == numbers(pieces)


@pytest.mark.parametrize("shape", ["scattered", "one row", "one column", "many columns"])
def test_thousands_of_pieces_are_ordered_in_bounded_time(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons are counted, not seconds: none of these shapes may need one for every pair."""
    count = DBOptions().max_candidates
    places = np.random.default_rng(0).uniform(0, 8000, (count, 2))
    pieces = {
        "scattered": [Piece(i, x, x + 100 + i % 100, y, 20) for i, (x, y) in enumerate(places)],
        "one row": [Piece(i, 30 * i, 30 * i + 20, 0, 20) for i in range(count)],
        "one column": [Piece(i, 0, 900, 30 * i, 20) for i in range(count)],
        "many columns": [Piece(i, 200 * (i // 50), 200 * (i // 50) + 160, 30 * (i % 50), 20) for i in range(count)],
    }[shape]
    calls = 0

    def counted(piece: Piece, neighbours: Sequence[Piece]) -> bool:
        nonlocal calls
        calls += len(neighbours)
        return fits(piece, neighbours)

    fits = module._fits
    monkeypatch.setattr(module, "_fits", counted)
    ordered = order_pieces(pieces)
    assert sum(len(row) for block in ordered for row in block) == count
    assert calls < 30 * count


def test_bent_text_is_no_part_of_a_row_it_lies_across() -> None:
    place = quad(300, 0, 100, 60)
    seal = line("S", np.concatenate([place[:2], place[1:3], place[2:], place[3:], place[:1]])[:6])
    rows = [line("a", quad(10, 20, 200, 20)), line("b", quad(10, 60, 200, 20))]
    assert [each.text for each in compose([rows[1], seal, rows[0]], Pose())[0]] == ["S", "a", "b"]
    low = replace(seal, polygon=seal.polygon + np.float32((0, 40)))
    assert [each.text for each in compose([low, *rows], Pose())[0]] == ["a", "b", "S"]


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("angle", [0, 4, -8])
def test_by_position_every_piece_is_a_line_from_the_top_and_then_from_the_left(angle: float, quarters: int) -> None:
    """Level pieces are not joined, columns not told apart, and the jitter of a row does not matter."""
    layout = [(20, 20, 250, 20, "a"), (320, 23, 250, 20, "b"), (20, 60, 250, 20, "c"), (320, 57, 250, 20, "d")]
    layout += [(20, 100, 250, 20, "e"), (320, 101, 250, 20, "f"), (20, 140, 250, 20, "g"), (320, 140, 250, 20, "h")]
    lines = turned(as_lines(layout), angle, quarters)
    pose = Pose(QUARTERS[quarters])
    found, skew = compose(lines[::-1], pose, "position")
    assert [one.text for one in found] == list("abcdefgh")
    assert {one.block for one in found} == {0}
    assert skew == pytest.approx(angle, abs=0.1)
    assert [one.text for one in compose(lines, pose)[0]] == list("acegbdfh"), "reading order is another"


def test_by_position_columns_and_bent_lines_stand_where_they_begin() -> None:
    left, right = (line(name, quad(x, 20, 20, 300), vertical=True) for name, x in (("left", 20), ("right", 60)))
    below = line("below", quad(100, 60, 300, 20))
    angles = np.deg2rad(np.linspace(-60, 60, 8))
    arcs = [np.stack([500 + r * np.sin(angles), 140 - r * np.cos(angles)], axis=1) for r in (110, 90)]
    seal = line("seal", np.concatenate([arcs[0], arcs[1][::-1]]).astype(np.float32))
    found, _ = compose([below, seal, right, left], Pose(), "position")
    assert [one.text for one in found] == ["left", "right", "seal", "below"]
