"""The lists of people's pages, as ``searches`` sorts and searches them: what they have besides the records themselves.

Their fields have the names of the columns of the pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, case, func, select

from ziyan.metering.store import invoices
from ziyan.metering.store.apps import Account
from ziyan.metering.store.invoices import Invoice
from ziyan.metering.store.notices import Delivery, all_deliveries
from ziyan.metering.store.packages import Package
from ziyan.metering.store.sales import Order
from ziyan.metering.store.schema import (
    accounts,
    apps,
    invoice_requests,
    notices,
    orders,
    outbox,
    packages,
    targets,
    usage_rollups,
)
from ziyan.metering.store.searches import Field, Listing
from ziyan.metering.store.slices import named

#: States of orders that money was received for.
PAID: Final = ("paid", "refunded")


@dataclass(frozen=True, slots=True)
class Customer:
    """An account, and what it has and makes use of.

    Attributes:
        account: It.
        apps: How many apps it has.
        billed: How many of its calls were billed of late.
    """

    account: Account
    apps: int
    billed: int


def orders_listing(account_id: str | None = None, states: tuple[str, ...] = ()) -> Listing[Order]:
    """Orders; of one account or in some states alone, where they are named."""
    c = orders.c
    statement = select(*(c[name] for name in Order.__dataclass_fields__)).join_from(orders, apps, c.app_id == apps.c.id)
    statement = statement.join(accounts, c.account_id == accounts.c.id)
    if states:
        statement = statement.where(c.state.in_(states))
    fields = {
        "id": Field(c.id),
        "account": Field(accounts.c.name),
        "app": Field(apps.c.name),
        "item": Field(c.item_name),
        "calls": Field(c.calls, "number"),
        "price": Field(c.price_fen, "fen"),
        "state": Field(c.state, "word"),
        "created": Field(c.created_at, "moment"),
        "paid": Field(c.paid_at, "moment"),
    }
    return Listing(_of(statement, c.account_id, account_id), fields, (c.created_at, c.id), named(Order))


def invoices_listing(account_id: str | None = None, states: tuple[str, ...] = ()) -> Listing[Invoice]:
    """Requests for invoices; of one account or in some states alone, where they are named."""
    c = invoice_requests.c
    statement = select(*invoices.COLUMNS).join_from(invoice_requests, accounts, c.account_id == accounts.c.id)
    if states:
        statement = statement.where(invoices.STATE.in_(states))
    fields = {
        "id": Field(c.id),
        "account": Field(accounts.c.name),
        "title": Field(c.title),
        "kind": Field(c.kind, "word"),
        "amount": Field(c.amount_fen, "fen"),
        "state": Field(invoices.STATE, "word"),
        "created": Field(c.created_at, "moment"),
        "number": Field(c.invoice_number),
    }
    return Listing(_of(statement, c.account_id, account_id), fields, (c.created_at, c.id), named(Invoice))


def packages_listing(account_id: str, now: int) -> Listing[Package]:
    """An account's packages, with what state they are in at a moment."""
    c = packages.c
    state = case(
        (c.closed_at.is_not(None), "closed"),
        (c.valid_to <= now, "expired"),
        (c.consumed >= c.calls, "used"),
        (c.valid_from <= now, "usable"),
        else_="waiting",
    )
    statement = select(*(c[name] for name in Package.__dataclass_fields__)).join_from(packages, apps)
    fields = {
        "app": Field(apps.c.name),
        "state": Field(state, "word"),
        "calls": Field(c.calls, "number"),
        "used": Field(c.consumed, "number"),
        "left": Field(c.calls - c.reserved - c.consumed, "number"),
        "from": Field(c.valid_from, "moment"),
        "to": Field(c.valid_to - 1, "moment"),
        "id": Field(c.id),
    }
    return Listing(_of(statement, apps.c.account_id, account_id), fields, (c.created_at, c.id), named(Package))


def customers_listing(since: int, until: int) -> Listing[Customer]:
    """Accounts, and calls of theirs that were billed on the days from ``since`` on and before ``until``."""
    c, sums = accounts.c, usage_rollups.c
    owned = select(apps.c.account_id, func.count().label("apps")).group_by(apps.c.account_id).subquery()
    used = (
        select(sums.account_id, func.sum(sums.billed).label("billed"))
        .where(sums.span == "day", sums.start >= since, sums.start < until)
        .group_by(sums.account_id)
        .subquery()
    )
    count, billed = func.coalesce(owned.c.apps, 0), func.coalesce(used.c.billed, 0)
    statement = (
        select(c.id, c.name, c.created_at, count.label("apps"), billed.label("billed"))
        .outerjoin(owned, owned.c.account_id == c.id)
        .outerjoin(used, used.c.account_id == c.id)
    )
    fields = {
        "name": Field(c.name),
        "apps": Field(count, "number"),
        "billed": Field(billed, "number"),
        "created": Field(c.created_at, "moment"),
        "id": Field(c.id),
    }
    return Listing(statement, fields, (c.created_at, c.id), _customer)


def failures_listing() -> Listing[Delivery]:
    """What was given up on its way to a target."""
    c = outbox.c
    statement = (
        all_deliveries()
        .join(accounts, notices.c.account_id == accounts.c.id)
        .outerjoin(apps, notices.c.app_id == apps.c.id)
        .where(c.state == "failed")
    )
    fields = {
        "created": Field(c.created_at, "moment"),
        "account": Field(accounts.c.name),
        "app": Field(apps.c.name),
        "kind": Field(notices.c.kind, "word"),
        "target": Field(targets.c.name),
        "attempts": Field(c.attempts, "number"),
        "error": Field(c.error),
    }
    return Listing(statement, fields, (c.created_at, c.id), named(Delivery))


def _of(
    statement: Select[*tuple[Any, ...]], column: ColumnElement[str], account_id: str | None
) -> Select[*tuple[Any, ...]]:
    return statement if account_id is None else statement.where(column == account_id)


def _customer(row: Row[*tuple[Any, ...]]) -> Customer:
    return Customer(Account(row.id, row.name, row.created_at), int(row.apps), int(row.billed))
