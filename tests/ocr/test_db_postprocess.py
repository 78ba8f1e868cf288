from __future__ import annotations

import cv2
import numpy as np
import pytest

from ziyan.ocr.db_postprocess import Candidates, DBOptions, Floats, find_candidates

OPTIONS = DBOptions()


def prob_map(*kernels: tuple[float, float, float, float, float, float]) -> Floats:
    """A map of 200×300 with these kernels: middle x and y, width, height, degrees clockwise, probability."""
    drawn = np.zeros((200, 300), np.float32)
    for x, y, width, height, angle, probability in kernels:
        corners = cv2.boxPoints(((x, y), (width, height), angle))
        cv2.fillPoly(drawn, [np.round(corners).astype(np.int32)], probability)
    return drawn


def offset(corners: Floats, distance: float) -> Floats:
    """A convex clockwise polygon with every side moved out by ``distance``: its new corners are where sides meet."""
    ahead = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1) / np.hypot(*ahead.T)[:, None]
    levels = (corners * normals).sum(axis=1) + distance
    meets = [
        np.linalg.solve(np.array([normals[i - 1], normals[i]]), np.array([levels[i - 1], levels[i]]))
        for i in range(len(corners))
    ]
    return np.array(meets, np.float32)


def shoelace(corners: Floats) -> float:
    """Area of a polygon."""
    (x, y), (u, v) = corners.T, np.roll(corners, -1, axis=0).T
    return float(abs((x * v - u * y).sum()) / 2)


def box_corners(found: Candidates, i: int) -> Floats:
    """Corners of one candidate, clockwise from the one that is top-left at angle 0."""
    (x, y), (width, height), angle = found.centers[i], found.sizes[i], np.deg2rad(found.angles[i])
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.array([(x, y) + a * along * width / 2 + b * across * height / 2 for a, b in signs], np.float32)


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


@pytest.mark.parametrize("unclip_ratio", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("angle", [-30, 0, 12])
def test_growing_back_is_the_published_polygon_offset(angle: float, unclip_ratio: float) -> None:
    drawn = prob_map((150, 100, 140, 24, angle, 0.9))
    kernel = find_candidates(drawn, DBOptions(unclip_ratio=0.0))
    corners = box_corners(kernel, 0)
    perimeter = float(np.hypot(*(np.roll(corners, -1, axis=0) - corners).T).sum())
    expected = offset(corners, shoelace(corners) * unclip_ratio / perimeter)
    grown = find_candidates(drawn, DBOptions(unclip_ratio=unclip_ratio))
    np.testing.assert_allclose(box_corners(grown, 0), expected, atol=1e-3)


def test_a_score_travels_with_its_rectangle() -> None:
    probabilities = {40 + 60 * i: round(0.5 + 0.1 * i, 1) for i in (3, 0, 4, 1, 2)}
    found = find_candidates(prob_map(*((x, 100, 30, 60, 0, p) for x, p in probabilities.items())), OPTIONS)
    assert len(found) == len(probabilities)
    for (x, _), score in zip(found.centers, found.scores, strict=True):
        assert score == pytest.approx(probabilities[round(float(x))], abs=0.02)


def test_noise_is_no_text() -> None:
    noise = np.random.default_rng(5).uniform(0, 0.4, (200, 300)).astype(np.float32)
    assert len(find_candidates(noise, OPTIONS)) == 0


def test_a_map_of_text_all_over_is_one_rectangle() -> None:
    found = find_candidates(np.ones((64, 96), np.float32), OPTIONS)
    assert len(found) == 1
    assert found.centers[0] == pytest.approx((47.5, 31.5))
    assert found.scores[0] == pytest.approx(1)


def test_lines_are_not_crowded_out_by_any_number_of_specks() -> None:
    ragged = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]], np.float32)
    specks = np.tile(np.pad(ragged, 2), (150, 150))  # eight corners each, where a clean line has four
    specks[490:550] = 0
    specks[500:540, 100:1100] = 1
    found = find_candidates(specks, OPTIONS)
    assert found.sizes.max() > 1000
    assert found.centers[found.sizes.max(axis=1).argmax()] == pytest.approx((599.5, 519.5))


def bent_map(degrees: float, probability: float) -> Floats:
    """A map of 200×300 with a kernel along an arc about its lower middle."""
    drawn = np.zeros((200, 300), np.float32)
    cv2.ellipse(drawn, (150, 160), (120, 120), 270, -degrees / 2, degrees / 2, probability, 10)
    return drawn


def test_a_bent_kernel_is_scored_along_its_outline_and_given_as_a_ribbon() -> None:
    found = find_candidates(bent_map(120, 0.9), OPTIONS)
    assert (len(found), list(found.ribbons)) == (1, [0])
    assert found.scores[0] == pytest.approx(0.9, abs=0.02)
    # The kernel is some 251 + 11 long and 11 thick; area x ratio / perimeter is 7.4, at each end and side, and a ribbon
    # reaches half a thickness further at its ends.
    assert found.sizes[0] == pytest.approx((288, 26), abs=5)


def test_a_faint_bent_kernel_is_dropped() -> None:
    assert len(find_candidates(bent_map(120, 0.3), OPTIONS)) == 0


def test_an_uneven_kernel_that_fills_little_of_its_rectangle_stays_a_rectangle() -> None:
    drawn = np.zeros((200, 300), np.float32)
    cv2.fillPoly(drawn, [np.array([[20, 20], [280, 20], [20, 180]])], 0.9)
    cv2.rectangle(drawn, (120, 60), (240, 110), 0, cv2.FILLED)
    found = find_candidates(drawn, DBOptions(box_thresh=0.2))
    assert (len(found), found.ribbons) == (1, {})
