"""What is for sale: packages of calls.  Prices are whole fen."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering.store import Store
from ziyan.metering.store import sales as table
from ziyan.metering.store.sales import Item
from ziyan.metering.times import now_ms

__all__ = ["DEFAULT", "TRIAL_ITEM", "Item", "ensure_catalogue", "list_items", "put_item", "retire_item"]

#: What a new installation sells: the larger, the cheaper the call, down to 2 fen.
DEFAULT: Final = (
    Item("calls-1m", "1,000,000 次", 1_000_000, 24, 2_000_000),
    Item("calls-100k", "100,000 次", 100_000, 24, 300_000),
    Item("calls-10k", "10,000 次", 10_000, 12, 40_000),
    Item("calls-1k", "1,000 次", 1_000, 12, 5_000),
    Item("trial-50", "免费试用 50 次", 50, 3, 0),
)
TRIAL_ITEM: Final = DEFAULT[-1]


def ensure_catalogue(store: Store) -> None:
    """Put the default catalogue into a database that has none; what an operator made of it stays."""

    def work(connection: Connection) -> None:
        if not table.all_items(connection):
            for item in DEFAULT:
                table.put_item(connection, replace(item, created_at=now_ms()))

    store.transact(work, write=True)


def list_items(store: Store, *, retired: bool = False) -> list[Item]:
    """What is for sale, dearest first; also what was, if asked."""
    items = store.transact(table.all_items)
    return [item for item in items if retired or item.retired_at is None]


def put_item(store: Store, item: Item) -> Item:
    """Put an item up for sale, or change it for orders to come.

    Raises:
        ConflictError: It has no calls, no months, or a negative price.
    """
    return store.transact(lambda connection: put_item_in(connection, item), write=True)


def put_item_in(connection: Connection, item: Item) -> Item:
    """As ``put_item``, inside a transaction that has begun."""
    if item.calls < 1 or item.months < 1 or item.price_fen < 0:
        raise ConflictError("An item needs at least 1 call, 1 month, and a price that is not negative")
    before = table.item_by_id(connection, item.id)
    new = replace(item, created_at=before.created_at if before else now_ms(), retired_at=None)
    table.put_item(connection, new)
    return new


def item_in(connection: Connection, item_id: str) -> Item:
    """The item of this identifier, for sale or not.

    Raises:
        NotFoundError: There is no such item.
    """
    item = table.item_by_id(connection, item_id)
    if item is None:
        raise NotFoundError(f"There is no item {item_id} in the catalogue")
    return item


def retire_item(store: Store, item_id: str) -> Item:
    """Sell an item no longer.

    Raises:
        NotFoundError: There is no such item.
    """
    return store.transact(lambda connection: retire_item_in(connection, item_id), write=True)


def retire_item_in(connection: Connection, item_id: str) -> Item:
    """As ``retire_item``, inside a transaction that has begun."""
    item = item_in(connection, item_id)
    retired = replace(item, retired_at=item.retired_at or now_ms())
    table.put_item(connection, retired)
    return retired
