"""The two that ``overhead`` compares: a bare handler, and the whole gateway over an engine that answers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import hypercorn.asyncio
import numpy as np
from hypercorn.config import Config
from starlette.types import Receive, Scope, Send

from ziyan.api.app import create_app
from ziyan.api.logs import configure_logging
from ziyan.api.server import listen, serve_app
from ziyan.engine.base import EngineStatus
from ziyan.metering.credentials import register_app
from ziyan.metering.store import Store
from ziyan.ocr.types import Line, Page, ReadOptions
from ziyan.settings import Settings

Clock = Callable[[], float]


class InstantEngine:
    """Reads nothing and answers at once."""

    def __init__(self) -> None:
        """Have the answer ready."""
        polygon = np.array([[0, 0], [99, 0], [99, 9], [0, 9]], np.float32)
        self._page = Page(lines=(Line("一行", 0.9, polygon, 0.9),), text="一行", width=100, height=10)

    async def start(self) -> None:
        """There is nothing to load."""

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        """The same page for every picture."""
        return self._page

    async def close(self) -> None:
        """There is nothing to end."""

    def status(self) -> EngineStatus:
        """Always ready."""
        return EngineStatus(ready=True, workers=1, busy=0, queued=0, queue_limit=1, restarts=0)


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer, and not a step more."""
    if scope["type"] != "http":
        raise NotImplementedError  # so Hypercorn knows that nothing waits for its start and end
    chunks = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    content = b'{"ok":1,"msg":"","data":""}'
    headers = [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def serve_bare(control: Connection, _folder: Path, clock: Clock) -> None:
    """Serve the bare handler with Hypercorn as it comes."""
    listener = listen("127.0.0.1", 0)
    config = Config()
    port = listener.getsockname()[1]
    config.bind = f"fd://{listener.detach()}"
    config.keep_alive_max_requests = 1_000_000

    async def run() -> None:
        stop = _answer_clock(control, port, "", clock)
        await hypercorn.asyncio.serve(cast("Any", bare), config, shutdown_trigger=stop.wait)

    asyncio.run(run())


def serve_ziyan(control: Connection, folder: Path, clock: Clock) -> None:
    """Serve as ``ziyan serve`` does, but for the engine: sign-in, database, log and all."""
    settings = Settings.load(data_dir=folder, database_url="", rate_app=0, rate_address=0)
    configure_logging("info")
    store = Store.open(settings)
    appcode = register_app(store, "bench").appcode
    listener = listen("127.0.0.1", 0)

    async def run() -> None:
        stop = _answer_clock(control, listener.getsockname()[1], appcode, clock)
        await serve_app(create_app(settings, InstantEngine(), store), listener, grace=5, shutdown=stop.wait)

    try:
        asyncio.run(run())
    finally:
        store.close()


def _answer_clock(control: Connection, port: int, appcode: str, clock: Clock) -> asyncio.Event:
    """Tell the other side how to call, and the clock whenever it asks; set once it hangs up."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer() -> None:
        try:
            control.recv()
            control.send(clock())
        except EOFError:
            loop.remove_reader(control.fileno())
            stop.set()

    loop.add_reader(control.fileno(), answer)
    control.send((port, appcode))
    return stop
