"""Tokens: what operators' programs, and buyers, sign in with to the admin API and the buyer API.

A token is 32 random bytes, so what is stored of it is a keyed hash, found through an index: there is nothing to guess,
and a slow hash, which protects what people think up, would only slow every call.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection

from ziyan.errors import ConflictError, NotFoundError, ScopeError
from ziyan.metering.desk import Desk
from ziyan.metering.store import Store
from ziyan.metering.store import tokens as table
from ziyan.metering.store.tokens import Token
from ziyan.metering.times import DAY_MS, HOUR_MS, now_ms
from ziyan.metering.views import SecretTokenView, TokenView

__all__ = [
    "BUYER",
    "OPERATOR",
    "PREFIX",
    "Issued",
    "Scope",
    "Token",
    "find_token",
    "granted",
    "issue",
    "revoke",
    "rotate",
]

#: What every token begins with: it is known at sight, also by programs that look for leaked secrets.
PREFIX: Final = "zyt_"
_KIND: Final = "token"
#: Between two notes of when a token was used: most calls change nothing.
_TOUCH_MS: Final = 60_000
#: Hours that a token which was rotated works beside its successor.
GRACE_HOURS: Final = 24
MOST_GRACE_HOURS: Final = 24 * 31
MOST_DAYS: Final = 3660


class Scope(StrEnum):
    """What a token may do.  Those of ``account`` are buyers', the others operators'."""

    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    APPS_READ = "apps:read"
    APPS_WRITE = "apps:write"
    KEYS_WRITE = "keys:write"
    CATALOGUE_READ = "catalogue:read"
    CATALOGUE_WRITE = "catalogue:write"
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    PACKAGES_READ = "packages:read"
    PACKAGES_WRITE = "packages:write"
    USAGE_READ = "usage:read"
    STATEMENTS_READ = "statements:read"
    INVOICES_READ = "invoices:read"
    INVOICES_WRITE = "invoices:write"
    TOKENS_READ = "tokens:read"
    TOKENS_WRITE = "tokens:write"
    AUDIT_READ = "audit:read"
    ACCOUNT_READ = "account:read"
    ACCOUNT_KEYS = "account:keys"
    ACCOUNT_ORDERS = "account:orders"
    ACCOUNT_NOTICES = "account:notices"


#: What a buyer's scope lets its holder do, an operator's does too; so whoever gives the one out must have the other.
_IMPLIED: Final = {
    Scope.ACCOUNT_READ: Scope.ACCOUNTS_READ,
    Scope.ACCOUNT_KEYS: Scope.KEYS_WRITE,
    Scope.ACCOUNT_ORDERS: Scope.ORDERS_WRITE,
    Scope.ACCOUNT_NOTICES: Scope.APPS_WRITE,
}
BUYER: Final = tuple(_IMPLIED)
OPERATOR: Final = tuple(scope for scope in Scope if scope not in _IMPLIED)


@dataclass(frozen=True, slots=True)
class Issued:
    """A token with what its holder sends, which is known at this moment only.

    Attributes:
        token: The token.
        secret: What its holder sends.
    """

    token: Token
    secret: str = field(repr=False)

    def view(self) -> SecretTokenView:
        """How it is shown."""
        return SecretTokenView.of(self.token, token=self.secret)


def granted(scopes: Iterable[str], *, buyer: bool) -> tuple[Scope, ...]:
    """Scopes for a token, in one order, each once.

    Raises:
        ConflictError: One of them is none, or is not for such a token; or there are none.
    """
    known, asked = BUYER if buyer else OPERATOR, set(scopes)
    if unknown := asked - set(known):
        raise ConflictError(f"No such token has the scope {min(unknown)}; there are {', '.join(known)}")
    if not asked:
        raise ConflictError("A token needs at least one scope")
    return tuple(scope for scope in known if scope in asked)


def issue(
    desk: Desk,
    name: str,
    scopes: Iterable[str],
    *,
    account_id: str | None = None,
    days: float | None = None,
    giver: Token | None = None,
) -> Issued:
    """Make a token.

    Args:
        desk: Where.
        name: For people.
        scopes: What it may do.
        account_id: The account outside of which it may do nothing; None for an operator's.
        days: How long it works; None for ever.
        giver: The token of whoever asks for it, who cannot give more than they have; None for the command line.

    Raises:
        NotFoundError: There is no such account.
        ConflictError: It makes no sense.
        ScopeError: The giver may not do what it may.
    """
    if account_id is not None:
        desk.account(account_id)
    if days is not None and not 0 < days <= MOST_DAYS:
        raise ConflictError(f"A token works for up to {MOST_DAYS} days, or for ever")
    allowed = granted(scopes, buyer=account_id is not None)
    _refuse_more(allowed, giver)
    now = now_ms()
    expires_at = None if days is None else now + round(days * DAY_MS)
    return _add(desk, Token(uuid4().hex, name, account_id, allowed, now, expires_at))


def rotate(desk: Desk, token_id: str, *, grace_hours: float = GRACE_HOURS, giver: Token | None = None) -> Issued:
    """Put a new token in the place of one, which goes on working for some hours.

    Raises:
        NotFoundError: There is no such token.
        ConflictError: It does not work any more.
        ScopeError: The giver may not do what it may.
    """
    old, now = _known(desk, token_id), now_ms()
    _refuse_more(old.scopes, giver)
    if not old.works(now):
        raise ConflictError(f"Token {token_id} does not work any more; create another one")
    if not 0 <= grace_hours <= MOST_GRACE_HOURS:
        raise ConflictError(f"A grace period of a token has between 0 and {MOST_GRACE_HOURS} hours")
    ends = now + round(grace_hours * HOUR_MS)
    ended = replace(old, expires_at=min(ends, old.expires_at or ends))
    table.change(desk.connection, ended)
    desk.note("token.rotate", old.id, TokenView.of(old), TokenView.of(ended))
    return _add(desk, Token(uuid4().hex, old.name, old.account_id, old.scopes, now, old.expires_at))


def revoke(desk: Desk, token_id: str) -> Token:
    """Refuse a token for good, at once; to do so again changes nothing.

    Raises:
        NotFoundError: There is no such token.
    """
    before = _known(desk, token_id)
    if before.revoked_at is not None:
        return before
    after = replace(before, revoked_at=now_ms())
    table.change(desk.connection, after)
    desk.note("token.revoke", token_id, TokenView.of(before), TokenView.of(after))
    return after


async def find_token(store: Store, secret: str) -> Token | None:
    """The token that somebody sends, if it works; nothing tells one that has ended from one that never was.

    Raises:
        StoreError: The database is away.
    """
    lookup, now = store.keyring.lookup(_KIND, secret), now_ms()
    found = await store.run(lambda connection: table.by_lookup(connection, lookup))
    # The index has compared already, which tells at most of the hash, that nobody can make without the key.
    if found is None or not hmac.compare_digest(found[1], lookup) or not found[0].works(now):
        return None
    token = found[0]
    if token.used_at is None or now - token.used_at >= _TOUCH_MS:

        def touch(connection: Connection) -> None:
            table.touch(connection, token.id, now)

        await store.run(touch, write=True)
    return token


def _add(desk: Desk, token: Token) -> Issued:
    secret = PREFIX + secrets.token_urlsafe(32)
    table.add(desk.connection, token, desk.store.keyring.lookup(_KIND, secret))
    desk.note("token.create", token.id, None, TokenView.of(token))
    return Issued(token, secret)


def _known(desk: Desk, token_id: str) -> Token:
    token = table.by_id(desk.connection, token_id)
    if token is None or desk.account_id not in {None, token.account_id}:
        raise NotFoundError(f"There is no token {token_id}")
    return token


def _refuse_more(scopes: Iterable[str], giver: Token | None) -> None:
    if giver is None:
        return
    needed = {scope if scope in giver.scopes else _IMPLIED.get(Scope(scope), scope) for scope in scopes}
    if missing := needed - set(giver.scopes):
        raise ScopeError(f"A token that has {min(missing)} itself is needed to give that out")
