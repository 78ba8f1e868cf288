"""Brings notices from the outbox to their targets.

A notice is put into the outbox in the transaction that makes it, so none is lost.  Whoever delivers one holds it for
some minutes first: several gateways share the work, and what a crash leaves is taken up by another.  Only a sender that
dies between sending and noting it down sends twice; ``channels`` says how a receiver tells.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection

from ziyan.errors import SettingsError, StoreError
from ziyan.metering import notices
from ziyan.metering.channels import THREADS, Address, Channels, Outcome
from ziyan.metering.notice_texts import message
from ziyan.metering.store import Store
from ziyan.metering.store import notices as table
from ziyan.metering.store.notices import Waiting
from ziyan.metering.times import now_ms

_logger: Final = logging.getLogger("ziyan.notices")
_IDLE_SECONDS: Final = 5.0
_LOOK_EVERY_MS: Final = 60_000
_GRACE_SECONDS: Final = 5.0
#: Longer than any delivery takes.
LEASE_MS: Final = 300_000
#: After the first, second… failed attempt: 10 s, 30 s, 90 s… and never more than six hours; the twelfth is the last,
#: after about a day and a half.
ATTEMPTS: Final = 12
_FIRST_WAIT_MS: Final = 10_000
_WAIT_GROWS: Final = 3
_LONGEST_WAIT_MS: Final = 6 * 3_600_000


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of the sender came to.

    Attributes:
        told: Notices that it found to be due.
        sent: Deliveries that arrived.
        failed: Attempts that did not.
        waiting: What is still on its way.
        errors: Why attempts failed, each reason once.
    """

    told: int
    sent: int
    failed: int
    waiting: int
    errors: tuple[str, ...] = ()


class Sender:
    """Delivers what waits.  Any number of them, in any number of processes, may do so at once."""

    def __init__(self, store: Store, channels: Channels, *, clock: Callable[[], int] = now_ms) -> None:
        """Deliver from ``store`` through ``channels``; ``clock`` gives the moment."""
        self._store = store
        self._channels = channels
        self._clock = clock
        self._holder = uuid4().hex
        #: Outcomes that the database has not taken yet.
        self._unmarked: deque[tuple[Waiting, Outcome]] = deque()

    async def run(self) -> None:
        """Look and deliver until cancelled; then finish what is under way, for some seconds."""
        while True:
            working = asyncio.ensure_future(self._turn())
            try:
                delivered = await asyncio.shield(working)
            except asyncio.CancelledError:
                await asyncio.wait({working}, timeout=_GRACE_SECONDS)
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
                raise
            if not delivered:
                await asyncio.sleep(_IDLE_SECONDS)

    async def once(self) -> Report:
        """Look, and deliver all that is due.

        Raises:
            StoreError: The database is away.
        """
        told = await self._look()
        sent, errors = 0, []
        while outcomes := await self._deliver():
            sent += sum(not outcome.error for outcome in outcomes)
            errors += [outcome.error for outcome in outcomes if outcome.error]
        waiting = await self._store.run(table.waiting)
        return Report(told, sent, len(errors), waiting, tuple(dict.fromkeys(errors)))

    async def _turn(self) -> bool:
        """One round of ``run``; False where nothing was due."""
        try:
            if await self._has_turn():
                await self._look()
            return bool(await self._deliver())
        except StoreError as error:
            _logger.warning("notices cannot be sent yet", extra={"fields": {"internal": error.internal}})
        except Exception:
            _logger.exception("notices cannot be sent")
        return False

    async def _has_turn(self) -> bool:
        """Whether this gateway is to look at every package: one of them does so each minute."""
        now = self._clock()
        if not await self._store.run(lambda connection: table.turn_is_due(connection, now, _LOOK_EVERY_MS)):
            return False
        return await self._store.run(lambda connection: table.take_turn(connection, now, _LOOK_EVERY_MS), write=True)

    async def _look(self) -> int:
        """Tell what is due; nobody else who writes waits for the looking."""
        now = self._clock()
        if not await self._store.run(lambda connection: notices.due(connection, now)):
            return 0
        return await self._store.run(lambda connection: notices.look(connection, now), write=True)

    async def _deliver(self) -> list[Outcome]:
        """Deliver some of what is due; what they came to."""
        await self._mark()
        now = self._clock()
        if not await self._store.run(lambda connection: table.is_due(connection, now)):
            return []
        held = await self._store.run(
            lambda connection: table.claim(connection, self._holder, now=now, until=now + LEASE_MS, limit=THREADS),
            write=True,
        )
        outcomes = await asyncio.gather(*map(self._deliver_one, held))
        await self._mark()
        return outcomes

    async def _deliver_one(self, waiting: Waiting) -> Outcome:
        notice, target = waiting.notice, waiting.target
        try:
            address = Address.from_json(self._store.keyring.unseal(target.sealed, target.id))
            told = message(notice, self._store.zone)
            outcome = await self._channels.deliver(waiting.id, target.kind, address, notice, told)
        except SettingsError as error:
            outcome = Outcome(str(error))
        except Exception:
            _logger.exception("a notice cannot be sent", extra={"fields": {"notice": notice.id, "target": target.id}})
            outcome = Outcome("an error of our own; see the log")
        self._unmarked.append((waiting, outcome))
        return outcome

    async def _mark(self) -> None:
        """Note what deliveries came to; what the database does not take stays for the next time."""
        while self._unmarked:
            waiting, outcome = self._unmarked[0]
            await self._store.run(partial(self._note, waiting, outcome), write=True)
            self._unmarked.popleft()
            if outcome.error:
                fields = {"notice": waiting.notice.id, "target": waiting.target.id, "attempt": waiting.attempts}
                _logger.warning("a notice did not arrive", extra={"fields": {**fields, "error": outcome.error}})

    def _note(self, waiting: Waiting, outcome: Outcome, connection: Connection) -> None:
        now = self._clock()
        if not outcome.error:
            table.mark_sent(connection, waiting.id, now)
        elif outcome.gone:
            table.disable_target(connection, waiting.target.account_id, waiting.target.id, now)
        else:
            next_at = None if waiting.attempts >= ATTEMPTS else now + wait_ms(waiting.attempts, waiting.id)
            table.mark_failed(connection, waiting.id, self._holder, error=outcome.error, next_at=next_at)


def wait_ms(attempts: int, delivery_id: str) -> int:
    """How long after so many failed attempts the next one is made; up to a tenth more, so that not all come at once."""
    wait: int = min(_FIRST_WAIT_MS * _WAIT_GROWS ** (attempts - 1), _LONGEST_WAIT_MS)
    return wait + wait * int(delivery_id[:4], 16) // 0x10000 // 10
