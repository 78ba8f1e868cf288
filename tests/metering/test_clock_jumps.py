"""A clock that is set forward, by little or much, and back again, with calls under way (docs/adr/0006)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from tests.api.conftest import Service, start_service
from tests.api.test_connections import WaitingEngine
from tests.api.wire import Connection, request
from tests.metering.calls import event, reserve, sells, settle
from tests.people import buyer_login
from ziyan.errors import QuotaError
from ziyan.metering import answers, ledger, logins, notices, once, packages, times, usage
from ziyan.metering.credentials import register_app
from ziyan.metering.packages import grant, list_packages
from ziyan.metering.store import Store, schema
from ziyan.metering.store import notices as notice_table
from ziyan.metering.times import DAY_MS, HOUR_MS, now_ms
from ziyan.metering.usage import Recorder, events, totals
from ziyan.settings import Settings

USAGE_DAYS = 400
MINUTE_MS = 60_000
JUMPS = {"hour": HOUR_MS, "day": DAY_MS, "past the events": (USAGE_DAYS + 5) * DAY_MS, "past expiry": 800 * DAY_MS}


class Wall:
    """The wall clock of this process, which tests set."""

    ahead = 0

    def time_ns(self) -> int:
        return time.time_ns() + self.ahead * 1_000_000


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    found = Wall()
    monkeypatch.setattr(times, "time", SimpleNamespace(time_ns=found.time_ns))
    return found


@contextmanager
def jumped(wall: Wall, by: int) -> Iterator[None]:
    """The clock is set forward meanwhile, and back at the end."""
    wall.ahead += by
    yield
    wall.ahead -= by


@pytest.fixture
def app_id(store: Store) -> str:
    return register_app(store, "app").app.id


@pytest.fixture
def recorder(store: Store) -> Recorder:
    return Recorder(store, usage_days=USAGE_DAYS)


def reserved(store: Store, app_id: str) -> int:
    return sum(each.reserved for each in list_packages(store, app_id))


def check(store: Store) -> int:
    """Calls sold, by a ledger that is clean."""
    report = ledger.check(store)
    assert report.differences == ()
    return report.consumed


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
async def test_calls_under_way_while_the_clock_jumps_are_not_sold_twice(
    store: Store, app_id: str, recorder: Recorder, wall: Wall, jump: int
) -> None:
    for calls in (7, 5):
        grant(store, app_id, calls)
    under_way = [(call, await reserve(store, app_id, call)) for call in map(str, range(8))]
    with jumped(wall, jump):
        await recorder.clean()
        assert reserved(store, app_id) == 0, "what they held has lapsed"
        meanwhile = await sells(store, app_id, 6)
        assert meanwhile == (0 if jump == JUMPS["past expiry"] else 6)
        assert check(store) == meanwhile
    ended = 0
    for call, package in under_way:
        try:
            await settle(store, event(app_id, package, call=call))
            ended += 1
        except QuotaError:
            assert meanwhile, "it is honoured as it was held, unless others bought it"
    assert ended == (2 if meanwhile else 8)
    await recorder.clean()
    rest = await sells(store, app_id, 20)
    assert meanwhile + ended + rest == check(store) == 12
    assert reserved(store, app_id) == 0


async def test_calls_that_end_while_the_clock_is_ahead_are_counted_once(
    store: Store, app_id: str, recorder: Recorder, wall: Wall
) -> None:
    grant(store, app_id, 3)
    call, begun = "call", now_ms()
    package = await reserve(store, app_id, call)
    with jumped(wall, DAY_MS):
        for _ in range(2):
            await settle(store, event(app_id, package, call=call, at=begun))
    await settle(store, event(app_id, package, call=call, at=begun))
    await recorder.clean()
    assert (check(store), len(events(store, app_id, since=0, until=begun * 2))) == (1, 1)


async def test_what_a_clock_that_was_ahead_held_returns(
    store: Store, app_id: str, recorder: Recorder, wall: Wall
) -> None:
    grant(store, app_id, 5)
    with jumped(wall, 30 * DAY_MS):
        await reserve(store, app_id, "crashed")
        await recorder.clean()
        assert reserved(store, app_id) == 1, "it is under way"
    await reserve(store, app_id, "good")
    await recorder.clean()
    assert reserved(store, app_id) == 1
    assert check(store) == 0


async def test_a_jump_past_the_days_of_events_drops_none_but_the_oldest_hours(
    store: Store, app_id: str, recorder: Recorder, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant(store, app_id, 20)
    for hours in range(6, 0, -1):
        call = f"call {hours}"
        package = await reserve(store, app_id, call)
        await settle(store, event(app_id, package, call=call, at=now_ms() - hours * HOUR_MS))

    def kept() -> int:
        return len(events(store, app_id, since=0, until=now_ms() * 2))

    with jumped(wall, JUMPS["past the events"]):
        for _ in range(3):
            await recorder.clean()
        assert kept() == 5
    await recorder.clean()
    assert kept() == 5
    assert sum(each.calls for each in totals(store, span="day", since=0, until=now_ms() * 2)) == 6
    assert await sells(store, app_id, 2) == 2
    report = ledger.check(store)
    assert (report.consumed, report.events, report.differences) == (8, 7, ())
    assert report.since < now_ms(), "what comes now is held against its sums"

    monkeypatch.setattr(usage, "DROP_SECONDS", 0)
    recorder = Recorder(store, usage_days=USAGE_DAYS)
    with jumped(wall, JUMPS["past the events"]):
        for left in (6, 5, 4):
            await recorder.clean()
            assert kept() == left, "one hour after the other: what is really old goes in the end"
    assert check(store) == 8


async def test_nonces_and_signs_stay_taken_through_a_jump_of_an_hour(store: Store, wall: Wall) -> None:
    async def take(name: str) -> bool:
        now = now_ms()
        return await once.take(store, "nonce", name, now=now, until=now + 15 * MINUTE_MS) is not None

    assert await take("first")
    with jumped(wall, HOUR_MS):
        assert await take("another")  # which clears away what is over
    assert not await take("first")
    assert not await take("another")


async def test_kept_answers_outlast_a_jump_of_an_hour_and_go_after_their_day(
    store: Store, app_id: str, recorder: Recorder, wall: Wall
) -> None:
    def keep(place: answers.Slot, holder: str) -> None:
        until = now_ms() + answers.KEPT_MS
        store.transact(lambda c: answers.table.keep(c, place.lookup, holder, place.seal(b"read"), until), write=True)

    async def begin(place: answers.Slot) -> bytes | None:
        return await answers.begin(store, place, "call", until=now_ms() + MINUTE_MS)

    place, ahead = (answers.slot(store, app_id, key, bytes(32)) for key in ("now", "ahead"))
    assert await begin(place) is None
    keep(place, "call")
    with jumped(wall, HOUR_MS):
        await recorder.clean()
        assert await begin(place) == b"read"
    assert await begin(place) == b"read"
    with jumped(wall, 10 * DAY_MS):
        assert await begin(ahead) is None
        keep(ahead, "call")
        await recorder.clean()
        assert await begin(ahead) == b"read"
    await recorder.clean()
    kept = store.transact(lambda c: c.execute(select(func.count()).select_from(schema.answers)).scalar())
    assert kept == 0, "the one was over ten days later, the other lasts longer than any may"


async def test_sessions_of_a_clock_that_was_ahead_are_over(store: Store, wall: Wall) -> None:
    login = buyer_login(store, "li")
    before = await logins.start_session(store, login)
    with jumped(wall, HOUR_MS):
        assert await logins.find_session(store, before) is not None
    assert await logins.find_session(store, before) is not None
    assert seen(store) <= now_ms(), "or it would not end when it is idle"
    with jumped(wall, 30 * DAY_MS):
        assert await logins.find_session(store, before) is None
        ahead = await logins.start_session(store, login)
        assert await logins.find_session(store, ahead) is not None
    assert await logins.find_session(store, ahead) is None
    now = await logins.start_session(store, login)
    assert await logins.find_session(store, now) is not None
    count = store.transact(lambda c: c.execute(select(func.count()).select_from(schema.sessions)).scalar())
    assert count == 1


def seen(store: Store) -> int:
    found = store.transact(lambda connection: connection.execute(select(schema.sessions.c.seen_at)).scalar_one())
    return int(found)


async def test_notices_that_a_clock_that_was_ahead_held_or_put_off_are_sent(store: Store, wall: Wall) -> None:
    account_id = register_app(store, "shop").app.account_id
    target = notices.add_target(store, account_id, "webhook", "https://hooks.example.com/")
    for _ in range(2):
        notices.send_test(store, account_id, target.id)

    def claim(limit: int) -> list[str]:
        now = now_ms()
        held = store.transact(
            lambda c: notice_table.claim(c, "sender", now=now, until=now + 5 * MINUTE_MS, limit=limit), write=True
        )
        return [each.id for each in held]

    with jumped(wall, 30 * DAY_MS):
        (held,) = claim(1)
        (failed,) = claim(1)
        later = now_ms() + HOUR_MS
        store.transact(
            lambda c: notice_table.mark_failed(c, failed, "sender", error="status 500", next_at=later), write=True
        )
        assert claim(2) == []
    assert sorted(claim(2)) == sorted([held, failed])
    assert claim(2) == []


@pytest.mark.parametrize("jump", [HOUR_MS, 800 * DAY_MS], ids=["hour", "past expiry"])
def test_a_call_in_a_gateway_while_the_clock_jumps_is_answered_and_billed_once(
    settings: Settings, wall: Wall, jump: int
) -> None:
    engine = WaitingEngine()
    service = start_service(settings.data_dir, engine=engine, calls=2, database_url=settings.database_url)
    try:
        with Connection(service.port) as connection:
            connection.send(request(b"img=QUJD", appcode=service.caller.appcode))
            assert engine.reading.wait(20)
            with jumped(wall, jump):
                assert packages.sweep(service.store) == 1
                engine.finish()
                reply = connection.read_reply()
                assert (reply.status, reply["X-Ziyan-Billed"]) == (200, "1")
        assert [cost(service) for _ in range(3)] == [(200, "1", "0"), (403, "0", "0"), (403, "0", "0")]
        wait_until(lambda: len(events(service.store, service.caller.app.id, since=0, until=now_ms() * 2)) == 4)
        assert check(service.store) == 2
    finally:
        service.stop()


def cost(service: Service) -> tuple[int, str, str]:
    reply = service.post(b"img=QUJD")
    return reply.status, reply["X-Ziyan-Billed"], reply["X-Ziyan-Remaining"]


def wait_until(holds: Callable[[], bool]) -> None:
    given_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < given_up
        time.sleep(0.02)
