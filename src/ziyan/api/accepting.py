"""The door: takes connections in, counts them by address, and agrees with clients on how to encrypt."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.typing import AppWrapper

from ziyan.api.connections import REFUSED_SECONDS, Connection
from ziyan.api.crowd import Crowd

#: Connections too many of one address that are told so at a time; to tell more of them would take as much as to serve.
MOST_TOLD: Final = 16
#: Connections that are taken in before those that came earlier are looked at, and sent away where they are too many.
_ACCEPTED_AT_ONCE: Final = 16
_TLS_SECONDS: Final = 10.0


async def serve_connections(
    app: AppWrapper,
    listener: Any,
    config: Config,
    tls: ssl.SSLContext | None,
    stop: Callable[[], Any],
    crowd: Crowd,
) -> None:
    """Serve on a listening socket until ``stop`` returns, and then until every connection has ended.

    Calls that were accepted are finished; connections without one are closed.  Cancelling it cuts them all.
    """
    context, loop = WorkerContext(None), asyncio.get_running_loop()
    tasks: set[asyncio.Task[Any]] = set()
    greeting: set[asyncio.WriteTransport] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with crowd.joined(writer.get_extra_info("peername")) as too_many:
            if too_many > MOST_TOLD:
                writer.transport.abort()
                return
            plain = writer  # held on to: whatever becomes of it ends the connection
            if tls:  # agreed on here, so that those who say nothing are counted too
                greeting.add(plain.transport)
                try:
                    seconds = REFUSED_SECONDS if too_many else _TLS_SECONDS
                    reader, writer = await encrypted(plain.transport, tls, seconds)
                except OSError:  # it speaks no TLS, or is too slow
                    return
                finally:
                    greeting.discard(plain.transport)
            connection = Connection(app, loop, config, context, cast("Any", {}), reader, writer)
            await (connection.refuse() if too_many else connection)

    server = await asyncio.start_server(connected, sock=listener, backlog=_ACCEPTED_AT_ONCE)
    listener.listen(config.backlog)  # so many may wait; asyncio would also take in as many in one turn
    try:
        await stop()
        await context.terminated.set()
        server.close()
        for plain in list(greeting):
            plain.abort()
        while tasks:
            await asyncio.wait(tasks)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def encrypted(
    plain: asyncio.WriteTransport, tls: ssl.SSLContext, seconds: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Agree with a client, of which nothing was read yet, on how to encrypt; what is read and written from then on.

    Raises:
        OSError: It speaks no TLS, or takes longer.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport = await loop.start_tls(
        plain,
        protocol,
        tls,
        server_side=True,
        ssl_handshake_timeout=seconds,
        ssl_shutdown_timeout=_TLS_SECONDS,
    )
    protocol.connection_made(cast("asyncio.Transport", transport))
    return reader, asyncio.StreamWriter(cast("asyncio.Transport", transport), protocol, reader, loop)
