"""Several readers read the same pictures in one run, taking turns picture by picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ziyan.bench.contestant import Reading
from ziyan.bench.dataset import Label
from ziyan.bench.errors import BenchError

#: Pause before each reading, so that threads of the one before, which spin a while for more work, are asleep.
SETTLE = 0.05


class Runner(Protocol):
    """Whoever takes part: a ``Contestant``, or a test's stand-in."""

    @property
    def name(self) -> str:
        """In tables and files."""

    def read(self, path: Path) -> Reading:
        """Read one picture."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One picture and what each contestant, by name, made of it."""

    label: Label
    readings: Mapping[str, Reading]


def race(
    runners: Sequence[Runner],
    labels: Sequence[Label],
    advance: Callable[[Label], None] = lambda label: None,
    settle: float = SETTLE,
) -> list[Outcome]:
    """Read every picture once with every runner, after a warm-up picture.

    All start on the same picture in turn, and who is first changes with every picture, so that a machine that slows
    down or speeds up does so for all.

    Args:
        runners: Who reads.
        labels: What is read.
        advance: Called before each picture.
        settle: Seconds of pause before each reading.

    Raises:
        BenchError: A reader does not come up, or fails on the warm-up picture.
    """
    warm_up(runners, labels)
    outcomes = []
    for number, label in enumerate(labels):
        advance(label)
        first = number % len(runners)
        readings = {}
        for runner in (*runners[first:], *runners[:first]):
            time.sleep(settle)
            readings[runner.name] = runner.read(label.path)
        outcomes.append(Outcome(label, {runner.name: readings[runner.name] for runner in runners}))
    return outcomes


def warm_up(runners: Sequence[Runner], labels: Sequence[Label]) -> None:
    """Let every runner load what it loads late, on the first picture that has text.

    Raises:
        BenchError: A reader fails on it: its figures would be those of a broken installation.
    """
    picture = next((label for label in labels if label.lines), labels[0])
    for runner in runners:
        reading = runner.read(picture.path)
        if reading.error:
            raise BenchError(f"{runner.name} cannot read the warm-up picture {picture.key}: {reading.error}")
