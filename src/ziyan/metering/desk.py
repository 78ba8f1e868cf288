"""Where operators and buyers change things: each change in one transaction together with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from ziyan.errors import NotFoundError
from ziyan.metering.store import Store, apps, audit, sales
from ziyan.metering.store.apps import Account, App
from ziyan.metering.store.sales import Order
from ziyan.metering.times import now_ms
from ziyan.metering.views import View

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """One transaction of somebody.

    What belongs to others than ``account_id`` is not found, exactly as what is not there: so no work done here need
    ask whose something is.

    Attributes:
        connection: Of the transaction.
        store: The database, for its keys and its zone.
        actor: Who works here, as the audit log names them.
        account_id: The account outside of which nothing is seen or changed; None for an operator.
        writes: What is looked up is locked, for it may be changed.
    """

    connection: Connection
    store: Store
    actor: str
    account_id: str | None = None
    writes: bool = True

    def note(self, action: str, object_id: str, before: View | None, after: View | None) -> None:
        """Log a change of what ``action`` begins with: ``order.pay`` is done to an order."""
        audit.add(
            self.connection,
            at=now_ms(),
            actor=self.actor,
            action=action,
            object_kind=action.partition(".")[0],
            object_id=object_id,
            before=before.plain() if before else None,
            after=after.plain() if after else None,
        )

    def account(self, account_id: str) -> Account:
        """The account of this identifier.

        Raises:
            NotFoundError: There is none here.
        """
        seen = self.sees(account_id)
        account = apps.account_by_id(self.connection, account_id, lock=self.writes) if seen else None
        if account is None:
            raise NotFoundError(f"There is no account {account_id}")
        return account

    def app(self, app_id: str) -> App:
        """The app of this identifier, which nobody else changes until the transaction ends.

        Raises:
            NotFoundError: There is none here.
        """
        app = apps.app_by_id(self.connection, app_id, lock=self.writes)
        if app is None or not self.sees(app.account_id):
            raise NotFoundError(f"There is no app {app_id}")
        return app

    def order(self, order_id: str) -> Order:
        """The order of this identifier, which nobody else changes until the transaction ends.

        Raises:
            NotFoundError: There is none here.
        """
        order = sales.order_by_id(self.connection, order_id)
        if order is None or not self.sees(order.account_id):
            raise NotFoundError(f"There is no order {order_id}")
        return order

    def sees(self, account_id: str) -> bool:
        """Whether things of an account are seen here."""
        return self.account_id in {None, account_id}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works at the desk, one transaction after the other.

    Attributes:
        store: The database.
        actor: As the audit log names them.
        account_id: The account outside of which they see and change nothing; None for an operator.
    """

    store: Store
    actor: str
    account_id: str | None = None

    def do(self, work: Callable[[Desk], T]) -> T:
        """Do some work in a transaction of its own, on this thread.

        Raises:
            StoreError: The database is away.
        """
        return self.store.transact(lambda connection: work(self._desk(connection, writes=True)), write=True)

    async def ask(self, work: Callable[[Desk], T], *, write: bool = True) -> T:
        """As ``do``, on one of the store's threads; without ``write`` nothing must be changed."""
        return await self.store.run(lambda connection: work(self._desk(connection, writes=write)), write=write)

    def _desk(self, connection: Connection, *, writes: bool) -> Desk:
        return Desk(connection, self.store, self.actor, self.account_id, writes)
