"""The catalogue, orders and packages, as operators and buyers change them.  Every change is in the audit log."""

from __future__ import annotations

from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering import catalogue, orders
from ziyan.metering.desk import Desk
from ziyan.metering.packages import GRANT_MONTHS, Package, new_package
from ziyan.metering.store import packages, sales
from ziyan.metering.store.sales import Item, Order
from ziyan.metering.times import now_ms
from ziyan.metering.views import ItemView, OrderView, PackageView

#: So much of anything that nobody sells more, and that no sum of them leaves a database's integers.
MOST_CALLS = 10**12
MOST_MONTHS = 1200
MOST_FEN = 10**12


def put_item(desk: Desk, item: Item) -> Item:
    """Put an item up for sale, or change it for orders to come.

    Raises:
        ConflictError: It makes no sense.
    """
    _check(item.calls, item.months, item.price_fen)
    before = sales.item_by_id(desk.connection, item.id)
    after = catalogue.put_item_in(desk.connection, item)
    desk.note("item.put", item.id, ItemView.of(before) if before else None, ItemView.of(after))
    return after


def retire_item(desk: Desk, item_id: str) -> Item:
    """Sell an item no longer; to do so again changes nothing.

    Raises:
        NotFoundError: There is no such item.
    """
    before = sales.item_by_id(desk.connection, item_id)
    if before is None:
        raise NotFoundError(f"There is no item {item_id} in the catalogue")
    after = catalogue.retire_item_in(desk.connection, item_id)
    if after != before:
        desk.note("item.retire", item_id, ItemView.of(before), ItemView.of(after))
    return after


def place_order(desk: Desk, app_id: str, item_id: str) -> Order:
    """Order an item for an app, as the catalogue has it now.

    Raises:
        NotFoundError: There is no such app or item.
        ConflictError: The item is not for sale any more, or it is free and the account ordered it before.
    """
    desk.app(app_id)
    order = orders.place_order_in(desk.connection, app_id, item_id)
    desk.note("order.place", order.id, None, OrderView.of(order))
    return order


def pay_order(desk: Desk, order_id: str, *, reference: str = "") -> Order:
    """Note that an order was paid, which gives its app the package; to do so again changes nothing.

    Raises:
        NotFoundError: There is no such order.
        ConflictError: It was cancelled or refunded.
    """
    before = desk.order(order_id)
    after = orders.mark_paid_in(desk.connection, desk.store, order_id, reference)
    if after != before:
        desk.note("order.pay", order_id, OrderView.of(before), OrderView.of(after))
        package = PackageView.of(packages.of_order(desk.connection, order_id))
        desk.note("package.create", package.id, None, package)
    return after


def cancel_order(desk: Desk, order_id: str) -> Order:
    """Give up an order that was not paid.

    Raises:
        NotFoundError: There is no such order.
        ConflictError: It was paid, or has ended.
    """
    before = desk.order(order_id)
    after = orders.cancel_order_in(desk.connection, order_id)
    desk.note("order.cancel", order_id, OrderView.of(before), OrderView.of(after))
    return after


def refund_order(desk: Desk, order_id: str, *, fen: int) -> Order:
    """Note that an order was paid back, in part or whole, and close its package; calls under way are honoured.

    Raises:
        NotFoundError: There is no such order.
        ConflictError: It was not paid, or less than so much was.
    """
    before = desk.order(order_id)
    after = orders.refund_order_in(desk.connection, order_id, fen)
    desk.note("order.refund", order_id, OrderView.of(before), OrderView.of(after))
    return after


def grant_package(desk: Desk, app_id: str, calls: int, *, months: int = GRANT_MONTHS) -> Package:
    """Give an app a package that nobody paid for.

    Raises:
        NotFoundError: There is no such app.
        ConflictError: It makes no sense.
    """
    _check(calls, months)
    desk.app(app_id)
    package = new_package(app_id, calls, months, desk.store, now=now_ms())
    packages.add(desk.connection, package)
    desk.note("package.grant", package.id, None, PackageView.of(package))
    return package


def _check(calls: int, months: int, price_fen: int = 0) -> None:
    if not (1 <= calls <= MOST_CALLS and 1 <= months <= MOST_MONTHS and 0 <= price_fen <= MOST_FEN):
        raise ConflictError(
            f"There are 1 to {MOST_CALLS} calls, 1 to {MOST_MONTHS} months, and prices of 0 to {MOST_FEN} fen"
        )
