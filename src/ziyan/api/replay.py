"""A captured call must not be repeatable for money."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from ziyan.api.refusals import CheckError, SignInCheck
from ziyan.errors import StoreError
from ziyan.metering import once
from ziyan.metering.store import Store

_KIND: Final = "sign"
_MARGIN_MS: Final = 60_000
_MAX_OWED: Final = 10_000
_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0
_logger: Final = logging.getLogger("ziyan.calls")


@dataclass(frozen=True, slots=True)
class Claim:
    """What of a call may be billed once only.

    Attributes:
        identifier: The appid's credential and its ``sign``.
        until: Milliseconds since 1970 from which on the call is too old to be repeated.
    """

    identifier: str
    until: int


class Claims:
    """Who has claimed what, by way of the database, which all processes share.

    A claim that cannot be given back because the database is away is given back later: before the same is claimed
    here again, and by itself as soon as that can be done, for other processes.  Used by one event loop.
    """

    def __init__(self, store: Store, *, seconds: float) -> None:
        """Keep claims in ``store`` for calls that take ``seconds`` at most; those of a crashed process lapse then."""
        self._store = store
        self._lapse_ms = round(seconds * 1000) + _MARGIN_MS
        self._owed: dict[str, _Owed] = {}
        self._settling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def billed_once(self, claim: Claim | None) -> AsyncIterator[None]:
        """Around what may end in a billed answer: whoever claims the same meanwhile, or after that, is refused.

        Nothing is billed yet (docs/adr/0002).  Until metering decides, what returns counts as billed, for only a
        success returns, and what raises as not billed: then the same call may be made again.

        Args:
            claim: What is claimed; nothing happens around a call without one.

        Raises:
            CheckError: Another call has the claim.
            StoreError: The database is away.
        """
        if claim is None:
            yield
            return
        lapses = _now() + self._lapse_ms
        ticket = await self._take(claim.identifier, lapses)
        try:
            yield
            await once.keep(self._store, ticket, until=claim.until)
        except BaseException:
            await self._give_back(claim.identifier, _Owed(ticket, lapses))
            raise

    async def _take(self, identifier: str, lapses: int) -> once.Ticket:
        if owed := self._owed.get(identifier):
            await self._settle(identifier, owed)
        ticket = await once.take(self._store, _KIND, identifier, now=_now(), until=lapses)
        if ticket is None:
            raise CheckError(SignInCheck.SIGN_WRONG, cause="sign_replayed")
        return ticket

    async def _give_back(self, identifier: str, owed: _Owed) -> None:
        try:
            await once.give_back(self._store, owed.ticket)
        except StoreError as error:  # the caller is told of what failed first
            _logger.warning("a claim could not be given back", extra={"fields": {"internal": error.internal}})
            if len(self._owed) < _MAX_OWED:  # any more lapse by themselves
                self._owed[identifier] = owed
            if self._settling is None or self._settling.done():
                self._settling = asyncio.create_task(self._settle_all())

    async def _settle_all(self) -> None:
        """Give back all that is owed, with growing pauses; what has lapsed meanwhile is owed no longer."""
        pause = _PAUSE_SECONDS
        while self._owed:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            self._owed = {name: owed for name, owed in self._owed.items() if owed.lapses > _now()}
            with suppress(StoreError):
                for identifier, owed in list(self._owed.items()):
                    await self._settle(identifier, owed)

    async def _settle(self, identifier: str, owed: _Owed) -> None:
        await once.give_back(self._store, owed.ticket)
        if self._owed.get(identifier) is owed:  # not what a later call owes
            del self._owed[identifier]


@dataclass(frozen=True, slots=True)
class _Owed:
    """A claim that is still to be given back, and the moment from which it need not be."""

    ticket: once.Ticket
    lapses: int


def _now() -> int:
    return time.time_ns() // 1_000_000
