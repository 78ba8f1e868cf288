from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bench.samples import label
from ziyan.bench.contestant import Reading
from ziyan.bench.errors import BenchError
from ziyan.bench.race import race


@dataclass
class Runner:
    name: str
    log: list[str]
    error: str = ""
    seen: list[str] = field(default_factory=list)

    def read(self, path: Path) -> Reading:
        self.log.append(self.name)
        self.seen.append(path.name)
        return Reading((path.name,), 1.0, 1.0, self.error)


LABELS = [label(name="empty.png"), *(label("text", name=f"{number}.png") for number in range(3))]


def test_readers_take_turns_and_who_is_first_changes() -> None:
    log: list[str] = []
    runners = [Runner(name, log) for name in "abc"]
    outcomes = race(runners, LABELS, settle=0)
    assert "".join(log) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert [outcome.label for outcome in outcomes] == LABELS
    assert all(list(outcome.readings) == ["a", "b", "c"] for outcome in outcomes)


def test_each_picture_is_read_once_after_a_warm_up_with_text() -> None:
    runner = Runner("a", [])
    race([runner], LABELS, settle=0)
    assert runner.seen == ["0.png", "empty.png", "0.png", "1.png", "2.png"]


def test_progress_is_told() -> None:
    told: list[str] = []
    race([Runner("a", [])], LABELS, lambda it: told.append(it.key), settle=0)
    assert told == [it.key for it in LABELS]


def test_a_reader_that_fails_to_warm_up_stops_the_race() -> None:
    with pytest.raises(BenchError, match=r"b cannot read the warm-up picture c/0.png: no weights"):
        race([Runner("a", []), Runner("b", [], "no weights")], LABELS, settle=0)
