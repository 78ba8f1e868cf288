"""SQL on answers that are given again.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, or_, select, text, update
from sqlalchemy.types import LargeBinary

from ziyan.metering.store.schema import answers
from ziyan.metering.times import DAY_MS

_SWEPT_AT_ONCE: Final = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of an Idempotency-Key.

    Attributes:
        holder: The call that was answered, or is being answered.
        body_hash: Of its request, 32 bytes.
        sealed: Its answer, encrypted; None while it is under way.
    """

    holder: str
    body_hash: bytes
    sealed: bytes | None


#: Understood by SQLite and PostgreSQL alike.  Of any number that run at once, exactly one changes a row.
_BEGIN: Final = text(
    "INSERT INTO answers (lookup, holder, body_hash, sealed, expires_at) "
    "VALUES (:lookup, :holder, :body_hash, NULL, :until) "
    "ON CONFLICT (lookup) DO UPDATE SET holder = excluded.holder, body_hash = excluded.body_hash, sealed = NULL, "
    "expires_at = excluded.expires_at WHERE answers.expires_at <= :now"
).bindparams(bindparam("lookup", type_=LargeBinary), bindparam("body_hash", type_=LargeBinary))


def begin(connection: Connection, lookup: bytes, holder: str, body_hash: bytes, *, now: int, until: int) -> bool:
    """Be the one call that is made for this key; False where another one was or is."""
    row = {"lookup": lookup, "holder": holder, "body_hash": body_hash, "now": now, "until": until}
    return connection.execute(_BEGIN, row).rowcount == 1


def find(connection: Connection, lookup: bytes, now: int) -> Kept | None:
    """What is known of a key."""
    c = answers.c
    statement = select(c.holder, c.body_hash, c.sealed).where(c.lookup == lookup, c.expires_at > now)
    row = connection.execute(statement).one_or_none()
    return Kept(*row) if row else None


def keep(connection: Connection, lookup: bytes, holder: str, sealed: bytes, until: int) -> None:
    """Keep the answer of the call that was made."""
    statement = update(answers).where(answers.c.lookup == lookup, answers.c.holder == holder)
    connection.execute(statement.values(sealed=sealed, expires_at=until))


def hand_over(connection: Connection, lookup: bytes, former: str, holder: str) -> bool:
    """Note that a kept answer goes to another call; False where it is not there any more."""
    statement = update(answers).where(answers.c.lookup == lookup, answers.c.holder == former)
    return connection.execute(statement.values(holder=holder)).rowcount == 1


def forget(connection: Connection, lookup: bytes, holder: str) -> bool:
    """Let the next call with this key be made anew; False where the answer went to another call meanwhile."""
    statement = delete(answers).where(answers.c.lookup == lookup, answers.c.holder == holder)
    return connection.execute(statement).rowcount == 1


def sweep(connection: Connection, now: int, limit: int = _SWEPT_AT_ONCE) -> int:
    """Delete answers whose time is over, at most so many; how many they were.

    One that is kept for over two days was kept by a clock that was ahead: none is promised for so long.
    """
    until = answers.c.expires_at
    expired = (
        select(answers.c.lookup)
        .where(or_(until <= now, until > now + 2 * DAY_MS))
        .order_by(answers.c.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL's; whoever sweeps waits for nobody, so there is no deadlock
    )
    return connection.execute(delete(answers).where(answers.c.lookup.in_(expired))).rowcount
