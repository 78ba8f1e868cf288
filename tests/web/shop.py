"""An account with a past: apps, packages, usage, failures, notices, orders and invoices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import Connection

from tests.desk import operator
from tests.people import buyer_login
from ziyan.metering import apps, papers, selling
from ziyan.metering.catalogue import ensure_catalogue
from ziyan.metering.credentials import App
from ziyan.metering.invoices import Wanted
from ziyan.metering.logins import Login
from ziyan.metering.notices import look
from ziyan.metering.packages import Settlement, grant, settle_in
from ziyan.metering.store import Store, sales
from ziyan.metering.store import packages as table
from ziyan.metering.store.invoices import Invoice
from ziyan.metering.store.sales import Order
from ziyan.metering.store.usage import Event
from ziyan.metering.times import DAY_MS, HOUR_MS, day_of, now_ms, start_of

COMPANY = "示例科技有限公司"
FAILURES = ((666, "url_download"), (666, "img"), (403, "B403MQ"), (429, "T429SR"), (499, "gone"), (504, "D504TO"))


@dataclass
class Shop:
    """Whose past it is.

    Attributes:
        login: The buyer's.
        apps: Two.
        orders: One paid, one to be paid.
        invoices: One issued, one asked for.
    """

    login: Login
    apps: list[App]
    orders: list[Order]
    invoices: list[Invoice]


def furnished(store: Store, name: str = "li@example.com") -> Shop:
    """A new account that has bought, used and failed."""
    ensure_catalogue(store)
    person = operator(store)
    account = person.do(lambda desk: apps.create_account(desk, COMPANY))
    login = buyer_login(store, name, account.id)
    mine = [
        person.do(lambda desk, name=name: apps.create_app(desk, name, account_id=account.id))
        for name in ("发票识别（生产）", "手机端")
    ]
    items = store.transact(sales.all_items)
    item = min((each for each in items if each.price_fen), key=lambda each: each.price_fen)
    orders = [person.do(lambda desk: selling.place_order(desk, mine[0].id, item.id)) for _ in range(2)]
    orders[0] = person.do(lambda desk: selling.pay_order(desk, orders[0].id, reference="TT-20261101"))
    grant(store, mine[1].id, 50)
    _use(store, mine)
    wanted = Wanted("normal", COMPANY, 2_000)
    invoices = [person.do(lambda desk: papers.request_invoice(desk, account.id, wanted)) for _ in range(2)]
    person.do(lambda desk: papers.issue_invoice(desk, invoices[0].id, "24112000000012345678"))
    person.do(lambda desk: papers.attach_file(desk, invoices[0].id, "发票.pdf", b"%PDF-1.7\nthe invoice\n%%EOF\n"))
    store.transact(lambda connection: look(connection, now_ms()), write=True)
    return Shop(login, mine, orders, invoices)


def _use(store: Store, mine: list[App]) -> None:
    """Thirty days of calls, more of them on workdays; the small package is nearly used up."""
    today = day_of(now_ms(), store.zone)
    settled: list[Settlement] = []
    for back in range(30):
        day = today - timedelta(days=back)
        busy = 14 if day.weekday() < 5 else 4
        for number in range(busy + back % 5):
            at = min(start_of(day, store.zone) + (8 + number % 11) * HOUR_MS + number * 60_000, now_ms() - number)
            settled.append(_call(mine[0], at, billed=True))
        if back % 3 == 0:
            status, code = FAILURES[back // 3 % len(FAILURES)]
            settled.append(_call(mine[back % 2], min(start_of(day, store.zone) + 9 * HOUR_MS, now_ms()), status, code))
    settled += [_call(mine[1], now_ms() - number * DAY_MS // 20, billed=True) for number in range(48)]

    def settle(connection: Connection) -> None:
        for settlement in settled:
            event = settlement.event
            if event.billed:
                until = now_ms() + HOUR_MS
                package_id = table.reserve(connection, event.app_id, event.id, now=now_ms(), until=until)
                assert package_id
                settlement = replace(settlement, event=replace(event, package_id=package_id))
            settle_in(connection, store, settlement)

    store.transact(settle, write=True)


def _call(app: App, at: int, status: int = 200, code: str = "ok", *, billed: bool = False) -> Settlement:
    identifier = str(uuid4()).upper()
    return Settlement(Event(at, identifier, app.id, "", status, code, billed, 180 + at % 97, 90_000), holds=billed)
