"""SQL on accounts, apps and credentials.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, bindparam, delete, insert, select, update

from ziyan.metering.store.schema import accounts, apps, credentials
from ziyan.metering.times import now_ms


@dataclass(frozen=True, slots=True)
class App:
    """A caller's registration.

    Attributes:
        id: Identifier; goes into logs.
        account_id: Who pays.
        name: For people.
        created_at: Moment of registration, UTC.
        disabled: Its credentials are refused.
        allowed_sources: Where its own-platform calls must come from; empty for anywhere.
        denied_sources: Where they must not come from.
        rate: Calls a second that it may make; None for what the setting says.
    """

    id: str
    account_id: str
    name: str
    created_at: datetime
    disabled: bool
    allowed_sources: tuple[str, ...] = ()
    denied_sources: tuple[str, ...] = ()
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A credential as it lies in the database.

    Attributes:
        id: Identifier; also what ``sealed`` is bound to.
        kind: ``appcode``, ``appkey`` or ``appid``.
        lookup: Keyed hash it is found by, 32 bytes.
        sealed: Its secret, encrypted.
        expires_at: When it is refused from, in milliseconds since 1970; None for never.
    """

    id: str
    kind: str
    lookup: bytes
    sealed: bytes
    expires_at: int | None = None


_APP = (
    apps.c.id,
    apps.c.account_id,
    apps.c.name,
    apps.c.created_at,
    apps.c.disabled_at,
    apps.c.allowed_sources,
    apps.c.denied_sources,
    apps.c.rate,
)


def _valid(now: Any) -> tuple[ColumnElement[bool], ...]:
    expires_at = credentials.c.expires_at
    return (credentials.c.revoked_at.is_(None), expires_at.is_(None) | (expires_at > now))


#: Made once, for it is run for every call.
_BY_LOOKUP = (
    select(
        *_APP,
        credentials.c.id.label("credential_id"),
        credentials.c.kind,
        credentials.c.sealed,
        credentials.c.expires_at,
    )
    .join(credentials)
    .where(credentials.c.lookup == bindparam("lookup"), *_valid(bindparam("now", type_=BigInteger)))
)


def add_app(connection: Connection, app: App) -> None:
    """Store a new app under a new account of the same name."""
    moment = _milliseconds(app.created_at)
    connection.execute(insert(accounts).values(id=app.account_id, name=app.name, created_at=moment))
    connection.execute(insert(apps).values(id=app.id, account_id=app.account_id, name=app.name, created_at=moment))


def add_credential(connection: Connection, app_id: str, credential: SealedCredential, moment: datetime) -> None:
    """Let an app sign in with one credential more."""
    connection.execute(
        insert(credentials).values(
            id=credential.id,
            app_id=app_id,
            kind=credential.kind,
            lookup=credential.lookup,
            sealed=credential.sealed,
            created_at=_milliseconds(moment),
        )
    )


def remove_credential(connection: Connection, credential_id: str) -> None:
    """Let nobody sign in with a credential any more."""
    connection.execute(delete(credentials).where(credentials.c.id == credential_id))


def by_lookup(connection: Connection, lookup: bytes) -> tuple[App, SealedCredential] | None:
    """The app that signs in with the credential of this keyed hash, and the credential."""
    row = connection.execute(_BY_LOOKUP, {"lookup": lookup, "now": now_ms()}).one_or_none()
    return row and (_app(row), SealedCredential(row.credential_id, row.kind, lookup, row.sealed, row.expires_at))


def app_by_id(connection: Connection, app_id: str) -> App | None:
    """The app of this identifier."""
    row = connection.execute(select(*_APP).where(apps.c.id == app_id)).one_or_none()
    return row and _app(row)


def all_apps(connection: Connection) -> list[App]:
    """Every app, oldest first."""
    return [_app(row) for row in connection.execute(select(*_APP).order_by(apps.c.created_at, apps.c.id))]


def credentials_of(connection: Connection, app_id: str) -> list[SealedCredential]:
    """What an app signs in with, oldest first."""
    statement = (
        select(
            credentials.c.id,
            credentials.c.kind,
            credentials.c.lookup,
            credentials.c.sealed,
            credentials.c.expires_at,
        )
        .where(credentials.c.app_id == app_id, *_valid(now_ms()))
        .order_by(credentials.c.created_at, credentials.c.id)
    )
    return [SealedCredential(*row) for row in connection.execute(statement)]


def set_disabled(connection: Connection, app_id: str, moment: datetime | None) -> bool:
    """Disable an app from ``moment`` on, or enable it again; False where there is no such app."""
    disabled_at = _milliseconds(moment) if moment else None
    return connection.execute(update(apps).where(apps.c.id == app_id).values(disabled_at=disabled_at)).rowcount == 1


def set_sources(connection: Connection, app_id: str, allowed: tuple[str, ...], denied: tuple[str, ...]) -> bool:
    """Say where an app's own-platform calls may come from; False where there is no such app."""
    statement = update(apps).where(apps.c.id == app_id)
    values = {"allowed_sources": ",".join(allowed), "denied_sources": ",".join(denied)}
    return connection.execute(statement.values(values)).rowcount == 1


def set_rate(connection: Connection, app_id: str, rate: float | None) -> bool:
    """Say how many calls a second an app may make; False where there is no such app."""
    return connection.execute(update(apps).where(apps.c.id == app_id).values(rate=rate)).rowcount == 1


def expire_credential(connection: Connection, credential_id: str, moment: int) -> None:
    """Let nobody sign in with a credential from a moment on."""
    connection.execute(update(credentials).where(credentials.c.id == credential_id).values(expires_at=moment))


def _app(row: Row[*tuple[Any, ...]]) -> App:
    return App(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        created_at=datetime.fromtimestamp(row.created_at / 1000, UTC),
        disabled=row.disabled_at is not None,
        allowed_sources=tuple(filter(None, row.allowed_sources.split(","))),
        denied_sources=tuple(filter(None, row.denied_sources.split(","))),
        rate=row.rate,
    )


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
