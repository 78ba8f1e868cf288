"""SQL on what became of calls.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, func, select, text, update

from ziyan.metering.store.schema import marks, usage_events, usage_rollups
from ziyan.metering.times import HOUR_MS, day_start, hour_start

#: Name of the mark that says before which moment events were dropped.
DROPPED_BEFORE: Final = "usage_events_dropped_before"


@dataclass(frozen=True, slots=True)
class Event:
    """What became of one call.

    Attributes:
        at: When it came.
        id: The call's identifier.
        app_id: Whose it was.
        package_id: What it was taken from; empty where nothing was.
        status: HTTP status of its answer; 499 where nobody was there to take it.
        code: One word for the outcome.
        billed: Whether it was taken from the package for good.
        ms: Milliseconds it took.
        bytes_in: Size of the request's body.
    """

    at: int
    id: str
    app_id: str
    package_id: str
    status: int
    code: str
    billed: bool
    ms: int
    bytes_in: int


class Total(NamedTuple):
    """Sums over the calls of one app, package and outcome in one hour or day; of a year there are thousands.

    Attributes:
        app_id: Whose.
        start: When the hour or day begins.
        package_id: What the calls were taken from; empty for none.
        code: Their outcome.
        calls: How many there were.
        billed: How many of them were billed.
        ms: Milliseconds that all of them took.
        bytes_in: Size of all their bodies.
    """

    app_id: str
    start: int
    package_id: str
    code: str
    calls: int
    billed: int
    ms: int
    bytes_in: int


#: Both understood by SQLite and PostgreSQL alike.  The account comes from the app, so that a caller need not know it.
_ADD: Final = text(
    "INSERT INTO usage_events (at, id, app_id, account_id, package_id, status, code, billed, ms, bytes_in) "
    "SELECT :at, :id, apps.id, apps.account_id, :package_id, :status, :code, :billed, :ms, :bytes_in "
    "FROM apps WHERE apps.id = :app_id ON CONFLICT (at, id) DO NOTHING"
)
_COUNT: Final = text(
    "INSERT INTO usage_rollups (app_id, span, start, package_id, code, account_id, calls, billed, ms, bytes_in) "
    "SELECT apps.id, :span, :start, :package_id, :code, apps.account_id, :calls, :billed, :ms, :bytes_in "
    "FROM apps WHERE apps.id = :app_id ON CONFLICT (app_id, span, start, package_id, code) DO UPDATE SET "
    "calls = usage_rollups.calls + excluded.calls, billed = usage_rollups.billed + excluded.billed, "
    "ms = usage_rollups.ms + excluded.ms, bytes_in = usage_rollups.bytes_in + excluded.bytes_in"
)


def add(connection: Connection, event: Event, zone: tzinfo) -> bool:
    """Store an event and count it; False, and nothing is changed, where the call's is there already."""
    return add_all(connection, [event], zone) == 1


def add_all(connection: Connection, events: Iterable[Event], zone: tzinfo) -> int:
    """Store those events that are not there yet, and count them; how many they were."""
    added = [event for event in events if connection.execute(_ADD, _row(event)).rowcount == 1]
    _count(connection, [(event, 1) for event in added], zone)
    return len(added)


def find(connection: Connection, at: int, event_id: str) -> Event | None:
    """The event of a call, locked until the transaction ends."""
    statement = _select_events().where(usage_events.c.at == at, usage_events.c.id == event_id).with_for_update()
    row = connection.execute(statement).one_or_none()
    return _event(row) if row else None


def unbill(connection: Connection, old: Event, new: Event, zone: tzinfo) -> None:
    """Put another outcome, one that is free, in the place of a billed one."""
    kept = replace(old, status=new.status, code=new.code, billed=False)
    connection.execute(
        update(usage_events)
        .where(usage_events.c.at == old.at, usage_events.c.id == old.id)
        .values(status=kept.status, code=kept.code, billed=0)
    )
    _count(connection, [(old, -1), (kept, 1)], zone)


def events(connection: Connection, app_id: str, *, since: int, until: int, limit: int) -> list[Event]:
    """An app's events from ``since`` on and before ``until``, newest first."""
    within = (usage_events.c.app_id == app_id, usage_events.c.at >= since, usage_events.c.at < until)
    statement = _select_events().where(*within).order_by(usage_events.c.at.desc(), usage_events.c.id).limit(limit)
    return [_event(row) for row in connection.execute(statement)]


def totals(
    connection: Connection, *, span: str, since: int, until: int, app_id: str | None, account_id: str | None
) -> list[Total]:
    """Sums of the hours or days that begin from ``since`` on and before ``until``, oldest first."""
    c = usage_rollups.c
    statement = (
        select(c.app_id, c.start, c.package_id, c.code, c.calls, c.billed, c.ms, c.bytes_in)
        .where(c.span == span, c.start >= since, c.start < until, c.calls != 0)
        .order_by(c.start, c.app_id, c.package_id, c.code)
    )
    if app_id is not None:
        statement = statement.where(c.app_id == app_id)
    if account_id is not None:
        statement = statement.where(c.account_id == account_id)
    return list(map(Total._make, connection.execute(statement)))


def billed_by_package(connection: Connection, span: str) -> dict[str, int]:
    """Calls billed to each package, by the sums of all hours or all days."""
    c = usage_rollups.c
    statement = select(c.package_id, func.sum(c.billed)).where(c.span == span).group_by(c.package_id)
    return {package: int(billed) for package, billed in connection.execute(statement) if billed}


def billed_events(connection: Connection, since: int) -> dict[str, int]:
    """Calls billed to each package, by the events themselves, from ``since`` on."""
    c = usage_events.c
    statement = select(c.package_id, func.count()).where(c.billed == 1, c.at >= since).group_by(c.package_id)
    return {package: int(billed) for package, billed in connection.execute(statement)}


def billed_hours(connection: Connection, since: int) -> dict[str, int]:
    """Calls billed to each package, by the sums of hours, from the hour on that ``since`` begins."""
    c = usage_rollups.c
    within = (c.span == "hour", c.start >= since)
    statement = select(c.package_id, func.sum(c.billed)).where(*within).group_by(c.package_id)
    return {package: int(billed) for package, billed in connection.execute(statement) if billed}


def dropped_before(connection: Connection) -> int:
    """The moment before which events were dropped; 0 where none were."""
    found = connection.execute(select(marks.c.value).where(marks.c.name == DROPPED_BEFORE)).scalar()
    return int(found or 0)


def drop_oldest(connection: Connection, before: int, limit: int) -> int:
    """Drop events of the oldest hour that has any, if it lies before a moment, at most so many; how many they were.

    Not all that is older than ``before``: that moment may come from a clock that is wrong.
    """
    oldest = connection.execute(select(func.min(usage_events.c.at))).scalar()
    if oldest is None or hour_start(oldest) + HOUR_MS > before:
        return 0
    return drop(connection, hour_start(oldest) + HOUR_MS, limit)


def drop(connection: Connection, before: int, limit: int) -> int:
    """Drop events before a moment that begins an hour, at most so many; how many they were.  Their sums stay."""
    mark = text(
        "INSERT INTO marks (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE "
        "SET value = CASE WHEN excluded.value > marks.value THEN excluded.value ELSE marks.value END"
    )
    connection.execute(mark, {"name": DROPPED_BEFORE, "value": before})
    c = usage_events.c
    old = select(c.at, c.id).where(c.at < before).order_by(c.at).limit(limit).subquery()
    return connection.execute(delete(usage_events).where(c.at < before, c.id.in_(select(old.c.id)))).rowcount


def _select_events() -> Any:
    c = usage_events.c
    return select(c.at, c.id, c.app_id, c.package_id, c.status, c.code, c.billed, c.ms, c.bytes_in)


def _event(row: Any) -> Event:
    at, event_id, app_id, package_id, status, code, billed, ms, bytes_in = row
    return Event(at, event_id, app_id, package_id, status, code, bool(billed), ms, bytes_in)


def _row(event: Event) -> dict[str, Any]:
    return {
        "at": event.at,
        "id": event.id,
        "app_id": event.app_id,
        "package_id": event.package_id,
        "status": event.status,
        "code": event.code,
        "billed": int(event.billed),
        "ms": event.ms,
        "bytes_in": event.bytes_in,
    }


def _count(connection: Connection, counted: Iterable[tuple[Event, int]], zone: tzinfo) -> None:
    """Add events to their sums, or take them out (-1): each sum once, in one order, so that nobody waits in a ring."""
    sums: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for event, sign in counted:
        amounts = {"calls": 1, "billed": int(event.billed), "ms": event.ms, "bytes_in": event.bytes_in}
        for rank, (span, start) in enumerate((("hour", hour_start(event.at)), ("day", day_start(event.at, zone)))):
            key = (event.app_id, event.package_id, event.code, rank, span, start)
            for name, amount in amounts.items():
                sums[key][name] += sign * amount
    rows = [
        {"app_id": app_id, "package_id": package_id, "code": code, "span": span, "start": start, **sums[key]}
        for key in sorted(sums)
        for app_id, package_id, code, _, span, start in [key]
    ]
    if rows:
        connection.execute(_COUNT, rows)
