"""SQL that sums up what happened, for charts and first pages.  Every function runs inside its transaction.

Sums come from the sums of hours and days, so they take as long for ten million calls as for ten thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, cast, func, literal_column, select

from ziyan.metering.store.schema import accounts, apps, invoice_requests, orders, outbox, usage_events, usage_rollups

#: What calls can be summed by.
By = Literal["start", "code", "app_id", "account_id", "package_id"]


class Sum(NamedTuple):
    """Calls that have something in common.

    Attributes:
        key: What they have in common, in the order that was asked for: moments are numbers, the rest is text.
        calls: How many there were.
        billed: How many of them were billed.
        ms: Milliseconds that all of them took.
        bytes_in: Size of all their bodies.
    """

    key: tuple[Any, ...]
    calls: int
    billed: int
    ms: int
    bytes_in: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for an operator.

    Attributes:
        orders: Orders that are not paid.
        invoices: Requests for invoices that are not decided.
        notices: Notices that did not arrive and are not tried again.
    """

    orders: int
    invoices: int
    notices: int


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are.

    Attributes:
        accounts: Accounts.
        apps: Apps.
        disabled: Of these, those that are disabled.
    """

    accounts: int
    apps: int
    disabled: int


@dataclass(frozen=True, slots=True)
class Pace:
    """One call, as far as its time matters.

    Attributes:
        at: When it came.
        code: Its outcome.
        ms: Milliseconds that it took.
    """

    at: int
    code: str
    ms: int


def sums(
    connection: Connection,
    by: Sequence[By],
    *,
    span: Literal["hour", "day"],
    since: int,
    until: int,
    app_id: str | None = None,
    account_id: str | None = None,
    code: str | None = None,
) -> list[Sum]:
    """Sums of the hours or days that begin from ``since`` on and before ``until``, ordered by what they are summed by.

    Args:
        connection: Of the transaction.
        by: What calls are told apart by.
        span: ``hour``, of UTC, or ``day``, of the store's zone.
        since: The first moment.
        until: The moment after the last.
        app_id: Only of this app.
        account_id: Only of this account.
        code: Only with this outcome.
    """
    c = usage_rollups.c
    columns: list[ColumnElement[Any]] = [c[name] for name in by]
    groups = found = columns
    statement = select()
    if "app_id" in by and app_id is None:
        # An app's sums lie together, and it has one account: far fewer places to look at, and shorter keys to compare.
        groups = [column for column in columns if column is not c.account_id]
        found = [func.min(column) if column is c.account_id else column for column in columns]
        statement = statement.where(c.app_id.in_(select(apps.c.id)))
    # PostgreSQL's sums of whole numbers are decimals, which are made slowly.
    amounts = (cast(func.sum(column), BigInteger) for column in (c.calls, c.billed, c.ms, c.bytes_in))
    statement = statement.add_columns(*found, *amounts).where(c.span == span, c.start >= since, c.start < until)
    for column, value in ((c.app_id, app_id), (c.account_id, account_id), (c.code, code)):
        if value is not None:
            statement = statement.where(column == value)
    if groups:
        statement = statement.group_by(*groups).order_by(
            *(literal_column(str(place)) for place in range(1, len(by) + 1))
        )
    rows = connection.execute(statement.having(func.sum(c.calls) > 0))
    width = len(columns)
    return [Sum(row[:width], *row[width:]) for row in map(tuple, rows)]


def paces(connection: Connection, *, since: int, limit: int) -> list[Pace]:
    """The newest calls from a moment on, newest first."""
    c = usage_events.c
    statement = select(c.at, c.code, c.ms).where(c.at >= since).order_by(c.at.desc(), c.id.desc()).limit(limit)
    return [Pace(*row) for row in connection.execute(statement)]


def waiting(connection: Connection) -> Waiting:
    """What waits for an operator."""

    def count(table: Any, state: str) -> int:
        found = select(func.count()).select_from(table).where(table.c.state == state)
        return int(connection.execute(found).scalar_one())

    return Waiting(count(orders, "pending"), count(invoice_requests, "requested"), count(outbox, "failed"))


def size(connection: Connection) -> Size:
    """How many accounts and apps there are."""
    every = connection.execute(select(func.count(), func.count(apps.c.disabled_at)).select_from(apps)).one()
    return Size(int(connection.execute(select(func.count()).select_from(accounts)).scalar_one()), *map(int, every))


def income(connection: Connection, since: int, until: int) -> tuple[int, int]:
    """Fen that were paid, and paid back, from ``since`` on and before ``until``."""
    c = orders.c
    paid = select(func.coalesce(func.sum(c.price_fen), 0)).where(c.paid_at >= since, c.paid_at < until)
    back = select(func.coalesce(func.sum(c.refunded_fen), 0)).where(c.ended_at >= since, c.ended_at < until)
    return int(connection.execute(paid).scalar_one()), int(connection.execute(back).scalar_one())
