"""Calls as gateways make them, without a gateway."""

from __future__ import annotations

import asyncio
import itertools

from sqlalchemy import update

from ziyan.errors import QuotaError
from ziyan.metering import packages
from ziyan.metering.packages import Package, Settlement
from ziyan.metering.store import Store, schema
from ziyan.metering.times import now_ms
from ziyan.metering.usage import Event

MINUTE = 60_000
_numbers = itertools.count()


def event(app_id: str, package_id: str = "", *, call: str = "", at: int | None = None, code: str = "") -> Event:
    """A billed outcome where a package is named, a free one otherwise."""
    return Event(
        at=now_ms() if at is None else at,
        id=call or f"call {next(_numbers)}",
        app_id=app_id,
        package_id=package_id,
        status=200 if package_id else 666,
        code=code or ("ok" if package_id else "img"),
        billed=bool(package_id),
        ms=5,
        bytes_in=100,
    )


def free(billed: Event) -> Event:
    """Another end of the same call."""
    return event(billed.app_id, call=billed.id, at=billed.at, code="gone")


async def reserve(store: Store, app_id: str, call: str, *, lasting: int = MINUTE) -> str:
    return await packages.reserve(store, app_id, call, until=now_ms() + lasting)


async def settle(store: Store, outcome: Event) -> int:
    return await packages.settle(store, Settlement(outcome, holds=True))


async def make(store: Store, app_id: str) -> Event:
    """A whole billed call."""
    call = f"call {next(_numbers)}"
    outcome = event(app_id, await reserve(store, app_id, call), call=call)
    await settle(store, outcome)
    return outcome


async def sells(store: Store, app_id: str, tries: int) -> int:
    """So many calls at once; how many were sold."""
    found = await asyncio.gather(*(make(store, app_id) for _ in range(tries)), return_exceptions=True)
    assert all(isinstance(each, Event | QuotaError) for each in found), found
    return sum(isinstance(each, Event) for each in found)


def change(store: Store, package: Package, **values: int) -> None:
    """Make a package something that only time makes it."""
    statement = update(schema.packages).where(schema.packages.c.id == package.id).values(**values)
    store.transact(lambda connection: connection.execute(statement), write=True)
