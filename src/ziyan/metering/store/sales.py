"""SQL on the catalogue and on orders.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, text, update

from ziyan.metering.store.schema import accounts, catalogue_items, orders


@dataclass(frozen=True, slots=True)
class Item:
    """What can be ordered.

    Attributes:
        id: A short name.
        name: For people.
        calls: How many calls it has.
        months: How long it lasts.
        price_fen: What it costs.
        created_at: When it was put into the catalogue.
        retired_at: When it was taken out; None where it is for sale.
    """

    id: str
    name: str
    calls: int
    months: int
    price_fen: int
    created_at: int = 0
    retired_at: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A purchase.

    Attributes:
        id: Identifier.
        account_id: Who pays.
        app_id: For which app.
        item_id: What was bought, as all that follows was then.
        item_name: Its name.
        calls: How many calls it has.
        months: How long they last.
        price_fen: What it costs.
        state: ``pending``, ``paid``, ``cancelled`` or ``refunded``.
        created_at: When it was placed.
        paid_at: When it was marked paid.
        ended_at: When it was cancelled or refunded.
        refunded_fen: How much was given back.
        reference: Of the payment, as the operator wrote it down.
    """

    id: str
    account_id: str
    app_id: str
    item_id: str
    item_name: str
    calls: int
    months: int
    price_fen: int
    state: str
    created_at: int
    paid_at: int | None = None
    ended_at: int | None = None
    refunded_fen: int = 0
    reference: str = ""


_ITEM = tuple(catalogue_items.c[name] for name in Item.__dataclass_fields__)
_ORDER = tuple(orders.c[name] for name in Order.__dataclass_fields__)
_PUT = text(
    "INSERT INTO catalogue_items (id, name, calls, months, price_fen, created_at, retired_at) "
    "VALUES (:id, :name, :calls, :months, :price_fen, :created_at, :retired_at) ON CONFLICT (id) DO UPDATE SET "
    "name = excluded.name, calls = excluded.calls, months = excluded.months, price_fen = excluded.price_fen, "
    "retired_at = excluded.retired_at"
)


def put_item(connection: Connection, item: Item) -> None:
    """Store an item, or change the one of this identifier."""
    connection.execute(_PUT, {name: getattr(item, name) for name in Item.__dataclass_fields__})


def all_items(connection: Connection) -> list[Item]:
    """Every item, dearest first."""
    order = (catalogue_items.c.price_fen.desc(), catalogue_items.c.id)
    return [Item(*row) for row in connection.execute(select(*_ITEM).order_by(*order))]


def item_by_id(connection: Connection, item_id: str) -> Item | None:
    """The item of this identifier."""
    row = connection.execute(select(*_ITEM).where(catalogue_items.c.id == item_id)).one_or_none()
    return Item(*row) if row else None


def add_order(connection: Connection, order: Order) -> None:
    """Store a new order."""
    connection.execute(insert(orders).values({name: getattr(order, name) for name in Order.__dataclass_fields__}))


def order_by_id(connection: Connection, order_id: str) -> Order | None:
    """The order of this identifier, locked until the transaction ends."""
    row = connection.execute(select(*_ORDER).where(orders.c.id == order_id).with_for_update()).one_or_none()
    return Order(*row) if row else None


def all_orders(connection: Connection, account_id: str | None = None) -> list[Order]:
    """Every order, newest first; of one account, where it is named."""
    statement = select(*_ORDER).order_by(orders.c.created_at.desc(), orders.c.id)
    if account_id is not None:
        statement = statement.where(orders.c.account_id == account_id)
    return [Order(*row) for row in connection.execute(statement)]


def had_for_nothing(connection: Connection, account_id: str, item_id: str) -> bool:
    """Whether an account has an order of an item for nothing that was not cancelled.

    Nobody else's order of the account comes between until the transaction ends.
    """
    connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True))
    c = orders.c
    mine = select(c.id).where(
        c.account_id == account_id, c.item_id == item_id, c.price_fen == 0, c.state != "cancelled"
    )
    return connection.execute(mine.limit(1)).first() is not None


def change_order(connection: Connection, order: Order) -> None:
    """Store what has become of an order."""
    connection.execute(
        update(orders)
        .where(orders.c.id == order.id)
        .values(
            state=order.state,
            paid_at=order.paid_at,
            ended_at=order.ended_at,
            refunded_fen=order.refunded_fen,
            reference=order.reference,
        )
    )
