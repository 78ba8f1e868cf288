from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from ziyan.metering import once, usage
from ziyan.metering.store import Store, schema, taken
from ziyan.metering.times import HOUR_MS
from ziyan.settings import Settings

NOW = 1_700_000_000_000


def rows(store: Store) -> int:
    count = store.transact(lambda connection: connection.execute(select(func.count()).select_from(schema.taken)))
    return int(count.scalar_one())


def give_back(store: Store, ticket: once.Ticket) -> None:
    store.transact(lambda connection: taken.give_back(connection, ticket.lookup, ticket.holder), write=True)


def keep(store: Store, ticket: once.Ticket, until: int) -> None:
    store.transact(lambda connection: taken.set_expiry(connection, ticket.lookup, ticket.holder, until), write=True)


async def test_what_is_taken_is_not_taken_again_until_its_moment(store: Store) -> None:
    assert await once.take(store, "nonce", "a", now=NOW, until=NOW + 10)
    assert await once.take(store, "nonce", "a", now=NOW + 9, until=NOW + 99) is None
    assert await once.take(store, "nonce", "a", now=NOW + 10, until=NOW + 20)
    assert await once.take(store, "nonce", "a", now=NOW + 19, until=NOW + 99) is None


async def test_kinds_and_identifiers_do_not_meet(store: Store) -> None:
    for kind, identifier in (("nonce", "a"), ("nonce", "b"), ("sign", "a"), ("nonce", "a" * 10_000)):
        assert await once.take(store, kind, identifier, now=NOW, until=NOW + 1)


async def test_what_is_given_back_may_be_taken(store: Store) -> None:
    ticket = await once.take(store, "sign", "a", now=NOW, until=NOW + 10)
    assert ticket is not None
    give_back(store, ticket)
    assert await once.take(store, "sign", "a", now=NOW, until=NOW + 10)


async def test_what_is_kept_is_held_longer(store: Store) -> None:
    ticket = await once.take(store, "sign", "a", now=NOW, until=NOW + 10)
    assert ticket is not None
    keep(store, ticket, NOW + 100)
    assert await once.take(store, "sign", "a", now=NOW + 99, until=NOW + 999) is None
    assert await once.take(store, "sign", "a", now=NOW + 100, until=NOW + 999)


async def test_whoever_came_too_late_changes_nothing(store: Store) -> None:
    """A claim lapsed while its process hung; the next holder's is not touched when that one comes to itself."""
    late = await once.take(store, "sign", "a", now=NOW, until=NOW + 10)
    assert late is not None
    assert await once.take(store, "sign", "a", now=NOW + 10, until=NOW + 20)
    give_back(store, late)
    keep(store, late, NOW + 999)
    assert await once.take(store, "sign", "a", now=NOW + 19, until=NOW + 99) is None
    assert await once.take(store, "sign", "a", now=NOW + 20, until=NOW + 99)


@pytest.mark.parametrize("lapsed", [False, True])
@pytest.mark.parametrize("kind", ["nonce", "sign"])
def test_of_stores_that_race_for_one_exactly_one_wins(settings: Settings, lapsed: bool, kind: str) -> None:
    stores = [Store.open(settings) for _ in range(4)]
    start = threading.Barrier(8)

    def race(number: int) -> list[bool]:
        start.wait(20)
        store = stores[number % len(stores)]
        return [
            asyncio.run(once.take(store, kind, f"round {each}", now=NOW, until=NOW + 1000)) is not None
            for each in range(10)
        ]

    if lapsed:
        for each in range(10):
            asyncio.run(once.take(stores[0], kind, f"round {each}", now=NOW - 10, until=NOW))
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(race, range(8)))
    for store in stores:
        store.close()
    assert [sum(each) for each in zip(*won, strict=True)] == [1] * 10


async def test_expired_rows_are_cleared_away(store: Store) -> None:
    for number in range(25):
        await once.take(store, "nonce", f"old {number}", now=NOW, until=NOW + number)

    def sweep(now: int) -> int:
        store.transact(lambda connection: taken.sweep(connection, now, 10), write=True)
        return rows(store)

    assert sweep(NOW + HOUR_MS) == 25, "another machine's clock may be late by an hour"
    await once.take(store, "nonce", "new", now=NOW + HOUR_MS + 25, until=NOW + HOUR_MS + 1_000)
    assert [sweep(NOW + HOUR_MS + 25) for _ in range(4)] == [16, 6, 1, 1]


async def test_the_recorder_clears_them_away(store: Store) -> None:
    for number in range(3):
        await once.take(store, "nonce", str(number), now=NOW, until=NOW + number)
    await usage.Recorder(store, usage_days=1).clean()
    assert rows(store) == 0


async def test_no_nonce_lies_in_the_database(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    await once.take(store, "nonce", "a telling nonce", now=NOW, until=NOW + 10)
    store.close()
    for file in sqlite_settings.data_dir.iterdir():
        assert b"a telling nonce" not in file.read_bytes()


def test_whoever_sweeps_waits_for_nobody(postgresql_settings: Settings) -> None:
    stores = [Store.open(postgresql_settings) for _ in range(2)]
    asyncio.run(once.take(stores[0], "nonce", "old", now=NOW, until=NOW + 1))
    later = NOW + 100_000
    swept = stores[0].transact(
        lambda held: (
            taken.sweep(held, later, 10),
            asyncio.run(once.take(stores[1], "nonce", "new", now=later, until=later + 1)),
        )
    )
    assert swept[1] is not None
    for store in stores:
        store.close()
