"""Lists of thousands of rows over HTTP, on both databases: none is cut, and files have all that is shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import insert

from tests.api.conftest import Service
from tests.desk import operator
from tests.people import Client, Page, buyer_login, fresh, operator_login
from ziyan.metering import apps
from ziyan.metering.credentials import App
from ziyan.metering.invoices import Invoice
from ziyan.metering.packages import list_packages
from ziyan.metering.store import schema
from ziyan.metering.store.packages import Package
from ziyan.metering.store.sales import Order
from ziyan.metering.times import DAY_MS, now_ms

ROWS = 6_000


@dataclass
class Shop:
    app: App
    buyer: Client
    operator: Client


@pytest.fixture(scope="module")
def shop(both_services: Service) -> Iterator[Shop]:
    """A buyer with as many orders, packages, requests for invoices and failed calls."""
    store, now = both_services.store, now_ms()
    account = operator(store).do(lambda desk: apps.create_account(desk, "六千单"))
    app = operator(store).do(lambda desk: apps.create_app(desk, "柜台", account_id=account.id))
    buyer_login(store, "many", account.id)
    operator_login(store, "boss")
    orders = [
        Order(
            uuid4().hex, account.id, app.id, "item", "千次", 1_000, 12, 5_000 + number, "paid", now - number * 1000, now
        )
        for number in range(ROWS)
    ]
    packages = [
        Package(uuid4().hex, app.id, order.id, 10, 0, number % 2, now - 1000, now + DAY_MS, order.created_at)
        for number, order in enumerate(orders)
    ]
    invoices = [
        Invoice(
            uuid4().hex, account.id, None, "normal", f"抬头 {number}", "", 100, "", "", "", "requested", now - number
        )
        for number in range(ROWS)
    ]
    calls = [
        {"id": str(uuid4()), "app_id": app.id, "account_id": account.id, "package_id": "", "at": now - number}
        | {"status": 666, "code": "img", "billed": 0, "ms": 5, "bytes_in": 9}
        for number in range(ROWS)
    ]

    def fill(connection: object) -> None:
        for table, records in (
            (schema.orders, orders),
            (schema.packages, packages),
            (schema.invoice_requests, invoices),
        ):
            kind = type(records[0])
            rows = [{name: getattr(each, name) for name in kind.__dataclass_fields__} for each in records]
            if table is schema.packages:
                rows = [{**row, "base": 10} for row in rows]
            connection.execute(insert(table), rows)  # type: ignore[attr-defined]
        connection.execute(insert(schema.usage_events), calls)  # type: ignore[attr-defined]

    store.transact(fill, write=True)
    clients = Client(both_services.port), Client(both_services.port)
    for client, name in zip(clients, ("many", "boss"), strict=True):
        assert client.sign_in(name, fresh().text).status == 303
    return Shop(app, *clients)


def rows(page: Page) -> list[list[str]]:
    assert page.headers["content-type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(page.text.removeprefix("\ufeff"))))[1:]


def test_a_buyers_lists_go_to_their_end(both_services: Service, shop: Shop) -> None:
    for path, least in (("orders", "¥50.00"), ("packages", "10"), ("invoices", "¥1.00"), ("statements", "¥50.00")):
        page = shop.buyer.ask(f"/console/{path}")
        assert f"第 1 页，共 {ROWS:,} 条" in page.plain, path
        last = shop.buyer.ask(f"/console/{path}?page=999&sort=-price&lang=zh")
        assert f"第 {ROWS // 25} 页" in last.plain
        assert least in last.plain
        assert "下一页" not in last.plain
        assert len(rows(shop.buyer.ask(f"/console/{path}?csv=1"))) == ROWS
    dear = rows(shop.buyer.ask("/console/orders?csv=1&sort=-price"))
    assert [int(row[4]) for row in dear] == list(range(5_000 + ROWS - 1, 4_999, -1))
    found = rows(shop.buyer.ask("/console/invoices?csv=1&q=%E6%8A%AC%E5%A4%B4+59"))
    assert len(found) == 111
    assert len(rows(shop.buyer.ask("/console/orders?csv=1&q=%E5%B7%B2%E4%BB%98"))) == ROWS
    assert rows(shop.buyer.ask("/console/orders?csv=1&q=%E5%B7%B2%E5%8F%96%E6%B6%88")) == []


def test_what_is_left_counts_every_package(both_services: Service, shop: Shop) -> None:
    left = sum(package.left for package in list_packages(both_services.store, shop.app.id))
    assert left == ROWS * 10 - ROWS // 2
    assert f"{left:,} 次" in shop.buyer.ask("/console").plain


def test_files_of_lists_that_are_gone_through_by_slices_have_all_of_them(shop: Shop) -> None:
    assert len(rows(shop.buyer.ask("/console/calls?csv=1"))) == ROWS
    assert len(rows(shop.operator.ask(f"/admin/apps/{shop.app.id}?callcsv=1"))) == ROWS


def test_an_operators_lists_go_to_their_end(both_services: Service, shop: Shop) -> None:
    account = f"/admin/accounts/{shop.app.account_id}"
    for path, name in (("/admin/orders", ""), ("/admin/invoices", ""), (account, "order")):
        assert f"共 {ROWS:,} 条" in shop.operator.ask(path).plain
        assert len(rows(shop.operator.ask(f"{path}?{name}csv=1"))) == ROWS
    cheap = shop.operator.ask("/admin/orders?sort=price").plain
    assert "¥50.00" in cheap
    many = operator(both_services.store)
    for number in range(60):
        many.do(lambda desk, name=f"户 {number:02}": apps.create_account(desk, name))  # type: ignore[misc]
    found = rows(shop.operator.ask("/admin/accounts?csv=1&sort=-apps"))
    assert int(found[0][1]) == 1
    wanted = f"/admin/accounts?csv=1&sort=name&q={quote('户 1')}"
    assert [row[0] for row in rows(shop.operator.ask(wanted))] == [f"户 {number}" for number in range(10, 20)]
    assert len(rows(shop.operator.ask("/admin/audit?csv=1"))) > 60
