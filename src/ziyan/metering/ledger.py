"""Proves that what was billed, what was consumed and what packages count are the same."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from ziyan.metering.store import Store, packages, usage
from ziyan.metering.times import HOUR_MS


@dataclass(frozen=True, slots=True)
class Difference:
    """Two figures that ought to be the same.

    Attributes:
        package_id: Of which package.
        what: Which figures they are.
        found: The one.
        expected: The other.
    """

    package_id: str
    what: str
    found: int
    expected: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        packages: How many there are.
        consumed: Calls that all of them count as billed.
        events: Events of billed calls that are there; those before ``since`` were dropped.
        since: The moment from which on events are there; 0 where none were dropped.
        differences: What is not as it ought to be; empty where all is well.
    """

    packages: int
    consumed: int
    events: int
    since: int
    differences: tuple[Difference, ...]


def check(store: Store) -> Report:
    """Compare every package's counters with its events, its sums and its reservations, as of one moment.

    Raises:
        StoreError: The database is away.
    """
    return store.transact(_check, snapshot=True)


def _check(connection: Connection) -> Report:
    counters = packages.counters(connection)
    since = -(-usage.dropped_before(connection) // HOUR_MS) * HOUR_MS
    consumed = {package: numbers[2] for package, numbers in counters.items()}
    events = usage.billed_events(connection, since)
    pairs = (
        ("billed by the sums of days, and consumed", usage.billed_by_package(connection, "day"), consumed),
        ("billed by the sums of hours, and consumed", usage.billed_by_package(connection, "hour"), consumed),
        (
            "events of billed calls, and the sums of hours",
            events,
            usage.billed_hours(connection, since),
        ),
        ("calls held, and reserved", packages.held(connection), {p: numbers[1] for p, numbers in counters.items()}),
    )
    differences = [
        Difference(package, what, found.get(package, 0), expected.get(package, 0))
        for what, found, expected in pairs
        for package in sorted(found.keys() | expected.keys())
        if found.get(package, 0) != expected.get(package, 0)
    ]
    return Report(len(counters), sum(consumed.values()), sum(events.values()), since, tuple(differences))
