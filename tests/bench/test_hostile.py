"""The hostile pictures: seeded, lazy, small, of every kind, and each with a clear outcome at intake."""

from __future__ import annotations

import hashlib
from itertools import islice

import pytest

from ziyan.bench.hostile import MAX_BYTES, hostile_kinds, hostile_pictures
from ziyan.errors import ImageError, ImageTooLargeError, UndecodableImageError, UnsupportedImageError
from ziyan.ocr.decode import decode
from ziyan.ocr.types import ImageLimits

#: Enough for every usual kind twice and two of the costly ones.
ROUNDS = 2 * (len(hostile_kinds()) - 3)


def digests(count: int, seed: int) -> list[tuple[str, str]]:
    return [(kind, hashlib.sha256(file).hexdigest()) for kind, file in hostile_pictures(count, seed)]


def test_the_same_seed_gives_the_same_pictures_and_another_seed_others() -> None:
    once = digests(ROUNDS // 2, 7)
    assert once == digests(ROUNDS // 2, 7)
    others = digests(ROUNDS // 2, 8)
    assert [kind for kind, _ in once] == [kind for kind, _ in others]
    assert sum(a != b for a, b in zip(once, others, strict=True)) > ROUNDS // 4


def test_a_picture_does_not_depend_on_how_many_are_asked_for() -> None:
    assert digests(30, 7) == list(islice(digests(60, 7), 30))


def test_pictures_are_made_only_when_asked_for() -> None:
    pictures = hostile_pictures(10**12, 1)
    assert [len(next(pictures)) for _ in range(3)]


def test_every_kind_comes_and_none_is_over_the_size() -> None:
    seen = set()
    for kind, file in hostile_pictures(4 * (len(hostile_kinds()) - 3), 1):
        assert len(file) <= MAX_BYTES == 1_500_000
        seen.add(kind)
    assert seen == set(hostile_kinds())


def test_intake_gives_each_a_picture_or_an_image_error_and_meets_all_of_them() -> None:
    limits = ImageLimits(max_bytes=MAX_BYTES, max_pixels=4_000_000)
    outcomes = set()
    for _, file in hostile_pictures(ROUNDS, 3):
        try:
            outcomes.add(decode(file, limits).format)
        except ImageError as error:
            outcomes.add(type(error).__name__)
    errors = {error.__name__ for error in (ImageTooLargeError, UndecodableImageError, UnsupportedImageError)}
    assert outcomes == {"JPEG", "PNG", "GIF"} | errors


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("empty", UnsupportedImageError),
        ("other file", UnsupportedImageError),
        ("jpeg 12 bits", UndecodableImageError),
        ("png metadata bomb", UndecodableImageError),
        ("png beyond the limits", ImageTooLargeError),
        ("65,535 × 1", ImageTooLargeError),
        ("1 × 65,535", ImageTooLargeError),
    ],
)
def test_what_can_be_known_of_an_outcome_is_so(kind: str, error: type[ImageError]) -> None:
    file = next(file for name, file in hostile_pictures(len(hostile_kinds()), 5) if name == kind)
    with pytest.raises(error):
        decode(file, ImageLimits(max_bytes=MAX_BYTES))
