"""The two that ``overhead`` compares: a bare handler, and the whole gateway over an engine that answers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import hypercorn.asyncio
from fastapi import FastAPI
from hypercorn.config import Config
from starlette.types import Receive, Scope, Send

from ziyan import garbage
from ziyan.api.server import listen, serve_app
from ziyan.bench.instant import GRACE_SECONDS, instant_service
from ziyan.metering.credentials import Registration

Clock = Callable[[], float]


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
        stop = _answer_clock(control, port, None, clock)
        await hypercorn.asyncio.serve(cast("Any", bare), config, shutdown_trigger=stop.wait)

    asyncio.run(run())


def serve_ziyan(control: Connection, folder: Path, clock: Clock) -> None:
    """Serve as ``ziyan serve`` does, but for the engine."""
    listener = listen("127.0.0.1", 0)

    async def run(app: FastAPI, caller: Registration) -> None:
        garbage.freeze()
        stop = _answer_clock(control, listener.getsockname()[1], caller, clock)
        await serve_app(app, listener, grace=GRACE_SECONDS, shutdown=stop.wait)

    with instant_service(folder, lambda _: "一行") as service:
        asyncio.run(run(*service))


def _answer_clock(control: Connection, port: int, caller: Registration | None, clock: Clock) -> asyncio.Event:
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
    control.send((port, caller))
    return stop
