"""Sums for charts and first pages, on both databases: the same as those of the calls themselves."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import update

from tests.desk import operator
from tests.metering.conftest import Clock
from tests.people import buyer_login, fresh, operator_login
from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering import apps, catalogue, demo, logins, notices, selling
from ziyan.metering.apps import AppChange
from ziyan.metering.logins import Role
from ziyan.metering.store import Store, lists, overview, schema
from ziyan.metering.store import apps as app_table
from ziyan.metering.store import notices as notice_table
from ziyan.metering.store.slices import Asked
from ziyan.metering.times import DAY_MS

CALLS = 4_000


def test_sums_are_those_of_the_calls(store: Store, clock: Clock) -> None:
    demo.fill(store, calls=CALLS)
    since, until = clock() - 400 * DAY_MS, clock() + 1

    def look(**more: str) -> list[overview.Sum]:
        return store.transact(
            lambda connection: overview.sums(
                connection, ("app_id", "code"), span="day", since=since, until=until, **more
            )  # type: ignore[arg-type]
        )

    every = app_table.all_apps
    events = {
        app.id: store.transact(
            lambda connection, app=app: lists.events_page(connection, Asked(CALLS), app.id, since=since, until=until)  # type: ignore[misc]
        ).items
        for app in store.transact(every)
    }
    found = {each.key: (each.calls, each.billed, each.ms, each.bytes_in) for each in look()}
    assert sum(calls for calls, *_ in found.values()) == CALLS
    for app_id, calls in events.items():
        for code, count in Counter(event.code for event in calls).items():
            these = [event for event in calls if event.code == code]
            sums = (sum(e.billed for e in these), sum(e.ms for e in these), sum(e.bytes_in for e in these))
            assert found[app_id, code] == (count, *sums)
    app = store.transact(every)[3]
    assert {each.key[0] for each in look(app_id=app.id)} == {app.id}
    own = {each.id for each in store.transact(every) if each.account_id == app.account_id}
    assert {each.key[0] for each in look(account_id=app.account_id)} == own
    assert {each.key[1] for each in look(code="ok")} == {"ok"}
    whole = store.transact(lambda connection: overview.sums(connection, (), span="hour", since=since, until=until))
    assert [each.calls for each in whole] == [CALLS]
    assert store.transact(lambda connection: overview.sums(connection, (), span="hour", since=until, until=until)) == []
    newest = store.transact(lambda connection: overview.paces(connection, since=since, limit=10))
    latest = sorted((event.at for calls in events.values() for event in calls), reverse=True)
    assert [pace.at for pace in newest] == latest[:10]


def test_what_waits_and_what_there_is(store: Store, clock: Clock) -> None:
    catalogue.ensure_catalogue(store)
    desk = operator(store)
    app = desk.do(lambda at: apps.create_app(at, "archive"))
    order = desk.do(lambda at: selling.place_order(at, app.id, "calls-1k"))
    assert store.transact(overview.waiting) == overview.Waiting(orders=1, invoices=0, notices=0)
    assert store.transact(overview.size) == overview.Size(accounts=1, apps=1, disabled=0)
    desk.do(lambda at: selling.pay_order(at, order.id))
    desk.do(lambda at: apps.change_app(at, app.id, AppChange(disabled=True)))
    assert store.transact(overview.waiting).orders == 0
    assert store.transact(overview.size).disabled == 1
    assert store.transact(lambda connection: overview.income(connection, clock(), clock() + 1)) == (5_000, 0)
    desk.do(lambda at: selling.refund_order(at, order.id, fen=4_000))
    assert store.transact(lambda connection: overview.income(connection, clock(), clock() + 1)) == (5_000, 4_000)
    assert store.transact(lambda connection: overview.income(connection, 0, clock())) == (0, 0)
    assert store.transact(app_table.account_names) == {app.account_id: "archive"}


def test_notices_that_failed_are_listed(store: Store) -> None:
    account = operator(store).do(lambda desk: apps.create_account(desk, "shop"))
    target = notices.add_target(store, account.id, "mail", "a@example.com", name="mail of a")
    notices.send_test(store, account.id, target.id)
    assert (
        store.transact(lambda connection: notice_table.deliveries_page(connection, Asked(), state="failed")).items == []
    )
    failed = update(schema.outbox).values(state="failed", attempts=12, error="away")
    store.transact(lambda connection: connection.execute(failed), write=True)
    found = store.transact(lambda connection: notice_table.deliveries_page(connection, Asked(), state="failed")).items
    assert [
        (each.account_id, each.kind, each.target_kind, each.target_name, each.attempts, each.error) for each in found
    ] == [(account.id, "test", "mail", "mail of a", 12, "away")]


def test_an_item_is_found_by_its_identifier(store: Store) -> None:
    catalogue.ensure_catalogue(store)
    assert store.transact(lambda connection: catalogue.item_in(connection, "calls-1k")).calls == 1_000
    with pytest.raises(NotFoundError):
        store.transact(lambda connection: catalogue.item_in(connection, "none"))


def test_an_operator_may_do_what_their_scopes_say(store: Store) -> None:
    desk = operator(store)
    some = desk.do(
        lambda at: logins.create_login(at, "li", Role.OPERATOR, fresh(), scopes=["orders:write", "orders:read"])
    )
    assert some.scopes == "orders:read,orders:write"
    assert some.may("orders:write")
    assert not some.may("apps:write")
    assert operator_login(store, "wang").may("apps:write")
    for role, account_id, scopes in (
        (Role.OPERATOR, None, ["nothing:read"]),
        (Role.OPERATOR, None, ["account:read"]),
        (Role.BUYER, buyer_login(store, "zhao").account_id, ["orders:read"]),
    ):
        with pytest.raises(ConflictError):
            desk.do(lambda at, r=role, a=account_id, s=scopes: logins.create_login(at, "x", r, fresh(), a, s))  # type: ignore[misc]


def test_an_operators_login_is_no_buyers(store: Store) -> None:
    mine, other = buyer_login(store, "zhao"), operator_login(store, "wang")
    assert operator(store).do(lambda desk: logins.buyer_login(desk, mine.id)).id == mine.id
    for login_id in (other.id, "none"):
        with pytest.raises(NotFoundError):
            operator(store).do(lambda desk, login_id=login_id: logins.buyer_login(desk, login_id))  # type: ignore[misc]
