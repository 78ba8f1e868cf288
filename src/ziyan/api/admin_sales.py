"""``/v1/admin``: the catalogue, orders, packages and usage."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query
from pydantic import Field
from starlette.responses import Response

from ziyan.api.doors import Visitor, needs
from ziyan.api.papers import Table, events_file
from ziyan.api.parameters import Days, Identifier, Name, Paging, Said, Text, listed, moments
from ziyan.metering import selling
from ziyan.metering.packages import GRANT_MONTHS
from ziyan.metering.store import lists, sales, usage
from ziyan.metering.store.lists import Filter
from ziyan.metering.store.sales import Item
from ziyan.metering.tokens import Scope
from ziyan.metering.views import EventView, ItemView, Listed, OrderView, PackageView, UsageView

router = APIRouter()

CatalogueReader = Annotated[Visitor, Depends(needs(Scope.CATALOGUE_READ))]
CatalogueWriter = Annotated[Visitor, Depends(needs(Scope.CATALOGUE_WRITE))]
OrdersReader = Annotated[Visitor, Depends(needs(Scope.ORDERS_READ))]
OrdersWriter = Annotated[Visitor, Depends(needs(Scope.ORDERS_WRITE))]
PackagesReader = Annotated[Visitor, Depends(needs(Scope.PACKAGES_READ))]
PackagesWriter = Annotated[Visitor, Depends(needs(Scope.PACKAGES_WRITE))]
UsageReader = Annotated[Visitor, Depends(needs(Scope.USAGE_READ))]
Calls = Annotated[int, Field(ge=1, le=selling.MOST_CALLS)]
Months = Annotated[int, Field(ge=1, le=selling.MOST_MONTHS)]
Fen = Annotated[int, Field(ge=0, le=selling.MOST_FEN)]
State = Literal["pending", "paid", "cancelled", "refunded"]
Span = Literal["day", "hour"]


class SaidItem(Said):
    """What is for sale, for orders to come."""

    name: Name
    calls: Calls
    months: Months
    price_fen: Fen


class NewOrder(Said):
    """An order to be placed."""

    app_id: Identifier
    item_id: Identifier


class Payment(Said):
    """How an order was paid."""

    reference: Text = Field("", description="Of the payment, such as a bank's number")


class Refund(Said):
    """What is paid back."""

    fen: Fen


class NewPackage(Said):
    """A package that nobody pays for."""

    calls: Calls
    months: Months = GRANT_MONTHS


@router.get("/catalogue")
async def list_items(visitor: CatalogueReader, retired: bool = False) -> Listed[ItemView]:
    """List what is for sale, dearest first; with `retired`, also what was."""
    items = await visitor.read(lambda desk: sales.all_items(desk.connection))
    return Listed(items=[ItemView.of(item) for item in items if retired or item.retired_at is None])


@router.put("/catalogue/{item_id}")
async def put_item(visitor: CatalogueWriter, item_id: Identifier, said: SaidItem) -> ItemView:
    """Put an item up for sale, or change it for orders to come."""
    item = Item(item_id, **said.model_dump())
    return ItemView.of(await visitor.change(lambda desk: selling.put_item(desk, item)))


@router.post("/catalogue/{item_id}/retire")
async def retire_item(visitor: CatalogueWriter, item_id: Identifier) -> ItemView:
    """Sell an item no longer."""
    return ItemView.of(await visitor.change(lambda desk: selling.retire_item(desk, item_id)))


@router.get("/orders")
async def list_orders(
    visitor: OrdersReader,
    asked: Paging,
    account_id: Identifier | None = None,
    app_id: Identifier | None = None,
    state: State | None = None,
) -> Listed[OrderView]:
    """List orders, newest first."""
    wanted = Filter(account_id, app_id, state)
    return listed(OrderView, await visitor.read(lambda desk: lists.orders_page(desk.connection, asked, wanted)))


@router.post("/orders", status_code=201)
async def place_order(visitor: OrdersWriter, said: NewOrder) -> OrderView:
    """Order an item for an app."""
    return OrderView.of(await visitor.change(lambda desk: selling.place_order(desk, said.app_id, said.item_id)))


@router.get("/orders/{order_id}")
async def show_order(visitor: OrdersReader, order_id: Identifier) -> OrderView:
    """Show an order."""
    return OrderView.of(await visitor.read(lambda desk: desk.order(order_id)))


@router.post("/orders/{order_id}/pay")
async def pay_order(
    visitor: OrdersWriter, order_id: Identifier, said: Annotated[Payment, Body(default_factory=Payment)]
) -> OrderView:
    """Note that an order was paid, which gives its app the package, once."""
    return OrderView.of(await visitor.change(lambda desk: selling.pay_order(desk, order_id, reference=said.reference)))


@router.post("/orders/{order_id}/cancel")
async def cancel_order(visitor: OrdersWriter, order_id: Identifier) -> OrderView:
    """Give up an order that was not paid."""
    return OrderView.of(await visitor.change(lambda desk: selling.cancel_order(desk, order_id)))


@router.post("/orders/{order_id}/refund")
async def refund_order(visitor: OrdersWriter, order_id: Identifier, said: Refund) -> OrderView:
    """Note that an order was paid back, and close its package."""
    return OrderView.of(await visitor.change(lambda desk: selling.refund_order(desk, order_id, fen=said.fen)))


@router.get("/packages")
async def list_packages(
    visitor: PackagesReader, asked: Paging, account_id: Identifier | None = None, app_id: Identifier | None = None
) -> Listed[PackageView]:
    """List packages, newest first."""
    wanted = Filter(account_id, app_id)
    return listed(PackageView, await visitor.read(lambda desk: lists.packages_page(desk.connection, asked, wanted)))


@router.post("/apps/{app_id}/packages", status_code=201)
async def grant_package(visitor: PackagesWriter, app_id: Identifier, said: NewPackage) -> PackageView:
    """Give an app a package that nobody paid for."""
    return PackageView.of(
        await visitor.change(lambda desk: selling.grant_package(desk, app_id, said.calls, months=said.months))
    )


@router.get("/usage/events", response_class=Response)
async def export_events(
    visitor: UsageReader,
    days: Days,
    kind: Annotated[Table, Query(alias="format")] = "csv",
    account_id: Identifier | None = None,
    app_id: Identifier | None = None,
) -> Response:
    """Give what became of each call as a file, oldest first."""
    since, until = moments(days, visitor.store, "day")
    return await events_file(visitor.store, since, until, kind, account_id=account_id, app_id=app_id)


@router.get("/usage")
async def list_usage(
    visitor: UsageReader,
    days: Days,
    span: Span = "day",
    account_id: Identifier | None = None,
    app_id: Identifier | None = None,
) -> Listed[UsageView]:
    """Sum calls by app, package, outcome and day or hour, oldest first."""
    since, until = moments(days, visitor.store, span)
    totals = await visitor.read(
        lambda desk: usage.totals(
            desk.connection, span=span, since=since, until=until, app_id=app_id, account_id=account_id
        )
    )
    return Listed(items=[UsageView.in_zone(total, visitor.store.zone) for total in totals])


@router.get("/apps/{app_id}/events")
async def list_events(visitor: UsageReader, asked: Paging, days: Days, app_id: Identifier) -> Listed[EventView]:
    """List what became of an app's calls, newest first."""
    since, until = moments(days, visitor.store, "day")
    return listed(
        EventView,
        await visitor.read(
            lambda desk: lists.events_page(desk.connection, asked, desk.app(app_id).id, since=since, until=until)
        ),
    )
