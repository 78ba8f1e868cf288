"""Lists of thousands of rows: sorted, searched and paged by both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, delete, insert

from tests.desk import operator
from ziyan.metering import apps
from ziyan.metering.store import Store, schema, searches
from ziyan.metering.store.apps import Account, App, add_account
from ziyan.metering.store.listings import (
    Customer,
    customers_listing,
    failures_listing,
    invoices_listing,
    orders_listing,
    packages_listing,
)
from ziyan.metering.store.sales import Order
from ziyan.metering.store.searches import Found, Search, span_of
from ziyan.metering.times import DAY_MS
from ziyan.settings import Settings

SHANGHAI = ZoneInfo("Asia/Shanghai")
ROWS = 6_000
#: Noon of the first of January 2026 in Shanghai; each order is a minute older than the one before.
FIRST = round(datetime(2026, 1, 1, 4, tzinfo=UTC).timestamp() * 1000)
WANTED = Search(SHANGHAI)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Both databases; filled once, for all tests look only."""
    url = request.getfixturevalue("postgresql_database")() if request.param == "postgresql" else ""
    store = Store.open(Settings.load(data_dir=tmp_path_factory.mktemp("searches"), database_url=url))
    yield store
    store.close()


@pytest.fixture(scope="module")
def app(store: Store) -> App:
    account = operator(store).do(lambda desk: apps.create_account(desk, "示例 Company 100%"))
    return operator(store).do(lambda desk: apps.create_app(desk, "Shop_1", account_id=account.id))


@pytest.fixture(scope="module")
def orders(store: Store, app: App) -> list[Order]:
    """Of one app, newest first."""
    made = [
        Order(
            uuid4().hex, app.account_id, app.id, "item", f"Item {number % 7}", 1_000 + number, 12, number * 50,
            ("pending", "paid", "cancelled")[number % 3], FIRST - number * 60_000,
            paid_at=FIRST if number % 3 == 1 else None,
        )
        for number in range(ROWS)
    ]  # fmt: skip
    rows = list(map(asdict, made))
    store.transact(lambda connection: connection.execute(insert(schema.orders), rows), write=True)
    return made


def test_a_list_is_paged_to_its_end(store: Store, app: App, orders: list[Order]) -> None:
    def page(number: int) -> Found[Order]:
        wanted = replace(WANTED, number=number)
        return store.transact(lambda connection: searches.page(connection, orders_listing(app.account_id), wanted))

    first, last = page(1), page(ROWS // 25)
    assert (first.rows, first.total, first.number) == (orders[:25], ROWS, 1)
    assert last.rows == orders[-25:]
    assert (page(999_999).rows, page(999_999).number) == (last.rows, ROWS // 25)


def test_a_list_is_sorted_as_a_whole(store: Store, app: App, orders: list[Order]) -> None:
    def found(sort: str) -> list[Order]:
        wanted = replace(WANTED, sort=sort)
        return store.transact(lambda connection: searches.page(connection, orders_listing(), wanted)).rows

    assert found("-price") == orders[::-1][:25]
    assert found("price") == orders[:25]
    assert found("item") == [order for order in orders if order.item_name == "Item 0"][:25]
    assert found("-item") == [order for order in orders if order.item_name == "Item 6"][:25]
    assert found("created") == orders[::-1][:25]
    # What has no value comes first; equal ones are in the list's own order.
    assert found("paid") == [order for order in orders if order.paid_at is None][:25]
    assert found("-paid") == [order for order in orders if order.paid_at][:25]
    assert found("nothing") == found("") == orders[:25]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("item 3", lambda number: number % 7 == 3),
        ("company 100%", lambda _number: True),
        ("shop_", lambda _number: True),
        ("shopx", lambda _number: False),
        ("已付", lambda number: number % 3 == 1),
        ("2026-01-01", lambda number: number <= 12 * 60 or number % 3 == 1),
        ("2025-12", lambda number: number > 12 * 60),
        ("2026-01-01 11:58", lambda number: number == 2),
        ("¥100.50", lambda number: number * 50 == 10_050),
        ("¥2,999", lambda number: "2999" in str(number * 50 // 100) or "2999" in str(1_000 + number)),
        ("  ", lambda _number: True),
    ],
)  # fmt: skip
def test_a_list_is_searched_for_what_people_see(
    store: Store, app: App, orders: list[Order], text: str, fits: object
) -> None:
    words = {"state": {"paid"} if text == "已付" else set()}
    wanted = replace(WANTED, text=text, words=words)
    fit = [order for number, order in enumerate(orders) if fits(number)]  # type: ignore[operator]
    listing = orders_listing(app.account_id)
    found = store.transact(lambda connection: searches.page(connection, listing, wanted))
    assert (found.total, found.rows) == (len(fit), fit[:25])
    assert store.transact(lambda connection: list(searches.rows(connection, listing, wanted))) == fit


def test_everything_is_read_while_it_is_taken(store: Store, orders: list[Order]) -> None:
    listing = orders_listing(states=("paid",))
    found = store.transact(lambda connection: list(searches.rows(connection, listing, WANTED)))
    assert found == [order for order in orders if order.state == "paid"]
    assert store.transact(lambda connection: list(searches.rows(connection, orders_listing("other"), WANTED))) == []


def test_every_list_can_be_sorted_and_searched_by_every_field(store: Store, app: App) -> None:
    since = FIRST - DAY_MS
    for listing in (
        orders_listing(app.account_id, ("paid",)),
        invoices_listing(app.account_id, ("issued",)),
        invoices_listing(),
        packages_listing(app.account_id, FIRST),
        customers_listing(since, FIRST),
        failures_listing(),
    ):
        for name in listing.fields:
            for text in ("", "x", "7", "7.25", "2026"):
                wanted = replace(WANTED, sort=f"-{name}", text=text, words={"state": {"used"}})
                found = store.transact(
                    lambda connection, asked=wanted, each=listing: searches.page(connection, each, asked)
                )
                assert found.total <= ROWS
    found = store.transact(lambda connection: searches.page(connection, customers_listing(since, FIRST), WANTED))
    assert [(each.account.name, each.apps, each.billed) for each in found.rows] == [("示例 Company 100%", 1, 0)]


@pytest.mark.parametrize(
    ("text", "first", "minutes"),
    [
        ("2026-11-24 09:30", (2026, 11, 24, 9, 30), 1),
        ("2026-11-24", (2026, 11, 24), 24 * 60),
        ("2026-02", (2026, 2, 1), 28 * 24 * 60),
        ("2026-12", (2026, 12, 1), 31 * 24 * 60),
        ("2024", (2024, 1, 1), 366 * 24 * 60),
        ("2026", (2026, 1, 1), 365 * 24 * 60),
    ],
)
def test_what_is_written_of_a_moment_is_as_long_as_it_says(text: str, first: tuple[int, ...], minutes: int) -> None:
    start = round(datetime(*first, tzinfo=SHANGHAI).timestamp() * 1000)  # type: ignore[arg-type, misc]
    assert span_of(text, SHANGHAI) == (start, start + minutes * 60_000)


@pytest.mark.parametrize("text", ["", "24", "2026-13", "2026-02-30", "2026-11-24 25:00", "yesterday", "99999"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert span_of(text, SHANGHAI) is None


@pytest.mark.parametrize("text", ["9999", "9999-12", "9999-12-31"])
def test_what_is_the_last_moment_of_all_is_looked_for_as_anything_else(store: Store, text: str) -> None:
    assert span_of(text, SHANGHAI) is None
    wanted = replace(WANTED, text=text)
    assert store.transact(lambda connection: searches.page(connection, orders_listing(), wanted)).number == 1


@pytest.mark.parametrize(
    ("text", "fits"),
    [("ÉCOLE_5%", True), ("école_5%/", True), ("École", True), ("übung", True), ("ÜBUNG", True), ("écoleX5", False)],
)
def test_names_are_found_in_capital_and_in_small_letters(store: Store, text: str, fits: bool) -> None:
    name, wanted = "ÉCOLE_5%/ Übung", replace(WANTED, text=text)
    account = Account(uuid4().hex, name, FIRST)

    def look(connection: Connection) -> list[Customer]:
        add_account(connection, account)
        found = searches.page(connection, customers_listing(0, FIRST), wanted).rows
        connection.execute(delete(schema.accounts).where(schema.accounts.c.id == account.id))  # others count them
        return found

    assert [each.account for each in store.transact(look, write=True)] == [account] * fits
