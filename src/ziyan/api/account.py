"""``/v1/account``: what a buyer sees and does.

A buyer's token reaches all of its account.  An app's AppCode shows what is left to that app and what it used, and no
more: it lies in programs of the buyer's, often on machines of others, and may stand in a query string, while keys,
orders and invoices are worth money.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query
from starlette.responses import Response

from ziyan.api.admin import Grace, NewKey
from ziyan.api.admin_sales import NewOrder, State
from ziyan.api.admin_tokens import TokenGrace
from ziyan.api.doors import Visitor, needs
from ziyan.api.papers import Table, events_file
from ziyan.api.parameters import Days, Identifier, Paging, listed, moments
from ziyan.metering import apps, selling, tokens
from ziyan.metering.desk import Desk
from ziyan.metering.store import apps as table
from ziyan.metering.store import lists, sales, usage
from ziyan.metering.store.apps import Account
from ziyan.metering.store.lists import Filter
from ziyan.metering.tokens import Scope
from ziyan.metering.views import (
    AccountView,
    AppView,
    ItemView,
    KeyView,
    Listed,
    OrderView,
    PackageView,
    SecretKeyView,
    SecretTokenView,
    UsageView,
)

router = APIRouter()

Reader = Annotated[Visitor, Depends(needs(Scope.ACCOUNT_READ))]
Looker = Annotated[Visitor, Depends(needs(Scope.ACCOUNT_READ, appcode=True))]
KeyHolder = Annotated[Visitor, Depends(needs(Scope.ACCOUNT_KEYS))]
Buyer = Annotated[Visitor, Depends(needs(Scope.ACCOUNT_ORDERS))]


@router.get("")
async def show_account(visitor: Reader) -> AccountView:
    """Show the account."""
    return AccountView.of(await visitor.read(_own_account))


@router.get("/apps")
async def list_apps(visitor: Reader, asked: Paging) -> Listed[AppView]:
    """List the account's apps, newest first."""
    return listed(
        AppView, await visitor.read(lambda desk: table.apps_page(desk.connection, asked, _own_account(desk).id))
    )


@router.get("/packages")
async def list_packages(visitor: Looker, asked: Paging, app_id: Identifier | None = None) -> Listed[PackageView]:
    """List packages, newest first: calls left, and when they expire."""
    app_id = visitor.narrowed(app_id)
    return listed(
        PackageView,
        await visitor.read(
            lambda desk: lists.packages_page(desk.connection, asked, Filter(_own_account(desk).id, app_id))
        ),
    )


@router.get("/usage/events", response_class=Response)
async def export_events(
    visitor: Reader,
    days: Days,
    kind: Annotated[Table, Query(alias="format")] = "csv",
    app_id: Identifier | None = None,
) -> Response:
    """Give what became of each call as a file, oldest first."""
    since, until = moments(days, visitor.store, "day")
    account_id = visitor.own_account_id
    return await events_file(visitor.store, since, until, kind, account_id=account_id, app_id=app_id)


@router.get("/usage")
async def list_usage(visitor: Looker, days: Days, app_id: Identifier | None = None) -> Listed[UsageView]:
    """Sum calls by day, app, package and outcome, oldest first."""
    since, until = moments(days, visitor.store, "day")
    app_id = visitor.narrowed(app_id)
    totals = await visitor.read(
        lambda desk: usage.totals(
            desk.connection, span="day", since=since, until=until, app_id=app_id, account_id=_own_account(desk).id
        )
    )
    return Listed(items=[UsageView.in_zone(total, visitor.store.zone) for total in totals])


@router.get("/apps/{app_id}/keys")
async def list_keys(visitor: Reader, app_id: Identifier) -> Listed[KeyView]:
    """List what an app signs in with, or once did, oldest first, without secrets."""
    return Listed(items=[KeyView.of(key) for key in await visitor.read(lambda desk: apps.list_keys(desk, app_id))])


@router.post("/apps/{app_id}/keys", status_code=201)
async def create_key(visitor: KeyHolder, app_id: Identifier, said: NewKey) -> SecretKeyView:
    """Let an app sign in with one more key, and show it."""
    return SecretKeyView.of(await visitor.change(lambda desk: apps.create_key(desk, app_id, said.kind, hmac=said.hmac)))


@router.post("/apps/{app_id}/keys/{key_id}/reveal")
async def reveal_key(visitor: KeyHolder, app_id: Identifier, key_id: Identifier) -> SecretKeyView:
    """Show a key once more; the audit log tells who looked."""
    return SecretKeyView.of(await visitor.change(lambda desk: apps.reveal_key(desk, app_id, key_id)))


@router.post("/apps/{app_id}/keys/{key_id}/rotate", status_code=201)
async def rotate_key(
    visitor: KeyHolder, app_id: Identifier, key_id: Identifier, said: Annotated[Grace, Body(default_factory=Grace)]
) -> SecretKeyView:
    """Put a new key in the place of one, which works on for some hours, and show the new one."""
    return SecretKeyView.of(
        await visitor.change(lambda desk: apps.rotate_key(desk, app_id, key_id, grace_hours=said.grace_hours))
    )


@router.post("/apps/{app_id}/keys/{key_id}/revoke")
async def revoke_key(visitor: KeyHolder, app_id: Identifier, key_id: Identifier) -> KeyView:
    """Refuse a key for good, at once."""
    return KeyView.of(await visitor.change(lambda desk: apps.revoke_key(desk, app_id, key_id)))


@router.get("/catalogue")
async def list_items(visitor: Reader) -> Listed[ItemView]:
    """List what is for sale, dearest first."""
    items = await visitor.read(lambda desk: sales.all_items(desk.connection))
    return Listed(items=[ItemView.of(item) for item in items if item.retired_at is None])


@router.get("/orders")
async def list_orders(
    visitor: Reader, asked: Paging, app_id: Identifier | None = None, state: State | None = None
) -> Listed[OrderView]:
    """List orders, newest first."""
    return listed(
        OrderView,
        await visitor.read(
            lambda desk: lists.orders_page(desk.connection, asked, Filter(_own_account(desk).id, app_id, state))
        ),
    )


@router.post("/orders", status_code=201)
async def place_order(visitor: Buyer, said: NewOrder) -> OrderView:
    """Order an item for an app; its calls are there once whoever runs the service has the money."""
    return OrderView.of(await visitor.change(lambda desk: selling.place_order(desk, said.app_id, said.item_id)))


@router.get("/orders/{order_id}")
async def show_order(visitor: Reader, order_id: Identifier) -> OrderView:
    """Show an order."""
    return OrderView.of(await visitor.read(lambda desk: desk.order(order_id)))


@router.post("/orders/{order_id}/cancel")
async def cancel_order(visitor: Buyer, order_id: Identifier) -> OrderView:
    """Give up an order that was not paid."""
    return OrderView.of(await visitor.change(lambda desk: selling.cancel_order(desk, order_id)))


@router.post("/token/rotate", status_code=201)
async def rotate_token(
    visitor: Reader, said: Annotated[TokenGrace, Body(default_factory=TokenGrace)]
) -> SecretTokenView:
    """Put a new token in the place of the one that asks, which works on for some hours, and show the new one, once."""
    issued = await visitor.change(
        lambda desk: tokens.rotate(desk, visitor.token_id, grace_hours=said.grace_hours, giver=visitor.token)
    )
    return issued.view()


def _own_account(desk: Desk) -> Account:
    return desk.account(desk.account_id or "")
