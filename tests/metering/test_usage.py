from __future__ import annotations

import asyncio
import logging

import pytest
from sqlalchemy import update

from tests.metering.calls import change, event, free, make, reserve
from ziyan.errors import StoreError
from ziyan.metering import answers, ledger, usage
from ziyan.metering.credentials import get_app, register_app
from ziyan.metering.packages import Settlement, grant, list_packages, settle
from ziyan.metering.store import Store, schema
from ziyan.metering.store import answers as answer_table
from ziyan.metering.times import DAY_MS, HOUR_MS, day_start, hour_start, now_ms
from ziyan.metering.usage import Event, Recorder, drop_events, events, totals

NOON = 1_795_492_800_000  # 2026-11-24 12:00 in Shanghai


@pytest.fixture
def app_id(store: Store) -> str:
    return register_app(store, "app").app.id


def recorder_of(store: Store) -> Recorder:
    return Recorder(store, usage_days=400)


async def note(store: Store, *outcomes: Event) -> None:
    recorder = recorder_of(store)
    for outcome in outcomes:
        recorder.note(Settlement(outcome))
    assert await recorder.flush()
    assert not recorder.waiting


def all_of(store: Store, app_id: str) -> list[Event]:
    return events(store, app_id, since=0, until=NOON * 2)


async def test_an_outcome_is_written_once_and_newest_come_first(store: Store, app_id: str) -> None:
    first, second = event(app_id, at=NOON), event(app_id, at=NOON + 1, code="B403MQ")
    await note(store, first, second, first)
    await note(store, second)
    assert all_of(store, app_id) == [second, first]
    assert events(store, app_id, since=NOON, until=NOON + 1) == [first]
    assert len(events(store, app_id, since=0, until=NOON * 2, limit=1)) == 1


async def test_nothing_is_written_of_an_app_that_is_not_there(store: Store) -> None:
    await note(store, event("nobody", at=NOON))
    assert all_of(store, "nobody") == []


async def test_sums_are_by_app_package_outcome_hour_and_day(store: Store, app_id: str) -> None:
    another = register_app(store, "another").app
    moments = (NOON, NOON + 1, NOON + HOUR_MS, NOON + DAY_MS)
    await note(store, *(event(app_id, at=at) for at in moments), event(app_id, at=NOON, code="neither"))
    await note(store, event(another.id, at=NOON))
    hours = totals(store, span="hour", since=0, until=NOON * 2, app_id=app_id)
    days = totals(store, span="day", since=0, until=NOON * 2, app_id=app_id)
    assert [(each.start, each.code, each.calls) for each in hours] == [
        (NOON, "img", 2),
        (NOON, "neither", 1),
        (NOON + HOUR_MS, "img", 1),
        (NOON + DAY_MS, "img", 1),
    ]
    midnight = day_start(NOON, store.zone)
    assert [(each.start, each.code, each.calls, each.ms, each.bytes_in) for each in days] == [
        (midnight, "img", 3, 15, 300),
        (midnight, "neither", 1, 5, 100),
        (midnight + DAY_MS, "img", 1, 5, 100),
    ]
    assert [
        each.app_id for each in totals(store, span="day", since=0, until=NOON * 2, account_id=another.account_id)
    ] == [another.id]
    assert len(totals(store, span="hour", since=NOON, until=NOON + 1)) == 3


async def test_a_call_that_is_taken_back_leaves_the_sums_of_the_billed(store: Store, app_id: str) -> None:
    package = grant(store, app_id, 5)
    billed = await make(store, app_id)
    await settle(store, Settlement(free(billed), holds=True))
    (sum_,) = totals(store, span="day", since=0, until=NOON * 2, app_id=app_id)
    assert (sum_.code, sum_.package_id, sum_.calls, sum_.billed) == ("gone", package.id, 1, 0)
    (kept,) = all_of(store, app_id)
    assert (kept.billed, kept.status, kept.code, kept.ms) == (False, 666, "gone", billed.ms)


async def test_what_waits_is_written_in_order_once_the_database_is_back(
    store: Store, app_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, outcomes = recorder_of(store), [event(app_id, at=NOON + number) for number in range(3)]
    for outcome in outcomes:
        recorder.note(Settlement(outcome))

    async def away(*_: object, **__: object) -> None:
        raise StoreError("away", internal="no answer")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "run", away)
        assert not await recorder.flush()
        await recorder.clean()
    assert [settlement.event for settlement in recorder.waiting] == outcomes
    assert [record.fields for record in caplog.records] == [{"internal": "no answer"}] * 2
    assert await recorder.flush()
    assert all_of(store, app_id) == outcomes[::-1]


async def test_what_the_database_never_takes_is_told(
    store: Store, app_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, lost = recorder_of(store), event(app_id, at=NOON)

    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    recorder.note(Settlement(lost))
    monkeypatch.setattr(Store, "run", broken)
    assert await recorder.flush()
    assert (recorder.lost, len(recorder.waiting)) == (1, 0)
    assert caplog.records[0].fields["request_id"] == lost.id


async def test_what_finds_no_room_to_wait_is_told(
    store: Store, app_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(usage, "MOST_WAITING", 1)
    recorder = recorder_of(store)
    first, second = event(app_id), event(app_id)
    recorder.note(Settlement(first))
    recorder.note(Settlement(second))
    assert (recorder.lost, len(recorder.waiting)) == (1, 1)
    assert (caplog.records[0].levelno, caplog.records[0].fields["request_id"]) == (logging.ERROR, second.id)


async def test_outcomes_that_hold_something_are_ended_one_by_one(store: Store, app_id: str) -> None:
    package, recorder = grant(store, app_id, 5), recorder_of(store)
    for call in "ab":
        await reserve(store, app_id, call)
    billed = await make(store, app_id)
    for outcome in (event(app_id), event(app_id, call="a"), event(app_id), free(billed), event(app_id, call="b")):
        recorder.note(Settlement(outcome, holds=outcome.id in {"a", "b", billed.id}))
    assert await recorder.flush()
    assert list_packages(store, app_id)[0].left == package.calls
    assert len(all_of(store, app_id)) == 5
    assert ledger.check(store).differences == ()


async def running(recorder: Recorder, until: asyncio.Event) -> None:
    task = asyncio.create_task(recorder.run())
    await asyncio.wait_for(until.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_while_it_runs_it_writes_cleans_and_writes_the_rest(
    store: Store, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FLUSH_SECONDS", "_CLEAN_SECONDS"):
        monkeypatch.setattr(usage, name, 0.001)
    recorder, cleaned = recorder_of(store), asyncio.Event()
    clean = recorder.clean

    async def noted() -> None:
        await clean()
        recorder.note(Settlement(event(app_id, at=NOON)))
        cleaned.set()

    monkeypatch.setattr(recorder, "clean", noted)
    await running(recorder, cleaned)
    assert len(all_of(store, app_id)) >= 1


async def test_what_cannot_be_written_at_the_end_is_told(
    store: Store, app_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(usage, "_RETRY_SECONDS", 0.001)
    recorder, tried = recorder_of(store), asyncio.Event()

    async def away(*_: object, **__: object) -> None:
        tried.set()
        raise StoreError("away")

    monkeypatch.setattr(Store, "run", away)
    recorder.note(Settlement(event(app_id, call="the last")))
    await running(recorder, tried)
    assert caplog.records[-1].fields["request_id"] == "the last"


async def test_what_is_over_is_cleared_away(store: Store, app_id: str) -> None:
    grant(store, app_id, 5)
    await reserve(store, app_id, "crashed", lasting=-1)
    old, new = event(app_id, at=NOON - 800 * DAY_MS), event(app_id, at=now_ms())
    await note(store, old, new)
    place = answers.slot(store, app_id, "key", bytes(32))
    assert await answers.begin(store, place, "call", until=now_ms() - 1) is None
    await recorder_of(store).clean()
    assert all_of(store, app_id) == [new]
    assert list_packages(store, app_id)[0].reserved == 0
    assert store.transact(lambda c: answer_table.sweep(c, now_ms())) == 0
    assert sum(each.calls for each in totals(store, span="day", since=0, until=NOON * 2)) == 2


# --- the ledger ---------------------------------------------------------------------------------------------------


async def test_a_check_finds_nothing_where_all_is_well(store: Store, app_id: str) -> None:
    grant(store, app_id, 5)
    for _ in range(3):
        await make(store, app_id)
    await reserve(store, app_id, "under way")
    report = ledger.check(store)
    assert (report.packages, report.consumed, report.events, report.since) == (1, 3, 3, 0)
    assert report.differences == ()


async def test_a_check_holds_after_events_were_dropped(store: Store, app_id: str) -> None:
    grant(store, app_id, 5)
    billed = await make(store, app_id)
    await make(store, app_id)
    assert drop_events(store, billed.at + 2 * HOUR_MS) == 2
    await make(store, app_id)
    report = ledger.check(store)
    assert (report.consumed, report.since, report.differences) == (3, hour_start(billed.at) + 2 * HOUR_MS, ())


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda store, package: change(store, package, consumed=2), ["days", "hours"]),
        (lambda store, package: change(store, package, reserved=1), ["held"]),
        (lambda store, package: run(store, schema.usage_events.delete()), ["events"]),
        (lambda store, package: run(store, update(schema.usage_rollups).values(billed=7)), ["days", "hours", "events"]),
        (lambda store, package: run(store, schema.usage_rollups.delete()), ["days", "hours", "events"]),
    ],
    ids=["counter", "reservation", "events", "sums", "no sums"],
)
async def test_a_check_finds_what_is_not_the_same(store: Store, app_id: str, damage: object, what: list[str]) -> None:
    package = grant(store, app_id, 5)
    await make(store, app_id)
    damage(store, package)  # type: ignore[operator]
    differences = ledger.check(store).differences
    assert {each.package_id for each in differences} == {package.id}
    assert [next(word for word in what if word in each.what.split(",")[0]) for each in differences] == what
    assert all(each.found != each.expected for each in differences)


def run(store: Store, statement: object) -> None:
    store.transact(lambda connection: connection.execute(statement), write=True)  # type: ignore[call-overload]


def test_the_account_of_an_app_is_known(store: Store, app_id: str) -> None:
    app = get_app(store, app_id)
    assert app is not None
    assert app.account_id
