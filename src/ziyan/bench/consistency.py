"""Does a picture read the same, byte for byte, however many callers there are?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ziyan.bench.callers import Answer, ask_all
from ziyan.bench.dataset import Label
from ziyan.engine.base import Engine
from ziyan.errors import ImageError
from ziyan.ocr.types import Page

#: Seconds a call may take: time is not what is measured here, and a full queue in front of slow pictures takes its own.
PATIENCE = 600.0


@dataclass(slots=True)
class Gathered:
    """What a number of callers were told.

    Attributes:
        callers: How many.
        texts: ``category/file`` → everything that was answered, as one string.
        refusals: Calls refused because the queue was full, each tried again.
        failures: ``category/file`` → what went wrong, through no fault of the picture.
    """

    callers: int
    texts: dict[str, str] = field(default_factory=dict)
    refusals: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def take(self, key: str, answer: Answer) -> None:
        """Note one answer."""
        self.refusals += answer.refusals
        result = answer.result
        if isinstance(result, Page):
            self.texts[key] = "\n".join([result.text, "", *(line.text for line in result.lines)])
        elif isinstance(result, ImageError):
            self.texts[key] = f"{result.code}: {result}"
        else:
            self.failures[key] = f"{type(result).__name__}: {result}"


async def gather(
    engine: Engine, labels: Sequence[Label], callers: int, advance: Callable[[], None] = lambda: None
) -> Gathered:
    """Read every picture once with ``callers`` callers."""
    gathered = Gathered(callers)

    def take(key: str, answer: Answer) -> None:
        gathered.take(key, answer)
        advance()

    await ask_all(engine, ((label.key, label.path.read_bytes()) for label in labels), callers, PATIENCE, take)
    return gathered


def differences(one: Gathered, other: Gathered) -> list[str]:
    """``category/file`` of every picture that was answered differently, or not at all in one of the two."""
    keys = one.texts.keys() | other.texts.keys() | one.failures.keys() | other.failures.keys()
    return sorted(key for key in keys if key not in one.texts or one.texts[key] != other.texts.get(key))
