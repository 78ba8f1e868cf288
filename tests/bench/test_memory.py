from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from ziyan.bench.contestant import Reading
from ziyan.bench.memory import LIMIT_BYTES, MIB, MemoryCurve, watch
from ziyan.bench.variants import variants

M = int(MIB)


class Reader:
    """Keeps some bytes of every picture, or fails."""

    def __init__(self, sizes: list[int], failing: bytes = b"", deadly: bytes = b"") -> None:
        self.sizes: Iterator[int] = iter(sizes)
        self.failing, self.deadly = failing, deadly
        self.seen: list[bytes] = []

    def read(self, path: Path) -> Reading:
        self.seen.append(path.read_bytes())
        died = self.seen[-1] == self.deadly
        return Reading((), 1.0, 1.0, "failed" if self.seen[-1] == self.failing or died else "", died)

    def memory(self) -> int:
        return next(self.sizes)


def test_memory_is_looked_at_before_the_first_and_after_every_picture() -> None:
    reader, told = Reader([1, 2, 3, 4], failing=b"two", deadly=b"three"), list[int]()
    curve = watch(reader, [b"one", b"two", b"three"], told.append)
    assert reader.seen == [b"one", b"two", b"three"]
    assert (curve.samples, curve.failures, curve.deaths) == ([1, 2, 3, 4], 2, 1)
    assert told == [2, 3, 4]


def test_growth_is_taken_after_the_warm_up() -> None:
    settled = MemoryCurve([min(number, 500) * M for number in range(2001)], 0, 0)
    assert settled.warm_up == 500
    assert settled.slope == pytest.approx(0)
    assert settled.flat
    leaking = MemoryCurve([400 * M + number * M // 10 for number in range(2001)], 0, 0)
    assert leaking.slope == pytest.approx(100, rel=0.01)
    assert not leaking.flat


def test_a_process_that_was_lost_is_not_flat() -> None:
    assert not MemoryCurve([M] * 100, 1, 1).flat


def test_the_limit_holds_at_every_moment() -> None:
    assert MemoryCurve([M, LIMIT_BYTES, M], 0, 0).under_limit
    assert not MemoryCurve([M, LIMIT_BYTES + 1, M], 0, 0).under_limit


def test_the_table_has_a_row_for_each_milestone_and_the_end() -> None:
    rows = MemoryCurve([number * M for number in range(1201)], 0, 0).milestones
    assert rows == [
        ("weights loaded", 0),
        ("after 100", 100 * M),
        ("after 500", 500 * M),
        ("after 1,000", 1000 * M),
        ("after 1,200", 1200 * M),
        ("most", 1200 * M),
    ]
    assert MemoryCurve([M], 0, 0).milestones == [("weights loaded", M), ("most", M)]
    assert MemoryCurve([M], 0, 0).slope == 0


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "palette.png", tmp_path / "line.png"]
    Image.radial_gradient("L").convert("P").save(paths[0])
    Image.new("RGB", (300, 1), "red").save(paths[1])
    return paths


def test_variants_are_the_same_for_a_seed_and_all_different(pictures: list[Path]) -> None:
    files = list(variants(pictures, 12, seed=3))
    assert files == list(variants(pictures, 12, seed=3))
    assert files != list(variants(pictures, 12, seed=4))
    assert len(set(files[::2])) == 6


def test_variants_can_be_opened_and_have_many_shapes(pictures: list[Path]) -> None:
    shapes = [Image.open(BytesIO(file)).size for file in variants(pictures[:1], 10, seed=1)]
    assert len(set(shapes)) == 10
    assert all(one != other for one, other in pairwise(shapes))
