"""SQL on events in bulk.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from ziyan.metering.store.schema import usage_events
from ziyan.metering.store.usage import Event


def events_after(
    connection: Connection,
    *,
    after: tuple[int, str],
    until: int,
    account_id: str | None,
    app_id: str | None,
    limit: int,
) -> list[Event]:
    """The next events behind one (its moment and identifier), before a moment, oldest first."""
    c = usage_events.c
    moment, event_id = after
    statement = (
        select(c.at, c.id, c.app_id, c.package_id, c.status, c.code, c.billed, c.ms, c.bytes_in)
        # The first part is what an index can find; the rest is for several events of one moment.
        .where(c.at >= moment, or_(c.at > moment, c.id > event_id), c.at < until)
        .order_by(c.at, c.id)
        .limit(limit)
    )
    if account_id is not None:
        statement = statement.where(c.account_id == account_id)
    if app_id is not None:
        statement = statement.where(c.app_id == app_id)
    return [Event(*row[:6], bool(row[6]), *row[7:]) for row in connection.execute(statement)]
