"""The year of customers who do not exist: it agrees with itself, and fills nothing but an empty database."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, func, select

from tests.metering.conftest import Clock
from ziyan.cli import main
from ziyan.errors import ConflictError
from ziyan.metering import demo, invoices, ledger, notices, orders, passwords, usage
from ziyan.metering.credentials import credentials, list_apps, register_app
from ziyan.metering.demo_sales import NONE, Bought, Buyer, Sums, fitting
from ziyan.metering.demo_traffic import OUTCOMES
from ziyan.metering.store import Store, bulk, logins, packages
from ziyan.metering.store.sales import Item
from ziyan.metering.store.schema import audit_log, outbox, usage_events, usage_rollups
from ziyan.metering.store.schema import notices as notice_rows
from ziyan.metering.times import DAY_MS
from ziyan.settings import Settings

CALLS = 30_000


def test_the_ledger_of_a_demo_is_clean_and_its_sums_are_its_events(store: Store) -> None:
    told: list[int] = []
    filled = demo.fill(store, calls=CALLS, told=told.append)
    assert (filled.accounts, filled.apps, filled.calls) == (9, 13, CALLS)
    assert told[-1] == CALLS
    assert passwords.matches(store.transact(lambda c: logins.by_name(c, demo.BUYER)).password, filled.password)
    assert filled.password not in repr(filled)
    assert told == sorted(told)
    report = ledger.check(store)
    assert report.differences == ()
    assert (report.packages, report.events) == (filled.packages, report.consumed)
    assert 0.9 * CALLS < report.consumed < CALLS

    def sums(connection: Connection) -> dict[str, tuple[int, ...]]:
        e, r = usage_events.c, usage_rollups.c
        totals = {"events": select(func.count(), *map(func.sum, (e.billed, e.ms, e.bytes_in)))}
        for span in ("hour", "day"):
            totals[span] = select(*map(func.sum, (r.calls, r.billed, r.ms, r.bytes_in))).where(r.span == span)
        return {name: tuple(map(int, connection.execute(statement).one())) for name, statement in totals.items()}

    found = store.transact(sums)
    assert found["events"][:2] == (CALLS, report.events)
    assert found["hour"] == found["day"] == found["events"]


def test_every_sum_is_what_the_service_itself_would_have_counted(store: Store) -> None:
    demo.fill(store, calls=2_000)

    def recounted(connection: Connection) -> list[Counter[tuple[object, ...]]]:
        rows = connection.execute(
            select(
                usage_rollups.c.app_id,
                usage_rollups.c.span,
                usage_rollups.c.start,
                usage_rollups.c.package_id,
                usage_rollups.c.code,
                usage_rollups.c.calls,
            )
        ).all()
        kept = Counter({tuple(row[:5]): row[5] for row in rows})
        events = connection.execute(select(usage_events)).all()
        connection.execute(usage_rollups.delete())
        connection.execute(usage_events.delete())
        from ziyan.metering.store import usage as table

        table.add_all(
            connection,
            [
                usage.Event(
                    row.at,
                    row.id,
                    row.app_id,
                    row.package_id,
                    row.status,
                    row.code,
                    bool(row.billed),
                    row.ms,
                    row.bytes_in,
                )
                for row in events
            ],
            store.zone,
        )
        rows = connection.execute(
            select(
                usage_rollups.c.app_id,
                usage_rollups.c.span,
                usage_rollups.c.start,
                usage_rollups.c.package_id,
                usage_rollups.c.code,
                usage_rollups.c.calls,
            )
        ).all()
        return [kept, Counter({tuple(row[:5]): row[5] for row in rows})]

    before, after = store.transact(recounted, write=True)
    assert before == after


def test_a_seed_gives_the_same_year_and_another_one_another(settings: Settings, tmp_path: Path, clock: Clock) -> None:
    def year(name: str, seed: int) -> tuple[set[str], list[tuple[object, ...]]]:
        store = Store.open(Settings.load(data_dir=tmp_path / name))
        try:
            demo.fill(store, calls=500, seed=seed)
            rows = store.transact(lambda connection: connection.execute(select(usage_events)).all())
            return {app.id for app in list_apps(store)}, [tuple(row) for row in rows]
        finally:
            store.close()

    assert year("a", 7) == year("b", 7)
    assert year("a2", 8) != year("b2", 7)


def test_packages_orders_invoices_and_notices_belong_to_each_other(store: Store, clock: Clock) -> None:
    demo.fill(store, calls=CALLS)
    sold = orders.list_orders(store)
    assert Counter(order.state for order in sold).keys() == {"paid", "pending", "cancelled"}
    assert all(credentials(store, app.id) for app in list_apps(store))
    for order in sold:
        package = store.transact(lambda connection, order=order: packages.of_order(connection, order.id))  # type: ignore[misc]
        assert (package is not None) == (order.state == "paid")
        assert order.created_at <= (order.paid_at or clock()) <= clock()
        if package is not None:
            assert (package.app_id, package.calls, package.valid_from) == (order.app_id, order.calls, order.paid_at)
    states = Counter(invoice.state for invoice in invoices.list_invoices(store))
    assert states.keys() == {"requested", "rejected", "issued"}
    for invoice in invoices.list_invoices(store):
        assert invoices.invoiceable_fen(store, invoice.account_id) >= 0
        if invoice.state == "issued":
            assert invoices.invoice_file(store, invoice.id).content.startswith(b"%PDF-")

    def told(connection: Connection) -> tuple[set[str], set[str], int, int]:
        kinds = set(connection.execute(select(notice_rows.c.kind)).scalars())
        states = set(connection.execute(select(outbox.c.state)).scalars())
        entries = connection.execute(select(func.count()).select_from(audit_log)).scalar_one()
        order = list(connection.execute(select(audit_log.c.at).order_by(audit_log.c.id)).scalars())
        assert order == sorted(order)
        return kinds, states, entries, len(notices.due(connection, clock()))

    kinds, states_, entries, _ = store.transact(told)
    assert kinds == {notices.CALLS_LOW, notices.CALLS_GONE, notices.TEST}
    assert states_ == {"failed"}
    assert entries > 3 * len([order for order in sold if order.state == "paid"])


def test_only_an_empty_database_is_filled(store: Store) -> None:
    register_app(store, "somebody's")
    with pytest.raises(ConflictError, match="empty"):
        demo.fill(store, calls=500)
    assert [app.name for app in list_apps(store)] == ["somebody's"]


ITEM = Item("calls-10", "10", 10, 12, 100)


@pytest.mark.parametrize(
    ("prompt", "taken", "bought_at"),
    [
        (True, [0] * 10 + [1] * 10 + [2] * 2, [0, 8 * DAY_MS + 1, 18 * DAY_MS + 1]),
        (False, [0] * 10 + [NONE] + [1] * 10 + [NONE], [0, 12 * DAY_MS]),
    ],
)
def test_calls_are_taken_from_one_package_after_the_other(prompt: bool, taken: list[int], bought_at: list[int]) -> None:
    shelf: list[Bought] = []
    buyer = Buyer(3, ITEM, 0, shelf, prompt=prompt)
    moments = np.arange(1, 23) * DAY_MS
    chosen = [*buyer.charge(moments[:7]), *buyer.charge(moments[7:7]), *buyer.charge(moments[7:])]
    buyer.close_year()
    assert chosen == taken
    assert [bought.at for bought in shelf] == bought_at
    assert [bought.consumed for bought in shelf] == [taken.count(place) for place in range(len(shelf))]
    assert shelf[0].crossed == {20: 8 * DAY_MS, 5: 10 * DAY_MS, 0: 10 * DAY_MS}


def test_what_is_bought_in_time_is_there_before_it_is_needed() -> None:
    shelf: list[Bought] = []
    buyer = Buyer(0, ITEM, 0, shelf, prompt=True)
    buyer.charge(np.arange(1, 10) * DAY_MS)
    buyer.close_year()
    assert [(bought.at, bought.consumed, bought.base) for bought in shelf] == [
        (0, 9, 10),
        (9 * DAY_MS + 1 - DAY_MS, 0, 12),
    ]


def test_the_item_fits_how_much_somebody_calls() -> None:
    items = [ITEM, Item("big", "big", 1000, 24, 5000), Item("trial", "trial", 50, 3, 0)]
    assert fitting(0, items).id == "calls-10"
    assert fitting(1499, items).id == "calls-10"
    assert fitting(1500, items).id == "big"


def test_sums_of_nothing_are_none() -> None:
    sums = Sums()
    nothing = np.zeros(0, dtype=np.int64)
    sums.add((nothing,) * 4, (nothing,) * 4)
    assert sums.taken() == []


def test_the_command_fills_a_folder_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["demo", str(folder), "--events", "600"]) == 0
    said = capsys.readouterr()
    assert "9 accounts, 13 apps" in said.out
    assert f"ZIYAN_DATA_DIR={folder}" in said.out
    assert "600 of 600 calls" in said.err
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert main(["demo", str(folder), "--events", "600"]) == ConflictError.exit_code
    assert "empty" in capsys.readouterr().err
    assert main(["ledger", "check"]) == 0  # of the folder that is set, which is another one
    monkeypatch.setenv("ZIYAN_DATA_DIR", str(folder))
    assert main(["ledger", "check"]) == 0
    assert "ledger:     clean" in capsys.readouterr().out


def test_outcomes_are_words_that_the_service_uses() -> None:
    from ziyan.api.refusals import QUOTA_EXHAUSTED, SERVICE_BUSY, THROTTLED

    codes = {code for code, _, _ in OUTCOMES}
    assert {QUOTA_EXHAUSTED.code, SERVICE_BUSY.code, THROTTLED.code, "ok", "gone"} <= codes


def test_no_rows_are_stored_at_once_too(store: Store) -> None:
    store.transact(lambda connection: bulk.insert_rows(connection, usage_events, ("at", "id"), []), write=True)
    assert store.transact(bulk.is_empty)
