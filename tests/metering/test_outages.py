"""A database that is down, that hangs, is locked or full: callers are told 503, nothing is charged, and it passes.

Nothing is pretended here: a PostgreSQL server of the test's own is halted and killed, locks are really held, and writes
really fail.
"""

from __future__ import annotations

import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import event

from tests import postgresql
from tests.api.conftest import Service, start_service
from tests.api.signers import error_of
from tests.api.test_connections import WaitingEngine
from tests.api.wire import Connection, request
from tests.postgresql import Server
from ziyan.metering import ledger
from ziyan.metering.packages import list_packages
from ziyan.metering.store import database
from ziyan.metering.times import now_ms
from ziyan.metering.usage import events

FORM = b"img=QUJD"
AWAY = (503, "X503DB", "Service Unavailable")
CALLS = 1000


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What production waits for seconds, tests wait for less."""
    monkeypatch.setattr(database, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(database, "_BUSY_SECONDS", 1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql.running() as found:
        yield found


@pytest.fixture
def on_postgresql(server: Server, tmp_path: Path) -> Iterator[Service]:
    with psycopg.connect(host=str(server.folder), user="ziyan", dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS calls WITH (FORCE)")
        connection.execute("CREATE DATABASE calls")
    yield from serving(tmp_path, f"postgresql://ziyan@/calls?host={server.folder}")


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Service]:
    yield from serving(tmp_path, "")


def serving(folder: Path, url: str) -> Iterator[Service]:
    service = start_service(folder, calls=CALLS, database_url=url, rate_app=0, rate_address=0)
    try:
        yield service
    finally:
        service.stop()


def answer(service: Service) -> int:
    """The status of a call, whose answer is as the contract says."""
    reply = service.post(FORM)
    if reply.status == 503:
        assert error_of(reply) == AWAY
        assert (reply["Retry-After"], reply["X-Ziyan-Billed"]) == ("1", "0")
    else:
        assert (reply.status, reply["X-Ziyan-Billed"]) == (200, "1")
    return reply.status


def resumes(service: Service, sold: int) -> None:
    """By itself: calls are answered again, and exactly those were charged that were."""
    given_up = time.monotonic() + 60
    while (status := answer(service)) == 503:
        assert time.monotonic() < given_up
    assert status == 200
    while True:  # what calls that failed may still hold is let go of soon
        held = sum(each.reserved for each in list_packages(service.store, service.caller.app.id))
        report = ledger.check(service.store)
        if held == 0 and report.consumed == sold + 1:
            break
        assert time.monotonic() < given_up, (held, report)
        time.sleep(0.05)
    assert report.differences == ()
    found = events(service.store, service.caller.app.id, since=0, until=now_ms() * 2, limit=10_000)
    assert sum(each.billed for each in found) == sold + 1


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


def test_a_server_that_hangs(on_postgresql: Service, server: Server) -> None:
    assert answer(on_postgresql) == 200
    with server.halted():
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(lambda _: answer(on_postgresql), range(6))) == [503] * 6
        assert health(on_postgresql) == 503
    resumes(on_postgresql, 1)


def test_a_server_that_is_down_and_comes_back(on_postgresql: Service, server: Server) -> None:
    assert answer(on_postgresql) == 200
    server.stop()
    try:
        assert [answer(on_postgresql) for _ in range(3)] == [503] * 3
        assert health(on_postgresql) == 503
    finally:
        server.start()
    resumes(on_postgresql, 1)


@pytest.mark.parametrize("trouble", ["hangs", "down"])
def test_a_call_under_way_while_the_server_goes_away_is_not_charged(
    server: Server, tmp_path: Path, trouble: str, on_postgresql: Service
) -> None:
    engine = WaitingEngine()
    url = f"postgresql://ziyan@/calls?host={server.folder}"
    other = start_service(tmp_path, engine=engine, calls=0, database_url=url)
    try:
        with Connection(other.port) as connection:
            connection.send(request(FORM, appcode=on_postgresql.caller.appcode))
            assert engine.reading.wait(20)
            with server.halted() if trouble == "hangs" else down(server):
                engine.finish()
                assert error_of(connection.read_reply()) == AWAY
        resumes(on_postgresql, 0)
    finally:
        other.stop()


@contextmanager
def down(server: Server) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


def test_rows_that_somebody_keeps_locked(on_postgresql: Service, server: Server) -> None:
    assert answer(on_postgresql) == 200
    with psycopg.connect(host=str(server.folder), user="ziyan", dbname="calls") as other:
        other.execute("SELECT * FROM packages FOR UPDATE")
        assert answer(on_postgresql) == 503
        assert health(on_postgresql) == 200, "it can be read from"
        other.rollback()
    resumes(on_postgresql, 1)


def test_a_server_whose_disk_is_full(on_postgresql: Service, server: Server) -> None:
    """It then ends all connections and recovers, as PostgreSQL does when its log cannot be written."""
    assert answer(on_postgresql) == 200
    server.fill_disk()
    assert answer(on_postgresql) == 503
    resumes(on_postgresql, 1)


def health(service: Service) -> int:
    return service.send(request(method="GET", target="/healthz/ready", content_type=None)).status


# --- SQLite ---------------------------------------------------------------------------------------------------------


def test_a_file_that_somebody_keeps_locked(on_sqlite: Service) -> None:
    assert answer(on_sqlite) == 200
    with closing(sqlite3.connect(on_sqlite.settings.data_dir / "ziyan.db", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert [answer(on_sqlite) for _ in range(2)] == [503] * 2
        other.execute("ROLLBACK")
    resumes(on_sqlite, 1)


@contextmanager
def no_pages_left(service: Service) -> Iterator[None]:
    """The file may not grow by a page: what SQLite says then is that the database or disk is full."""
    engine = service.store._engine

    def limit(connection: SqlConnection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    def lift(connection: SqlConnection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=4294967294")

    event.listen(engine, "begin", limit)
    yield
    event.remove(engine, "begin", limit)
    event.listen(engine, "begin", lift)


@contextmanager
def no_bytes_left(service: Service) -> Iterator[None]:
    """The system refuses to write behind the place that the log has come to."""
    size = (service.settings.data_dir / "ziyan.db-wal").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("full", "ready"),
    [pytest.param(no_pages_left, 200, id="what is there can still be changed"), (no_bytes_left, 503)],
)
def test_a_disk_that_is_full(
    on_sqlite: Service, full: Callable[[Service], AbstractContextManager[None]], ready: int
) -> None:
    sold = sum(answer(on_sqlite) == 200 for _ in range(3))
    with full(on_sqlite):
        for _ in range(300):  # until what is there is used up
            if answer(on_sqlite) == 503:
                break
            sold += 1
        else:
            raise AssertionError("the disk was never full")
        assert health(on_sqlite) == ready
    resumes(on_sqlite, sold)
