"""``kill -9`` of a reading process in the middle of a picture: who notices?"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass

import psutil

from ziyan.bench.callers import OPTIONS, ask
from ziyan.bench.errors import BenchError
from ziyan.engine.base import Engine
from ziyan.errors import ReaderCrashedError
from ziyan.ocr.types import Page

#: Calls under way when the process dies; with one reading process all but one of them wait.
CALLS = 4
#: Seconds between looks at who computes, and how many looks; CPU time is counted in hundredths of a second.
_WATCH, _LOOKS = 0.03, 20


@dataclass(frozen=True, slots=True)
class Crash:
    """How the engine took it.

    Attributes:
        outcomes: What became of the calls that were under way: ``page`` or an error's class → how many.
        undisturbed: Seconds one picture takes when nothing happens.
        next_answer: Seconds from the kill to the first page that was answered after it.
        restarts: Reading processes replaced.
    """

    outcomes: Counter[str]
    undisturbed: float
    next_answer: float
    restarts: int

    @property
    def contained(self) -> bool:
        """One call lost, with the error that says why; all others served."""
        return self.outcomes == {ReaderCrashedError.__name__: 1, "page": CALLS - 1}


async def crash(engine: Engine, image_bytes: bytes) -> Crash:
    """Kill the reading process of ``engine``, which must have just one, while it reads ``image_bytes``.

    Raises:
        BenchError: No process could be seen reading.
    """
    # a reader's first picture warms it up and tells nothing about how long the next one takes
    await engine.read(image_bytes, OPTIONS)
    started = time.perf_counter()
    await engine.read(image_bytes, OPTIONS)
    undisturbed = time.perf_counter() - started
    restarts = engine.status().restarts
    answered: list[float] = []

    async def call() -> str:
        answer = await ask(engine, image_bytes, None)
        if isinstance(answer.result, Page):
            answered.append(time.perf_counter())
            return "page"
        return type(answer.result).__name__

    calls = [asyncio.create_task(call()) for _ in range(CALLS)]
    # well into the first picture, well before its end
    await asyncio.sleep(undisturbed / 3)
    busiest = await asyncio.to_thread(_busiest_child)
    if answered:
        raise BenchError("the picture was read before its process could be killed: choose one that takes longer")
    killed = time.perf_counter()
    busiest.send_signal(signal.SIGKILL)
    outcomes = Counter(await asyncio.gather(*calls))
    next_answer = min(answered, default=float("inf")) - killed
    return Crash(outcomes, undisturbed, next_answer, engine.status().restarts - restarts)


def _busiest_child() -> psutil.Process:
    """The process below this one that computes most: the one that reads, whatever the engine runs besides."""
    before: dict[psutil.Process, float] = {}
    for _ in range(_LOOKS):
        used = {}
        for child in psutil.Process().children(recursive=True):
            seconds = _cpu_seconds(child)
            used[child] = seconds - before.setdefault(child, seconds)
        if any(used.values()):
            return max(used, key=lambda child: used[child])
        time.sleep(_WATCH)
    raise BenchError("no process is seen reading")


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
