"""SQL on the tokens of the admin API and of buyers.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ziyan.metering.store.schema import admin_tokens
from ziyan.metering.store.slices import Asked, Slice, cut


@dataclass(frozen=True, slots=True)
class Token:
    """Who may change or see what through the admin API, or, of one account, through the buyer API.

    Attributes:
        id: Identifier; goes into the audit log.
        name: For people.
        account_id: The account outside of which it sees and changes nothing; None for an operator's.
        scopes: What it may do.
        created_at: When it was made.
        expires_at: When it ends; None for never.
        revoked_at: When it was taken away; None where it was not.
        used_at: When it was used last, to the minute.
    """

    id: str
    name: str
    account_id: str | None
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    used_at: int | None = None

    def works(self, now: int) -> bool:
        """Whether it is taken at a moment."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


_C = admin_tokens.c
_TOKEN = tuple(_C[name] for name in Token.__dataclass_fields__)


def add(connection: Connection, token: Token, lookup: bytes) -> None:
    """Store a new token under the keyed hash of what its holder sends."""
    values = {name: getattr(token, name) for name in Token.__dataclass_fields__}
    connection.execute(insert(admin_tokens).values({**values, "scopes": ",".join(token.scopes), "lookup": lookup}))


def by_lookup(connection: Connection, lookup: bytes) -> tuple[Token, bytes] | None:
    """The token of this keyed hash, whether it works or not, and the hash as it is stored."""
    row = connection.execute(select(*_TOKEN, _C.lookup).where(_C.lookup == lookup)).one_or_none()
    return (_token(row), row.lookup) if row else None


def by_id(connection: Connection, token_id: str) -> Token | None:
    """The token of this identifier."""
    row = connection.execute(select(*_TOKEN).where(_C.id == token_id).with_for_update()).one_or_none()
    return _token(row) if row else None


def page(connection: Connection, asked: Asked, account_id: str | None) -> Slice[Token]:
    """Tokens, newest first; of one account, where it is named."""
    statement = select(*_TOKEN)
    if account_id is not None:
        statement = statement.where(_C.account_id == account_id)
    return cut(connection, statement, (_C.created_at, _C.id), asked, _token)


def change(connection: Connection, token: Token) -> None:
    """Store when a token ends and when it was used."""
    values = {"expires_at": token.expires_at, "revoked_at": token.revoked_at, "used_at": token.used_at}
    connection.execute(update(admin_tokens).where(_C.id == token.id).values(values))


def touch(connection: Connection, token_id: str, now: int) -> None:
    """Note that a token was used."""
    connection.execute(update(admin_tokens).where(_C.id == token_id).values(used_at=now))


def _token(row: Row[*tuple[Any, ...]]) -> Token:
    values = {name: getattr(row, name) for name in Token.__dataclass_fields__}
    return Token(**{**values, "scopes": tuple(row.scopes.split(","))})
