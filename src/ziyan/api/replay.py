"""A captured call must not be repeatable for money."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from ziyan.api.refusals import CheckError, SignInCheck
from ziyan.errors import StoreError
from ziyan.metering import once
from ziyan.metering.store import Store

_KIND: Final = "sign"
_MARGIN_MS: Final = 60_000
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


@asynccontextmanager
async def billed_once(store: Store, claim: Claim | None, *, seconds: float) -> AsyncIterator[None]:
    """Around what may end in a billed answer: whoever claims the same meanwhile, or after that answer, is refused.

    Nothing is billed yet (docs/adr/0002).  Until metering decides, what returns counts as billed, for only a success
    returns, and what raises as not billed: then the same call may be made again.

    Args:
        store: Where claims are kept, for all processes.
        claim: What is claimed; nothing happens around a call without one.
        seconds: How long the work may take at most; after that the claim of a process that crashed lapses.

    Raises:
        CheckError: Another call has the claim.
        StoreError: The database is away.
    """
    if claim is None:
        yield
        return
    now = time.time_ns() // 1_000_000
    lapses = now + round(seconds * 1000) + _MARGIN_MS
    ticket = await once.take(store, _KIND, claim.identifier, now=now, until=lapses)
    if ticket is None:
        raise CheckError(SignInCheck.SIGN_WRONG, cause="sign_replayed")
    try:
        yield
        await once.keep(store, ticket, until=claim.until)
    except BaseException:
        await _give_back(store, ticket)
        raise


async def _give_back(store: Store, ticket: once.Ticket) -> None:
    try:
        await once.give_back(store, ticket)
    except StoreError as error:  # the caller is told of what failed first; the claim lapses by itself
        _logger.warning("a claim could not be given back", extra={"fields": {"internal": error.internal}})
