"""A captured call must not be repeatable for money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ziyan.api.refusals import CheckError, SignInCheck
from ziyan.metering import once
from ziyan.metering.store import Store
from ziyan.metering.times import now_ms

_KIND: Final = "sign"


@dataclass(frozen=True, slots=True)
class Claim:
    """What of a call may be billed once only.

    Attributes:
        identifier: The appid's credential and its ``sign``.
        until: Milliseconds since 1970 from which on the call is too old to be repeated.
    """

    identifier: str
    until: int


async def claim(store: Store, wanted: Claim, *, lapses: int) -> once.Ticket:
    """Take it: whoever claims the same meanwhile is refused.

    Billing the call holds it until it is too old, any other end gives it back.

    Args:
        store: Where claims are kept, for all processes.
        wanted: What is claimed.
        lapses: The moment at which the claim of a process that crashed is given up.

    Raises:
        CheckError: Another call has the claim.
        StoreError: The database is away.
    """
    ticket = await once.take(store, _KIND, wanted.identifier, now=now_ms(), until=lapses)
    if ticket is None:
        raise CheckError(SignInCheck.SIGN_WRONG, cause="sign_replayed")
    return ticket
