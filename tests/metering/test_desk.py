from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import DBAPIError

from tests.desk import operator
from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering import apps, selling
from ziyan.metering.apps import AppChange
from ziyan.metering.catalogue import ensure_catalogue
from ziyan.metering.credentials import get_app, register_app
from ziyan.metering.desk import Desk, Person
from ziyan.metering.packages import list_packages
from ziyan.metering.store import Store, audit, schema
from ziyan.metering.store.audit import Entry
from ziyan.metering.store.slices import Asked


def entries(store: Store) -> list[Entry]:
    return store.transact(lambda connection: audit.page(connection, Asked(200))).items


def test_an_order_that_is_marked_paid_from_many_places_has_one_package_and_one_entry(store: Store) -> None:
    ensure_catalogue(store)
    app = register_app(store, "app").app
    order = operator(store).do(lambda desk: selling.place_order(desk, app.id, "calls-1k"))

    def pay(number: int) -> str:
        return Person(store, f"user {number}").do(lambda desk: selling.pay_order(desk, order.id)).state

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(pay, range(8))) == {"paid"}
    assert len(list_packages(store, app.id)) == 1
    assert [entry.action for entry in entries(store)] == ["package.create", "order.pay", "order.place"]


def test_changes_of_one_app_from_many_places_are_all_kept_and_each_entry_follows_the_one_before(store: Store) -> None:
    app = register_app(store, "app").app
    changes = [AppChange(name=f"name {number}") for number in range(4)]
    changes += [AppChange(rate=number + 1.0) for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: operator(store).do(lambda desk: apps.change_app(desk, app.id, each)), changes))
    after = get_app(store, app.id)
    log = entries(store)
    assert after is not None
    assert (after.name.startswith("name "), after.rate is not None) == (True, True)
    assert [entry.before for entry in log[:-1]] == [entry.after for entry in log[1:]]


def test_what_fails_is_neither_done_nor_in_the_log(store: Store) -> None:
    app = register_app(store, "app").app

    def work(desk: Desk) -> None:
        apps.change_app(desk, app.id, AppChange(name="other"))
        selling.grant_package(desk, app.id, 10)
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        operator(store).do(work)
    assert entries(store) == []
    assert get_app(store, app.id) == app
    assert list_packages(store, app.id) == []


def test_nothing_is_done_that_cannot_be_logged(store: Store) -> None:
    app = register_app(store, "app").app
    with pytest.raises(DBAPIError):
        Person(store, None).do(lambda desk: apps.change_app(desk, app.id, AppChange(name="other")))  # type: ignore[arg-type]
    assert get_app(store, app.id) == app


def test_the_log_cannot_be_changed(store: Store) -> None:
    operator(store).do(lambda desk: apps.create_account(desk, "a"))
    before = entries(store)
    for statement in (schema.audit_log.delete(), schema.audit_log.update().values(actor="nobody")):
        with pytest.raises(DBAPIError, match="append-only"):
            store.transact(lambda connection, each=statement: connection.execute(each), write=True)
    assert entries(store) == before


def test_a_desk_of_an_account_sees_nothing_else(store: Store) -> None:
    ensure_catalogue(store)
    mine, foreign = register_app(store, "mine").app, register_app(store, "foreign").app
    order = operator(store).do(lambda desk: selling.place_order(desk, foreign.id, "calls-1k"))
    buyer = Person(store, "token", mine.account_id)
    assert buyer.do(lambda desk: (desk.app(mine.id).id, desk.account(mine.account_id).id)) == (mine.id, mine.account_id)
    for look in (
        lambda desk: desk.app(foreign.id),
        lambda desk: desk.account(foreign.account_id),
        lambda desk: desk.order(order.id),
        lambda desk: apps.list_keys(desk, foreign.id),
        lambda desk: selling.place_order(desk, foreign.id, "calls-1k"),
        lambda desk: selling.cancel_order(desk, order.id),
    ):
        with pytest.raises(NotFoundError):
            buyer.do(look)
