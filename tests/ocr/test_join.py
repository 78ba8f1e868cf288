from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from tests.ocr.drawing import quad, turned_points
from ziyan.ocr.join import join_strips
from ziyan.ocr.orient import Strip
from ziyan.ocr.types import Polygon, Region


def strip(polygon: Polygon, *, vertical: bool = False, score: float = 0.9) -> Strip:
    return Strip(polygon, vertical, Region(polygon, score))


def row(*spans: tuple[float, float], angle: float = 0.0, height: float = 20, y: float = 100) -> list[Strip]:
    """Pieces from x0 to x1 of one line that is turned by ``angle`` about (200, 100)."""
    return [strip(turned_points(quad(a, y, b - a, height), angle, (200, 100))) for a, b in spans]


@pytest.mark.parametrize("angle", [0, 7, -20, 90, 180, 250])
@pytest.mark.parametrize(
    "spans",
    [
        [(0, 100), (108, 220)],
        [(0, 100), (95, 220)],
        [(0, 60), (66, 130), (138, 220)],
        [(0, 15), (22, 220)],
        [(0, 190), (196, 206), (212, 220)],
    ],
    ids=["apart", "overlapping", "three", "short first", "short last"],
)
def test_pieces_of_a_line_are_one_strip(spans: list[tuple[float, float]], angle: float) -> None:
    (joined,) = join_strips(row(*spans, angle=angle))
    np.testing.assert_allclose(joined.quad, row((0, 220), angle=angle)[0].quad, atol=1e-3)
    np.testing.assert_array_equal(joined.region.polygon, joined.quad)


@pytest.mark.parametrize(
    "strips",
    [
        [],
        row((0, 100)),
        row((0, 100), (160, 220)),
        [*row((0, 100)), *row((105, 220), y=112)],
        [*row((0, 100)), *row((105, 220), height=40, y=90)],
        [*row((0, 100)), *row((0, 100), y=124)],
        [*row((0, 100)), *row((105, 220), angle=30)],
        row((0, 12), (30, 42)),
    ],
    ids=["none", "one", "far apart", "not level", "other height", "next line", "other direction", "single characters"],
)
def test_what_is_no_piece_of_the_line_stays_apart(strips: list[Strip]) -> None:
    joined = join_strips(strips)
    assert sorted(s.quad.tobytes() for s in joined) == sorted(s.quad.tobytes() for s in strips)


def test_the_pieces_of_a_column_are_one_column() -> None:
    pieces = [strip(quad(50, y, 30, 90), vertical=True) for y in (0, 100, 215)]
    (joined,) = join_strips(pieces)
    assert joined.vertical
    np.testing.assert_allclose(joined.quad, quad(50, 0, 30, 305), atol=1e-3)


def test_level_and_vertical_strips_do_not_join() -> None:
    assert len(join_strips([strip(quad(0, 0, 100, 20)), strip(quad(105, 0, 20, 100), vertical=True)])) == 2


def test_the_detection_score_is_the_mean_by_length() -> None:
    (joined,) = join_strips([strip(quad(0, 0, 150, 20), score=0.9), strip(quad(155, 0, 50, 20), score=0.5)])
    assert joined.region.detection_score == pytest.approx(0.8)


def test_the_order_of_strips_changes_nothing() -> None:
    strips = [*row((0, 60), (66, 130), (138, 220)), *row((0, 90), (96, 220), y=140)]
    found = {tuple(sorted(s.quad.round(2).tobytes() for s in join_strips(p))) for p in permutations(strips)}
    assert len(found) == 1


def test_thousands_of_strips_are_joined_in_bounded_time() -> None:
    rng = np.random.default_rng(1)
    scattered = [strip(quad(x, y, 60, 20)) for x, y in rng.uniform(0, 8000, (3000, 2))]
    assert 2000 < len(join_strips(scattered)) <= 3000  # in a third of a second; one by one it took minutes
