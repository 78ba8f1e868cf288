"""What became of calls: outcomes that are noted now and written soon, sums of them, and those that are too old."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import Final

from sqlalchemy import Connection

from ziyan.errors import StoreError
from ziyan.metering import packages
from ziyan.metering.packages import Settlement
from ziyan.metering.store import Store, answers, taken
from ziyan.metering.store import usage as table
from ziyan.metering.store.usage import Event, Total
from ziyan.metering.times import DAY_MS, hour_start, now_ms

__all__ = ["Event", "Recorder", "Settlement", "Total", "drop_events", "events", "totals"]

_logger: Final = logging.getLogger("ziyan.usage")
_FLUSH_SECONDS: Final = 0.2
_RETRY_SECONDS: Final = 1.0
_CLEAN_SECONDS: Final = 15.0
_AT_ONCE: Final = 500
_DROPPED_AT_ONCE: Final = 5_000
#: Between two hours whose events are dropped: a clock that is wrong costs a day of the oldest events in an hour, and
#: what was not dropped while the service was off is caught up with (docs/adr/0006).
DROP_SECONDS: Final = 150.0
#: Outcomes that may wait for a database that is away.  Only calls that were under way when it went can come to wait:
#: without it nobody signs in.
MOST_WAITING: Final = 100_000


class Recorder:
    """Writes down the free ends of calls, off their way: in order, again and again until the database takes them.

    Attributes:
        waiting: Those that are not written yet.
        lost: How many found no room to wait, each of which was logged.
    """

    def __init__(self, store: Store, *, usage_days: int) -> None:
        """Write to ``store``, and keep single events for so many days."""
        self._store = store
        self._usage_days = usage_days
        self.waiting: deque[Settlement] = deque()
        self.lost = 0
        self._flushing = asyncio.Lock()
        self._drops_from = 0.0  # by the loop's clock, which nobody sets

    def note(self, settlement: Settlement) -> None:
        """Write this soon."""
        if len(self.waiting) >= MOST_WAITING:
            self.lost += 1
            _log("an outcome was not written down", settlement.event)
            return
        self.waiting.append(settlement)

    async def run(self) -> None:
        """Write what is noted, and clear away what is over, until cancelled; then write what is left."""
        cleaned = asyncio.get_running_loop().time()
        try:
            while True:
                await asyncio.sleep(_FLUSH_SECONDS if await self.flush() else _RETRY_SECONDS)
                if asyncio.get_running_loop().time() - cleaned >= _CLEAN_SECONDS:
                    await self.clean()
                    cleaned = asyncio.get_running_loop().time()
        finally:
            if not await self.flush():
                for settlement in self.waiting:
                    _log("an outcome was not written down", settlement.event)

    async def flush(self) -> bool:
        """Write all that waits; False where the database is away, and what is not written goes on waiting."""
        async with self._flushing:
            return await self._flush()

    async def _flush(self) -> bool:
        while self.waiting:
            batch = self._next_batch()
            try:
                await self._store.run(partial(self._write, batch), write=True, light=True)
            except asyncio.CancelledError:  # it may be written or not; to write it again changes nothing
                self.waiting.extendleft(reversed(batch))
                raise
            except StoreError as error:
                self.waiting.extendleft(reversed(batch))
                _logger.warning("outcomes cannot be written down yet", extra={"fields": {"internal": error.internal}})
                return False
            except Exception:
                for settlement in batch:
                    self.lost += 1
                    _log("an outcome was not written down", settlement.event)
                _logger.exception("outcomes cannot be written down")
        return True

    async def clean(self) -> None:
        """Give back what crashed calls held, and drop answers, what is honoured once, and events whose time is over."""
        before, steady = now_ms() - self._usage_days * DAY_MS, asyncio.get_running_loop().time()

        def work(connection: Connection) -> int:
            answers.sweep(connection, now_ms(), _AT_ONCE)
            taken.sweep(connection, now_ms(), _DROPPED_AT_ONCE)
            return table.drop_oldest(connection, before, _DROPPED_AT_ONCE) if steady >= self._drops_from else 0

        try:
            # Apart from each other: together they would hold locks in an order that nobody else does.
            await self._store.run(packages.sweep_in, write=True, light=True)
            if 0 < await self._store.run(work, write=True, light=True) < _DROPPED_AT_ONCE:  # all of that hour's
                self._drops_from = steady + DROP_SECONDS
        except StoreError as error:
            _logger.warning("nothing can be cleared away yet", extra={"fields": {"internal": error.internal}})

    def _next_batch(self) -> list[Settlement]:
        """As many as hold nothing, or the one that does: together they might wait for others in a ring."""
        batch = [self.waiting.popleft()]
        while _is_plain(batch[-1]) and self.waiting and _is_plain(self.waiting[0]) and len(batch) < _AT_ONCE:
            batch.append(self.waiting.popleft())
        return batch

    def _write(self, batch: list[Settlement], connection: Connection) -> None:
        if _is_plain(batch[0]):
            table.add_all(connection, [settlement.event for settlement in batch], self._store.zone)
        else:
            packages.settle_in(connection, self._store, batch[0])


def _is_plain(settlement: Settlement) -> bool:
    """Whether it is the event of a call that held nothing."""
    return not settlement.holds


def _log(what: str, event: Event) -> None:
    fields = {"request_id": event.id, "app": event.app_id, "status": event.status, "code": event.code, "at": event.at}
    _logger.error(what, extra={"fields": fields})


def events(store: Store, app_id: str, *, since: int, until: int, limit: int = 100) -> list[Event]:
    """An app's events from ``since`` on and before ``until``, newest first."""
    return store.transact(lambda connection: table.events(connection, app_id, since=since, until=until, limit=limit))


def totals(
    store: Store, *, span: str, since: int, until: int, app_id: str | None = None, account_id: str | None = None
) -> list[Total]:
    """Sums by app, package and outcome of the hours or days that begin from ``since`` on and before ``until``.

    Args:
        store: The database.
        span: ``hour``, of UTC, or ``day``, of the store's zone.
        since: The first moment.
        until: The moment after the last.
        app_id: Only of this app.
        account_id: Only of this account.
    """
    return store.transact(
        lambda connection: table.totals(
            connection, span=span, since=since, until=until, app_id=app_id, account_id=account_id
        )
    )


def drop_events(store: Store, before: int) -> int:
    """Drop events before the hour of a moment, whose sums stay; how many they were."""
    dropped, moment = 0, hour_start(before)
    while count := store.transact(lambda connection: table.drop(connection, moment, _DROPPED_AT_ONCE), write=True):
        dropped += count
    return dropped
