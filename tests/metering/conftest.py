from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests import postgresql
from ziyan.metering.store import Store
from ziyan.settings import Settings


@pytest.fixture(scope="session")
def postgresql_database() -> Iterator[Callable[[], str]]:
    """Makes empty databases on a PostgreSQL server of the tests' own, and gives their addresses."""
    numbers = itertools.count(1)
    with postgresql.running() as server:
        socket_folder = server.folder

        def create() -> str:
            name = f"test{next(numbers)}"
            with psycopg.connect(host=str(socket_folder), user="ziyan", dbname="postgres", autocommit=True) as database:
                database.execute(f"CREATE DATABASE {name}")
            return f"postgresql://ziyan@/{name}?host={socket_folder}"

        yield create


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> Settings:
    """An embedded database, in a folder whose name must be quoted nearly everywhere."""
    return Settings.load(data_dir=tmp_path / "data 50%")


@pytest.fixture
def postgresql_settings(sqlite_settings: Settings, postgresql_database: Callable[[], str]) -> Settings:
    return sqlite_settings.model_copy(update={"database_url": postgresql_database()})


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Both databases, one after the other."""
    found: Settings = request.getfixturevalue(f"{request.param}_settings")
    return found


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store.open(settings)
    yield store
    store.close()


class Clock:
    """What all of metering takes for now."""

    def __init__(self, moment: int) -> None:
        self.moment = moment

    def __call__(self) -> int:
        return self.moment

    def set(self, *local: int) -> None:
        """To a year, month, day… in Shanghai."""
        self.moment = moment(*local)


def moment(*local: int) -> int:
    """A year, month, day… in Shanghai, as a moment."""
    year, month, day, hour, minute = (*local, *(1, 1, 0, 0)[len(local) - 1 :])
    return round(datetime(year, month, day, hour, minute, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands at a noon in November 2026."""
    found = Clock(moment(2026, 11, 24, 12))
    for name, module in list(sys.modules.items()):
        if name.startswith("ziyan.metering") and hasattr(module, "now_ms") and name != "ziyan.metering.times":
            monkeypatch.setattr(module, "now_ms", found)
    return found
