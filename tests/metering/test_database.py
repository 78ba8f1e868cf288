from __future__ import annotations

import threading

import pytest

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
