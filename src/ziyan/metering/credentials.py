"""Who may call: apps and what they sign in with."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ziyan.metering.store import Store
from ziyan.metering.store import apps as table
from ziyan.metering.store.apps import Account, App, SealedCredential
from ziyan.metering.times import now_ms

__all__ = [
    "App",
    "Credential",
    "Kind",
    "Registration",
    "add_in",
    "app_of_appcode",
    "appcodes",
    "credentials",
    "credentials_in",
    "ensure_trial_app",
    "find_credential",
    "get_app",
    "is_hmac_appid",
    "list_apps",
    "new_app",
    "register_app",
    "register_in",
    "signed_credential",
    "unsealed",
]

#: Identifier, account and name of the app that the first start registers.
TRIAL: Final = "trial"
#: Begins the appids that sign with HMAC-SHA256; those that sign with md5 are hex digits alone.
_HMAC_MARK: Final = "h"


class Kind(StrEnum):
    """The ways of signing in; also the kinds that are stored."""

    APPCODE = "appcode"
    APPKEY = "appkey"
    APPID = "appid"


@dataclass(frozen=True, slots=True)
class Credential:
    """What an app signs in with.

    Attributes:
        id: Of its row; nothing secret.
        kind: Which way of signing in it is for.
        identifier: What the caller sends: the AppCode (secret), the AppKey or the appid.
        secret: What the caller signs with; empty for an AppCode.
        created_at: When it was made.
        expires_at: When it ends because another has taken its place; None where none has.
        revoked_at: When it was taken away; None where it was not.
    """

    id: str
    kind: Kind
    identifier: str = field(repr=False)
    secret: str = field(default="", repr=False)
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None

    def works(self, now: int) -> bool:
        """Whether its app signs in with it at a moment."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class Registration:
    """An app together with one credential of each kind, its oldest.

    Attributes:
        app: The app.
        appcode: 32 lower-case hex digits; secret.
        appkey: AppKey and AppSecret of the gateway's signature.
        appid: appid and secret of own-platform mode.
    """

    app: App
    appcode: str = field(repr=False)
    appkey: Credential
    appid: Credential


def is_hmac_appid(appid: str) -> bool:
    """Whether calls of this appid are signed with HMAC-SHA256 rather than md5.

    The appid itself tells, not the database: so it says nothing of whether anybody has it.
    """
    return appid.startswith(_HMAC_MARK)


async def find_credential(store: Store, kind: Kind, identifier: str) -> tuple[App, Credential] | None:
    """The app that signs in with this identifier, disabled or not, and the credential; None where nobody does.

    Raises:
        SettingsError: It was encrypted with another key.
        StoreError: The database is away.
    """
    return await signed_credential(store, kind, identifier, lambda _secret: True)


async def signed_credential(
    store: Store, kind: Kind, identifier: str, is_signed: Callable[[str], bool]
) -> tuple[App, Credential] | None:
    """As ``find_credential``; None also where something was not signed with the credential's secret.

    Args:
        store: Where credentials are.
        kind: Which way of signing in it is.
        identifier: What the caller sends.
        is_signed: Tells of a secret whether it is the one; asked on the thread that has looked up the credential, for
            to hash a picture takes long, and to hand it to another thread costs more than the look-up.

    Raises:
        SettingsError: It was encrypted with another key.
        StoreError: The database is away.
    """
    lookup = store.keyring.lookup(kind, identifier)

    def work(connection: Connection) -> tuple[App, Credential] | None:
        found = table.by_lookup(connection, lookup, now_ms())
        # As much is decrypted and hashed where there is nothing: how long this takes tells nobody what exists.
        sealed = found[1] if found else SealedCredential("decoy", kind, lookup, store.keyring.decoy)
        credential = unsealed(store, sealed)
        signed = is_signed(credential.secret)
        return (found[0], credential) if found and signed else None

    return await store.run(work)


async def app_of_appcode(store: Store, appcode: str) -> App | None:
    """The app of this AppCode, disabled or not; None where nobody has it.

    Raises:
        StoreError: The database is away.
    """
    lookup = store.keyring.lookup(Kind.APPCODE, appcode)
    found = await store.run(lambda connection: table.by_lookup(connection, lookup, now_ms()))
    return found and found[0]


def register_app(store: Store, name: str, *, hmac: bool = False) -> Registration:
    """Register an app under a new account, with a new credential of each kind.

    Args:
        store: Where.
        name: For people.
        hmac: Its own-platform calls are signed with HMAC-SHA256, not md5.

    Raises:
        StoreError: The database is away.
    """
    app = new_app(uuid4().hex, name)

    def register(connection: Connection) -> Registration:
        _add_account_of(connection, app)
        return register_in(connection, store, app, hmac=hmac)

    return store.transact(register, write=True)


def register_in(connection: Connection, store: Store, app: App, *, hmac: bool) -> Registration:
    """As ``register_app``, inside a transaction that has begun, under an account that is there."""
    table.add_app(connection, app)
    return _complete(connection, store, app, hmac=hmac)


def ensure_trial_app(store: Store) -> Registration:
    """The trial app: registered on the first start, the same on every later one.

    Raises:
        SettingsError: Its credentials were encrypted with another key.
        StoreError: The database is away.
    """

    def ensure(connection: Connection) -> Registration:
        app = table.app_by_id(connection, TRIAL)
        if app is None:
            app = new_app(TRIAL, TRIAL)
            _add_account_of(connection, app)
            table.add_app(connection, app)
        return _complete(connection, store, app, hmac=False)

    try:
        return store.transact(ensure, write=True)
    except IntegrityError:  # another process, on PostgreSQL, was first; now its registration is there to be read
        return store.transact(ensure, write=True)


def list_apps(store: Store) -> list[App]:
    """Every app, oldest first."""
    return store.transact(table.all_apps)


def get_app(store: Store, app_id: str) -> App | None:
    """The app of this identifier."""
    return store.transact(lambda connection: table.app_by_id(connection, app_id))


def credentials(store: Store, app_id: str) -> list[Credential]:
    """What an app signs in with, oldest first; secret.

    Raises:
        SettingsError: It was encrypted with another key.
    """
    return store.transact(lambda connection: credentials_in(connection, store, app_id))


def credentials_in(connection: Connection, store: Store, app_id: str) -> list[Credential]:
    """As ``credentials``, inside a transaction that has begun."""
    now = now_ms()
    return [unsealed(store, sealed) for sealed in table.credentials_of(connection, app_id) if sealed.works(now)]


def appcodes(store: Store, app_id: str) -> list[str]:
    """An app's AppCodes, oldest first; secret.

    Raises:
        SettingsError: They were encrypted with another key.
    """
    return [each.identifier for each in credentials(store, app_id) if each.kind == Kind.APPCODE]


def new_app(identifier: str, name: str, account_id: str = "") -> App:
    """An app that begins now, under its account or one of its own identifier."""
    return App(identifier, account_id=account_id or identifier, name=name, created_at=_now(), disabled=False)


def _now() -> datetime:
    """This moment, to the millisecond that is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _add_account_of(connection: Connection, app: App) -> None:
    """The account of an app that has one for itself."""
    table.add_account(connection, Account(app.account_id, app.name, now_ms()))


def _complete(connection: Connection, store: Store, app: App, *, hmac: bool) -> Registration:
    """The app's oldest credential of each kind that stays; new ones of those that it has none of."""
    oldest: dict[Kind, Credential] = {}
    for credential in sorted(credentials_in(connection, store, app.id), key=lambda each: each.expires_at is not None):
        oldest.setdefault(credential.kind, credential)
    for kind in Kind:
        if kind not in oldest:
            oldest[kind] = add_in(connection, store, app.id, kind, hmac=hmac)
    return Registration(app, oldest[Kind.APPCODE].identifier, oldest[Kind.APPKEY], oldest[Kind.APPID])


def add_in(connection: Connection, store: Store, app_id: str, kind: Kind, *, hmac: bool = False) -> Credential:
    """Let an app that is there sign in with one more, new credential, inside a transaction that has begun.

    Args:
        connection: Of the transaction.
        store: Whose keys seal it.
        app_id: Whose it is to be.
        kind: Which way of signing in it is for.
        hmac: Of an appid: its calls are signed with HMAC-SHA256, not md5.
    """
    new = _new_credential(kind, hmac=hmac)
    text = f"{new.identifier}:{new.secret}" if new.secret else new.identifier
    sealed = SealedCredential(
        id=new.id,
        kind=kind,
        lookup=store.keyring.lookup(kind, new.identifier),
        sealed=store.keyring.seal(text, new.id),
        created_at=new.created_at,
    )
    table.add_credential(connection, app_id, sealed)
    return new


def unsealed(store: Store, sealed: SealedCredential) -> Credential:
    """A credential as its caller knows it; secret.

    Raises:
        SettingsError: It was encrypted with another key.
    """
    identifier, _, secret = store.keyring.unseal(sealed.sealed, sealed.id).partition(":")
    return Credential(
        sealed.id, Kind(sealed.kind), identifier, secret, sealed.created_at, sealed.expires_at, sealed.revoked_at
    )


def _new_credential(kind: Kind, *, hmac: bool) -> Credential:
    if kind == Kind.APPCODE:
        return Credential(uuid4().hex, kind, secrets.token_hex(16), created_at=now_ms())
    mark = _HMAC_MARK if kind == Kind.APPID and hmac else ""
    return Credential(uuid4().hex, kind, mark + secrets.token_hex(8), secrets.token_hex(16), created_at=now_ms())
