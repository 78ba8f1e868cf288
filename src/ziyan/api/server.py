"""Runs the whole service in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import shlex
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from fastapi import FastAPI
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config

import ziyan
from ziyan import garbage
from ziyan.api.accepting import serve_connections
from ziyan.api.app import create_app
from ziyan.api.body import MAX_BODY_BYTES
from ziyan.api.connections import closing_ambiguous
from ziyan.api.crowd import Crowd
from ziyan.api.logs import configure_logging
from ziyan.api.tls import tls_context
from ziyan.engine.base import Engine
from ziyan.engine.local import LocalEngine
from ziyan.errors import SettingsError
from ziyan.metering.catalogue import ensure_catalogue
from ziyan.metering.credentials import Registration, ensure_trial_app
from ziyan.metering.logins import OPERATOR_NAME, ensure_operator
from ziyan.metering.packages import ensure_trial_package
from ziyan.metering.store import Store
from ziyan.metering.store.packages import remaining
from ziyan.metering.times import now_ms
from ziyan.ocr.models import locate
from ziyan.settings import Settings, default_data_dir

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

SAMPLE_PICTURE: Final = Path(ziyan.__file__).parent / "resources" / "sample.png"

_BACKLOG: Final = 1024
_GRACE_SECONDS: Final = 5.0
#: After so long the event loop lets another thread have the interpreter.  A call's transactions ask for it some hundred
#: times: with Python's own 5 ms one took seconds while clients kept the loop busy.
_SWITCH_SECONDS: Final = 0.0005
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class Trial:
    """What strangers may try the service with.

    Attributes:
        registration: The trial app.
        calls_left: How many calls it has.
    """

    registration: Registration
    calls_left: int


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish what was accepted; a second signal ends it at once.

    Raises:
        ModelError: The weights are not installed; the text says how to.
        SettingsError: The address cannot be listened on, or a key, certificate or address is unusable.
        StoreError: The database does not answer.
        EngineError: The readers do not come up.
    """
    configure_logging(settings.log_level)
    tls = tls_context(settings)
    for model in (settings.model, *settings.further_models):
        locate(settings.models_dir, model)
    store = Store.open(settings)
    try:
        ensure_catalogue(store)
        trial = ensure_trial_app(store)
        ensure_trial_package(store, trial.app.id, settings.trial_calls)
        left = store.transact(lambda connection: remaining(connection, trial.app.id, now_ms()))
        said = partial(welcome, trial=Trial(trial, left), password=ensure_operator(store))
        with listen(settings.host, settings.port) as listener:
            asyncio.run(_serve(settings, store, listener, said, tls))
    finally:
        store.close()


async def _serve(
    settings: Settings,
    store: Store,
    listener: socket.socket,
    said: Callable[[Settings, socket.socket], str],
    tls: ssl.SSLContext | None,
) -> None:
    stop = _stop_signal()
    engine = LocalEngine.from_settings(settings, eager=True)
    try:
        if not await _started(engine, stop):
            return
        sys.stdout.write(said(settings, listener))
        sys.stdout.flush()
        app = create_app(settings, engine, store)
        garbage.freeze()
        grace, crowd = settings.deadline + _GRACE_SECONDS, Crowd.from_settings(settings)
        await serve_app(app, listener, grace=grace, shutdown=stop.wait, tls=tls, crowd=crowd)
    finally:
        await engine.close()


async def serve_app(
    app: FastAPI,
    listener: socket.socket,
    *,
    grace: float,
    shutdown: Callable[[], Coroutine[Any, Any, object]],
    tls: ssl.SSLContext | None = None,
    crowd: Crowd | None = None,
) -> None:
    """Serve an application on a socket that already listens, HTTP/1.1 and HTTP/2, and tell it of start and end.

    Args:
        app: The application.
        listener: The socket; closed at the end.
        grace: Seconds that accepted calls have to finish after ``shutdown`` returned.
        shutdown: Returns when it is time to stop.
        tls: Certificate and key; None serves in the clear.
        crowd: Counts connections; None for any number of them.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    async with app.router.lifespan_context(app):
        await _serve_until(app, listener, grace, shutdown, tls, crowd or Crowd(0))


async def _serve_until(
    app: FastAPI,
    listener: socket.socket,
    grace: float,
    shutdown: Callable[[], Coroutine[Any, Any, object]],
    tls: ssl.SSLContext | None,
    crowd: Crowd,
) -> None:
    stop = asyncio.Event()
    wrapped = ASGIWrapper(cast("ASGIFramework", closing_ambiguous(app)))
    serving = asyncio.create_task(serve_connections(wrapped, listener, _config(), tls, stop.wait, crowd))
    # glibc gives large blocks back at once and fetches them anew, a page at a time, until one has been freed once.
    bytearray(MAX_BODY_BYTES)
    told = asyncio.ensure_future(shutdown())
    try:
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait({serving}, timeout=grace)
        if serving.done():
            serving.result()
        else:
            logging.getLogger(__name__).warning("some connections did not end in time and were cut")
    finally:
        told.cancel()
        serving.cancel()
        await asyncio.gather(serving, told, return_exceptions=True)


class _Config(Config):
    """Hypercorn's settings, with the one header that it adds spelled as HTTP/1 clients know it."""

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        return [(b"Date" if protocol == "h11" else b"date", formatdate(usegmt=True).encode())]


def _config() -> Config:
    config = _Config()
    config.backlog = _BACKLOG
    config.max_app_queue_size = 3  # pieces of a body, of at most 256 KiB each, that wait for whoever reads it
    config.errorlog = logging.getLogger("hypercorn.error")
    config.keep_alive_timeout = 75.0  # longer than the pools of clients keep a connection, so that they close first
    config.keep_alive_max_requests = 1_000_000  # at the limit HTTP/2 calls in flight would be cut off
    config.h11_max_incomplete_size = 64 << 10  # a query string may carry a small picture
    return config


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; on any free port if ``port`` is taken.

    Raises:
        SettingsError: The address is not one of this machine, or the port is not ours to take.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        try:
            return _bound(family, kind, address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        return _bound(family, kind, (address[0], 0, *address[2:]))
    except OSError as error:
        raise SettingsError(
            f"ZIYAN_HOST, ZIYAN_PORT: cannot listen on {host} port {port}: {error.strerror}", internal=repr(error)
        ) from None


def _bound(family: int, kind: int, address: tuple[object, ...]) -> socket.socket:
    # Named as TCP, or asyncio leaves Nagle's algorithm on: an answer's second packet would wait for an acknowledgement
    # that clients put off, some 40 ms on a connection that is kept.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)  # at once, for only a listening socket keeps others from the port
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def welcome(settings: Settings, listener: socket.socket, trial: Trial, password: str | None = None) -> str:
    """What is printed once the service is ready: its address, what to try it with, and who can reach it.

    Args:
        settings: The service's.
        listener: Where it listens.
        trial: What strangers may try it with.
        password: Of the operator's login, if it was just made: nothing else ever shows it.
    """
    port = listener.getsockname()[1]
    host = _EVERY_ADDRESS.get(settings.host, settings.host)
    scheme, trust = ("https", ["-k"]) if settings.tls_cert else ("http", [])  # no certificate names a bare address
    address = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    moved = f" (port {settings.port} is taken)" if settings.port not in {0, port} else ""
    disabled = " (disabled)" if trial.registration.app.disabled else ""
    reached = f"Other machines can reach it too, by this machine's name or address: ZIYAN_HOST is {settings.host}.\n"
    more = [str(Path(sys.executable).with_name("ziyan")), "packages", "grant", trial.registration.app.id, "1000"]
    if settings.data_dir != default_data_dir():  # or it would go to the trial app of another database
        more = ["env", f"ZIYAN_DATA_DIR={settings.data_dir}", *more]
    with_database = ", with this ZIYAN_DATABASE_URL" if settings.database_url else ""  # which holds a password
    command = [
        "curl",
        *trust,
        "-H",
        f"Authorization: APPCODE {trial.registration.appcode}",
        "-F",
        f"img=@{SAMPLE_PICTURE}",
        "-w",
        r"\n",  # a line of its own on the terminal; the answer itself ends without
        f"{address}/ocr",
    ]
    return (
        f"\nZiyan {ziyan.__version__} is ready at {address}{moved}\n"
        f"{reached if settings.host in _EVERY_ADDRESS else ''}"
        f"Trial AppCode: {trial.registration.appcode}{disabled}\n"
        f"Trial calls left: {trial.calls_left} (more{with_database}: {shlex.join(more)})\n"
        f"{_operator(address, password)}\n"
        f"Try it:\n  {shlex.join(command)}\n\nCtrl-C stops it.\n"
    )


def _operator(address: str, password: str | None) -> str:
    """Where the operator signs in, and with what, where that was just made."""
    where = f"Sign in as the operator: {address}/signin"
    if password is None:
        return f"{where}\n"
    return f"{where}\n  name {OPERATOR_NAME}, password {password} (shown this once; change it there)\n"


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; the second has its ordinary effect."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def set_once() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, set_once)
    return stop


async def _started(engine: Engine, stop: asyncio.Event) -> bool:
    """Start the engine; False if it was told to stop before it was ready."""
    start, stopped = asyncio.ensure_future(engine.start()), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            return False
        start.result()
        return True
    finally:
        stopped.cancel()
        start.cancel()
        await asyncio.gather(start, stopped, return_exceptions=True)
