from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import event

from ziyan.errors import StoreError
from ziyan.metering.store import Store, database


async def test_a_database_that_takes_too_long_is_told_to_be_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE_SECONDS", 0.05)
    answer = threading.Event()
    with pytest.raises(StoreError) as caught:
        await store.run(lambda _connection: answer.wait(20))
    answer.set()
    assert caught.value.internal == "it takes too long"
    monkeypatch.undo()
    await store.ping()


async def test_a_database_that_can_be_read_alone_is_told_by_a_write(store: Store) -> None:
    await store.touch()
    await store.touch()

    @event.listens_for(store._engine, "connect")
    def read_alone(connection: Any, _record: object) -> None:
        if store.dialect == "sqlite":
            connection.execute("PRAGMA query_only=ON")
        else:
            connection.read_only = True

    store._engine.dispose()
    with pytest.raises(StoreError):
        await store.touch()
    await store.ping()
