"""What stands around the calls of a demo: orders, packages, notices, requests for invoices, and the audit log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fpdf import FPDF
from sqlalchemy import Connection, update

from ziyan.metering import notices
from ziyan.metering.demo_sales import Bought
from ziyan.metering.store import Store, audit, packages, sales
from ziyan.metering.store import invoices as invoice_table
from ziyan.metering.store import notices as notice_table
from ziyan.metering.store.invoices import Invoice, InvoiceFile
from ziyan.metering.store.notices import Notice
from ziyan.metering.store.packages import Package
from ziyan.metering.store.sales import Item, Order
from ziyan.metering.store.schema import notices as notice_rows
from ziyan.metering.store.schema import outbox
from ziyan.metering.store.schema import packages as package_rows
from ziyan.metering.tax_numbers import check_character
from ziyan.metering.times import DAY_MS, HOUR_MS, end_after_months
from ziyan.metering.views import InvoiceView, OrderView, PackageView, View

#: Who changes things, in the audit log.
OPERATOR: Final = "user demo"
#: Begins unified social credit codes of a district that there is not.
_CREDIT_CODE: Final = "91990000MA0000"
#: Where notices fail to arrive: no name ends like this.
_WEBHOOK: Final = "https://hooks.invalid/ziyan"
#: Notices older than this were read.
_READ_AFTER_MS: Final = 20 * DAY_MS


@dataclass(frozen=True, slots=True)
class Client:
    """An app of the demo.

    Attributes:
        app_id: Its identifier.
        account_id: Who pays.
        app_name: For people.
    """

    app_id: str
    account_id: str
    app_name: str


class Papers:
    """Everything that follows from what was bought."""

    def __init__(self, clients: Sequence[Client], bought: Sequence[tuple[str, Bought]], now: int) -> None:
        """Of these apps and packages, as of a moment."""
        self._clients = clients
        self._bought = sorted(bought, key=lambda each: each[1].at)
        self._now = now
        #: Entries of the audit log: moment, action, object, before, after.
        self._done: list[tuple[int, str, str, View | None, View | None]] = []

    def store(self, connection: Connection, store: Store) -> None:
        """Store all of it."""
        orders = [self._sell(connection, store, package_id, bought) for package_id, bought in self._bought]
        self._sell_in_vain(connection, orders)
        self._invoice(connection, orders)
        self._tell(connection, store)
        for at, action, object_id, before, after in sorted(self._done, key=lambda entry: entry[0]):
            audit.add(
                connection,
                at=at,
                actor=OPERATOR,
                action=action,
                object_kind=action.partition(".")[0],
                object_id=object_id,
                before=before.plain() if before else None,
                after=after.plain() if after else None,
            )

    def _sell(self, connection: Connection, store: Store, package_id: str, bought: Bought) -> Order:
        """A paid order and its package."""
        order = self._order(package_id, bought.caller, bought.item, bought.at - 5 * HOUR_MS)
        paid = replace(order, state="paid", paid_at=bought.at, reference=f"网银 {order.id[:10]}")
        package = Package(
            package_id,
            order.app_id,
            order.id,
            order.calls,
            0,
            bought.consumed,
            bought.at,
            end_after_months(bought.at, order.months, store.zone),
            bought.at,
        )
        sales.add_order(connection, paid)
        packages.add(connection, package)
        based = update(package_rows).where(package_rows.c.id == package_id)
        connection.execute(based.values(base=bought.base))  # as it was then, not as all calls have left it
        unused = replace(package, consumed=0)
        self._done += [
            (order.created_at, "order.place", order.id, None, OrderView.of(order)),
            (bought.at, "order.pay", order.id, OrderView.of(order), OrderView.of(paid)),
            (bought.at, "package.create", package_id, None, PackageView.of(unused)),
        ]
        return paid

    def _sell_in_vain(self, connection: Connection, orders: Sequence[Order]) -> None:
        """Orders that wait for their payment, or were given up."""
        ends: tuple[tuple[int, str, int], ...] = ((0, "pending", 1), (4, "pending", 6), (6, "cancelled", 40))
        for place, state, days in ends:
            item = _item(next(order for order in orders if order.app_id == self._clients[place].app_id))
            identifier = hashlib.sha256(f"{place} {state}".encode()).hexdigest()[:32]
            order = self._order(identifier, place, item, self._now - days * DAY_MS)
            self._done.append((order.created_at, "order.place", order.id, None, OrderView.of(order)))
            ended = replace(order, state=state, ended_at=order.created_at + DAY_MS if state == "cancelled" else None)
            if ended.ended_at:
                self._done.append((ended.ended_at, "order.cancel", order.id, OrderView.of(order), OrderView.of(ended)))
            sales.add_order(connection, ended)

    def _order(self, package_id: str, caller: int, item: Item, at: int) -> Order:
        client = self._clients[caller]
        what = (item.id, item.name, item.calls, item.months, item.price_fen)
        return Order(package_id[::-1], client.account_id, client.app_id, *what, state="pending", created_at=at)

    def _invoice(self, connection: Connection, orders: Sequence[Order]) -> None:
        """Requests for invoices over some of the orders: issued, rejected, and waiting."""
        newest = sorted(orders, key=lambda order: order.created_at, reverse=True)
        for number, order in enumerate(newest[:12]):
            at = min((order.paid_at or 0) + 3 * DAY_MS, self._now - (number + 1) * HOUR_MS)
            special = number % 3 == 2
            asked = Invoice(
                f"{number:02}{order.id[2:]}",
                order.account_id,
                order.id,
                "special" if special else "normal",
                self._clients[0].app_name if number == 1 else "示例购方有限公司",
                _tax_number(number),
                order.price_fen,
                "上海市示例路 1 号 021-00000000" if special else "",
                "示例银行 0000 0000 0000" if special else "",
                "finance@example.com",
                "requested",
                at,
            )
            self._done.append((at, "invoice.request", asked.id, None, InvoiceView.of(asked)))
            invoice_table.add(connection, asked)
            if number == 3:
                self._decide(connection, asked, state="rejected", reason="抬头与税号不符，请核对后重新申请")
            elif number > 3:
                self._decide(connection, asked, state="issued", invoice_number=f"2600000000{number:010}")
                pdf = _pdf(asked)
                file = InvoiceFile(f"{asked.id[:8]}.pdf", pdf, hashlib.sha256(pdf).hexdigest(), at + 2 * HOUR_MS)
                invoice_table.put_file(connection, asked.id, file)

    def _decide(self, connection: Connection, asked: Invoice, **became: Any) -> None:
        decided = replace(asked, decided_at=asked.created_at + HOUR_MS, **became)
        invoice_table.decide(connection, decided)
        action = {"issued": "invoice.issue", "rejected": "invoice.reject"}[decided.state]
        self._done.append(
            (asked.created_at + HOUR_MS, action, asked.id, InvoiceView.of(asked), InvoiceView.of(decided))
        )

    def _tell(self, connection: Connection, store: Store) -> None:
        """Notices of calls that were getting few; one account has them sent to where nobody is."""
        away = self._clients[2].account_id
        notices.add_target_in(connection, store, away, "webhook", _WEBHOOK, "运维群", "", None)
        for package_id, bought in self._bought:
            client = self._clients[bought.caller]
            for percent, at in bought.crossed.items():
                left = bought.item.calls * percent // 100
                told = {"app_name": client.app_name, "percent": percent, "left": left, "of": bought.item.calls}
                kind = notices.CALLS_LOW if left else notices.CALLS_GONE
                once, details = f"calls:{percent}:{package_id}", json.dumps(told, ensure_ascii=False)
                notice_id = hashlib.sha256(once.encode()).hexdigest()[:32]
                notice_table.add(
                    connection, Notice(notice_id, client.account_id, client.app_id, once, kind, details, at)
                )
        # Whether calls get few depends on the day; that somebody tries the target does not.
        tried = f"test:{hashlib.sha256(away.encode()).hexdigest()[:32]}"
        details = json.dumps({"target": "运维群"}, ensure_ascii=False)
        notice_table.add(
            connection,
            Notice(tried.removeprefix("test:"), away, None, tried, notices.TEST, details, self._now - DAY_MS),
        )
        told_at = notice_rows.c.created_at
        connection.execute(update(notice_rows).where(told_at < self._now - _READ_AFTER_MS).values(read_at=told_at + 1))
        failed = {"state": "failed", "attempts": 12, "error": "the host's name was not found"}
        connection.execute(update(outbox).values(failed))


def _item(order: Order) -> Item:
    """What was ordered."""
    return Item(order.item_id, order.item_name, order.calls, order.months, order.price_fen)


def _tax_number(number: int) -> str:
    first = f"{_CREDIT_CODE}{number:03}"
    return first + check_character(first)


def _pdf(invoice: Invoice) -> bytes:
    """A page that nobody takes for an invoice."""
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica", size=16)
    page.cell(text=f"Demo invoice, worth nothing: {invoice.amount_fen / 100:.2f} CNY")
    return bytes(page.output())
