"""SQL on accounts, apps and credentials.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ziyan.metering.store.schema import accounts, apps, credentials


@dataclass(frozen=True, slots=True)
class App:
    """A caller's registration.

    Attributes:
        id: Identifier; goes into logs.
        account_id: Who pays.
        name: For people.
        created_at: Moment of registration, UTC.
        disabled: Its credentials are refused.
    """

    id: str
    account_id: str
    name: str
    created_at: datetime
    disabled: bool


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A credential as it lies in the database.

    Attributes:
        id: Identifier; also what ``sealed`` is bound to.
        kind: ``appcode``.
        lookup: Keyed hash it is found by, 32 bytes.
        sealed: Its secret, encrypted.
    """

    id: str
    kind: str
    lookup: bytes
    sealed: bytes


_APP = (apps.c.id, apps.c.account_id, apps.c.name, apps.c.created_at, apps.c.disabled_at)


def add_app(connection: Connection, app: App, credential: SealedCredential) -> None:
    """Store a new app under a new account of the same name, with its first credential."""
    moment = _milliseconds(app.created_at)
    connection.execute(insert(accounts).values(id=app.account_id, name=app.name, created_at=moment))
    connection.execute(insert(apps).values(id=app.id, account_id=app.account_id, name=app.name, created_at=moment))
    connection.execute(
        insert(credentials).values(
            id=credential.id,
            app_id=app.id,
            kind=credential.kind,
            lookup=credential.lookup,
            sealed=credential.sealed,
            created_at=moment,
        )
    )


def app_by_lookup(connection: Connection, lookup: bytes) -> App | None:
    """The app that signs in with the credential of this keyed hash."""
    statement = select(*_APP).join(credentials).where(credentials.c.lookup == lookup)
    return _app(connection.execute(statement).one_or_none())


def app_by_id(connection: Connection, app_id: str) -> App | None:
    """The app of this identifier."""
    return _app(connection.execute(select(*_APP).where(apps.c.id == app_id)).one_or_none())


def all_apps(connection: Connection) -> list[App]:
    """Every app, oldest first."""
    rows = connection.execute(select(*_APP).order_by(apps.c.created_at, apps.c.id))
    return [app for app in map(_app, rows) if app]


def credentials_of(connection: Connection, app_id: str) -> list[SealedCredential]:
    """What an app signs in with, oldest first."""
    statement = (
        select(credentials.c.id, credentials.c.kind, credentials.c.lookup, credentials.c.sealed)
        .where(credentials.c.app_id == app_id)
        .order_by(credentials.c.created_at, credentials.c.id)
    )
    return [SealedCredential(*row) for row in connection.execute(statement)]


def set_disabled(connection: Connection, app_id: str, moment: datetime | None) -> bool:
    """Disable an app from ``moment`` on, or enable it again; False where there is no such app."""
    disabled_at = _milliseconds(moment) if moment else None
    return connection.execute(update(apps).where(apps.c.id == app_id).values(disabled_at=disabled_at)).rowcount == 1


def _app(row: Row[*tuple[Any, ...]] | None) -> App | None:
    if row is None:
        return None
    created_at = datetime.fromtimestamp(row.created_at / 1000, UTC)
    return App(row.id, row.account_id, row.name, created_at, disabled=row.disabled_at is not None)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
