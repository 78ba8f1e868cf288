"""Calls of packages: reserved before a picture is read, taken for good with its answer, let go of otherwise."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ziyan.errors import AlreadyTakenError, ConflictError, NotFoundError, QuotaError, SubscriptionExpiredError
from ziyan.metering import notices, once
from ziyan.metering.catalogue import TRIAL_ITEM
from ziyan.metering.store import Store, answers, apps, taken, usage
from ziyan.metering.store import packages as table
from ziyan.metering.store.packages import Package
from ziyan.metering.store.usage import Event
from ziyan.metering.times import end_after_months, now_ms

__all__ = [
    "Package",
    "Settlement",
    "ensure_trial_package",
    "grant",
    "list_packages",
    "new_package",
    "remaining",
    "reserve",
    "settle",
    "settle_in",
    "sweep",
    "sweep_in",
]

#: What a package lasts that nobody sold.
GRANT_MONTHS = 24


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a call ends with.  Twice changes nothing; a free end takes back a billed one, never the reverse.

    Attributes:
        event: The outcome.
        holds: Whether the call may hold anything: a call of a package, or one of the following.
        key: Keyed hash of its Idempotency-Key, empty without one.
        sealed: Its answer, encrypted, to be kept under that key; None where there is none.
        keep_until: Until when that is kept.
        ticket: What of the call may be billed once only, as ``once.Ticket`` has it: lookup and holder.
        claimed_until: Until when it stays taken if the call is billed.
    """

    event: Event
    holds: bool = False
    key: bytes = b""
    sealed: bytes | None = None
    keep_until: int = 0
    ticket: tuple[bytes, str] | None = None
    claimed_until: int = 0


async def reserve(store: Store, app_id: str, holder: str, *, until: int, ticket: once.Ticket | None = None) -> str:
    """Hold one call of the package that expires first, of several the oldest.  One statement decides.

    With a ticket, that is taken in the same transaction: each one by itself costs the hand-over to a thread and back.
    It stays taken where no call is left; settling the call can give it back.

    Args:
        store: The database.
        app_id: Whose.
        holder: Identifier of the call that is to hold it.
        until: The moment at which it is let go of if nobody settles the call.
        ticket: What of the call is honoured once only, if anything.

    Returns:
        The package.

    Raises:
        AlreadyTakenError: Another call has what the ticket is for; nothing was changed.
        QuotaError: No call is left.
        SubscriptionExpiredError: All packages have expired.
        StoreError: The database is away.
    """

    def work(connection: Connection) -> str | None:
        return table.reserve(connection, app_id, holder, now=now_ms(), until=until)

    def first(connection: Connection) -> str | None:
        if ticket is not None and not once.take_in(connection, ticket, now=now_ms()):
            raise AlreadyTakenError("Another call has it")
        return work(connection)

    package_id = await store.run(first, write=True, light=True)
    if package_id is None and await store.run(sweep_in, write=True, light=True) > 0:
        package_id = await store.run(work, write=True, light=True)
    if package_id is None:
        raise await store.run(lambda connection: _why_none(connection, app_id))
    return package_id


async def settle(store: Store, settlement: Settlement) -> int:
    """End a call: what it holds is taken for good if it is billed, else let go of, together with its event.

    Returns:
        Calls that are left to the app.

    Raises:
        QuotaError: It is to be billed, what it held has lapsed, and no other call is left; nothing was changed.
        StoreError: The database is away; it may have been done or not, so settle it as free.
    """

    def work(connection: Connection) -> int:
        settle_in(connection, store, settlement)
        return table.remaining(connection, settlement.event.app_id, now_ms())

    return await store.run(work, write=True, light=not settlement.event.billed)


def settle_in(connection: Connection, store: Store, settlement: Settlement) -> None:
    """As ``settle``, inside a transaction that has begun."""
    if settlement.event.billed:
        _settle_billed(connection, store, settlement)
    else:
        _settle_free(connection, store, settlement)


def _settle_billed(connection: Connection, store: Store, settlement: Settlement) -> None:
    event = settlement.event
    if not usage.add(connection, event, store.zone):
        return  # done before, or settled as free
    if settlement.ticket is not None:  # before its package, as they are taken
        taken.set_expiry(connection, *settlement.ticket, settlement.claimed_until)
    if not table.consume(connection, event.id, event.package_id):
        raise QuotaError("No call is left")
    if settlement.sealed is not None:
        answers.keep(connection, settlement.key, event.id, settlement.sealed, settlement.keep_until)
    notices.after_commit(connection, event.app_id, now_ms())  # last: whoever waits for it holds nothing others need


def _settle_free(connection: Connection, store: Store, settlement: Settlement) -> None:
    event = settlement.event
    added = usage.add(connection, event, store.zone)
    forgotten = not settlement.key or answers.forget(connection, settlement.key, event.id)
    before = None if added else usage.find(connection, event.at, event.id)
    billed = before if before is not None and before.billed else None
    stands = billed is not None and not forgotten  # the answer went to a later call with its key, which is free
    if settlement.ticket is not None and not stands:  # before its package, as they are taken
        taken.give_back(connection, *settlement.ticket)
    table.release(connection, event.id)
    if billed is not None and not stands:
        usage.unbill(connection, billed, event, store.zone)
        table.take_back(connection, billed.package_id)


async def remaining(store: Store, app_id: str) -> int:
    """Calls of an app's valid packages that nobody holds.

    Raises:
        StoreError: The database is away.
    """
    return await store.run(lambda connection: table.remaining(connection, app_id, now_ms()))


def sweep(store: Store) -> int:
    """Give back what calls held that ended without a word; how many they were."""
    return store.transact(sweep_in, write=True)


def new_package(
    app_id: str, calls: int, months: int, store: Store, *, now: int, order_id: str | None = None
) -> Package:
    """A package that begins now and lasts so many months, its last day included."""
    return Package(
        id=uuid4().hex,
        app_id=app_id,
        order_id=order_id,
        calls=calls,
        reserved=0,
        consumed=0,
        valid_from=now,
        valid_to=end_after_months(now, months, store.zone),
        created_at=now,
    )


def grant(store: Store, app_id: str, calls: int, *, months: int = GRANT_MONTHS) -> Package:
    """Give an app a package that nobody paid for.

    Raises:
        NotFoundError: There is no such app.
        ConflictError: Calls and months must be at least 1.
    """
    if calls < 1 or months < 1:
        raise ConflictError("A package needs at least 1 call and 1 month")

    def work(connection: Connection) -> Package:
        if apps.app_by_id(connection, app_id) is None:
            raise NotFoundError(f"There is no app {app_id}")
        package = new_package(app_id, calls, months, store, now=now_ms())
        table.add(connection, package)
        return package

    return store.transact(work, write=True)


def list_packages(store: Store, app_id: str) -> list[Package]:
    """An app's packages, in the order in which they are consumed."""
    return store.transact(lambda connection: table.of_app(connection, app_id))


def ensure_trial_package(store: Store, app_id: str, calls: int) -> None:
    """Give the trial app its calls, once: who has used them up gets no others by starting again."""
    if not calls or list_packages(store, app_id):
        return
    package = new_package(app_id, calls, TRIAL_ITEM.months, store, now=now_ms())
    with suppress(IntegrityError):  # of several processes that start at once, one gives them
        store.transact(lambda connection: table.add(connection, replace(package, id=app_id)), write=True)


def sweep_in(connection: Connection) -> int:
    """As ``sweep``, inside a transaction that has begun."""
    return table.sweep(connection, now_ms())


def _why_none(connection: Connection, app_id: str) -> QuotaError:
    if table.has_only_expired(connection, app_id, now_ms()):
        return SubscriptionExpiredError("All packages have expired")
    return QuotaError("No call is left")
