"""SQL that lists what was sold and made use of, a slice at a time.  Every function runs inside its transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, select, text

from ziyan.metering.store.invoices import COLUMNS, STATE, Invoice
from ziyan.metering.store.notices import Notice
from ziyan.metering.store.packages import Package
from ziyan.metering.store.sales import Order
from ziyan.metering.store.schema import apps, invoice_requests, notices, orders, packages, usage_events
from ziyan.metering.store.slices import Asked, Slice, cut, named
from ziyan.metering.store.usage import Event


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows; what is None does not matter.

    Attributes:
        account_id: Of this account.
        app_id: Of this app.
        state: In this state; orders and requests for invoices have one.
    """

    account_id: str | None = None
    app_id: str | None = None
    state: str | None = None


def orders_page(connection: Connection, asked: Asked, wanted: Filter) -> Slice[Order]:
    """Orders, newest first."""
    statement = select(*(orders.c[name] for name in Order.__dataclass_fields__))
    columns = orders.c
    statement = _where(
        statement,
        (columns.account_id, wanted.account_id),
        (columns.app_id, wanted.app_id),
        (columns.state, wanted.state),
    )
    return cut(connection, statement, (orders.c.created_at, orders.c.id), asked, named(Order))


def invoices_page(connection: Connection, asked: Asked, wanted: Filter) -> Slice[Invoice]:
    """Requests for invoices, newest first."""
    columns = invoice_requests.c
    statement = _where(select(*COLUMNS), (columns.account_id, wanted.account_id), (STATE, wanted.state))
    return cut(connection, statement, (columns.created_at, columns.id), asked, named(Invoice))


def notices_page(connection: Connection, asked: Asked, account_id: str, *, unread: bool) -> Slice[Notice]:
    """An account's notices, newest first."""
    columns = notices.c
    statement = select(*(columns[name] for name in Notice.__dataclass_fields__)).where(columns.account_id == account_id)
    if unread:
        statement = statement.where(columns.read_at.is_(None))
    return cut(connection, statement, (columns.created_at, columns.id), asked, named(Notice))


def packages_page(connection: Connection, asked: Asked, wanted: Filter) -> Slice[Package]:
    """Packages, newest first."""
    statement = select(*(packages.c[name] for name in Package.__dataclass_fields__)).join(apps)
    statement = _where(statement, (apps.c.account_id, wanted.account_id), (apps.c.id, wanted.app_id))
    return cut(connection, statement, (packages.c.created_at, packages.c.id), asked, named(Package))


def events_page(connection: Connection, asked: Asked, app_id: str, *, since: int, until: int) -> Slice[Event]:
    """An app's events from ``since`` on and before ``until``, newest first."""
    at = usage_events.c.at
    statement = select(*(usage_events.c[name] for name in Event.__dataclass_fields__))
    statement = statement.where(usage_events.c.app_id == app_id, at >= since, at < until)
    return cut(connection, statement, (at, usage_events.c.id), asked, named(Event))


def failed_page(connection: Connection, asked: Asked, account_id: str, app_id: str | None = None) -> Slice[Event]:
    """Events of an account's calls that failed, newest first; of one app, where it is named."""
    columns = usage_events.c
    statement = select(*(columns[name] for name in Event.__dataclass_fields__))
    # Written out, not bound: only so do both databases know that their index of failed calls will do.
    statement = statement.where(columns.account_id == account_id, text("status >= 300"))
    statement = _where(statement, (columns.app_id, app_id))
    return cut(connection, statement, (columns.at, columns.id), asked, named(Event))


def _where(
    statement: Select[*tuple[object, ...]], *columns: tuple[ColumnElement[str], str | None]
) -> Select[*tuple[object, ...]]:
    for column, value in columns:
        if value is not None:
            statement = statement.where(column == value)
    return statement
