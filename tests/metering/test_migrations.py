from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import column, insert, table, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from ziyan.errors import SettingsError, StoreError
from ziyan.metering.credentials import ensure_trial_app, get_app
from ziyan.metering.store import Store, database
from ziyan.metering.store.schema import metadata, packages
from ziyan.settings import Settings


def execute(store: Store, *statements: str) -> None:
    for statement in statements:
        store.transact(lambda connection, sql=statement: connection.execute(text(sql)), write=True)


def test_the_migrations_make_the_tables_of_the_schema(store: Store) -> None:
    differences = store.transact(
        lambda connection: compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), metadata
        )
    )
    assert differences == []


@pytest.mark.parametrize("released", ["0001", "0002"])
def test_a_database_of_a_released_version_is_brought_up_to_date(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, released: str
) -> None:
    upgrade = database.command.upgrade
    monkeypatch.setattr(database.command, "upgrade", lambda config, _revision: upgrade(config, released))
    store = Store.open(settings)
    old: dict[str, object] = {"id": "old", "app_id": "old", "account_id": "old", "name": "old", "created_at": 1}
    old |= {"kind": "appcode", "lookup": b"lookup", "sealed": b"sealed"}
    common = ("id", "created_at")
    for name, columns in (
        ("accounts", (*common, "name")),
        ("apps", (*common, "account_id", "name")),
        ("credentials", (*common, "app_id", "kind", "lookup", "sealed")),
    ):
        statement = insert(table(name, *map(column, columns))).values({each: old[each] for each in columns})
        store.transact(lambda connection, sql=statement: connection.execute(sql), write=True)
    store.close()
    monkeypatch.undo()
    store = Store.open(settings)
    app = get_app(store, "old")
    kept = store.transact(
        lambda connection: connection.execute(text("SELECT expires_at, revoked_at FROM credentials")).all()
    )
    ensure_trial_app(store)
    store.close()
    assert app is not None
    assert (app.name, app.disabled, app.allowed_sources, app.denied_sources) == ("old", False, (), ())
    assert [tuple(row) for row in kept] == [(None, None)]


def test_a_database_of_a_newer_version_is_left_alone(settings: Settings) -> None:
    store = Store.open(settings)
    execute(store, "UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(SettingsError, match=r"newer version of Ziyan.* 9999.*backup"):
        Store.open(settings)


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"])
def test_the_audit_log_is_only_ever_added_to(store: Store, statement: str) -> None:
    execute(
        store,
        "INSERT INTO audit_log (at, actor, action, object_kind, object_id, before, after) "
        "VALUES (1, 'who', 'what', 'app', 'id', '', '')",
    )
    with pytest.raises((DBAPIError, StoreError), match="append-only"):
        execute(store, statement)


@pytest.mark.parametrize("numbers", [(11, 0), (6, 5), (-1, 0), (0, -1)])
def test_no_package_can_hold_more_than_its_calls(store: Store, numbers: tuple[int, int]) -> None:
    ensure_trial_app(store)
    reserved, consumed = numbers
    package = {"id": "p", "app_id": "trial", "calls": 10, "valid_from": 1, "valid_to": 2, "created_at": 1}
    statement = insert(packages).values(**package, reserved=reserved, consumed=consumed)
    with pytest.raises(IntegrityError):
        store.transact(lambda connection: connection.execute(statement), write=True)
