"""What operators do to apps, in one line each."""

from __future__ import annotations

from contextlib import suppress

from ziyan.errors import NotFoundError
from ziyan.metering import apps
from ziyan.metering.apps import AppChange
from ziyan.metering.credentials import Credential, Kind
from ziyan.metering.desk import Person
from ziyan.metering.store import Store


def operator(store: Store) -> Person:
    return Person(store, "user test")


def add_credential(store: Store, app_id: str, kind: Kind, *, hmac: bool = False) -> Credential | None:
    with suppress(NotFoundError):
        return operator(store).do(lambda desk: apps.create_key(desk, app_id, kind, hmac=hmac))
    return None


def remove_credential(store: Store, app_id: str, identifier: str) -> bool:
    """False where the app has no such credential that works."""
    with suppress(NotFoundError):
        key_id = operator(store).do(lambda desk: apps.key_id_of(desk, app_id, identifier))
        before = operator(store).do(lambda desk: apps.list_keys(desk, app_id))
        operator(store).do(lambda desk: apps.revoke_key(desk, app_id, key_id))
        return all(key.id != key_id or key.revoked_at is None for key in before)
    return False


def rotate_credential(store: Store, app_id: str, identifier: str, *, grace_seconds: int) -> Credential | None:
    with suppress(NotFoundError):
        key_id = operator(store).do(lambda desk: apps.key_id_of(desk, app_id, identifier))
        return operator(store).do(lambda desk: apps.rotate_key(desk, app_id, key_id, grace_hours=grace_seconds / 3600))
    return None


def set_app_rate(store: Store, app_id: str, rate: float) -> bool:
    return _changed(store, app_id, AppChange(rate=rate))


def set_app_disabled(store: Store, app_id: str, *, disabled: bool) -> bool:
    return _changed(store, app_id, AppChange(disabled=disabled))


def set_app_sources(store: Store, app_id: str, *, allowed: tuple[str, ...], denied: tuple[str, ...]) -> bool:
    return _changed(store, app_id, AppChange(allowed_sources=allowed, denied_sources=denied))


def _changed(store: Store, app_id: str, change: AppChange) -> bool:
    with suppress(NotFoundError):
        operator(store).do(lambda desk: apps.change_app(desk, app_id, change))
        return True
    return False
