"""SQL on notices, where they are sent, and those on their way.  Every function runs inside the transaction it is given.

What decides is always a single statement: which notice is new, and who delivers one that waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    String,
    bindparam,
    case,
    exists,
    insert,
    or_,
    select,
    text,
    update,
)

from ziyan.metering.store.schema import apps, marks, notices, outbox, packages, targets
from ziyan.metering.store.slices import Asked, Slice, cut, named

_LOOKED: Final = "notices_looked_at"
_CHUNK: Final = 500
_ADD: Final = text(
    "INSERT INTO notices (id, account_id, app_id, once, kind, details, created_at) "
    "VALUES (:id, :account_id, :app_id, :once, :kind, :details, :created_at) ON CONFLICT (once) DO NOTHING"
)
_TURN: Final = text(
    "INSERT INTO marks (name, value) VALUES (:name, :now) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE marks.value <= :before OR marks.value > :now"
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What an account is told.

    Attributes:
        id: Identifier.
        account_id: Who is told.
        app_id: About which app.
        once: What it is about, in full; there is one notice of each.
        kind: One word for what has happened.
        details: JSON: the numbers and names that its text is made of.
        created_at: When it happened.
        read_at: When it was read in the inbox.
    """

    id: str
    account_id: str
    app_id: str | None
    once: str
    kind: str
    details: str
    created_at: int
    read_at: int | None = None


@dataclass(frozen=True, slots=True)
class SealedTarget:
    """Where an account's notices are sent, as it lies in the database.

    Attributes:
        id: Identifier.
        account_id: Whose notices.
        app_id: About this app alone; None for every app of the account.
        kind: ``mail``, ``webhook`` or ``robot``.
        name: For people.
        sealed: Its address and secret, encrypted.
        created_at: When it was added.
        disabled_at: From when on nothing is sent there.
    """

    id: str
    account_id: str
    app_id: str | None
    kind: str
    name: str
    sealed: bytes
    created_at: int
    disabled_at: int | None = None


@dataclass(frozen=True, slots=True)
class Stock:
    """A package as notices look at it, with its app."""

    account_id: str
    app_id: str
    app_name: str
    percents: str
    days: str
    package_id: str
    left: int
    base: int
    created_at: int
    valid_from: int
    valid_to: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice on its way to a target, held by whoever claimed it.

    Attributes:
        id: Of this pair of notice and target; the same at every attempt.
        attempts: How many have been begun, this one included.
        notice: What is told.
        target: Where to.
    """

    id: str
    attempts: int
    notice: Notice
    target: SealedTarget


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a notice fares on its way to a target.

    Attributes:
        id: Of this pair of notice and target.
        notice_id: Of the notice.
        account_id: Who is told.
        app_id: About which app.
        kind: What has happened.
        target_id: Where to.
        target_kind: ``mail``, ``webhook`` or ``robot``.
        target_name: Name of the target.
        state: ``waiting``, ``sent`` or ``failed``.
        attempts: How many were begun.
        created_at: When the notice was made.
        next_at: When the next attempt is due; None where there is none to come.
        sent_at: When it arrived.
        error: Why the last attempt failed.
    """

    id: str
    notice_id: str
    account_id: str
    app_id: str | None
    kind: str
    target_id: str
    target_kind: str
    target_name: str
    state: str
    attempts: int
    created_at: int
    next_at: int | None
    sent_at: int | None
    error: str


_P: Final = packages.c
_O: Final = outbox.c
_NOTICE: Final = tuple(notices.c[name] for name in Notice.__dataclass_fields__)
_TARGET: Final = tuple(targets.c[name] for name in SealedTarget.__dataclass_fields__)


def _stock() -> Select[Any]:
    return (
        select(
            apps.c.account_id,
            apps.c.id,
            apps.c.name,
            apps.c.notify_percents,
            apps.c.notify_days,
            _P.id,
            _P.calls - _P.consumed,
            _P.base,
            _P.created_at,
            _P.valid_from,
            _P.valid_to,
        )
        .select_from(packages.join(apps))
        .where(_P.closed_at.is_(None), _P.valid_to > bindparam("since", type_=BigInteger))
    )


_STOCK_OF_APP: Final = _stock().where(_P.app_id == bindparam("app", type_=String))
_STOCK: Final = _stock().where(apps.c.disabled_at.is_(None)).order_by(_P.app_id)


def stock_of(connection: Connection, app_id: str, now: int) -> list[Stock]:
    """An app's packages that have not expired: one read by an index."""
    return [Stock(*row) for row in connection.execute(_STOCK_OF_APP, {"app": app_id, "since": now})]


def all_stock(connection: Connection, since: int) -> list[Stock]:
    """Every package that expires after a moment, app by app; those of disabled apps are left out."""
    return [Stock(*row) for row in connection.execute(_STOCK, {"since": since})]


def take_turn(connection: Connection, now: int, every_ms: int) -> bool:
    """Whether it is so long ago that anybody looked at every package; if so, the caller is to do it now."""
    row = {"name": _LOOKED, "now": now, "before": now - every_ms}
    return connection.execute(_TURN, row).rowcount == 1


def turn_is_due(connection: Connection, now: int, every_ms: int) -> bool:
    """Whether ``take_turn`` would say so; a read, which waits for nobody."""
    last = connection.execute(select(marks.c.value).where(marks.c.name == _LOOKED)).scalar()
    return last is None or last <= now - every_ms or last > now


def told(connection: Connection, subjects: Iterable[str]) -> set[str]:
    """Those of the given subjects that there is a notice of."""
    subjects, found = list(subjects), set[str]()
    for first in range(0, len(subjects), _CHUNK):
        statement = select(notices.c.once).where(notices.c.once.in_(subjects[first : first + _CHUNK]))
        found.update(connection.execute(statement).scalars())
    return found


def add(connection: Connection, notice: Notice, *, target_id: str | None = None) -> bool:
    """Store a notice and send it on its way to every target, or to one; False where there is one of it already."""
    row = {name: getattr(notice, name) for name in Notice.__dataclass_fields__ if name != "read_at"}
    if connection.execute(_ADD, row).rowcount != 1:
        return False
    chosen = select(targets.c.id).where(targets.c.account_id == notice.account_id, targets.c.disabled_at.is_(None))
    if target_id is not None:
        chosen = chosen.where(targets.c.id == target_id)
    else:
        chosen = chosen.where(or_(targets.c.app_id.is_(None), targets.c.app_id == notice.app_id))
    moment = notice.created_at
    rows = [
        {"id": uuid4().hex, "notice_id": notice.id, "target_id": found, "state": "waiting"}
        | {"next_at": moment, "created_at": moment}
        for found in connection.execute(chosen).scalars()
    ]
    if rows:
        connection.execute(insert(outbox), rows)
    return True


# --- the inbox ------------------------------------------------------------------------------------------------


def inbox(connection: Connection, account_id: str, *, unread: bool, limit: int) -> list[Notice]:
    """An account's notices, newest first."""
    statement = select(*_NOTICE).where(notices.c.account_id == account_id)
    if unread:
        statement = statement.where(notices.c.read_at.is_(None))
    statement = statement.order_by(notices.c.created_at.desc(), notices.c.id).limit(limit)
    return [Notice(*row) for row in connection.execute(statement)]


def mark_read(connection: Connection, account_id: str, notice_ids: list[str] | None, now: int) -> int:
    """Note that some of an account's notices, or all of them, were read; how many had not been."""
    statement = update(notices).where(notices.c.account_id == account_id, notices.c.read_at.is_(None))
    if notice_ids is not None:
        statement = statement.where(notices.c.id.in_(notice_ids))
    return connection.execute(statement.values(read_at=now)).rowcount


def set_thresholds(connection: Connection, app_id: str, percents: str, days: str) -> bool:
    """Say when an app's owner is told; False where there is no such app."""
    statement = update(apps).where(apps.c.id == app_id)
    return connection.execute(statement.values(notify_percents=percents, notify_days=days)).rowcount == 1


# --- targets --------------------------------------------------------------------------------------------------


def add_target(connection: Connection, target: SealedTarget) -> None:
    """Store a target."""
    values = {name: getattr(target, name) for name in SealedTarget.__dataclass_fields__}
    connection.execute(insert(targets).values(values))


def targets_of(connection: Connection, account_id: str) -> list[SealedTarget]:
    """Where an account's notices are sent, oldest first."""
    statement = select(*_TARGET).where(targets.c.account_id == account_id)
    return [SealedTarget(*row) for row in connection.execute(statement.order_by(targets.c.created_at, targets.c.id))]


def disable_target(connection: Connection, account_id: str, target_id: str, now: int) -> bool:
    """Send nothing there any more, nor what waits; False where the account has no such target that works."""
    mine = (targets.c.id == target_id, targets.c.account_id == account_id, targets.c.disabled_at.is_(None))
    if connection.execute(update(targets).where(*mine).values(disabled_at=now)).rowcount != 1:
        return False
    waiting = update(outbox).where(_O.target_id == target_id, _O.state == "waiting")
    connection.execute(waiting.values(state="failed", error="the target was disabled"))
    return True


# --- the outbox -----------------------------------------------------------------------------------------------


def is_due(connection: Connection, now: int) -> bool:
    """Whether there is anything to claim; a read, which waits for nobody."""
    due = select(_O.id).where(_O.state == "waiting", _O.next_at <= now, _O.held_until <= now).limit(1)
    return connection.execute(due).first() is not None


def claim(connection: Connection, holder: str, *, now: int, until: int, limit: int) -> list[Waiting]:
    """Hold some of what is due and nobody holds, until a moment; a crash gives it back then."""
    due = (
        select(_O.id)
        .where(_O.state == "waiting", _O.next_at <= now, _O.held_until <= now)
        .order_by(_O.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    held = (
        update(outbox)
        .where(_O.id.in_(due))
        .values(holder=holder, held_until=until, attempts=_O.attempts + 1)
        .returning(_O.id)
    )
    claimed = list(connection.execute(held).scalars())
    statement = (
        select(_O.id, _O.attempts, *_NOTICE, *_TARGET)
        .select_from(outbox.join(notices).join(targets))
        .where(_O.id.in_(claimed))
        .order_by(_O.created_at, _O.id)
    )
    cut = 2 + len(_NOTICE)
    return [
        Waiting(row[0], row[1], Notice(*row[2:cut]), SealedTarget(*row[cut:])) for row in connection.execute(statement)
    ]


def mark_sent(connection: Connection, outbox_id: str, now: int) -> None:
    """Note that a notice has reached its target, whoever brought it there."""
    done = {"state": "sent", "sent_at": now, "error": "", "holder": "", "held_until": 0}
    connection.execute(update(outbox).where(_O.id == outbox_id, _O.state != "sent").values(done))


def mark_failed(connection: Connection, outbox_id: str, holder: str, *, error: str, next_at: int | None) -> None:
    """Note that an attempt has failed: try again at a moment, or, without one, never; unless somebody else has it."""
    values: dict[str, Any] = {"error": error, "holder": "", "held_until": 0}
    values |= {"state": "failed"} if next_at is None else {"next_at": next_at}
    mine = (_O.id == outbox_id, _O.holder == holder, _O.state == "waiting")
    connection.execute(update(outbox).where(*mine).values(values))


def waiting(connection: Connection) -> int:
    """How many notices are on their way."""
    return len(connection.execute(select(_O.id).where(_O.state == "waiting")).all())


def all_deliveries() -> Select[Any]:
    """What is and was on its way to targets, without an order."""
    n, t = notices.c, targets.c
    return select(
        _O.id, _O.notice_id, n.account_id, n.app_id, n.kind, _O.target_id, t.kind.label("target_kind"),
        t.name.label("target_name"), _O.state, _O.attempts, _O.created_at,
        case((_O.state == "waiting", _O.next_at)).label("next_at"), _O.sent_at, _O.error,
    ).select_from(outbox.join(notices).join(targets))  # fmt: skip


def deliveries_page(
    connection: Connection, asked: Asked, account_id: str | None = None, state: str | None = None
) -> Slice[Delivery]:
    """What is and was on its way to targets, newest first; of one account and in one state, where they are named."""
    statement = all_deliveries()
    for column, value in ((notices.c.account_id, account_id), (_O.state, state)):
        if value is not None:
            statement = statement.where(column == value)
    return cut(connection, statement, (_O.created_at, _O.id), asked, named(Delivery))


def delivery_by_id(connection: Connection, delivery_id: str) -> Delivery | None:
    """How one notice fares on its way to one target."""
    row = connection.execute(all_deliveries().where(_O.id == delivery_id)).one_or_none()
    return Delivery(*row) if row else None


def send_again(connection: Connection, delivery_id: str, now: int) -> bool:
    """Have what was given up begin anew; False where it was not given up, or its target takes nothing any more."""
    alive = exists().where(targets.c.id == _O.target_id, targets.c.disabled_at.is_(None))
    again = update(outbox).where(_O.id == delivery_id, _O.state == "failed", alive)
    return connection.execute(again.values(state="waiting", attempts=0, next_at=now)).rowcount == 1
