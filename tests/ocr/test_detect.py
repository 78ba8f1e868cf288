from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.ocr.drawing import bars, turned_points, white
from tests.ocr.fakes import InkFinder
from ziyan.ocr.db_postprocess import DBOptions
from ziyan.ocr.detect import QUICK_SCALES, Detector, Scales, detect, detect_turned, usual_windows
from ziyan.ocr.types import Pixels, Region

#: Kernels as they are: what a bar's rectangle must be is known then.
PLAIN = DBOptions(unclip_ratio=0.0)
#: A tenth of the real sizes, so that a long screenshot is a small one here.
TENTH = Scales(
    first_look=96,
    short_side=64,
    strip=12,
    legible=4,
    aim=6,
    window=64,
    breadth=128,
    overlap=32,
    margin=8,
    sides=(32, 64, 96, 128),
)
Find = Callable[..., list[Region]]


def proceed() -> None:
    """Nobody wants to stop."""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def find(pool: ThreadPoolExecutor) -> Find:
    def run(pixels: Pixels, scales: Scales, *, finder: InkFinder | None = None) -> list[Region]:
        return detect(Detector(finder or InkFinder(), pool), pixels, scales, PLAIN, proceed)

    return run


def boxes(regions: list[Region]) -> list[tuple[float, ...]]:
    """x, y, w, h of each, from the top down."""
    found = [(*r.polygon.min(axis=0), *(r.polygon.max(axis=0) - r.polygon.min(axis=0))) for r in regions]
    return sorted((tuple(map(float, box)) for box in found), key=lambda box: (box[1], box[0]))


@pytest.mark.parametrize("scales", [Scales(), QUICK_SCALES], ids=["full", "quick"])
@pytest.mark.parametrize(
    ("width", "height", "bar"),
    [
        (300, 200, (40, 60, 200, 20)),
        (2400, 1800, (300, 900, 1500, 60)),
        (700, 3000, (50, 2900, 600, 40)),
        (3000, 700, (2300, 300, 600, 40)),
        (64, 64, (10, 20, 40, 16)),
        (1000, 1000, (0, 0, 400, 40)),
        (1000, 1000, (600, 960, 400, 40)),
    ],
    ids=["small", "large", "tall", "wide", "tiny", "top-left corner", "bottom-right corner"],
)
def test_polygons_are_in_pixels_of_the_picture(
    find: Find, scales: Scales, width: int, height: int, bar: tuple[int, int, int, int]
) -> None:
    (box,) = boxes(find(bars(width, height, [bar]), scales))
    assert box == pytest.approx(bar, abs=0.006 * max(width, height) + 2)


def test_a_turned_bar_has_a_turned_polygon(find: Find) -> None:
    page = white(600, 400)
    corners = turned_points(np.array([[100, 180], [500, 180], [500, 220], [100, 220]], np.float32), 20, (300, 200))
    cv2.fillConvexPoly(page, corners.astype(np.int32), (0, 0, 0))
    (region,) = find(page, Scales())
    np.testing.assert_allclose(region.polygon, corners, atol=3)
    assert region.detection_score == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("transposed", [False, True])
def test_every_line_of_a_long_screenshot_is_found_once(find: Find, transposed: bool) -> None:
    lines = [(10 + 7 * (i % 3), 20 * i + 8, 60, 10) for i in range(75)]
    page = bars(108, 1520, lines)
    if transposed:
        page = np.ascontiguousarray(page.swapaxes(0, 1))
        lines = [(y, x, h, w) for x, y, w, h in lines]
    found = boxes(find(page, TENTH))
    assert len(found) == len(lines)
    for box, expected in zip(found, sorted(lines, key=lambda line: (line[1], line[0])), strict=True):
        assert box == pytest.approx(expected, abs=4)


def test_seams_leave_no_trace(find: Find) -> None:
    """Bars across and along every seam: the same polygons from windows as from one look, to the last bit."""
    rng = np.random.default_rng(3)
    page = bars(400, 1300, [(*rng.integers(0, (300, 1280)).tolist(), 90, 8) for _ in range(150)] + [(200, 0, 9, 1300)])
    stitched = InkFinder(blur=15)
    windowed = find(page, replace(TENTH, first_look=1300), finder=stitched)
    assert len(stitched.shapes) > 20
    whole = InkFinder(blur=15)
    at_once = find(page, replace(TENTH, first_look=1300, window=4096, breadth=4096, sides=(4096,)), finder=whole)
    assert len(whole.shapes) == 1
    assert [r.polygon.tobytes() for r in windowed] == [r.polygon.tobytes() for r in at_once]
    assert [r.detection_score for r in windowed] == [r.detection_score for r in at_once]


@pytest.mark.parametrize("size", [(1, 1), (30, 30), (97, 130), (1000, 90), (5000, 20), (1, 3000)])
def test_windows_are_bounded_and_of_few_shapes(find: Find, size: tuple[int, int]) -> None:
    finder = InkFinder()
    find(bars(*size, [(0, 0, size[0] // 2, size[1] // 2)]), TENTH, finder=finder)
    assert finder.shapes
    for shape in finder.shapes:
        assert min(shape) <= TENTH.window
        assert set(shape) <= set(TENTH.sides)


@pytest.mark.parametrize(
    ("width", "height", "shapes"),
    [
        (1000, 700, [(832, 576)] * 2),
        (700, 1000, [(576, 832)] * 2),
        (500, 520, [(576, 576)]),
        (560, 540, [(704, 448)] * 2),
        (1600, 1600, [(576, 576)] * 4),
        (1100, 90, [(128, 576)] * 2),
        (1100, 30, [(64, 448)] * 3),
    ],
)
def test_pages_are_seen_in_windows_side_by_side(
    find: Find, width: int, height: int, shapes: list[tuple[int, int]]
) -> None:
    finder = InkFinder()
    find(white(width, height), Scales(), finder=finder)
    assert finder.shapes[: len(shapes)] == shapes


def test_the_usual_windows_are_windows_of_pages_and_strips() -> None:
    shapes = usual_windows(Scales())
    assert {(64, 576), (576, 576), (576, 960), (960, 576)} <= set(shapes)
    assert len(shapes) == len(set(shapes)) < 24


def test_pictures_are_not_enlarged_for_the_first_look(find: Find) -> None:
    finder = InkFinder()
    find(bars(300, 300, [(50, 50, 200, 30), (50, 100, 200, 30)]), Scales(), finder=finder)
    assert finder.shapes == [(448, 448)]


@pytest.mark.parametrize(("height", "looks"), [(5, 2), (8, 2), (30, 1)])
def test_only_low_letters_are_looked_at_again_and_larger(find: Find, height: int, looks: int) -> None:
    finder = InkFinder()
    lines = [(60, 60 + 40 * i, 250, height) for i in range(6)]
    found = boxes(find(bars(400, 400, lines), Scales(), finder=finder))
    assert len(set(finder.shapes)) == looks
    assert max(finder.shapes) == finder.shapes[-1]
    assert len(found) == len(lines)
    for box, expected in zip(found, lines, strict=True):
        assert box == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        ([(20, 10, 560, 40)], True),
        ([(20, 10, 200, 40), (260, 12, 300, 40)], True),
        ([], True),
        ([(20, 5, 560, 20), (20, 35, 560, 20)], False),
        ([(20, 25, 560, 9)], False),
    ],
    ids=["one line", "pieces of one line", "nothing found", "two lines", "low in its strip"],
)
def test_a_strip_of_one_line_is_read_whole(
    find: Find, lines: list[tuple[int, int, int, int]], whole: bool, transposed: bool
) -> None:
    page = bars(600, 60, lines)
    if transposed:
        page = np.ascontiguousarray(page.swapaxes(0, 1))
    found = boxes(find(page, Scales()))
    size = (60.0, 600.0) if transposed else (600.0, 60.0)
    assert (found == [(0.0, 0.0, *size)]) == whole
    assert len(found) == max(1, len(lines)) or whole


@pytest.mark.parametrize("transposed", [False, True])
def test_the_lines_of_a_narrow_receipt_are_no_strip(find: Find, transposed: bool) -> None:
    page = bars(200, 900, [(30, 40 + 60 * i, 140, 30) for i in range(14)])
    if transposed:
        page = np.ascontiguousarray(page.swapaxes(0, 1))
    assert len(find(page, Scales())) == 14


def test_an_empty_page_has_no_regions(find: Find) -> None:
    assert find(white(640, 480), Scales()) == []


def test_dark_pages_have_a_dark_border(find: Find) -> None:
    """A white border around white on black would be found as text."""
    page = 255 - bars(400, 300, [(50, 50, 200, 30)])
    (region,) = find(page, Scales())
    assert region.polygon.min() < 0  # the dark goes on around the page


def test_stopping_ends_the_look_before_the_next_window(pool: ThreadPoolExecutor) -> None:
    finder, asked = InkFinder(), 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked > 3:
            raise CancelledError

    page = bars(108, 3000, [(10, 10, 60, 6)])
    with ThreadPoolExecutor(1) as one, pytest.raises(CancelledError):
        detect(Detector(finder, one), page, TENTH, PLAIN, stop)
    assert len(finder.shapes) == 3


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (5, 900), (20, 5000), (5000, 20)])
def test_what_is_too_thin_for_a_line_of_text_is_not_taken_for_one(find: Find, size: tuple[int, int]) -> None:
    # A picture of 93 bytes kept a reader busy for 18 seconds: its one row was blown up to the height of a line.
    assert find(white(*size), Scales()) == []


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_page_is_found_as_if_it_stood_upright(pool: ThreadPoolExecutor, quarters: int) -> None:
    upright = bars(300, 200, [(40, 60, 200, 20)])
    lying = np.ascontiguousarray(np.rot90(upright, -quarters))
    detector = Detector(InkFinder(), pool)
    (there,) = detect(detector, upright, Scales(), PLAIN, proceed)
    (here,) = detect_turned(detector, lying, quarters, Scales(), PLAIN, proceed)
    low, high = here.polygon.min(axis=0), here.polygon.max(axis=0)
    x, y, width, height = boxes([there])[0]
    expected = {
        1: (200 - y - height, x, height, width),
        2: (300 - x - width, 200 - y - height, width, height),
        3: (y, 300 - x - width, height, width),
    }[quarters]
    assert (*low, *(high - low)) == pytest.approx(expected, abs=1)
    # It begins at the picture's own top-left corner, as any region does.
    assert here.polygon[0] == pytest.approx(low, abs=1)
