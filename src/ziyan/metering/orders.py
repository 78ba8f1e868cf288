"""Orders.  They are paid offline: an operator marks one paid, and that makes its package, exactly once."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from sqlalchemy import Connection

from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering.packages import new_package
from ziyan.metering.store import Store, apps, packages
from ziyan.metering.store import sales as table
from ziyan.metering.store.sales import Order
from ziyan.metering.times import now_ms

__all__ = ["Order", "cancel_order", "get_order", "list_orders", "mark_paid", "place_order", "refund_order"]


def place_order(store: Store, app_id: str, item_id: str) -> Order:
    """Order an item for an app, as the catalogue has it now.

    Raises:
        NotFoundError: There is no such app or item.
        ConflictError: The item is not for sale any more, or it is free and the account ordered it before.
    """
    return store.transact(lambda connection: place_order_in(connection, app_id, item_id), write=True)


def place_order_in(connection: Connection, app_id: str, item_id: str) -> Order:
    """As ``place_order``, inside a transaction that has begun."""
    app, item = apps.app_by_id(connection, app_id), table.item_by_id(connection, item_id)
    if app is None or item is None:
        raise NotFoundError(f"There is no app {app_id}" if app is None else f"There is no item {item_id}")
    if item.retired_at is not None:
        raise ConflictError(f"The item {item_id} is not for sale any more")
    if not item.price_fen and table.had_for_nothing(connection, app.account_id, item.id):
        raise ConflictError(f"The item {item_id} is free: an account has it once, and this one ordered it already")
    order = Order(
        id=uuid4().hex,
        account_id=app.account_id,
        app_id=app.id,
        item_id=item.id,
        item_name=item.name,
        calls=item.calls,
        months=item.months,
        price_fen=item.price_fen,
        state="pending",
        created_at=now_ms(),
    )
    table.add_order(connection, order)
    return order


def mark_paid(store: Store, order_id: str, *, reference: str = "") -> Order:
    """Note that an order was paid, and give its app the package; to do so again changes nothing.

    Raises:
        NotFoundError: There is no such order.
        ConflictError: It was cancelled or refunded.
    """
    return store.transact(lambda connection: mark_paid_in(connection, store, order_id, reference), write=True)


def mark_paid_in(connection: Connection, store: Store, order_id: str, reference: str) -> Order:
    """As ``mark_paid``, inside a transaction that has begun."""
    order = _known(connection, order_id)
    if order.state == "paid":
        return order
    _require(order, "pending")
    now = now_ms()
    paid = replace(order, state="paid", paid_at=now, reference=reference)
    table.change_order(connection, paid)
    packages.add(connection, new_package(order.app_id, order.calls, order.months, store, now=now, order_id=order.id))
    return paid


def cancel_order(store: Store, order_id: str) -> Order:
    """Give up an order that was not paid.

    Raises:
        NotFoundError: There is no such order.
        ConflictError: It was paid, or has ended.
    """
    return store.transact(lambda connection: cancel_order_in(connection, order_id), write=True)


def cancel_order_in(connection: Connection, order_id: str) -> Order:
    """As ``cancel_order``, inside a transaction that has begun."""
    order = _known(connection, order_id)
    _require(order, "pending")
    cancelled = replace(order, state="cancelled", ended_at=now_ms())
    table.change_order(connection, cancelled)
    return cancelled


def refund_order(store: Store, order_id: str, *, fen: int) -> Order:
    """Note that an order was paid back, in part or whole, and close its package; calls under way are honoured.

    Raises:
        NotFoundError: There is no such order.
        ConflictError: It was not paid, or less than so much was.
    """
    return store.transact(lambda connection: refund_order_in(connection, order_id, fen), write=True)


def refund_order_in(connection: Connection, order_id: str, fen: int) -> Order:
    """As ``refund_order``, inside a transaction that has begun."""
    order = _known(connection, order_id)
    _require(order, "paid")
    if not 0 <= fen <= order.price_fen:
        raise ConflictError(f"Between 0 and {order.price_fen} fen can be paid back, not {fen}")
    refunded = replace(order, state="refunded", ended_at=now_ms(), refunded_fen=fen)
    table.change_order(connection, refunded)
    packages.close(connection, order.id, now_ms())
    return refunded


def get_order(store: Store, order_id: str) -> Order | None:
    """The order of this identifier."""
    return store.transact(lambda connection: table.order_by_id(connection, order_id))


def list_orders(store: Store, account_id: str | None = None) -> list[Order]:
    """Every order, newest first; of one account, where it is named."""
    return store.transact(lambda connection: table.all_orders(connection, account_id))


def _known(connection: Connection, order_id: str) -> Order:
    order = table.order_by_id(connection, order_id)
    if order is None:
        raise NotFoundError(f"There is no order {order_id}")
    return order


def _require(order: Order, state: str) -> None:
    if order.state != state:
        raise ConflictError(f"Order {order.id} is {order.state}, not {state}")
