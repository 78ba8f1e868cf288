"""SQL on packages and the calls of them that are held.  Every function runs inside the transaction it is given.

Locks are taken in one order everywhere, so that no two transactions wait for each other: the event of a call, what of
it is honoured once, its reservation, its package, then sums.  None but ``sweep`` changes more than one package; it goes
by their identifiers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from ziyan.metering.store.schema import apps, packages, reservations
from ziyan.metering.times import DAY_MS

_SWEPT_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Package:
    """So many calls of one app.

    Attributes:
        id: Identifier.
        app_id: Whose calls they are.
        order_id: What it was sold by; None where it was given.
        calls: How many there are in all.
        reserved: How many of them calls under way hold.
        consumed: How many of them were billed.
        valid_from: When its calls may be made from.
        valid_to: When it expires.
        created_at: When it was made.
        closed_at: When it was taken out of use because its order was refunded; None where it was not.
    """

    id: str
    app_id: str
    order_id: str | None
    calls: int
    reserved: int
    consumed: int
    valid_from: int
    valid_to: int
    created_at: int
    closed_at: int | None = None

    @property
    def left(self) -> int:
        """Calls that nobody holds."""
        return self.calls - self.reserved - self.consumed


_C: Final = packages.c
_COLUMNS: Final = tuple(_C[name] for name in Package.__dataclass_fields__)


def _usable(now: Any) -> tuple[ColumnElement[bool], ...]:
    return (_C.closed_at.is_(None), _C.valid_from <= now, _C.valid_to > now)


def _reserve_statement() -> Any:
    """One statement chooses and takes.

    PostgreSQL waits for a row that another transaction changes, then looks at it again, and at the next one where it
    is used up by then.  SQLite has one writer.
    """
    app_id, now = bindparam("app", type_=String), bindparam("now", type_=BigInteger)
    inner = packages.alias("candidate")
    chosen = (
        select(inner.c.id)
        .where(
            inner.c.app_id == app_id,
            inner.c.closed_at.is_(None),
            inner.c.valid_from <= now,
            inner.c.valid_to > now,
            inner.c.reserved + inner.c.consumed < inner.c.calls,
        )
        .order_by(inner.c.valid_to, inner.c.created_at, inner.c.id)
        .limit(1)
        .with_for_update()
        .scalar_subquery()
    )
    return update(packages).where(_C.id == chosen).values(reserved=_C.reserved + 1).returning(_C.id)


_RESERVE: Final = _reserve_statement()
_HOLD: Final = insert(reservations)
_LET_GO: Final = (
    delete(reservations).where(reservations.c.id == bindparam("holder")).returning(reservations.c.package_id)
)
_CONSUME: Final = (
    update(packages).where(_C.id == bindparam("package")).values(reserved=_C.reserved - 1, consumed=_C.consumed + 1)
)
_CONSUME_ANOTHER: Final = (
    update(packages)
    .where(_C.id == bindparam("package"), _C.closed_at.is_(None), _C.reserved + _C.consumed < _C.calls)
    .values(consumed=_C.consumed + 1)
)
_RELEASE: Final = update(packages).where(_C.id == bindparam("package")).values(reserved=_C.reserved - 1)
_TAKE_BACK: Final = update(packages).where(_C.id == bindparam("package")).values(consumed=_C.consumed - 1)
_LEFT: Final = (
    select(func.coalesce(func.sum(_C.calls - _C.reserved - _C.consumed), 0))
    .where(_C.app_id == bindparam("app"), *_usable(bindparam("now", type_=BigInteger)))
    .scalar_subquery()
)
_LAPSED: Final = (
    select(func.count())
    .select_from(reservations.join(packages))
    .where(
        reservations.c.expires_at <= bindparam("now", type_=BigInteger),
        _C.app_id == bindparam("app"),
        *_usable(bindparam("now", type_=BigInteger)),
    )
    .scalar_subquery()
)
_REMAINING: Final = select(_LEFT, _LAPSED)


def reserve(connection: Connection, app_id: str, holder: str, *, now: int, until: int) -> str | None:
    """Hold one call, of the package that expires first, until a moment; that package, or None where no call is left."""
    package_id: str | None = connection.execute(_RESERVE, {"app": app_id, "now": now}).scalar()
    if package_id is not None:
        connection.execute(_HOLD, {"id": holder, "package_id": package_id, "expires_at": until})
    return package_id


def consume(connection: Connection, holder: str, package_id: str) -> bool:
    """Take for good the call that ``holder`` holds, or, where it has lapsed, another one of the same package.

    Returns:
        False, and nothing is changed, where it has lapsed and no other one is left.
    """
    if connection.execute(_LET_GO, {"holder": holder}).scalar() is not None:
        return connection.execute(_CONSUME, {"package": package_id}).rowcount == 1
    return connection.execute(_CONSUME_ANOTHER, {"package": package_id}).rowcount == 1


def release(connection: Connection, holder: str) -> None:
    """Let go of the call that ``holder`` holds, if it still does."""
    package_id = connection.execute(_LET_GO, {"holder": holder}).scalar()
    if package_id is not None:
        connection.execute(_RELEASE, {"package": package_id})


def take_back(connection: Connection, package_id: str) -> None:
    """Make a call that was taken for good one that is left."""
    connection.execute(_TAKE_BACK, {"package": package_id})


def remaining(connection: Connection, app_id: str, now: int) -> int:
    """Calls of an app's valid packages that nobody holds; what has lapsed is held by nobody."""
    left, lapsed = connection.execute(_REMAINING, {"app": app_id, "now": now}).one()
    return int(left) + int(lapsed)


def has_only_expired(connection: Connection, app_id: str, now: int) -> bool:
    """Whether an app has packages and all of them have expired."""
    of_app = (_C.app_id == app_id, _C.closed_at.is_(None))
    last = connection.execute(select(func.max(_C.valid_to)).where(*of_app)).scalar()
    return last is not None and last <= now


def sweep(connection: Connection, now: int) -> int:
    """Give what has lapsed back to its packages; how many calls that were.  Passes over what others are ending.

    What is held for over a day was held by a clock that was ahead: no call lasts so long.
    """
    until = reservations.c.expires_at
    lapsed = (
        select(reservations.c.id)
        .where(or_(until <= now, until > now + DAY_MS))
        .order_by(reservations.c.expires_at)
        .limit(_SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    ended = delete(reservations).where(reservations.c.id.in_(lapsed)).returning(reservations.c.package_id)
    counts = Counter(connection.execute(ended).scalars())
    for package_id, count in sorted(counts.items()):
        connection.execute(update(packages).where(_C.id == package_id).values(reserved=_C.reserved - count))
    return counts.total()


def add(connection: Connection, package: Package) -> None:
    """Store a new package, with what its app has from then on: notices count in percent of that."""
    left = select(func.coalesce(func.sum(_C.calls - _C.consumed), 0)).where(
        _C.app_id == package.app_id, *_usable(package.created_at)
    )
    base = package.calls + int(connection.execute(left).scalar_one())
    values = {name: getattr(package, name) for name in Package.__dataclass_fields__}
    connection.execute(insert(packages).values(values | {"base": base}))


def close(connection: Connection, order_id: str, now: int) -> None:
    """Take the package of an order out of use; calls under way are honoured."""
    connection.execute(update(packages).where(_C.order_id == order_id, _C.closed_at.is_(None)).values(closed_at=now))


def unspent_of_account(connection: Connection, account_id: str, now: int) -> list[Package]:
    """Packages of an account that calls are left of, or under way, and that have not expired; in the order of use."""
    statement = (
        select(*_COLUMNS)
        .join_from(packages, apps)
        .where(apps.c.account_id == account_id, _C.closed_at.is_(None), _C.valid_to > now, _C.consumed < _C.calls)
    )
    return [Package(*row) for row in connection.execute(statement.order_by(_C.valid_to, _C.created_at, _C.id))]


def of_app(connection: Connection, app_id: str) -> list[Package]:
    """An app's packages, in the order in which they are consumed."""
    statement = select(*_COLUMNS).where(_C.app_id == app_id).order_by(_C.valid_to, _C.created_at, _C.id)
    return [Package(*row) for row in connection.execute(statement)]


def of_order(connection: Connection, order_id: str) -> Package | None:
    """The package that an order was sold as."""
    row = connection.execute(select(*_COLUMNS).where(_C.order_id == order_id)).one_or_none()
    return Package(*row) if row else None


def counters(connection: Connection) -> dict[str, tuple[int, int, int]]:
    """Of each package: calls, reserved, consumed."""
    rows = connection.execute(select(_C.id, _C.calls, _C.reserved, _C.consumed))
    return {package: (calls, reserved, consumed) for package, calls, reserved, consumed in rows}


def held(connection: Connection) -> dict[str, int]:
    """How many reservations each package has."""
    statement = select(reservations.c.package_id, func.count()).group_by(reservations.c.package_id)
    return {row[0]: int(row[1]) for row in connection.execute(statement)}
