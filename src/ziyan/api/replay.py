"""A captured call must not be repeatable for money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ziyan.api.refusals import CheckError, SignInCheck
from ziyan.metering import once
from ziyan.metering.store import Store

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


def ticket(store: Store, wanted: Claim) -> once.Ticket:
    """What a call takes with the call of a package that it holds: whoever wants the same meanwhile is refused.

    Billing the call holds it until it is too old, any other end gives it back.
    """
    return once.ticket(store, _KIND, wanted.identifier)


def replayed() -> CheckError:
    """The refusal where another call has the claim."""
    return CheckError(SignInCheck.SIGN_WRONG, cause="sign_replayed")
