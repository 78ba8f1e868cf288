from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.ocr.drawing import bent, glyph_line, quad, white
from tests.ocr.fakes import glyph_recognizer
from ziyan.ocr.crop import LINE_HEIGHT, cut_line
from ziyan.ocr.polygon import length_of, quad_size, sides_of, turn
from ziyan.ocr.ribbon import POINTS, Floats, cut_ribbon, find_ribbon

MIDDLE, RADIUS = 200.0, 120.0


def arc(start: float, stop: float, radius: float = RADIUS) -> Floats:
    """Points of a circle about the middle, degrees clockwise from its top."""
    angles = np.deg2rad(np.linspace(start, stop, 60))
    return np.asarray(
        np.stack([MIDDLE + radius * np.sin(angles), MIDDLE - radius * np.cos(angles)], axis=1), np.float32
    )


def outline(line: Floats, thickness: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Of a kernel along ``line``."""
    drawn = np.zeros((400, 400), np.uint8)
    cv2.polylines(drawn, [np.round(line).astype(np.int32)], isClosed=False, color=255, thickness=thickness)
    (found,) = cv2.findContours(drawn, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]
    return np.asarray(found, np.int32)


@pytest.mark.parametrize(
    ("start", "stop", "upper_is_outer", "begins"),
    [
        (-60, 60, True, -60),
        (-125, 125, True, -125),
        (120, 240, False, 240),
        (-150, -30, True, -150),
        (30, 150, True, 30),
    ],
    ids=["standing", "ring", "hanging", "left", "right"],
)
def test_a_bent_kernel_becomes_a_ribbon_in_reading_direction(
    start: float, stop: float, upper_is_outer: bool, begins: float
) -> None:
    ribbon = find_ribbon(outline(arc(start, stop), 12), 1.4)
    assert ribbon is not None
    assert ribbon.shape == (2 * POINTS, 2)
    upper, lower = (np.hypot(*(side - MIDDLE).T) for side in sides_of(ribbon))
    outer, inner = (upper, lower) if upper_is_outer else (lower, upper)
    # Half the kernel, and what it is grown back by: area x ratio / perimeter, some 1.4 times its half.
    assert (outer.mean() - RADIUS, RADIUS - inner.mean()) == pytest.approx((14, 14), abs=1.5)
    assert np.ptp((outer + inner) / 2) < 6
    begin = np.mean([side[1] for side in sides_of(ribbon)], axis=0)
    assert np.hypot(*(begin - arc(begins, begins)[0])) < 30


@pytest.mark.parametrize(
    "kernel",
    [
        arc(-20, 20, radius=40),
        np.array([[100, 100], [300, 100], [100, 104], [100, 300]], np.float32),
    ],
    ids=["short", "hook with a blot"],
)
def test_what_is_short_or_uneven_is_no_ribbon(kernel: Floats) -> None:
    drawn = np.zeros((400, 400), np.uint8)
    cv2.polylines(drawn, [np.round(kernel).astype(np.int32)], isClosed=False, color=255, thickness=12)
    cv2.circle(drawn, (250, 250), 60, 255, cv2.FILLED)
    cv2.line(drawn, (100, 300), (250, 250), 255, 12)
    (found,) = cv2.findContours(drawn, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0][:1]
    assert find_ribbon(np.asarray(found, np.int32), 1.4) is None


@pytest.mark.parametrize("hanging", [False, True])
@pytest.mark.parametrize("degrees", [40, 120, 240])
def test_bent_text_is_cut_out_level(degrees: float, hanging: bool) -> None:
    text = "甲乙丙丁戊己"
    page = bent(glyph_line(text, 40), degrees, hanging=hanging)
    ink = (page.min(axis=2) < 128).astype(np.uint8)
    kernel = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    (found,) = cv2.findContours(cv2.erode(kernel, np.ones((7, 7), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[
        0
    ]
    ribbon = find_ribbon(np.asarray(found, np.int32), 0.4)
    assert ribbon is not None
    with glyph_recognizer() as recognizer:
        assert recognizer.deciding.read(cut_line(page, ribbon)).text == text
        turned = recognizer.deciding.read(cut_line(page, turn(ribbon, 2)))
    assert turned.text == text[::-1]
    assert turned.score < 0.5


def test_what_lies_outside_of_the_picture_is_blank() -> None:
    ribbon = find_ribbon(outline(arc(-60, 60), 12), 1.4)
    assert ribbon is not None
    far = ribbon + np.float32(10_000)
    assert not cut_ribbon(white(50, 50), far, 200, LINE_HEIGHT).any()


def test_a_rectangle_is_the_ribbon_of_four_points() -> None:
    place = quad(10, 20, 100, 30, angle=25)
    assert quad_size(place) == pytest.approx((100, 30), abs=1e-3)
    assert [length_of(side) for side in sides_of(place)] == pytest.approx([100, 100], abs=1e-3)
    np.testing.assert_array_equal(turn(place, 2), np.roll(place, -2, axis=0))


def test_a_large_ribbon_is_shrunk_in_proportion() -> None:
    place = quad(0, 0, 400, 200)
    ribbon = np.concatenate([np.linspace(place[0], place[1], 4), np.linspace(place[2], place[3], 4)]).astype(np.float32)
    assert cut_line(white(400, 200), ribbon).shape == (LINE_HEIGHT, 96, 3)
