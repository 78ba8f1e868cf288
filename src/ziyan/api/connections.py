"""One connection to the server, mended where Hypercorn 0.18 holds on to it too long or dies of what a client sends."""

from __future__ import annotations

import logging
from typing import Final

import hypercorn.asyncio.run
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol.h2 import H2Protocol
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger: Final = logging.getLogger("ziyan.connections")


def use_connections() -> None:
    """Have Hypercorn serve every connection as a ``Connection``; it has no setting for that."""
    vars(hypercorn.asyncio.run)["TCPServer"] = Connection


def closing_ambiguous(app: ASGIApp) -> ASGIApp:
    """``app``, after whose answer the connection ends where a request said its length in two ways.

    It is served by its chunks, as RFC 9112 §6.1 has it.  A proxy in front may have gone by the other length, and what
    is left on the connection could be a request that somebody hid from the proxy: it must not be looked at.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope.get("headers", ())}

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"Connection", b"close")]}
            await send(message)

        ambiguous = {b"content-length", b"transfer-encoding"} <= names
        await app(scope, receive, send_closing if ambiguous else send)

    return serve


class Connection(TCPServer):
    """Hypercorn's own, with three faults taken out.

    A client that hangs up after an answer left the socket open until the idle timer ran out, over a minute later: a
    busy server ran out of files.  An HTTP/2 client that hangs up before its answers were sent left them waiting for
    ever, with all they hold.  And whatever a client's bytes provoked inside the protocols ended as a traceback in the
    log, with those bytes in it.
    """

    async def run(self) -> None:
        """Serve it to its end.  What goes wrong costs this connection alone, and is named without its content."""
        try:
            await super().run()
        except Exception as error:  # noqa: BLE001 - of many kinds, and none of them is worth more than a line
            _logger.info("connection failed", extra={"fields": {"error": ", ".join(_kinds(error))}})

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()
        if isinstance(self.protocol.protocol, H2Protocol):
            for buffer in list(self.protocol.protocol.stream_buffers.values()):
                await buffer.close()

    async def _idle_timeout(self) -> None:
        # An answer that was under way when the client left starts the timer once more.
        if not (self.reader.at_eof() or self.writer.is_closing()):
            await super()._idle_timeout()


def _kinds(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [kind for inner in error.exceptions for kind in _kinds(inner)]
    return [type(error).__name__]
