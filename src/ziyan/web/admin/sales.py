"""The catalogue and orders: what is sold, what was, and what became of it."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from ziyan.errors import ConflictError
from ziyan.metering import catalogue, papers, selling
from ziyan.metering.desk import Desk
from ziyan.metering.sheets import Fen
from ziyan.metering.store import packages, sales, searches
from ziyan.metering.store.invoices import Invoice
from ziyan.metering.store.listings import orders_listing
from ziyan.metering.store.sales import Item, Order
from ziyan.metering.tokens import Scope
from ziyan.web.admin.doors import may
from ziyan.web.admin.parts import INVOICE_STATES, ORDER_STATES, Names, fen_of, link, name_of, note_of, whole_of
from ziyan.web.rooms import Ask
from ziyan.web.tables import Column, Table, asked_search, badge, words_of

_ITEM_ID_CHARS: Final = 32


def order_columns(ask: Ask, names: Names, *, account: bool = True) -> list[Column[Order]]:
    """Columns of a table of orders."""
    owner: list[Column[Order]] = [
        Column(
            "account",
            ("账户", "Account"),
            lambda order: names.accounts.get(order.account_id, ""),
            show=lambda order: names.account(ask, order.account_id),
        )
    ]
    return [
        Column("id", ("订单", "Order"), lambda order: order.id, show=lambda order: _order_link(ask, order)),
        *(owner if account else []),
        Column(
            "app", ("应用", "App"), lambda order: names.apps[order.app_id].name,
            show=lambda order: names.app(ask, order.app_id),
        ),
        Column("item", ("套餐", "Item"), lambda order: order.item_name),
        Column("price", ("金额", "Price"), lambda order: order.price_fen, "fen"),
        Column(
            "state", ("状态", "State"), lambda order: order.state,
            show=lambda order: badge(ask, ORDER_STATES, order.state), words=words_of(ORDER_STATES),
        ),
        Column("created", ("下单时间", "Placed"), lambda order: order.created_at, "moment"),
        Column("paid", ("付款时间", "Paid"), lambda order: order.paid_at, "moment"),
    ]  # fmt: skip


async def show_orders(ask: Ask) -> Response:
    """Every order; of one state, where the address says so."""
    state = ask.query("state") if ask.query("state") in ORDER_STATES else None
    columns, listing = order_columns(ask, await ask.read(Names.of)), orders_listing(states=(state,) if state else ())
    wanted = asked_search(ask, columns)
    table = Table.searched(ask, columns, await ask.read(lambda desk: searches.page(desk.connection, listing, wanted)))
    if table.wants_csv:
        return await table.file("orders", lambda connection: searches.rows(connection, listing, wanted))
    return ask.page("admin/orders.html", table=table, state=state or "", states=ORDER_STATES)


async def show_order(ask: Ask) -> Response:
    """One order, its package, and what can be done."""

    def look(desk: Desk) -> tuple[Names, Order, packages.Package | None, list[Invoice]]:
        order = desk.order(ask.path("order_id"))
        return Names.of(desk), order, packages.of_order(desk.connection, order.id), papers.standing_for(desk, order)

    names, order, package, standing = await ask.read(look)
    return ask.page(
        "admin/order.html",
        order=order,
        package=package,
        names=names,
        invoices=[_invoice_words(ask, each) for each in standing],
        state=badge(ask, ORDER_STATES, order.state),
        account=names.account(ask, order.account_id),
        app=names.app(ask, order.app_id),
    )


async def place_order(ask: Ask) -> Response:
    """Order an item for an app, as its account asked an operator to."""
    app_id = ask.path("app_id")
    order = await ask.change(lambda desk: selling.place_order(desk, app_id, ask.field("item")))
    if not order.price_fen:
        told = (
            f"已下单“{order.item_name}”，免费，确认后到账。",
            f"“{order.item_name}” was ordered. It is free: confirm it.",
        )
        return ask.done(f"/admin/orders/{order.id}", *told)
    return ask.done(
        f"/admin/orders/{order.id}",
        f"已下单“{order.item_name}”，¥{Fen(order.price_fen).yuan}，待付款。",
        f"“{order.item_name}” was ordered, ¥{Fen(order.price_fen).yuan}, to be paid.",
    )


async def pay_order(ask: Ask) -> Response:
    """Note that an order was paid."""
    order_id, reference = ask.path("order_id"), note_of(ask, "reference")
    order = await ask.change(lambda desk: selling.pay_order(desk, order_id, reference=reference))
    return ask.done(
        f"/admin/orders/{order_id}",
        f"已记为付款，{order.calls:,} 次已到账。",
        f"Marked paid; {order.calls:,} calls were given.",
    )


async def cancel_order(ask: Ask) -> Response:
    """Give up an order that was not paid."""
    order_id = ask.path("order_id")
    await ask.change(lambda desk: selling.cancel_order(desk, order_id))
    return ask.done(f"/admin/orders/{order_id}", "订单已取消。", "The order was cancelled.")


async def refund_order(ask: Ask) -> Response:
    """Note that an order was paid back."""
    order_id, fen = ask.path("order_id"), fen_of(ask, "amount")
    await ask.change(lambda desk: selling.refund_order(desk, order_id, fen=fen))
    return ask.done(
        f"/admin/orders/{order_id}",
        f"已记为退款 ¥{Fen(fen).yuan}，套餐已停用。",
        f"¥{Fen(fen).yuan} noted as paid back; the package was closed.",
    )


async def show_catalogue(ask: Ask) -> Response:
    """What is for sale, and what was."""
    items = await ask.read(lambda desk: sales.all_items(desk.connection))
    states = {"sold": (("在售", "for sale"), "good"), "retired": (("已下架", "retired"), "over")}
    columns: list[Column[Item]] = [
        Column("id", ("编号", "Identifier"), lambda item: item.id, "code"),
        Column("name", ("名称", "Name"), lambda item: item.name),
        Column("calls", ("次数", "Calls"), lambda item: item.calls, "number"),
        Column("months", ("有效月数", "Months"), lambda item: item.months, "number"),
        Column("price", ("价格", "Price"), lambda item: item.price_fen, "fen"),
        Column(
            "each", ("每次", "A call"), lambda item: item.price_fen / item.calls, show=lambda item: _a_call(ask, item)
        ),
        Column(
            "state", ("状态", "State"), lambda item: "retired" if item.retired_at else "sold",
            show=lambda item: badge(ask, states, "retired" if item.retired_at else "sold"),
        ),
        Column(
            "edit", ("", ""), lambda item: "", bare=True,
            show=lambda item: link(ask, f"/admin/catalogue/{item.id}", ask.text("修改", "Change")),
        ),
    ]  # fmt: skip
    table = Table.of(ask, columns, items)
    return table.csv("catalogue") if table.wants_csv else ask.page("admin/catalogue.html", table=table)


async def show_item(ask: Ask) -> Response:
    """One item, to be changed or retired."""

    def look(desk: Desk) -> Item:
        return catalogue.item_in(desk.connection, ask.path("item_id"))

    return ask.page("admin/item.html", item=await ask.read(look))


async def put_item(ask: Ask) -> Response:
    """Put an item up for sale, or change it for orders to come."""
    item_id = ask.request.path_params.get("item_id") or ask.field("id")
    if not 0 < len(item_id) <= _ITEM_ID_CHARS or not item_id.isascii() or not item_id.replace("-", "").isalnum():
        raise ConflictError("An identifier has 1 to 32 letters, digits and hyphens")
    item = Item(item_id, name_of(ask), whole_of(ask, "calls"), whole_of(ask, "months"), fen_of(ask, "price"))
    await ask.change(lambda desk: selling.put_item(desk, item))
    return ask.done("/admin/catalogue", f"“{item.name}”已上架。", f"“{item.name}” is for sale.")


async def retire_item(ask: Ask) -> Response:
    """Sell an item no longer."""
    item_id = ask.path("item_id")
    item = await ask.change(lambda desk: selling.retire_item(desk, item_id))
    return ask.done("/admin/catalogue", f"“{item.name}”已下架。", f"“{item.name}” is not for sale any more.")


def _invoice_words(ask: Ask, invoice: Invoice) -> Markup:
    name = invoice.invoice_number or invoice.id[:8]
    linked = link(ask, f"/admin/invoices/{invoice.id}", name) if may(ask, Scope.INVOICES_READ) else name
    words = ask.text(*INVOICE_STATES[invoice.state][0])
    return Markup("{} · ¥{} · {}").format(linked, Fen(invoice.amount_fen).yuan, words)


def _order_link(ask: Ask, order: Order) -> Markup:
    return link(ask, f"/admin/orders/{order.id}", order.id[:8])


def _a_call(ask: Ask, item: Item) -> str:
    fen = f"{item.price_fen / item.calls:.2f}".rstrip("0").rstrip(".")
    return ask.text(f"{fen} 分", f"{fen} fen")
