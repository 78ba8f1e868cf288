"""Many callers at one engine: who asks, who is refused and asks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ziyan.engine.base import Engine
from ziyan.errors import EngineBusyError
from ziyan.ocr.types import ALL_FORMATS, ImageLimits, Page, ReadOptions

#: Everything the native API takes in, so that every decoder is reached.
OPTIONS = ReadOptions(limits=ImageLimits(max_bytes=64 << 20, formats=ALL_FORMATS))
#: Seconds after which a refused caller asks again; sooner than a polite one would, to keep the queue full.
RETRY_AFTER = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call ended.

    Attributes:
        result: The page, or whatever was raised.
        seconds: From the call that was not refused to its end.
        refusals: How often the queue was full before.
    """

    result: Page | Exception
    seconds: float
    refusals: int


async def ask(engine: Engine, image_bytes: bytes, deadline: float | None) -> Answer:
    """Read one picture, trying again for as long as the queue is full."""
    refusals = 0
    while True:
        started = time.perf_counter()
        result: Page | Exception
        try:
            result = await engine.read(image_bytes, OPTIONS, deadline=deadline)
        except EngineBusyError:
            refusals += 1
            await asyncio.sleep(RETRY_AFTER)
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer that is judged
            result = error
        return Answer(result, time.perf_counter() - started, refusals)


async def ask_all(
    engine: Engine,
    pictures: Iterator[tuple[str, bytes]],
    callers: int,
    deadline: float | None,
    take: Callable[[str, Answer], None],
) -> None:
    """Have ``callers`` callers read ``pictures``, each the next one as soon as its last is answered.

    Args:
        engine: Started.
        pictures: Key and file.
        callers: How many calls are under way at any time.
        deadline: Seconds for each; None takes the engine's own.
        take: Given every answer.
    """

    async def caller() -> None:
        # one shared iterator: whoever is free takes the next picture
        for key, image_bytes in pictures:
            take(key, await ask(engine, image_bytes, deadline))

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
