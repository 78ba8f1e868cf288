"""Connections: Hypercorn's, made patient with old clients and steady against hostile ones.

Hypercorn takes a client that has said all it has to say for one that has hung up.  What ``http1`` and ``http2`` mend is
theirs to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar, cast

from hypercorn.asyncio.task_group import TaskGroup, _handle
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H2ProtocolAssumedError, H11Protocol
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ziyan.api.acknowledged import acknowledged
from ziyan.api.answers import gateway_answer
from ziyan.api.headers import CUT, TAKEN, TASTED, new_request_id, raw_headers
from ziyan.api.http1 import Http1
from ziyan.api.http2 import Http2
from ziyan.api.refusals import THROTTLED

P = TypeVar("P", H11Protocol, H2Protocol)

#: How long the answer to a client that has closed its side may take.  From here a client that only wants to send no
#: more looks like one that has gone, and the time of the readers is not for those.
HALF_CLOSED_SECONDS: Final = 10.0
_logger: Final = logging.getLogger("ziyan.connections")
_RECEIVE_BYTES: Final = 256 << 10  # as much as the event loop takes in at once
#: For a request that is refused to come.
REFUSED_SECONDS: Final = 0.5
#: A part of a body that is smaller is gathered with what comes next, while nobody has taken it.
_GATHERED_BYTES: Final = 4 << 10


def closing_ambiguous(app: ASGIApp) -> ASGIApp:
    """``app``, after whose answer the connection ends where a request's length is in doubt: it is said in two ways.

    It is served by its chunks, as RFC 9112 §6.1 has it.  A proxy in front may have gone by the other length, and what
    is left on the connection could be a request that somebody hid from the proxy: it must not be looked at.  So it is
    with chunks in HTTP/1.0, which knows none.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope.get("headers", ())}

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"Connection", b"close")]}
            await send(message)

        in_doubt = b"content-length" in names or scope.get("http_version") == "1.0"
        ambiguous = in_doubt and b"transfer-encoding" in names
        await app(scope, receive, send_closing if ambiguous else send)

    return serve


class Connection(TCPServer):
    """One connection; answers also a client that has closed its side of it, and holds on to none that has gone."""

    def __init__(self, *args: Any) -> None:
        """Take what Hypercorn's own takes."""
        super().__init__(*args)
        self._settled = asyncio.Event()
        self._settled.set()

    async def run(self) -> None:
        """Serve it to its end.  What goes wrong costs this connection alone, and is named without its content."""
        try:
            peer, socket = self.writer.get_extra_info("ssl_object"), self.writer.get_extra_info("socket")
            addresses = [parse_socket_addr(socket.family, of()) for of in (socket.getpeername, socket.getsockname)]
            # What was sent is with the operating system then; asyncio's TLS would never write again after 0.
            self.writer.transport.set_write_buffer_limits(high=1 if peer else 0)
            async with _Tasks(self.loop) as task_group:
                self._task_group = task_group
                self.protocol = _Protocols(
                    self.app,
                    self.config,
                    self.context,
                    task_group,
                    ConnectionState(cast("Any", {TAKEN: self._taken})),
                    peer is not None,
                    *addresses,
                    self.protocol_send,
                    peer.selected_alpn_protocol() if peer else None,
                )
                await self.protocol.initiate()
                await self.idle_task.restart(task_group, self._idle_timeout)
                await self._read_data()
        except* OSError:  # the client has reset the connection
            pass
        except* Exception as errors:  # noqa: BLE001 - this connection's alone, and worth a line without its bytes
            _logger.info("connection failed", extra={"fields": {"error": ", ".join(_kinds(errors))}})
        finally:
            await self._close()

    async def refuse(self) -> None:
        """Say that its address holds too many, and end it; in HTTP/1, for what it speaks it has not said."""
        with suppress(OSError, TimeoutError):
            # What has come already is taken in first: to end a connection with bytes unread destroys the answer.
            await asyncio.wait_for(self.reader.read(_RECEIVE_BYTES), REFUSED_SECONDS)
            headers = [*raw_headers(gateway_answer(THROTTLED), new_request_id(), "1.1"), (b"Connection", b"close")]
            lines = [b"HTTP/1.1 %d " % THROTTLED.status, *(b"%s: %s" % header for header in headers), b"", b""]
            self.writer.write(b"\r\n".join(lines))
        await self._close()

    async def protocol_send(self, event: Event) -> None:
        """Pass on what a protocol wants sent or done, and note whether calls are under way."""
        if isinstance(event, Closed) or (isinstance(event, Updated) and event.idle):
            self._settled.set()
        elif isinstance(event, Updated):
            self._settled.clear()
        await super().protocol_send(event)

    async def _taken(self, state: dict[str, Any], size: int) -> bool:
        """Whether the client has taken an answer of so many bytes, as far as anybody can tell.

        One that has not closed its side has, as soon as the operating system has all of it.  One that has closed its
        side may be gone: then its system answers with a reset, otherwise it acknowledges.  One that says how much of
        an answer may come has it from its first part on: else reading would be free for who leaves before the end.
        """
        if state.get(TASTED):
            return True
        closing = self.writer.is_closing() and isinstance(self.protocol.protocol, H11Protocol)
        if closing or state.get(CUT):
            return False
        if not self.reader.at_eof():
            return True
        return await acknowledged(self.writer.get_extra_info("socket"), size)

    async def _read_data(self) -> None:
        with suppress(OSError):
            while data := await self.reader.read(_RECEIVE_BYTES):
                await self.protocol.handle(RawData(data))
            await self.protocol.handle(RawData(b""))  # the end: a body that has not come whole never will
            if self.writer.can_write_eof():  # TLS cannot be half-closed
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._settled.wait(), HALF_CLOSED_SECONDS)
        await self.protocol.handle(Closed())
        await self.idle_task.stop()  # or it would hold on to the socket until its time is up

    async def _idle_timeout(self) -> None:
        # An answer that was under way when the client left starts the timer once more.
        if not (self.reader.at_eof() or self.writer.is_closing()):
            await super()._idle_timeout()

    async def _close(self) -> None:
        with suppress(OSError):  # TLS that does not end as it should
            await super()._close()


def _kinds(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [kind for inner in error.exceptions for kind in _kinds(inner)]
    return [type(error).__name__]


class _Tasks(TaskGroup):
    """Hypercorn's, without waiting for ever to hand on a body that nobody reads.

    An answer may be complete while its request's body still comes.  To end the stream, Hypercorn puts a last message
    behind what waits to be read; once so much waits that there is no room, both the answer and whoever reads from the
    client would stand still, and the connection would be held until the service ends.
    """

    async def spawn_app(
        self, app: AppWrapper, config: Config, scope: Any, send: Callable[[Any], Awaitable[None]]
    ) -> Callable[[Any], Coroutine[Any, Any, None]]:
        waiting = _Messages(config.max_app_queue_size)

        async def hand_on(message: Any) -> None:
            if message["type"] == "http.disconnect" and waiting.full():
                while not waiting.empty():
                    waiting.get_nowait()
            await waiting.put(message)

        # The last two are for applications that run in threads.
        aside, soon = partial(self._loop.run_in_executor, None), self._loop.call_soon_threadsafe
        self.spawn(_handle, app, config, scope, waiting.get, send, aside, soon)
        return hand_on


class _Messages(asyncio.Queue[Any]):
    """What comes for one call.  Small parts of a body are gathered: to hand one on takes longer than to read it."""

    _queue: deque[Any]

    def _put(self, item: Any) -> None:
        last = self._queue[-1] if self._queue else {}
        if item["type"] == "http.request" and last.get("more_body") and len(last["body"]) < _GATHERED_BYTES:
            if isinstance(last["body"], bytes):
                last = self._queue[-1] = {**last, "body": bytearray(last["body"])}
            last["body"] += item["body"]
            last["more_body"] = item["more_body"]
        else:
            self._queue.append(item)

    def _get(self) -> Any:
        message = self._queue.popleft()
        if isinstance(message.get("body"), bytearray):
            message["body"] = bytes(message["body"])
        return message


class _Protocols(ProtocolWrapper):
    """Chooses between our two protocols as Hypercorn does between its own."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        http2 = isinstance(self.protocol, H2Protocol)
        self.protocol = self._made(Http2) if http2 else self._made(Http1)

    def _made(self, kind: type[P]) -> P:
        return kind(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.state,
            self.ssl,
            self.client,
            self.server,
            self.send,
        )

    async def handle(self, event: Event) -> None:
        try:
            return await self.protocol.handle(event)
        except H2ProtocolAssumedError as error:
            protocol, data = self._made(Http2), error.data
            self.protocol = protocol
            await protocol.initiate()
        await protocol.handle(RawData(data))
        await self.send(Updated(idle=protocol.idle))  # the request that it began with was none
