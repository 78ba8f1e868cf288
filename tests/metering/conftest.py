from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgresql
from ziyan.metering.store import Store
from ziyan.settings import Settings


@pytest.fixture(scope="session")
def postgresql_database() -> Iterator[Callable[[], str]]:
    """Makes empty databases on a PostgreSQL server of the tests' own, and gives their addresses."""
    numbers = itertools.count(1)
    with postgresql.running() as socket_folder:

        def create() -> str:
            name = f"test{next(numbers)}"
            with psycopg.connect(host=str(socket_folder), user="ziyan", dbname="postgres", autocommit=True) as server:
                server.execute(f"CREATE DATABASE {name}")
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
