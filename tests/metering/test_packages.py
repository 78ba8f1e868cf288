from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, delete, text

from tests.api.test_body_memory import wait_for
from tests.metering.calls import MINUTE, change, event, free, make, reserve, sells, settle
from ziyan.errors import AlreadyTakenError, ConflictError, NotFoundError, QuotaError, SubscriptionExpiredError
from ziyan.metering import ledger, once, packages
from ziyan.metering.credentials import ensure_trial_app, register_app
from ziyan.metering.packages import Package, Settlement, ensure_trial_package, grant, list_packages, remaining
from ziyan.metering.store import Store, schema
from ziyan.metering.store import packages as package_table
from ziyan.metering.times import DAY_MS, now_ms
from ziyan.settings import Settings


@pytest.fixture
def app_id(store: Store) -> str:
    return register_app(store, "app").app.id


def numbers(store: Store, app_id: str) -> list[tuple[int, int, int]]:
    return [(each.calls, each.reserved, each.consumed) for each in list_packages(store, app_id)]


def assert_clean(store: Store) -> None:
    assert ledger.check(store).differences == ()


async def test_a_call_is_held_then_taken_for_good(store: Store, app_id: str) -> None:
    package = grant(store, app_id, 2)
    assert await remaining(store, app_id) == 2
    assert await reserve(store, app_id, "a") == package.id
    assert (numbers(store, app_id), await remaining(store, app_id)) == ([(2, 1, 0)], 1)
    assert await settle(store, event(app_id, package.id, call="a")) == 1
    assert numbers(store, app_id) == [(2, 0, 1)]
    assert_clean(store)


async def test_a_call_that_is_free_is_let_go_of(store: Store, app_id: str) -> None:
    grant(store, app_id, 1)
    await reserve(store, app_id, "a")
    assert await settle(store, event(app_id, call="a")) == 1
    assert numbers(store, app_id) == [(1, 0, 0)]
    assert_clean(store)


async def test_to_settle_twice_changes_nothing(store: Store, app_id: str) -> None:
    package = grant(store, app_id, 5)
    await reserve(store, app_id, "a")
    billed = event(app_id, package.id, call="a")
    for _ in range(3):
        assert await settle(store, billed) == 4
    assert numbers(store, app_id) == [(5, 0, 1)]
    assert_clean(store)


async def test_what_is_settled_as_free_is_never_billed_after_that(store: Store, app_id: str) -> None:
    """A commit that was given up, and comes late all the same."""
    package = grant(store, app_id, 5)
    await reserve(store, app_id, "a")
    billed = event(app_id, package.id, call="a")
    await settle(store, free(billed))
    assert await settle(store, billed) == 5
    assert numbers(store, app_id) == [(5, 0, 0)]
    assert_clean(store)


async def test_a_billed_call_is_taken_back_once(store: Store, app_id: str) -> None:
    grant(store, app_id, 5)
    billed = await make(store, app_id)
    for _ in range(2):
        assert await settle(store, free(billed)) == 5
    assert numbers(store, app_id) == [(5, 0, 0)]
    assert_clean(store)


async def test_earliest_expiry_is_consumed_first_then_the_oldest(store: Store, app_id: str) -> None:
    late, soon, older = (grant(store, app_id, 1) for _ in range(3))
    end = now_ms() + DAY_MS
    change(store, soon, valid_to=end, created_at=2)
    change(store, older, valid_to=end, created_at=1)
    order = [await reserve(store, app_id, name) for name in "abc"]
    assert order == [older.id, soon.id, late.id]
    assert [each.id for each in list_packages(store, app_id)] == order


async def test_no_call_left_and_all_expired_are_told_apart(store: Store, app_id: str) -> None:
    with pytest.raises(QuotaError) as none_yet:
        await reserve(store, app_id, "a")
    first = grant(store, app_id, 1)
    await reserve(store, app_id, "b")
    with pytest.raises(QuotaError) as used_up:
        await reserve(store, app_id, "c")
    change(store, first, valid_to=first.valid_from + 1)
    change(store, first, valid_from=1, valid_to=2)
    with pytest.raises(SubscriptionExpiredError):
        await reserve(store, app_id, "d")
    second = grant(store, app_id, 1)
    change(store, second, valid_from=now_ms() + DAY_MS)
    with pytest.raises(QuotaError) as not_yet:
        await reserve(store, app_id, "e")
    assert {type(each.value) for each in (none_yet, used_up, not_yet)} == {QuotaError}
    assert await remaining(store, app_id) == 0


async def test_an_expiry_during_a_call_is_honoured_as_reserved(store: Store, app_id: str) -> None:
    package = grant(store, app_id, 1)
    await reserve(store, app_id, "a")
    change(store, package, valid_from=1, valid_to=2)
    assert await settle(store, event(app_id, package.id, call="a")) == 0
    assert numbers(store, app_id) == [(1, 0, 1)]
    assert_clean(store)


async def test_what_lapses_comes_back_by_itself(store: Store, app_id: str) -> None:
    grant(store, app_id, 2)
    for call in "ab":
        await reserve(store, app_id, call, lasting=-1)
    assert await remaining(store, app_id) == 2
    assert numbers(store, app_id) == [(2, 2, 0)]
    await reserve(store, app_id, "c")
    assert numbers(store, app_id) == [(2, 1, 0)]
    assert packages.sweep(store) == 0
    assert_clean(store)


async def test_a_call_that_lapsed_is_billed_if_another_is_left(store: Store, app_id: str) -> None:
    package = grant(store, app_id, 1)
    await reserve(store, app_id, "slow", lasting=-1)
    assert packages.sweep(store) == 1
    assert await settle(store, event(app_id, package.id, call="slow")) == 0
    assert numbers(store, app_id) == [(1, 0, 1)]
    assert_clean(store)


async def test_a_call_that_lapsed_and_was_sold_to_another_is_not_billed(store: Store, app_id: str) -> None:
    package = grant(store, app_id, 1)
    await reserve(store, app_id, "slow", lasting=-1)
    await reserve(store, app_id, "other")
    with pytest.raises(QuotaError):
        await settle(store, event(app_id, package.id, call="slow"))
    await settle(store, event(app_id, package.id, call="other"))
    assert numbers(store, app_id) == [(1, 0, 1)]
    assert_clean(store)


async def test_one_app_does_not_use_what_is_another_ones(store: Store, app_id: str) -> None:
    grant(store, register_app(store, "another").app.id, 1)
    with pytest.raises(QuotaError):
        await reserve(store, app_id, "a")


@pytest.mark.parametrize("split", [[20], [7, 6, 7]], ids=["one package", "three packages"])
def test_ten_times_too_many_at_once_are_sold_exactly_what_there_is(settings: Settings, split: list[int]) -> None:
    stores = [Store.open(settings) for _ in range(4)]
    app_id = register_app(stores[0], "app").app.id
    for calls in split:
        grant(stores[0], app_id, calls)
    start = threading.Barrier(4)

    def gateway(store: Store) -> int:
        start.wait(20)
        return asyncio.run(sells(store, app_id, 50))

    with ThreadPoolExecutor(4) as pool:
        sold = sum(pool.map(gateway, stores))
    assert sold == sum(split)
    assert [(calls, 0, calls) for calls in sorted(split)] == sorted(numbers(stores[0], app_id))
    assert_clean(stores[0])
    for store in stores:
        store.close()


def test_sweeping_passes_over_what_others_are_ending(postgresql_settings: Settings) -> None:
    stores = [Store.open(postgresql_settings) for _ in range(2)]
    app_id = register_app(stores[0], "app").app.id
    grant(stores[0], app_id, 2)
    for call in "ab":
        asyncio.run(reserve(stores[0], app_id, call, lasting=-1))

    ending = delete(schema.reservations).where(schema.reservations.c.id == "a")
    swept = stores[0].transact(lambda held: (held.execute(ending), packages.sweep(stores[1]))[1], write=True)
    assert swept == 1
    for store in stores:
        store.close()


async def test_what_may_be_billed_once_is_taken_with_the_call(store: Store, app_id: str) -> None:
    grant(store, app_id, 1)
    until = now_ms() + MINUTE

    async def hold(call: str, ticket: once.Ticket) -> str:
        return await packages.reserve(store, app_id, call, until=until, ticket=ticket)

    first, second, third = (once.ticket(store, "sign", name, until=until) for name in ("same", "same", "other"))
    await hold("a", first)
    with pytest.raises(AlreadyTakenError):
        await hold("b", second)
    assert numbers(store, app_id) == [(1, 1, 0)]
    with pytest.raises(QuotaError):
        await hold("c", third)
    assert await once.take(store, "sign", "other", now=now_ms(), until=now_ms() + 1) is None, "held until it is settled"


def test_a_claim_that_lapsed_and_its_late_end_do_not_wait_in_a_ring(postgresql_settings: Settings) -> None:
    """The late end wants its claim, which another call has taken over, before the package, which that one wants too."""
    stores = [Store.open(postgresql_settings) for _ in range(2)]
    app_id = register_app(stores[0], "app").app.id
    package = grant(stores[0], app_id, 2)
    late = once.ticket(stores[0], "sign", "same", until=now_ms() - 1)
    asyncio.run(packages.reserve(stores[0], app_id, "late", until=late.until, ticket=late))
    end = Settlement(event(app_id, package.id, call="late"), holds=True, ticket=(late.lookup, late.holder))

    def take_over(connection: Connection, pool: ThreadPoolExecutor) -> Future[int]:
        other = once.ticket(stores[0], "sign", "same", until=now_ms() + MINUTE)
        assert once.take_in(connection, other, now=now_ms())
        ending = pool.submit(asyncio.run, packages.settle(stores[1], end))
        wait_for(lambda: waiting(stores[0]) == 1)
        assert package_table.reserve(connection, app_id, "other", now=now_ms(), until=now_ms() + MINUTE) == package.id
        return ending

    with ThreadPoolExecutor(1) as pool:
        stores[0].transact(lambda connection: take_over(connection, pool), write=True).result(20)
    assert numbers(stores[0], app_id) == [(2, 1, 1)]
    for store in stores:
        store.close()


def waiting(store: Store) -> int:
    """How many wait for a lock."""
    statement = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return int(store.transact(lambda connection: connection.execute(statement).scalar_one()))


# --- given packages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("calls", "months"), [(0, 1), (1, 0), (-1, 1)])
def test_a_package_needs_calls_and_months(store: Store, app_id: str, calls: int, months: int) -> None:
    with pytest.raises(ConflictError):
        grant(store, app_id, calls, months=months)


def test_a_package_is_given_to_an_app_that_is_there(store: Store) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        grant(store, "nobody", 1)


def test_a_package_lasts_through_its_last_day_in_the_zone(store: Store, app_id: str) -> None:
    package = grant(store, app_id, 1, months=1)
    ends = datetime.fromtimestamp(package.valid_to / 1000, store.zone)
    assert (ends.hour, ends.minute) == (0, 0)
    assert 28 * DAY_MS <= package.valid_to - package.valid_from <= 32 * DAY_MS
    assert package.left == 1


async def test_the_trial_app_has_its_calls_once(store: Store) -> None:
    trial = ensure_trial_app(store).app.id
    ensure_trial_package(store, trial, 0)
    assert list_packages(store, trial) == []
    for _ in range(2):
        ensure_trial_package(store, trial, 50)
    assert numbers(store, trial) == [(50, 0, 0)]


def test_of_services_that_start_at_once_one_gives_the_trial_calls(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = ensure_trial_app(store).app.id
    ensure_trial_package(store, trial, 50)
    monkeypatch.setattr(packages, "list_packages", lambda *_: [])
    ensure_trial_package(store, trial, 50)
    assert numbers(store, trial) == [(50, 0, 0)]


def test_a_moment_is_one_of_utc(store: Store, app_id: str) -> None:
    made = grant(store, app_id, 1).created_at
    assert abs(made - datetime.now(UTC).timestamp() * 1000) < MINUTE
    assert isinstance(list_packages(store, app_id)[0], Package)
