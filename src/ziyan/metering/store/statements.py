"""SQL on what statements are made of.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from ziyan.metering.store.schema import accounts, apps, orders, packages, usage_rollups


@dataclass(frozen=True, slots=True)
class Sold:
    """A package, and what it was sold for.

    Attributes:
        package_id: Identifier.
        app_id: Whose calls they are.
        app_name: That app's name.
        order_id: What it was sold by; empty where it was given.
        item_name: What was ordered; empty where it was given.
        calls: How many there are.
        price_fen: What they cost.
        created_at: When it was made.
        valid_to: When it expires.
        closed_at: When it was taken out of use because its order was refunded; None where it was not.
    """

    package_id: str
    app_id: str
    app_name: str
    order_id: str
    item_name: str
    calls: int
    price_fen: int
    created_at: int
    valid_to: int
    closed_at: int | None

    @property
    def ended_at(self) -> int:
        """From when on no call can be made of it."""
        return self.valid_to if self.closed_at is None else min(self.valid_to, self.closed_at)


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that came for an order, or went back.

    Attributes:
        at: When an operator noted it.
        order_id: For which order.
        app_id: For which app.
        app_name: That app's name.
        item_name: For what.
        fen: How much; negative where it went back.
        reference: Of the payment, as the operator wrote it down.
    """

    at: int
    order_id: str
    app_id: str
    app_name: str
    item_name: str
    fen: int
    reference: str


@dataclass(frozen=True, slots=True)
class OrderHead:
    """Of an order, what its statement is found by."""

    account_id: str
    app_name: str
    state: str
    created_at: int


def order_head(connection: Connection, order_id: str) -> OrderHead | None:
    """The order of this identifier, not locked: a statement waits for nobody."""
    o = orders.c
    statement = select(o.account_id, apps.c.name, o.state, o.created_at).select_from(
        orders.join(apps, o.app_id == apps.c.id)
    )
    row = connection.execute(statement.where(o.id == order_id)).one_or_none()
    return OrderHead(*row) if row else None


def account_name(connection: Connection, account_id: str) -> str | None:
    """The name of an account; None where there is none."""
    return connection.execute(select(accounts.c.name).where(accounts.c.id == account_id)).scalar()


def packages_of(connection: Connection, account_id: str) -> list[Sold]:
    """Every package of an account's apps, app by app, oldest first."""
    p = packages.c
    statement: Select[Any] = (
        select(
            p.id,
            p.app_id,
            apps.c.name,
            func.coalesce(p.order_id, ""),
            func.coalesce(orders.c.item_name, ""),
            p.calls,
            func.coalesce(orders.c.price_fen, 0),
            p.created_at,
            p.valid_to,
            p.closed_at,
        )
        .select_from(packages.join(apps).outerjoin(orders, p.order_id == orders.c.id))
        .where(apps.c.account_id == account_id)
        .order_by(apps.c.name, p.app_id, p.created_at, p.id)
    )
    return [Sold(*row) for row in connection.execute(statement)]


def billed_days(connection: Connection, account_id: str, until: int) -> dict[str, list[tuple[int, int]]]:
    """Of each package of an account: days that begin before a moment, in order, and the calls billed on them."""
    c = usage_rollups.c
    billed = func.sum(c.billed)
    statement = (
        select(c.package_id, c.start, billed)
        .where(c.app_id.in_(_apps_of(account_id)), c.span == "day", c.start < until)
        .group_by(c.package_id, c.start)
        .having(billed != 0)
        .order_by(c.package_id, c.start)
    )
    found: dict[str, list[tuple[int, int]]] = {}
    for package_id, start, calls in connection.execute(statement):
        found.setdefault(package_id, []).append((start, int(calls)))
    return found


def payments(connection: Connection, account_id: str, since: int, until: int) -> list[Payment]:
    """What was paid and paid back from ``since`` on and before ``until``, in order; what costs nothing is left out."""
    found = []
    for moment, fen in ((orders.c.paid_at, orders.c.price_fen), (orders.c.ended_at, -orders.c.refunded_fen)):
        statement = (
            select(moment, orders.c.id, apps.c.id, apps.c.name, orders.c.item_name, fen, orders.c.reference)
            .select_from(orders.join(apps, orders.c.app_id == apps.c.id))
            .where(orders.c.account_id == account_id, moment >= since, moment < until, fen != 0)
        )
        found += [Payment(*row) for row in connection.execute(statement)]
    return sorted(found, key=lambda payment: (payment.at, payment.order_id, -payment.fen))


def _apps_of(account_id: str) -> Select[tuple[str]]:
    return select(apps.c.id).where(apps.c.account_id == account_id)
