"""``metering``: what it takes to hold a call of a package and to bill it, and how many a second there can be.

At a steady rate calls arrive whether or not earlier ones have ended, so what a stall does to those that come meanwhile
counts.  The peak is compared with two bare statements, each a transaction on the same database through the same
library, as it is the disk that decides what either can do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

from rich.table import Table
from sqlalchemy import Connection, text

from ziyan import garbage
from ziyan.bench import display, machine
from ziyan.metering import ledger, packages
from ziyan.metering.credentials import register_app
from ziyan.metering.packages import Settlement
from ziyan.metering.store import Store
from ziyan.metering.times import now_ms
from ziyan.metering.usage import Event
from ziyan.settings import Settings

#: Milliseconds that holding and billing may take together, at the steady rate.
MOST_MEDIAN_MS: Final = 3.0
MOST_P99_MS: Final = 20.0
#: How many times the calls a second of two bare statements may be those of holding and billing.
MOST_RATIO: Final = 3.0
_CALLS: Final = 1_000_000_000
_HOLD_MS: Final = 60_000
_CALLERS: Final = 4

Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured.

    Attributes:
        times: Milliseconds of each call at the steady rate, from the moment it was due, in rising order.
        peak: Calls a second when each caller makes one after the other.
        bare: The same of two bare statements, before and after.
        clean: Whether the ledger is right after it all.
    """

    times: Sequence[float]
    peak: float
    bare: tuple[float, float]
    clean: bool

    @property
    def p99(self) -> float:
        """Of the times."""
        return self.times[min(len(self.times) - 1, len(self.times) * 99 // 100)]

    @property
    def ratio(self) -> float:
        """How many times as long as two bare statements a call takes at the peak."""
        return sum(self.bare) / 2 / self.peak

    @property
    def good(self) -> bool:
        """Whether every target is met."""
        steady = median(self.times) <= MOST_MEDIAN_MS and self.p99 <= MOST_P99_MS
        return steady and self.ratio <= MOST_RATIO and self.clean


def run(*, rate: float, seconds: float, out: Path) -> bool:
    """Measure on the database of ``ZIYAN_DATABASE_URL``, else on SQLite in a new folder; print and write a file.

    Args:
        rate: Calls that arrive in a second.
        seconds: For how long they do, and how long each peak is looked for.
        out: Folder of ``metering.json``.

    Returns:
        False if a target is missed.

    Raises:
        StoreError: The database does not answer.
    """
    with TemporaryDirectory(dir=out if out.is_dir() else None) as folder:
        store = Store.open(Settings.load(data_dir=Path(folder)))
        try:
            found = asyncio.run(measure(store, rate, seconds))
            database = store.dialect
        finally:
            store.close()
    table = Table(title=f"Holding and billing a call on {database}, {len(found.times):,} calls at {rate:g} a second")
    for head in ("", "found", "at most"):
        table.add_column(head, justify="right" if head else "left")
    table.add_row("both together, ms, median", f"{median(found.times):.2f}", f"{MOST_MEDIAN_MS:g}")
    table.add_row("both together, ms, p99", f"{found.p99:.2f}", f"{MOST_P99_MS:g}")
    table.add_row("peak, calls a second", f"{found.peak:.0f}", "")
    table.add_row("two bare statements, a second", " / ".join(f"{each:.0f}" for each in found.bare), "")
    table.add_row("ratio", f"{found.ratio:.2f}", f"{MOST_RATIO:g}")
    table.add_row("ledger", "clean" if found.clean else "wrong", "")
    display.standard_output().print(table)
    figures = {
        "machine": machine.describe(),
        "database": database,
        "rate": rate,
        "median_ms": median(found.times),
        "p99_ms": found.p99,
        "peak": found.peak,
        "bare": found.bare,
        "ratio": found.ratio,
        "clean": found.clean,
    }
    display.save_figures(out, "metering", figures)
    return found.good


async def measure(store: Store, rate: float, seconds: float) -> Found:
    """All of it, on a database whose caller's package nobody uses up."""
    app_id = register_app(store, "bench").app.id
    packages.grant(store, app_id, _CALLS)

    async def call() -> None:
        holder, started = str(uuid4()).upper(), now_ms()
        package = await packages.reserve(store, app_id, holder, until=started + _HOLD_MS)
        event = Event(started, holder, app_id, package, 200, "ok", True, 1, 1)
        await packages.settle(store, Settlement(event, holds=True))

    def statement(connection: Connection) -> None:
        connection.execute(text("UPDATE accounts SET created_at = created_at + 1 WHERE id = :id"), {"id": app_id})

    async def bare() -> None:
        for _ in range(2):
            await store.run(statement, write=True)

    await peak(call, min(seconds, 1.0))  # warm
    garbage.freeze()
    times = sorted(await arrive(call, rate, seconds))
    before = await peak(bare, seconds)
    most = await peak(call, seconds)
    after = await peak(bare, seconds)
    return Found(times, most, (before, after), not ledger.check(store).differences)


async def arrive(work: Work, rate: float, seconds: float) -> list[float]:
    """Have calls come at a steady rate, whatever becomes of earlier ones; milliseconds that each took."""
    loop, times = asyncio.get_running_loop(), list[float]()
    begun = time.perf_counter()

    async def one(due: float) -> None:
        await work()
        times.append((time.perf_counter() - due) * 1000)

    def send() -> list[Future[None]]:
        """From a thread: the loop's own clock is late by up to a millisecond, which is not the database's fault."""
        sent = []
        for due in (begun + number / rate for number in range(round(rate * seconds))):
            time.sleep(max(0.0, due - time.perf_counter()))
            sent.append(asyncio.run_coroutine_threadsafe(one(due), loop))
        return sent

    await asyncio.gather(*map(asyncio.wrap_future, await asyncio.to_thread(send)))
    return times


async def peak(work: Work, seconds: float) -> float:
    """Calls a second when each of a few callers makes one after the other."""
    ends, made = time.perf_counter() + seconds, 0

    async def caller() -> None:
        nonlocal made
        while time.perf_counter() < ends:
            await work()
            made += 1

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    return made / (time.perf_counter() - started)
