from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.api.wire import Connection, FakeEngine, Reply, request
from ziyan.api.app import create_app
from ziyan.api.crowd import Crowd
from ziyan.api.server import listen, serve_app
from ziyan.api.tls import tls_context
from ziyan.metering.credentials import Registration, register_app
from ziyan.metering.packages import grant
from ziyan.metering.store import Store
from ziyan.settings import Settings

#: Calls of a caller that no test uses up.
MANY = 1_000_000


@dataclass
class Service:
    """A running server with what stands behind it."""

    port: int
    engine: FakeEngine
    store: Store
    settings: Settings
    caller: Registration
    ask_to_stop: Callable[[], None]
    wait_for_end: Callable[[], None]

    def send(self, data: bytes) -> Reply:
        """Exactly these bytes on a connection of their own."""
        with Connection(self.port) as connection:
            connection.send(data)
            return connection.read_reply()

    def stop(self) -> None:
        self.ask_to_stop()
        self.wait_for_end()

    def lose_database(self) -> None:
        """Put something else in the place of its file, and of what lies beside it while somebody has it open."""
        self.store._engine.dispose()
        for end in ("-wal", "-shm"):
            (self.settings.data_dir / f"ziyan.db{end}").unlink(missing_ok=True)
        (self.settings.data_dir / "ziyan.db").write_bytes(b"no database at all" * 1000)

    def post(
        self, body: bytes, *, content_type: str | None = "application/x-www-form-urlencoded", **more: str
    ) -> Reply:
        """A call with a good AppCode."""
        return self.send(request(body, content_type=content_type, appcode=self.caller.appcode, **more))


def start_service(
    data_dir: Path, *, engine: FakeEngine | None = None, grace: float = 20, calls: int = MANY, **settings_: object
) -> Service:
    """Serve in a thread, over an engine that answers at once."""
    settings = Settings.load(data_dir=data_dir, **settings_)
    store, engine = Store.open(settings), engine or FakeEngine()
    app, listener = create_app(settings, engine, store), listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            tls, crowd = tls_context(settings), Crowd.from_settings(settings)
            runner.run(serve_app(app, listener, grace=grace, shutdown=stop.wait, tls=tls, crowd=crowd))

    thread = threading.Thread(target=run)
    thread.start()

    def ask_to_stop() -> None:
        with suppress(RuntimeError):  # it was told before, and has closed its loop
            loop.call_soon_threadsafe(stop.set)

    def wait_for_end() -> None:
        thread.join(30)
        assert not thread.is_alive()
        store.close()

    caller = register_app(store, "caller")
    if calls:
        grant(store, caller.app.id, calls)
    return Service(port, engine, store, settings, caller, ask_to_stop, wait_for_end)


@contextmanager
def running_service(data_dir: Path, **settings: object) -> Iterator[Service]:
    """A server that lets its caller call as often as tests do."""
    service = start_service(data_dir, rate_app=0, rate_address=0, **settings)
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Iterator[Service]:
    yield shared_service
    shared_service.engine.outcome = None
    shared_service.engine.ready = True


@pytest.fixture
def service_with(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a server with settings of the test's own."""
    started: list[Service] = []

    def start(**settings: object) -> Service:
        started.append(start_service(tmp_path / str(len(started)), **settings))
        return started[-1]

    yield start
    for service in started:
        service.stop()
