"""SQL on what is honoured once.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, select, text, update
from sqlalchemy.types import Integer, LargeBinary

from ziyan.metering.store.schema import taken
from ziyan.metering.times import HOUR_MS

#: So much longer a row lies than it means something: another machine's clock may be late, and this one's may be set
#: forward and back.
_CLOCK_SKEW_MS: Final = HOUR_MS

#: Understood by SQLite and PostgreSQL alike.  Of any number that run at once, exactly one changes a row.
_TAKE: Final = text(
    "INSERT INTO taken (lookup, holder, expires_at) VALUES (:lookup, :holder, :until) "
    "ON CONFLICT (lookup) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at "
    "WHERE taken.expires_at <= :now"
).bindparams(bindparam("lookup", type_=LargeBinary))


#: Made once: to make one takes longer than to run it.
_EXPIRED: Final = (
    select(taken.c.lookup)
    .where(taken.c.expires_at < bindparam("before"))
    .order_by(taken.c.expires_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)  # PostgreSQL's; whoever sweeps waits for nobody, so there is no deadlock
)
_SWEEP: Final = delete(taken).where(taken.c.lookup.in_(_EXPIRED))
_HELD: Final = and_(taken.c.lookup == bindparam("held"), taken.c.holder == bindparam("by"))
_SET_EXPIRY: Final = update(taken).where(_HELD).values(expires_at=bindparam("until"))
_GIVE_BACK: Final = delete(taken).where(_HELD)


def take(connection: Connection, lookup: bytes, holder: str, *, now: int, until: int) -> bool:
    """Take what nobody holds at ``now``; False where somebody does.  Moments are milliseconds since 1970."""
    row = {"lookup": lookup, "holder": holder, "now": now, "until": until}
    return connection.execute(_TAKE, row).rowcount == 1


def sweep(connection: Connection, now: int, most: int) -> None:
    """Delete rows that mean nothing any more, at most so many."""
    connection.execute(_SWEEP, {"before": now - _CLOCK_SKEW_MS, "most": most})


def set_expiry(connection: Connection, lookup: bytes, holder: str, until: int) -> None:
    """Hold until another moment what this holder took."""
    connection.execute(_SET_EXPIRY, {"held": lookup, "by": holder, "until": until})


def give_back(connection: Connection, lookup: bytes, holder: str) -> None:
    """Let go of what this holder took."""
    connection.execute(_GIVE_BACK, {"held": lookup, "by": holder})
