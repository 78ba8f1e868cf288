"""Accounts, apps and their keys, as operators and buyers change them.  Every change is in the audit log."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering import credentials as keys
from ziyan.metering.credentials import App, Credential, Kind
from ziyan.metering.desk import Desk
from ziyan.metering.sources import is_source
from ziyan.metering.store import apps as table
from ziyan.metering.store.apps import Account
from ziyan.metering.times import HOUR_MS, now_ms
from ziyan.metering.views import AccountView, AppView, KeyView

#: Hours that a key which was rotated works beside its successor.
GRACE_HOURS: Final = 168
MOST_GRACE_HOURS: Final = 24 * 366
#: Keys that an app may have at a time, so that nobody fills the database.
MOST_KEYS: Final = 50
MOST_THRESHOLDS: Final = 10


@dataclass(frozen=True, slots=True)
class AppChange:
    """What is to become of an app; what is None stays as it is.

    Attributes:
        name: For people.
        disabled: Whether its calls are refused.
        allowed_sources: Where own-platform calls must come from; empty for anywhere.
        denied_sources: Where they must not come from.
        rate: Calls a second; 0 for what ZIYAN_RATE_APP says.
        notify_percents: Percents of calls left at which its owner is told.
        notify_days: Days before expiry at which its owner is told.
    """

    name: str | None = None
    disabled: bool | None = None
    allowed_sources: tuple[str, ...] | None = None
    denied_sources: tuple[str, ...] | None = None
    rate: float | None = None
    notify_percents: tuple[int, ...] | None = None
    notify_days: tuple[int, ...] | None = None


def create_account(desk: Desk, name: str) -> Account:
    """Open an account."""
    account = Account(uuid4().hex, name, now_ms())
    table.add_account(desk.connection, account)
    desk.note("account.create", account.id, None, AccountView.of(account))
    return account


def rename_account(desk: Desk, account_id: str, name: str) -> Account:
    """Give an account another name.

    Raises:
        NotFoundError: There is no such account.
    """
    before = desk.account(account_id)
    after = replace(before, name=name)
    table.rename_account(desk.connection, account_id, name)
    desk.note("account.rename", account_id, AccountView.of(before), AccountView.of(after))
    return after


def create_app(desk: Desk, name: str, *, account_id: str | None = None, hmac: bool = False) -> App:
    """Register an app with a key of each kind, under an account that is there or a new one of the same name.

    Raises:
        NotFoundError: There is no such account.
    """
    account = create_account(desk, name) if account_id is None else desk.account(account_id)
    app = keys.new_app(uuid4().hex, name, account.id)
    keys.register_in(desk.connection, desk.store, app, hmac=hmac)
    desk.note("app.create", app.id, None, AppView.of(app))
    return app


def change_app(desk: Desk, app_id: str, change: AppChange) -> App:
    """Change what is said of an app.

    Raises:
        NotFoundError: There is no such app.
        ConflictError: What it is to become makes no sense.
    """
    before = desk.app(app_id)
    _check(change)
    said = {name: value for name in AppChange.__dataclass_fields__ if (value := getattr(change, name)) is not None}
    if "rate" in said:
        said["rate"] = said["rate"] or None
    for thresholds in {"notify_percents", "notify_days"} & said.keys():
        said[thresholds] = tuple(sorted(set(said[thresholds]), reverse=True))
    after = replace(before, **said)
    table.change_app(desk.connection, after, now_ms())
    desk.note("app.change", app_id, AppView.of(before), AppView.of(after))
    return after


def list_keys(desk: Desk, app_id: str) -> list[Credential]:
    """What an app signs in with or once did, oldest first; secret, so show views of them.

    Raises:
        NotFoundError: There is no such app.
    """
    desk.app(app_id)
    return [keys.unsealed(desk.store, sealed) for sealed in table.credentials_of(desk.connection, app_id)]


def create_key(desk: Desk, app_id: str, kind: Kind, *, hmac: bool = False) -> Credential:
    """Let an app sign in with one more, new key.

    Raises:
        NotFoundError: There is no such app.
        ConflictError: It has too many.
    """
    desk.app(app_id)
    if len(keys.credentials_in(desk.connection, desk.store, app_id)) >= MOST_KEYS:
        raise ConflictError(f"App {app_id} has {MOST_KEYS} keys; revoke one that is not used any more")
    key = keys.add_in(desk.connection, desk.store, app_id, kind, hmac=hmac)
    desk.note("key.create", key.id, None, KeyView.of(key))
    return key


def reveal_key(desk: Desk, app_id: str, key_id: str) -> Credential:
    """Show a key once more; who looked is in the audit log.

    Raises:
        NotFoundError: There is no such app, or it has no such key.
        ConflictError: The key does not work any more.
    """
    key = _working(desk, app_id, key_id)
    desk.note("key.reveal", key.id, KeyView.of(key), KeyView.of(key))
    return key


def reveal_keys(desk: Desk, app_id: str) -> list[Credential]:
    """Show every key that works once more; who looked is in the audit log.

    Raises:
        NotFoundError: There is no such app.
    """
    desk.app(app_id)
    found = keys.credentials_in(desk.connection, desk.store, app_id)
    for key in found:
        desk.note("key.reveal", key.id, KeyView.of(key), KeyView.of(key))
    return found


def rotate_key(desk: Desk, app_id: str, key_id: str, *, grace_hours: float = GRACE_HOURS) -> Credential:
    """Put a new key in the place of one, which goes on working for some hours.

    Returns:
        The new one, of the same kind.

    Raises:
        NotFoundError: There is no such app, or it has no such key.
        ConflictError: The key does not work any more, or is being replaced already.
    """
    old = _working(desk, app_id, key_id)
    if old.expires_at is not None:
        raise ConflictError(f"Key {key_id} was rotated before; the one that took its place can be")
    ended = replace(old, expires_at=now_ms() + round(_hours(grace_hours) * HOUR_MS))
    table.end_credential(desk.connection, old.id, expires_at=ended.expires_at)
    new = keys.add_in(desk.connection, desk.store, app_id, old.kind, hmac=keys.is_hmac_appid(old.identifier))
    desk.note("key.rotate", old.id, KeyView.of(old), KeyView.of(ended))
    desk.note("key.create", new.id, None, KeyView.of(new))
    return new


def revoke_key(desk: Desk, app_id: str, key_id: str) -> Credential:
    """Refuse a key for good, at once; to do so again changes nothing.

    Raises:
        NotFoundError: There is no such app, or it has no such key.
    """
    key = _key(desk, app_id, key_id)
    if key.revoked_at is not None:
        return key
    revoked = replace(key, revoked_at=now_ms())
    table.end_credential(desk.connection, key.id, revoked_at=revoked.revoked_at)
    desk.note("key.revoke", key.id, KeyView.of(key), KeyView.of(revoked))
    return revoked


def key_id_of(desk: Desk, app_id: str, identifier: str) -> str:
    """The identifier of the key whose AppCode, AppKey, appid or own identifier this is.

    Raises:
        NotFoundError: There is no such app, or it has no such key.
    """
    for key in list_keys(desk, app_id):
        if identifier in {key.id, key.identifier}:
            return key.id
    raise NotFoundError(f"App {app_id} has no such key; `ziyan apps show {app_id}` prints what it has")


def _key(desk: Desk, app_id: str, key_id: str) -> Credential:
    found = next((key for key in list_keys(desk, app_id) if key.id == key_id), None)
    if found is None:
        raise NotFoundError(f"App {app_id} has no key {key_id}")
    return found


def _working(desk: Desk, app_id: str, key_id: str) -> Credential:
    key = _key(desk, app_id, key_id)
    if not key.works(now_ms()):
        raise ConflictError(f"Key {key_id} does not work any more; create another one")
    return key


def _hours(hours: float) -> float:
    if not 0 <= hours <= MOST_GRACE_HOURS:
        raise ConflictError(f"A grace period has between 0 and {MOST_GRACE_HOURS} hours")
    return hours


def _check(change: AppChange) -> None:
    for source in (*(change.allowed_sources or ()), *(change.denied_sources or ())):
        if not is_source(source):
            raise ConflictError(f"{source!r} is no IP address, network or host name")
    if change.rate is not None and not (math.isfinite(change.rate) and 0 <= change.rate <= 1e6):
        raise ConflictError("A rate is between 0 and 1000000 calls a second")
    if any(not 0 <= percent <= 100 for percent in change.notify_percents or ()):
        raise ConflictError("Percents are between 0 and 100")
    if any(not 0 < days <= 366 for days in change.notify_days or ()):
        raise ConflictError("Days are between 1 and 366")
    if max(len(change.notify_percents or ()), len(change.notify_days or ())) > MOST_THRESHOLDS:
        raise ConflictError(f"At most {MOST_THRESHOLDS} thresholds can be set")
