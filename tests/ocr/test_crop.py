from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.ocr.drawing import quad, turned_points, white
from tests.pictures import BLUE, GREEN, RED, YELLOW, corners
from ziyan.ocr.crop import LINE_HEIGHT, cut_line, scaled
from ziyan.ocr.polygon import grow_quad, quad_size
from ziyan.ocr.types import Pixels, Polygon

CARD = quad(0, 0, 96, 48)
CORNERS = (RED, GREEN, BLUE, YELLOW)


def place_card(target: Polygon, width: int = 400, height: int = 300) -> Pixels:
    """A page with a card of four coloured quarters laid on ``target``, in perspective where that is no rectangle."""
    matrix = cv2.getPerspectiveTransform(CARD, target)
    laid = cv2.warpPerspective(
        corners(96, 48), matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=(255,) * 3
    )
    return np.asarray(laid, np.uint8)


def assert_upright(crop: Pixels) -> None:
    """The four quarters are where they belong."""
    height, width = crop.shape[:2]
    for colour, (y, x) in zip(CORNERS, ((1, 1), (1, 3), (3, 1), (3, 3)), strict=True):
        assert np.abs(crop[y * height // 4, x * width // 4].astype(int) - colour).max() < 12


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 8, 45, 98, 172, -30])
def test_a_line_is_cut_upright_however_it_lies(angle: float) -> None:
    lies = quad(140, 120, 96, 48, angle)
    crop = cut_line(place_card(lies), lies)
    assert crop.shape == (LINE_HEIGHT, 96, 3)
    assert crop.dtype == np.uint8
    assert_upright(crop)


@pytest.mark.parametrize("turns", range(4))
def test_a_quad_that_is_not_a_rectangle_is_straightened(turns: int) -> None:
    slanted = np.array([[60, 70], [250, 40], [262, 120], [50, 160]], np.float32)
    lies = turned_points(slanted, 90 * turns, (160, 120))
    assert_upright(cut_line(place_card(lies), lies))


@pytest.mark.parametrize("turns", range(4))
def test_a_quad_says_where_its_text_begins(turns: int) -> None:
    """The same place read from another corner is another crop."""
    lies = quad(140, 120, 96, 48)
    crop = cut_line(place_card(lies), np.roll(lies, -turns, axis=0))
    assert crop.shape[1] == (96 if turns % 2 == 0 else 24)
    expected = np.rot90(np.array([[RED, GREEN], [BLUE, YELLOW]]), turns)
    height, width = crop.shape[:2]
    for row in range(2):
        for column in range(2):
            seen = crop[(2 * row + 1) * height // 4, (2 * column + 1) * width // 4]
            assert np.abs(seen.astype(int) - expected[row, column]).max() < 12


def test_another_height_keeps_the_proportions() -> None:
    assert cut_line(place_card(CARD), CARD, 20).shape == (20, 40, 3)


@pytest.mark.parametrize("angle", [0, 10])
def test_what_reaches_beyond_the_picture_goes_on_as_its_edge(angle: float) -> None:
    page = np.full((60, 200, 3), (10, 120, 240), np.uint8)
    crop = cut_line(page, quad(-40, -10, 280, 80, angle))
    assert crop.shape == (LINE_HEIGHT, 168, 3)
    assert (crop == (10, 120, 240)).all()


@pytest.mark.parametrize("angle", [0, 10])
@pytest.mark.parametrize(("x", "y"), [(-500, 10), (900, 10), (10, -500), (10, 900)])
def test_a_quad_that_misses_the_picture_gives_a_crop_all_the_same(x: float, y: float, angle: float) -> None:
    assert cut_line(white(200, 100), quad(x, y, 80, 20, angle)).shape == (LINE_HEIGHT, 192, 3)


@pytest.mark.parametrize("angle", [0, 45])
@pytest.mark.parametrize(("width", "height"), [(0, 0), (1, 1), (0.2, 0.2), (1, 30), (30, 0)])
def test_the_smallest_quads_give_crops(width: float, height: float, angle: float) -> None:
    crop = cut_line(white(50, 50), quad(20, 20, width, height, angle))
    assert crop.shape[0] == LINE_HEIGHT
    assert crop.shape[1] >= 1


@pytest.mark.parametrize("slant", [0, 4])
@pytest.mark.parametrize("upright", [False, True])
def test_pictures_longer_than_opencv_can_warp_are_cut(slant: int, upright: bool) -> None:
    page = white(40_000, 60)
    page[:, 20_000:] = 0
    lies = np.array([[100, 10], [39_900, 10 + slant], [39_900, 50 + slant], [100, 50]], np.float32)
    if upright:
        page, lies = np.ascontiguousarray(page.swapaxes(0, 1)), np.ascontiguousarray(lies[[0, 3, 2, 1], ::-1])
        lies = np.roll(lies, -1, axis=0)  # from its top-right: the text runs down
    crop = cut_line(page, lies)
    assert crop.shape[1] == pytest.approx(47_760, abs=2)
    assert crop[24, 20_000].tolist() == [255] * 3
    assert crop[24, 27_000].tolist() == [0] * 3


def test_a_hair_as_long_as_a_picture_may_be_is_not_blown_up() -> None:
    assert cut_line(white(65_500, 4), quad(0, 1, 65_500, 1)).nbytes < 20e6


def test_a_quad_as_large_as_a_picture_may_be_is_shrunk_before_it_is_warped() -> None:
    page = white(6000, 6000)
    page[:, 3000:] = 0
    crop = cut_line(page, quad(500, 500, 5000, 5000, 30))
    assert crop.shape == (LINE_HEIGHT, LINE_HEIGHT, 3)
    assert (crop[24, 2] > 250).all()
    assert (crop[24, 45] < 5).all()


def test_fine_strokes_are_averaged_when_a_line_shrinks() -> None:
    stripes = np.zeros((200, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(scaled(stripes, 100, 50).astype(int) - 127).max() <= 2


def test_sizes_are_means_of_opposite_sides() -> None:
    assert quad_size(np.array([[0, 0], [10, 0], [14, 3], [0, 7]], np.float32)) == pytest.approx((12.28, 6), abs=0.01)


@pytest.mark.parametrize("angle", [0, 30, 180, 270])
def test_growing_moves_ends_and_sides_out(angle: float) -> None:
    grown = grow_quad(quad(100, 100, 80, 20, angle), 5, 3)
    np.testing.assert_allclose(grown, quad(95, 97, 90, 26, angle), atol=1e-3)
