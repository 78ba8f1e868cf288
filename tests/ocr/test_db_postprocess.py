from __future__ import annotations

import cv2
import numpy as np
import pytest

from ziyan.ocr.db_postprocess import DBOptions, Floats, find_candidates

OPTIONS = DBOptions()


def prob_map(*kernels: tuple[float, float, float, float, float, float]) -> Floats:
    """A map of 200×300 with these kernels: middle x and y, width, height, degrees clockwise, probability."""
    drawn = np.zeros((200, 300), np.float32)
    for x, y, width, height, angle, probability in kernels:
        corners = cv2.boxPoints(((x, y), (width, height), angle))
        cv2.fillPoly(drawn, [np.round(corners).astype(np.int32)], probability)
    return drawn


def test_an_empty_map_has_none() -> None:
    found = find_candidates(prob_map(), OPTIONS)
    assert len(found) == 0
    assert (found.centers.shape, found.sizes.shape, found.angles.shape) == ((0, 2), (0, 2), (0,))


@pytest.mark.parametrize("angle", [-44, -20, 0, 20, 44])
@pytest.mark.parametrize(("width", "height"), [(120, 20), (20, 120), (60, 40)])
def test_a_kernel_is_grown_back_by_area_times_ratio_over_perimeter(angle: float, width: float, height: float) -> None:
    found = find_candidates(prob_map((150, 100, width, height, angle, 0.9)), OPTIONS)
    assert len(found) == 1
    distance = width * height * OPTIONS.unclip_ratio / (2 * (width + height))
    assert found.centers[0] == pytest.approx((150, 100), abs=1)
    assert found.sizes[0] == pytest.approx((width + 2 * distance, height + 2 * distance), abs=3)
    assert found.angles[0] == pytest.approx(angle, abs=2)
    assert found.scores[0] == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("angle", range(-90, 95, 5))
def test_angles_are_never_steeper_than_half_a_right_angle(angle: float) -> None:
    found = find_candidates(prob_map((150, 100, 90, 30, angle, 0.9)), OPTIONS)
    assert -45 <= found.angles[0] < 45


@pytest.mark.parametrize(
    ("kernel", "kept"),
    [
        ((150, 100, 80, 20, 0, OPTIONS.box_thresh + 0.01), True),
        ((150, 100, 80, 20, 0, OPTIONS.box_thresh - 0.01), False),
        ((150, 100, 80, OPTIONS.min_side, 0, 0.9), True),
        ((150, 100, 80, OPTIONS.min_side - 2, 0, 0.9), False),
    ],
)
def test_what_is_faint_or_thin_is_dropped(kernel: tuple[float, float, float, float, float, float], kept: bool) -> None:
    assert len(find_candidates(prob_map(kernel), OPTIONS)) == kept


def test_of_too_many_outlines_only_so_many_are_looked_at() -> None:
    kernels = [(x, 100.0, 8.0, 30.0, 20.0, 0.9) for x in range(20, 290, 20)]
    assert len(find_candidates(prob_map(*kernels), DBOptions(max_candidates=len(kernels)))) == len(kernels)
    assert len(find_candidates(prob_map(*kernels), DBOptions(max_candidates=2))) == 2


def test_a_kernel_at_the_edge_is_scored_on_what_is_inside() -> None:
    found = find_candidates(prob_map((0, 0, 100, 40, 30, 0.9), (299, 199, 100, 40, 30, 0.9)), OPTIONS)
    assert len(found) == 2
    assert found.scores.min() > OPTIONS.box_thresh


def test_a_hole_in_a_kernel_is_no_text() -> None:
    drawn = prob_map((150, 100, 200, 120, 0, 0.9))
    drawn[70:130, 100:200] = 0.0
    found = find_candidates(drawn, OPTIONS)
    assert len(found) == 1
    assert found.centers[0] == pytest.approx((150, 100), abs=1)
