"""What is honoured once: nonces of signed calls, and signs of own-platform calls.

They are kept in the database because several gateway processes share them.  What is kept is a keyed hash, until a
moment after which whoever judges the call refuses it anyway; ``usage.Recorder`` clears away what is past it.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Connection

from ziyan.metering.store import Store
from ziyan.metering.store import taken as table


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one call has taken.

    Attributes:
        lookup: Keyed hash of it.
        holder: Tells this call's taking from another's.
        until: The moment from which it may be taken again.
    """

    lookup: bytes
    holder: str
    until: int


def ticket(store: Store, kind: str, identifier: str, *, until: int) -> Ticket:
    """What one call may take, not taken yet; of the same, each call has another."""
    return Ticket(store.keyring.lookup(kind, identifier), uuid4().hex, until)


def take_in(connection: Connection, wanted: Ticket, *, now: int) -> bool:
    """As ``take``, inside a transaction that has begun."""
    return table.take(connection, wanted.lookup, wanted.holder, now=now, until=wanted.until)


async def take(store: Store, kind: str, identifier: str, *, now: int, until: int) -> Ticket | None:
    """Take it for oneself; None where another call has it.  One statement decides, also between processes.

    The disk is not waited for (docs/adr/0004).

    Args:
        store: The database.
        kind: What it is; identifiers of different kinds do not meet.
        identifier: Which one.
        now: This moment, in milliseconds since 1970.
        until: The moment from which it may be taken again.

    Raises:
        StoreError: The database is away.
    """
    wanted = ticket(store, kind, identifier, until=until)
    won = await store.run(lambda connection: take_in(connection, wanted, now=now), write=True, light=True)
    return wanted if won else None
