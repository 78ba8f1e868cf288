"""Connections, transactions and migrations."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ziyan.errors import SettingsError, StoreError
from ziyan.metering.keys import Keyring
from ziyan.settings import Settings

T = TypeVar("T")
Work = Callable[[Connection], T]

_THREADS = 4
_BUSY_SECONDS = 5
_SWITCH_SECONDS = 5
#: How long a caller is kept waiting for the database, its queue included.
_PATIENCE_SECONDS = 8.0
_TOUCHED = "touched_at"
_TOUCH = text(
    "INSERT INTO marks (name, value) VALUES (:name, :now) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_WRITE = "ziyan_write"
_LIGHT = "ziyan_light"
#: What becomes of a connection to a server that is silent: it ends within seconds.
_KEEP_ALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
#: Any number that nothing else locks on this database.
_MIGRATION_LOCK = 0x5A49_5941


class Store:
    """The database with everything that lasts.  Safe for many threads and tasks.

    Attributes:
        keyring: Seals and finds credentials.
        zone: What days and months are counted in.
    """

    def __init__(self, engine: Engine, keyring: Keyring, zone: ZoneInfo) -> None:
        """Wrap an engine whose tables are up to date; ``open`` is the usual way in."""
        self._engine = engine
        self.keyring = keyring
        self.zone = zone
        # Its own threads: a slow name server, which keeps the loop's common ones busy, must not stop sign-in.
        self._readers = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        # SQLite has one writer at a time; several threads of ours would wait for each other by sleeping.
        alone = engine.dialect.name == "sqlite"
        self._writers = ThreadPoolExecutor(1, thread_name_prefix="store-writer") if alone else self._readers

    @classmethod
    def open(cls, settings: Settings) -> Store:
        """Connect, and bring the tables up to date.  Several processes may do so at once.

        Raises:
            SettingsError: The database address or the secret key is unusable, or a newer version made the tables.
            StoreError: The database does not answer.
        """
        keyring = Keyring.load(settings)
        engine = _connect(settings)
        try:
            with _translated():
                _migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, keyring, settings.zone)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def transact(self, work: Work[T], *, write: bool = False, light: bool = False, snapshot: bool = False) -> T:
        """Run ``work`` in one transaction on this thread; committed when it returns, rolled back when it raises.

        Args:
            work: Gets the connection; all its SQL is one transaction.
            write: Take SQLite's write lock at the start, so that what was read still holds when writing.
            light: Do not wait for the disk: a power cut may undo what was written last (docs/adr/0006).
            snapshot: Every statement sees the same moment, as on SQLite they always do.

        Raises:
            StoreError: The database is away, locked or full.
        """
        with _translated(), self._engine.connect() as connection:
            if write:
                connection = connection.execution_options(**{_WRITE: True, _LIGHT: light})
            if snapshot and self.dialect == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                return work(connection)

    async def run(self, work: Work[T], *, write: bool = False, light: bool = False) -> T:
        """As ``transact``, on one of the store's own threads.

        Raises:
            StoreError: Also where the database takes too long.  What was begun may still be done then, or not.
        """
        threads = self._writers if write else self._readers
        doing = threads.submit(self.transact, work, write=write, light=light)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await asyncio.wrap_future(doing)  # which, given up, takes out of the queue what has not begun
        except TimeoutError:
            raise StoreError("The database is not available; try again shortly", internal="it takes too long") from None

    async def ping(self) -> None:
        """Read a row that is always there; a statement without a table would not even open SQLite's file.

        Raises:
            StoreError: It does not answer.
        """
        await self.run(lambda connection: connection.execute(text("SELECT version_num FROM alembic_version")))

    async def touch(self) -> None:
        """Write a row that means nothing, to find out whether anything can be written.

        Raises:
            StoreError: Nothing can, or not soon.
        """
        row = {"name": _TOUCHED, "now": time.time_ns() // 1_000_000}
        await self.run(lambda connection: connection.execute(_TOUCH, row), write=True, light=True)

    def close(self) -> None:
        """Finish what is running and let go of every connection."""
        self._readers.shutdown()
        self._writers.shutdown()
        self._engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    """The database's own trouble becomes a StoreError; mistakes in our SQL pass as they are."""
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise
    except (DBAPIError, PoolTimeoutError, sqlite3.Error) as error:
        raise StoreError("The database is not available; try again shortly", internal=str(error)) from error


def _connect(settings: Settings) -> Engine:
    url = _address(settings.store_url)
    if url.get_backend_name() == "sqlite":
        return _connect_sqlite(url)
    return _connect_postgresql(url)


def _address(text_: str) -> URL:
    try:
        url = make_url(text_)
    except ArgumentError:
        raise SettingsError("ZIYAN_DATABASE_URL: not an address; postgresql://user:password@host/name is one") from None
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise SettingsError(f"ZIYAN_DATABASE_URL: takes sqlite or postgresql, not {url.get_backend_name()}")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise SettingsError("ZIYAN_DATABASE_URL: needs a file, sqlite:////path/to/ziyan.db; memory does not last")
    # Without a driver's name SQLAlchemy's choice depends on its version; ours is the one that is installed.
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _connect_postgresql(url: URL) -> Engine:
    arguments = {"connect_timeout": _BUSY_SECONDS, "options": f"-c lock_timeout={_BUSY_SECONDS}s", **_KEEP_ALIVE}
    try:
        engine = create_engine(url, pool_pre_ping=True, pool_timeout=_BUSY_SECONDS, connect_args=arguments)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"ZIYAN_DATABASE_URL: needs the module {error.name}; pip install 'ziyan[postgres]'"
        ) from None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_LIGHT):
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    return engine


def _connect_sqlite(url: URL) -> Engine:
    file = Path(str(url.database))
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            file.touch(mode=0o600)  # SQLite itself would let everybody read it; its side files follow it
    except OSError as error:
        raise StoreError("The database's file cannot be made", internal=repr(error)) from error
    engine = create_engine(url, pool_timeout=_BUSY_SECONDS, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _record: object) -> None:
        # The driver's own implicit transactions would leave DDL outside and take the write lock too late.
        dbapi_connection.isolation_level = None
        for pragma in ("foreign_keys=ON", "synchronous=FULL"):  # FULL: what was sold survives a power cut
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_WRITE):
            connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options[_LIGHT] else 'FULL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITE) else "BEGIN")

    return engine


def _migrate(engine: Engine) -> None:
    """Bring the tables up to date; of several processes one does it and the others wait."""
    if engine.dialect.name == "sqlite":
        _use_write_ahead_log(engine)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.connect().execution_options(**{_WRITE: True, _LIGHT: False}) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))  # another process may have much to bring up to date
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        _refuse_newer(connection, config)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _refuse_newer(connection: Connection, config: Config) -> None:
    """Leave alone what a later version has made: nothing here knows what its tables promise."""
    found = MigrationContext.configure(connection).get_current_heads()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if unknown := sorted(set(found) - known):
        raise SettingsError(
            f"The database was made by a newer version of Ziyan (its tables are at {', '.join(unknown)}, "
            f"this version knows {max(known)}); run that version, or restore a backup from before the upgrade"
        )


def _use_write_ahead_log(engine: Engine) -> None:
    """Readers then never wait for a writer.  The file remembers, so this is needed once."""
    connection = engine.raw_connection()
    deadline = time.monotonic() + _SWITCH_SECONDS
    try:
        while True:
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # Of several processes that switch at once SQLite tells some at once that it is locked.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return
    finally:
        connection.close()
