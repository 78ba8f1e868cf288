"""SQL on accounts, apps and credentials.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, func, insert, select, update

from ziyan.metering.store.schema import accounts, apps, credentials
from ziyan.metering.store.slices import Asked, Slice, cut, named


@dataclass(frozen=True, slots=True)
class Account:
    """Whoever pays.

    Attributes:
        id: Identifier.
        name: For people.
        created_at: When it was made.
    """

    id: str
    name: str
    created_at: int


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
        rate: Calls a second that it may make; None for what ZIYAN_RATE_APP says.
        notify_percents: Percents of its calls that are left when its owner is told.
        notify_days: Days before its calls expire when its owner is told.
    """

    id: str
    account_id: str
    name: str
    created_at: datetime
    disabled: bool
    allowed_sources: tuple[str, ...] = ()
    denied_sources: tuple[str, ...] = ()
    rate: float | None = None
    notify_percents: tuple[int, ...] = (20, 5, 0)
    notify_days: tuple[int, ...] = (7,)


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A credential as it lies in the database.

    Attributes:
        id: Identifier; also what ``sealed`` is bound to.
        kind: ``appcode``, ``appkey`` or ``appid``.
        lookup: Keyed hash it is found by, 32 bytes.
        sealed: Its secret, encrypted.
        created_at: When it was made.
        expires_at: When it ends because another has taken its place; None where none has.
        revoked_at: When it was taken away; None where it was not.
    """

    id: str
    kind: str
    lookup: bytes
    sealed: bytes
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None

    def works(self, now: int) -> bool:
        """Whether its app signs in with it at a moment."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


_ACCOUNT = (accounts.c.id, accounts.c.name, accounts.c.created_at)
_APP = (
    apps.c.id,
    apps.c.account_id,
    apps.c.name,
    apps.c.created_at,
    apps.c.disabled_at,
    apps.c.allowed_sources,
    apps.c.denied_sources,
    apps.c.rate,
    apps.c.notify_percents,
    apps.c.notify_days,
)
_SEALED = tuple(credentials.c[name] for name in SealedCredential.__dataclass_fields__)


def add_account(connection: Connection, account: Account) -> None:
    """Store a new account."""
    connection.execute(insert(accounts).values(id=account.id, name=account.name, created_at=account.created_at))


def account_by_id(connection: Connection, account_id: str, *, lock: bool) -> Account | None:
    """The account of this identifier; with ``lock``, nobody else changes it until the transaction ends."""
    statement = select(*_ACCOUNT).where(accounts.c.id == account_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return Account(*row) if row else None


def rename_account(connection: Connection, account_id: str, name: str) -> None:
    """Give an account another name."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(name=name))


def accounts_page(connection: Connection, asked: Asked) -> Slice[Account]:
    """Accounts, newest first."""
    return cut(connection, select(*_ACCOUNT), (accounts.c.created_at, accounts.c.id), asked, named(Account))


#: Made once, for it is run for every call.
_BY_LOOKUP = (
    select(*_APP, *(column.label(f"credential_{column.name}") for column in _SEALED))
    .join(credentials)
    .where(
        credentials.c.lookup == bindparam("lookup"),
        credentials.c.revoked_at.is_(None),
        credentials.c.expires_at.is_(None) | (credentials.c.expires_at > bindparam("now", type_=BigInteger)),
    )
)


def account_names(connection: Connection) -> dict[str, str]:
    """The name of every account."""
    return {row.id: row.name for row in connection.execute(select(accounts.c.id, accounts.c.name))}


def add_app(connection: Connection, app: App) -> None:
    """Store a new app of an account that is there."""
    moment = _milliseconds(app.created_at)
    connection.execute(insert(apps).values(id=app.id, account_id=app.account_id, name=app.name, created_at=moment))


def add_credential(connection: Connection, app_id: str, credential: SealedCredential) -> None:
    """Let an app sign in with one credential more."""
    values = {name: getattr(credential, name) for name in SealedCredential.__dataclass_fields__}
    connection.execute(insert(credentials).values(app_id=app_id, **values))


def end_credential(
    connection: Connection, credential_id: str, *, expires_at: int | None = None, revoked_at: int | None = None
) -> None:
    """Let nobody sign in with a credential any more, from a moment on."""
    values = {"expires_at": expires_at} if revoked_at is None else {"revoked_at": revoked_at}
    connection.execute(update(credentials).where(credentials.c.id == credential_id).values(values))


def by_lookup(connection: Connection, lookup: bytes, now: int) -> tuple[App, SealedCredential] | None:
    """The app that at ``now`` signs in with the credential of this keyed hash, and the credential."""
    row = connection.execute(_BY_LOOKUP, {"lookup": lookup, "now": now}).one_or_none()
    return row and (_app(row), SealedCredential(*row[len(_APP) :]))


def app_by_id(connection: Connection, app_id: str, *, lock: bool = False) -> App | None:
    """The app of this identifier; with ``lock``, nobody else changes it until the transaction ends."""
    statement = select(*_APP).where(apps.c.id == app_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return row and _app(row)


def all_apps(connection: Connection, account_id: str | None = None) -> list[App]:
    """Every app, oldest first; of one account, where it is named."""
    statement = select(*_APP).order_by(apps.c.created_at, apps.c.id)
    if account_id is not None:
        statement = statement.where(apps.c.account_id == account_id)
    return [_app(row) for row in connection.execute(statement)]


def apps_page(connection: Connection, asked: Asked, account_id: str | None) -> Slice[App]:
    """Apps, newest first; of one account, where it is named."""
    statement = select(*_APP)
    if account_id is not None:
        statement = statement.where(apps.c.account_id == account_id)
    return cut(connection, statement, (apps.c.created_at, apps.c.id), asked, _app)


def credentials_of(connection: Connection, app_id: str) -> list[SealedCredential]:
    """What an app signs in with or once did, oldest first."""
    statement = (
        select(*_SEALED).where(credentials.c.app_id == app_id).order_by(credentials.c.created_at, credentials.c.id)
    )
    return [SealedCredential(*row) for row in connection.execute(statement)]


def change_app(connection: Connection, app: App, now: int) -> None:
    """Store what has become of an app; if it is disabled and was not, it is so from ``now`` on."""
    connection.execute(
        update(apps)
        .where(apps.c.id == app.id)
        .values(
            name=app.name,
            disabled_at=func.coalesce(apps.c.disabled_at, now) if app.disabled else None,
            allowed_sources=",".join(app.allowed_sources),
            denied_sources=",".join(app.denied_sources),
            rate=app.rate,
            notify_percents=",".join(map(str, app.notify_percents)),
            notify_days=",".join(map(str, app.notify_days)),
        )
    )


def _app(row: Row[*tuple[Any, ...]]) -> App:
    return App(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        created_at=datetime.fromtimestamp(row.created_at / 1000, UTC),
        disabled=row.disabled_at is not None,
        allowed_sources=_parts(row.allowed_sources),
        denied_sources=_parts(row.denied_sources),
        rate=row.rate,
        notify_percents=tuple(map(int, _parts(row.notify_percents))),
        notify_days=tuple(map(int, _parts(row.notify_days))),
    )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
