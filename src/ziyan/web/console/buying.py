"""``/console/orders``: what is for sale, and what was ordered.  Orders are paid offline; operators mark them paid."""

from __future__ import annotations

from functools import partial
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from ziyan.metering import selling
from ziyan.metering.credentials import App
from ziyan.metering.desk import Desk
from ziyan.metering.store import sales, searches
from ziyan.metering.store.listings import orders_listing
from ziyan.metering.store.sales import Item, Order
from ziyan.metering.store.searches import Found
from ziyan.web.console.holdings import account_apps
from ziyan.web.rooms import Ask
from ziyan.web.tables import Column, Table, asked_search, badge, moment, shown, words_of

PATH: Final = "/console/orders"
#: State of an order → its word and the kind of its badge.
STATES: Final = {
    "pending": (("待付款", "To be paid"), "waiting"),
    "paid": (("已付款", "Paid"), "good"),
    "cancelled": (("已取消", "Cancelled"), "over"),
    "refunded": (("已退款", "Refunded"), "bad"),
}


async def show_orders(ask: Ask) -> Response:
    """What is for sale, and the account's orders."""
    apps = await ask.read(account_apps)
    columns, listing = _columns(ask, {app.id: app.name for app in apps}), orders_listing(ask.guest.account_id)
    wanted = asked_search(ask, columns)

    def look(desk: Desk) -> tuple[list[Item], Found[Order]]:
        items = [item for item in sales.all_items(desk.connection) if item.retired_at is None]
        return items[::-1], searches.page(desk.connection, listing, wanted)

    items, orders = await ask.read(look)
    table = Table.searched(ask, columns, orders)
    if table.wants_csv:
        return await table.file("orders", lambda connection: searches.rows(connection, listing, wanted))
    fen = partial(shown, ask, "fen")
    return ask.page("console/orders.html", apps=apps, items=items, orders=table, fen=fen)


async def show_order(ask: Ask) -> Response:
    """One order, and what is to be done about it."""
    order_id = ask.path("order_id")

    def look(desk: Desk) -> tuple[Order, App]:
        order = desk.order(order_id)
        return order, desk.app(order.app_id)

    order, app = await ask.read(look)
    word, kind = STATES[order.state]
    return ask.page(
        "console/order.html",
        order=order,
        app=app,
        word=ask.text(*word),
        kind=kind,
        fen=partial(shown, ask, "fen"),
        moment=partial(moment, ask),
    )


async def place_order(ask: Ask) -> Response:
    """Order an item for an app."""
    app_id, item_id = ask.field("app"), ask.field("item")
    order = await ask.change(lambda desk: selling.place_order(desk, app_id, item_id))
    told = ("订单已提交，付款后由运营人员确认。", "The order was placed. It is confirmed once you have paid.")
    if not order.price_fen:
        told = ("订单已提交，不用付款，由运营人员确认。", "The order was placed. There is nothing to be paid.")
    return ask.done(f"{PATH}/{order.id}", *told)


async def cancel_order(ask: Ask) -> Response:
    """Give up an order that was not paid."""
    order_id = ask.path("order_id")
    await ask.change(lambda desk: selling.cancel_order(desk, order_id))
    return ask.done(PATH, "订单已取消。", "The order was cancelled.")


def _columns(ask: Ask, names: dict[str, str]) -> list[Column[Order]]:
    def state(row: Order) -> Markup:
        return badge(ask, STATES, row.state)

    def link(row: Order) -> Markup:
        return Markup('<a href="{}">{}</a>').format(ask.visit.link(f"{PATH}/{row.id}"), row.item_name)

    return [
        Column("created", ("下单时间", "Ordered"), lambda row: row.created_at, "moment"),
        Column("item", ("套餐", "Package"), lambda row: row.item_name, show=link),
        Column("app", ("应用", "App"), lambda row: names.get(row.app_id, "")),
        Column("calls", ("次数", "Calls"), lambda row: row.calls, "number"),
        Column("price", ("金额", "Price"), lambda row: row.price_fen, "fen"),
        Column(
            "state", ("状态", "State"), lambda row: ask.text(*STATES[row.state][0]), show=state, words=words_of(STATES)
        ),
        Column("id", ("订单号", "Order"), lambda row: row.id, "code"),
    ]
