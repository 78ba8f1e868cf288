"""A captured call must not be repeatable for money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ziyan.api.refusals import NONCE_USED, CheckError, GatewayRefusedError, SignInCheck
from ziyan.errors import ZiyanError
from ziyan.metering import once
from ziyan.metering.store import Store
from ziyan.metering.times import now_ms

#: What a gateway's client makes up for each call, honoured once whatever becomes of the call.
NONCE: Final = "nonce"
#: The signature of an own-platform call, which may come again until it was billed.
SIGN: Final = "sign"


@dataclass(frozen=True, slots=True)
class Claim:
    """What of a call is honoured once only.

    Attributes:
        kind: ``NONCE`` or ``SIGN``.
        identifier: The credential that it belongs to, and what it is.
        until: Milliseconds since 1970 from which on the call is too old to be repeated.
    """

    kind: Literal["nonce", "sign"]
    identifier: str
    until: int

    @property
    def returns(self) -> bool:
        """Whether a call that is not billed gives it back."""
        return self.kind == SIGN


def ticket(store: Store, wanted: Claim, *, lapses: int) -> once.Ticket:
    """What a call takes with the call of a package that it holds: whoever wants the same meanwhile is refused.

    Billing the call holds a sign until it is too old, any other end gives it back, as the moment ``lapses`` does.
    """
    until = lapses if wanted.returns else wanted.until
    return once.ticket(store, wanted.kind, wanted.identifier, until=until)


async def take(store: Store, wanted: Claim) -> None:
    """Take it for good, by itself.

    Raises:
        GatewayRefusedError: A nonce that another call has.
        CheckError: A sign that another call has.
        StoreError: The database is away.
    """
    if not await once.take(store, wanted.kind, wanted.identifier, now=now_ms(), until=wanted.until):
        raise replayed(wanted)


def replayed(wanted: Claim) -> ZiyanError:
    """The refusal where another call has the claim."""
    if wanted.kind == NONCE:
        return GatewayRefusedError(NONCE_USED)
    return CheckError(SignInCheck.SIGN_WRONG, cause="sign_replayed")
