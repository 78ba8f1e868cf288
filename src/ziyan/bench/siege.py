"""Thousands of hostile pictures at once: does every one get a clear answer, and does the engine stand?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil

from ziyan.bench.callers import Answer, ask_all
from ziyan.engine.base import Engine
from ziyan.errors import ImageError
from ziyan.ocr.types import Page

#: Answers between two looks at the memory.
_SAMPLE_EVERY = 50
#: Growth of all processes together, from the first tenth of the siege to its end, that still counts as flat.
FLAT_MIB = 100.0
_MIB = float(1 << 20)


@dataclass(slots=True)
class Siege:
    """What became of the pictures and of the engine.

    Attributes:
        outcomes: (kind of picture, outcome) → how often; the outcome is ``page``, an error's code, or the name of an
            exception that is none of ours.
        unexpected: (kind, what was raised) of everything but a page and an ``ImageError``.
        slowest: Seconds of the slowest answer.
        slowest_kind: Which kind of picture that was.
        refusals: Calls refused because the queue was full, each tried again.
        restarts: Reading processes replaced during the siege.
        memory: Resident bytes of this process and all below it, every so many answers.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexpected: list[tuple[str, str]] = field(default_factory=list)
    slowest: float = 0.0
    slowest_kind: str = ""
    refusals: int = 0
    restarts: int = 0
    memory: list[int] = field(default_factory=list)

    def take(self, kind: str, answer: Answer) -> None:
        """Note one answer."""
        self.refusals += answer.refusals
        if answer.seconds > self.slowest:
            self.slowest, self.slowest_kind = answer.seconds, kind
        result = answer.result
        if isinstance(result, Page):
            outcome = "page"
        else:
            outcome = str(getattr(result, "code", type(result).__name__))
            if not isinstance(result, ImageError):
                internal = getattr(result, "internal", "")
                self.unexpected.append((kind, f"{type(result).__name__}: {result} {internal}".strip()))
        self.outcomes[kind, outcome] += 1

    @property
    def growth(self) -> float:
        """MiB between the first tenth of the siege and its end."""
        return (self.memory[-1] - self.memory[len(self.memory) // 10]) / _MIB if self.memory else 0.0

    @property
    def held(self) -> bool:
        """Only pages and clear refusals, no reading process lost, memory flat."""
        return not self.unexpected and not self.restarts and self.growth <= FLAT_MIB


async def besiege(
    engine: Engine,
    pictures: Iterator[tuple[str, bytes]],
    callers: int,
    deadline: float | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Siege:
    """Throw every picture at ``engine``.

    Args:
        engine: Started.
        pictures: Kind and file.
        callers: How many calls are under way at any time.
        deadline: Seconds for each; None takes the engine's own.
        advance: Called after each answer.
    """
    siege = Siege(memory=[tree_memory()])
    restarts = engine.status().restarts

    def take(kind: str, answer: Answer) -> None:
        siege.take(kind, answer)
        if siege.outcomes.total() % _SAMPLE_EVERY == 0:
            siege.memory.append(tree_memory())
        advance()

    await ask_all(engine, pictures, callers, deadline, take)
    siege.memory.append(tree_memory())
    siege.restarts = engine.status().restarts - restarts
    return siege


def tree_memory() -> int:
    """Resident bytes of this process and all below it."""
    here = psutil.Process()
    total = 0
    for process in (here, *here.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
