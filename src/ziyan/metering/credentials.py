"""Who may call: apps and the AppCodes they sign in with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ziyan.metering.store import Store
from ziyan.metering.store import apps as table
from ziyan.metering.store.apps import App, SealedCredential

__all__ = [
    "App",
    "Registration",
    "app_of_appcode",
    "appcodes",
    "ensure_trial_app",
    "get_app",
    "list_apps",
    "register_app",
    "set_app_disabled",
]

#: Identifier, account and name of the app that the first start registers.
TRIAL: Final = "trial"
_APPCODE: Final = "appcode"


@dataclass(frozen=True, slots=True)
class Registration:
    """An app together with the code it signs in with.

    Attributes:
        app: The app.
        appcode: 32 lower-case hex digits; secret.
    """

    app: App
    appcode: str


async def app_of_appcode(store: Store, appcode: str) -> App | None:
    """The app of this AppCode, disabled or not; None where nobody has it.

    Raises:
        StoreError: The database is away.
    """
    lookup = store.keyring.lookup(_APPCODE, appcode)
    return await store.run(lambda connection: table.app_by_lookup(connection, lookup))


def register_app(store: Store, name: str) -> Registration:
    """Register an app under a new account, with a new AppCode.

    Raises:
        StoreError: The database is away.
    """
    return store.transact(lambda connection: _register(connection, store, _new_app(uuid4().hex, name)), write=True)


def ensure_trial_app(store: Store) -> Registration:
    """The trial app: registered on the first start, the same on every later one.

    Raises:
        SettingsError: Its AppCode was encrypted with another key.
        StoreError: The database is away.
    """

    def ensure(connection: Connection) -> Registration:
        app = table.app_by_id(connection, TRIAL)
        if app is None:
            return _register(connection, store, _new_app(TRIAL, TRIAL))
        return Registration(app, _appcodes(connection, store, app.id)[0])

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


def appcodes(store: Store, app_id: str) -> list[str]:
    """An app's AppCodes, oldest first; secret.

    Raises:
        SettingsError: They were encrypted with another key.
    """
    return store.transact(lambda connection: _appcodes(connection, store, app_id))


def set_app_disabled(store: Store, app_id: str, *, disabled: bool) -> bool:
    """Refuse an app's credentials from now on, or take them again; False where there is no such app."""
    moment = _now() if disabled else None
    return store.transact(lambda connection: table.set_disabled(connection, app_id, moment), write=True)


def _now() -> datetime:
    """This moment, to the millisecond that is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _new_app(identifier: str, name: str) -> App:
    return App(identifier, account_id=identifier, name=name, created_at=_now(), disabled=False)


def _register(connection: Connection, store: Store, app: App) -> Registration:
    appcode = secrets.token_hex(16)
    credential_id = uuid4().hex
    table.add_app(
        connection,
        app,
        SealedCredential(
            id=credential_id,
            kind=_APPCODE,
            lookup=store.keyring.lookup(_APPCODE, appcode),
            sealed=store.keyring.seal(appcode, credential_id),
        ),
    )
    return Registration(app, appcode)


def _appcodes(connection: Connection, store: Store, app_id: str) -> list[str]:
    return [
        store.keyring.unseal(credential.sealed, credential.id)
        for credential in table.credentials_of(connection, app_id)
        if credential.kind == _APPCODE
    ]
