"""Who may call: apps and what they sign in with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ziyan.metering.store import Store
from ziyan.metering.store import apps as table
from ziyan.metering.store.apps import App, SealedCredential
from ziyan.metering.times import now_ms

__all__ = [
    "App",
    "Credential",
    "Kind",
    "Registration",
    "add_credential",
    "app_of_appcode",
    "appcodes",
    "credentials",
    "ensure_trial_app",
    "find_credential",
    "get_app",
    "is_hmac_appid",
    "list_apps",
    "register_app",
    "remove_credential",
    "rotate_credential",
    "set_app_disabled",
    "set_app_rate",
    "set_app_sources",
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
        expires_at: When it is refused from, because another one took its place; None for never.
    """

    id: str
    kind: Kind
    identifier: str = field(repr=False)
    secret: str = field(default="", repr=False)
    expires_at: int | None = None


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
    lookup = store.keyring.lookup(kind, identifier)
    found = await store.run(lambda connection: table.by_lookup(connection, lookup))
    # As much is decrypted where there is nothing: how long this takes tells nobody which identifiers exist.
    decoy = SealedCredential("decoy", kind, lookup, store.keyring.decoy)
    credential = _unsealed(store, found[1] if found else decoy)
    return (found[0], credential) if found else None


async def app_of_appcode(store: Store, appcode: str) -> App | None:
    """The app of this AppCode, disabled or not; None where nobody has it.

    Raises:
        StoreError: The database is away.
    """
    lookup = store.keyring.lookup(Kind.APPCODE, appcode)
    found = await store.run(lambda connection: table.by_lookup(connection, lookup))
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
    app = _new_app(uuid4().hex, name)
    return store.transact(lambda connection: _register(connection, store, app, hmac=hmac), write=True)


def ensure_trial_app(store: Store) -> Registration:
    """The trial app: registered on the first start, the same on every later one.

    Raises:
        SettingsError: Its credentials were encrypted with another key.
        StoreError: The database is away.
    """

    def ensure(connection: Connection) -> Registration:
        app = table.app_by_id(connection, TRIAL)
        if app is None:
            return _register(connection, store, _new_app(TRIAL, TRIAL), hmac=False)
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
    return store.transact(lambda connection: _credentials(connection, store, app_id))


def appcodes(store: Store, app_id: str) -> list[str]:
    """An app's AppCodes, oldest first; secret.

    Raises:
        SettingsError: They were encrypted with another key.
    """
    return [each.identifier for each in credentials(store, app_id) if each.kind == Kind.APPCODE]


def add_credential(store: Store, app_id: str, kind: Kind, *, hmac: bool = False) -> Credential | None:
    """Let an app sign in with one more, new credential; None where there is no such app.

    Args:
        store: Where.
        app_id: Whose.
        kind: Which way of signing in it is for.
        hmac: Of an appid: its calls are signed with HMAC-SHA256, not md5.

    Raises:
        StoreError: The database is away.
    """

    def add(connection: Connection) -> Credential | None:
        if table.app_by_id(connection, app_id) is None:
            return None
        return _add(connection, store, app_id, kind, hmac=hmac)

    return store.transact(add, write=True)


def rotate_credential(store: Store, app_id: str, identifier: str, *, grace_seconds: int) -> Credential | None:
    """Put a new credential in the place of one, which is taken for a while yet; None where the app has no such.

    Args:
        store: Where.
        app_id: Whose.
        identifier: The AppCode, AppKey or appid that is to go.
        grace_seconds: For how long both are taken.

    Raises:
        SettingsError: They were encrypted with another key.
        StoreError: The database is away.
    """

    def rotate(connection: Connection) -> Credential | None:
        for each in _credentials(connection, store, app_id):
            if each.identifier == identifier:
                table.expire_credential(connection, each.id, now_ms() + grace_seconds * 1000)
                hmac = each.kind == Kind.APPID and is_hmac_appid(identifier)
                return _add(connection, store, app_id, each.kind, hmac=hmac)
        return None

    return store.transact(rotate, write=True)


def remove_credential(store: Store, app_id: str, identifier: str) -> bool:
    """Refuse one of an app's credentials for good; False where the app has no such.

    Args:
        store: Where.
        app_id: Whose.
        identifier: The AppCode, AppKey or appid.

    Raises:
        SettingsError: They were encrypted with another key.
        StoreError: The database is away.
    """

    def remove(connection: Connection) -> bool:
        matching = [each for each in _credentials(connection, store, app_id) if each.identifier == identifier]
        for each in matching:
            table.remove_credential(connection, each.id)
        return bool(matching)

    return store.transact(remove, write=True)


def set_app_disabled(store: Store, app_id: str, *, disabled: bool) -> bool:
    """Refuse an app's credentials from now on, or take them again; False where there is no such app."""
    moment = _now() if disabled else None
    return store.transact(lambda connection: table.set_disabled(connection, app_id, moment), write=True)


def set_app_sources(store: Store, app_id: str, *, allowed: tuple[str, ...], denied: tuple[str, ...]) -> bool:
    """Say where an app's own-platform calls may come from (see ``sources``); False where there is no such app."""
    return store.transact(lambda connection: table.set_sources(connection, app_id, allowed, denied), write=True)


def set_app_rate(store: Store, app_id: str, rate: float | None) -> bool:
    """Say how many calls a second an app may make, None for what the setting says; False where there is no such app."""
    return store.transact(lambda connection: table.set_rate(connection, app_id, rate), write=True)


def _now() -> datetime:
    """This moment, to the millisecond that is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _new_app(identifier: str, name: str) -> App:
    return App(identifier, account_id=identifier, name=name, created_at=_now(), disabled=False)


def _register(connection: Connection, store: Store, app: App, *, hmac: bool) -> Registration:
    table.add_app(connection, app)
    return _complete(connection, store, app, hmac=hmac)


def _complete(connection: Connection, store: Store, app: App, *, hmac: bool) -> Registration:
    """The app's oldest credential of each kind; new ones of those that it has none of."""
    oldest: dict[Kind, Credential] = {}
    for credential in _credentials(connection, store, app.id):
        oldest.setdefault(credential.kind, credential)
    for kind in Kind:
        if kind not in oldest:
            oldest[kind] = _add(connection, store, app.id, kind, hmac=hmac)
    return Registration(app, oldest[Kind.APPCODE].identifier, oldest[Kind.APPKEY], oldest[Kind.APPID])


def _add(connection: Connection, store: Store, app_id: str, kind: Kind, *, hmac: bool) -> Credential:
    new = _new_credential(kind, hmac=hmac)
    text = f"{new.identifier}:{new.secret}" if new.secret else new.identifier
    sealed = SealedCredential(
        id=new.id,
        kind=kind,
        lookup=store.keyring.lookup(kind, new.identifier),
        sealed=store.keyring.seal(text, new.id),
    )
    table.add_credential(connection, app_id, sealed, _now())
    return new


def _new_credential(kind: Kind, *, hmac: bool) -> Credential:
    if kind == Kind.APPCODE:
        return Credential(uuid4().hex, kind, secrets.token_hex(16))
    mark = _HMAC_MARK if kind == Kind.APPID and hmac else ""
    return Credential(uuid4().hex, kind, mark + secrets.token_hex(8), secrets.token_hex(16))


def _credentials(connection: Connection, store: Store, app_id: str) -> list[Credential]:
    return [_unsealed(store, sealed) for sealed in table.credentials_of(connection, app_id)]


def _unsealed(store: Store, sealed: SealedCredential) -> Credential:
    identifier, _, secret = store.keyring.unseal(sealed.sealed, sealed.id).partition(":")
    return Credential(sealed.id, Kind(sealed.kind), identifier, secret, sealed.expires_at)
