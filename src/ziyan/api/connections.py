"""Connections: Hypercorn's, made patient with old clients and steady against hostile ones.

Hypercorn speaks HTTP/1.1 and HTTP/2 well, but takes a client that has said all it has to say for one that has hung up,
does not skip empty lines between requests, and lets some sequences of HTTP/2 frames end in a traceback.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

import h2.errors
import h2.events
import h2.exceptions
import h11
from h2.frame_buffer import FrameBuffer
from hypercorn.asyncio.task_group import TaskGroup, _handle
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import Request
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.h11 import H2ProtocolAssumedError, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import filter_pseudo_headers, parse_socket_addr
from hyperframe.frame import Frame
from priority.priority import MissingStreamError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ziyan.api.acknowledged import acknowledged
from ziyan.api.answers import gateway_answer
from ziyan.api.headers import CUT, TAKEN, TASTED, new_request_id, raw_headers
from ziyan.api.refusals import INVALID_BODY, THROTTLED

P = TypeVar("P", H11Protocol, H2Protocol)

#: How long the answer to a client that has closed its side may take.  From here a client that only wants to send no
#: more looks like one that has gone, and the time of the readers is not for those.
HALF_CLOSED_SECONDS: Final = 10.0
#: Streams that one HTTP/2 connection may open and take back; a client that gives up on calls needs few.
MAX_RESETS: Final = 200
_logger: Final = logging.getLogger("ziyan.connections")
_RECEIVE_BYTES: Final = 256 << 10  # as much as the event loop takes in at once
#: For a request that is refused to come.
REFUSED_SECONDS: Final = 0.5
#: Of HTTP/2's bytes so many are looked at before other connections have their turn: some 900 of the shortest frames.
_TURN_BYTES: Final = 8 << 10
#: Frames other than requests, bodies and resets that one connection may send: so many at once, then so many a second,
#: and so many more for each request and for each frame of an answer, which a client tells of its room after.
MAX_FRAMES: Final = 1_000
_FRAMES_PER_SECOND: Final = 100
_FRAMES_PER_ANSWER: Final = 4
#: Bytes of a body that make up for the frame that brings them: a body byte by byte costs as much as other frames.
_WORTH_A_FRAME: Final = 32
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_SCHEME_AND_HOST: Final = re.compile(rb"(?i)https?://[^/?#]*")


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


def origin_form(target: bytes) -> bytes:
    """What a request line names, without the scheme and host that a client for proxies puts before it."""
    absolute = _SCHEME_AND_HOST.match(target)
    if absolute is None:
        return target
    rest = target[absolute.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


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
        waiting: asyncio.Queue[Any] = asyncio.Queue(config.max_app_queue_size)

        async def hand_on(message: Any) -> None:
            if message["type"] == "http.disconnect" and waiting.full():
                while not waiting.empty():
                    waiting.get_nowait()
            await waiting.put(message)

        # The last two are for applications that run in threads.
        aside, soon = partial(self._loop.run_in_executor, None), self._loop.call_soon_threadsafe
        self.spawn(_handle, app, config, scope, waiting.get, send, aside, soon)
        return hand_on


class _Protocols(ProtocolWrapper):
    """Chooses between our two protocols as Hypercorn does between its own."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        http2 = isinstance(self.protocol, H2Protocol)
        self.protocol = self._made(_H2) if http2 else self._made(_H11)

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
            protocol, data = self._made(_H2), error.data
            self.protocol = protocol
            await protocol.initiate()
        await protocol.handle(RawData(data))
        await self.send(Updated(idle=protocol.idle))  # the request that it began with was none


class _H11(H11Protocol):
    """HTTP/1, with the contract's headers also where the request is none."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.connection = _Requests(h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size)

    async def _check_protocol(self, event: h11.Request) -> None:
        # RFC 9113 has done away with ``Upgrade: h2c``, which would go round what looks at requests.
        await super()._check_protocol(_plain(event))

    async def _create_stream(self, request: h11.Request) -> None:
        await super()._create_stream(_plain(request))

    async def _send_error_response(self, status_code: int) -> None:
        headers = [*raw_headers(gateway_answer(INVALID_BODY), new_request_id(), "1.1"), (b"Connection", b"close")]
        headers += self.config.response_headers("h11")
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.EndOfMessage())


def _plain(request: h11.Request) -> h11.Request:
    """A request for a path, and for no other protocol: nothing is served over WebSockets, so that is refused."""
    headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
    target = origin_form(request.target)
    if target == request.target and len(headers) == len(request.headers):
        return request
    return h11.Request(method=request.method, target=target, headers=headers, http_version=request.http_version)


def escaped(target: bytes) -> bytes:
    """A request's target with what is not ASCII percent-encoded, as its client ought to have done."""
    return _NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], target)


class _Requests(h11.Connection):
    """Skips empty lines before a request line (RFC 9112 §2.2): old clients end a body with one.

    What is not ASCII in the line, but for its method, is escaped: h11 would take it for no request.
    """

    def next_event(self) -> Any:
        if self.their_state is h11.IDLE:
            waiting = self.trailing_data[0]
            if blank := len(waiting) - len(waiting.lstrip(b"\r\n")):
                self._receive_buffer.maybe_extract_at_most(blank)
            line, end, rest = waiting[blank:].partition(b"\n")
            method, space, target = line.partition(b" ")
            if end and not target.isascii():
                self._receive_buffer.maybe_extract_at_most(len(waiting) - blank)
                self._receive_buffer += method + space + escaped(target) + end + rest
        return super().next_event()


class _H2(H2Protocol):
    """HTTP/2, steady when streams end before their time."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.streams = _Streams()
        self.connection.incoming_buffer = self._seen = _Frames(server=True)
        self._resets = 0
        self._frames, self._counted = float(MAX_FRAMES), time.monotonic()
        self._states: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()  # of requests, by what is to be sent

    async def handle(self, event: Event) -> None:
        if isinstance(event, RawData):
            await self._take(event.data)
            return
        await super().handle(event)
        for stream_id in list(
            self.stream_buffers
        ):  # or answers that the client has left no room for would wait for ever
            await self._forget(stream_id)

    async def _take(self, data: bytes) -> None:
        """Take in what has come, a little at a time: frames can be many, and each takes longer than it is long."""
        for start in range(0, len(data), _TURN_BYTES):
            if self._sent_away:
                return
            await super().handle(RawData(data[start : start + _TURN_BYTES]))
            await asyncio.sleep(0)

    @property
    def _sent_away(self) -> bool:
        return self._resets > MAX_RESETS or self._frames < 0

    def _count(self, events: list[h2.events.Event]) -> None:
        """Count what a client sends besides its calls; it costs as much, and there is no end to it.

        Frames are counted as they come: of many, such as those on streams that have ended, no event tells.
        """
        now = time.monotonic()
        self._frames += min((now - self._counted) * _FRAMES_PER_SECOND, max(0.0, MAX_FRAMES - self._frames))
        self._counted = now
        self._frames -= self._seen.take()
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self._frames += 1 + _FRAMES_PER_ANSWER
            elif isinstance(event, h2.events.DataReceived):
                self._frames += min(1.0, len(event.data) / _WORTH_A_FRAME)
            elif isinstance(event, _OF_CALLS):
                self._frames += 1

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        self._count(events)
        await super()._handle_events(events)
        for event in events:
            if isinstance(event, h2.events.StreamReset):
                self._resets += 1
                await self._forget(event.stream_id)
        if self._sent_away:
            self.connection.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            await self._flush()
            await self.send(Closed())
        elif any(isinstance(event, h2.events.StreamReset | h2.events.RequestReceived) for event in events):
            await self.send(
                Updated(idle=self.idle)
            )  # or nobody would close a connection whose last call was taken back

    async def _forget(self, stream_id: int) -> None:
        """Nothing will be sent on this stream; Hypercorn would keep its place until the connection ends."""
        if buffer := self.stream_buffers.pop(stream_id, None):
            self._states.get(buffer, {})[CUT] = True
            await buffer.close()
        with suppress(MissingStreamError):
            self.priority.remove_stream(stream_id)

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        """Hypercorn's own, but for what is no request, and CONNECT, which is one of HTTP and no WebSocket."""
        stream_id = request.stream_id
        pseudo = {name: value for name, value in request.headers if name.startswith(b":")}
        if b":path" in pseudo:
            pseudo[b":path"] = escaped(pseudo[b":path"])
        if not (b":path" in pseudo and all(value.isascii() for value in pseudo.values())):
            self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.PROTOCOL_ERROR)
            return
        stream, buffer = self._begin(stream_id)
        await stream.handle(
            Request(
                stream_id=stream_id,
                headers=filter_pseudo_headers(request.headers),
                http_version="2",
                method=pseudo[b":method"].decode().upper(),
                raw_path=origin_form(pseudo[b":path"]),
                state=self.connection_state,
            )
        )
        self._states[buffer] = cast("dict[str, Any]", stream.scope["state"])
        self.keep_alive_requests += 1
        await self.context.mark_request()

    def _begin(self, stream_id: int) -> tuple[HTTPStream, StreamBuffer]:
        """Make room for a stream."""
        self.priority.insert_stream(stream_id)
        self.priority.block(stream_id)
        buffer = self.stream_buffers[stream_id] = StreamBuffer(self.context.event_class)
        stream = self.streams[stream_id] = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            stream_id,
        )
        return stream, buffer

    async def _priority_updated(self, _event: h2.events.PriorityUpdated) -> None:
        """Leave it: RFC 9113 has done away with priorities, and to keep a thousand in order holds up every call."""

    def _note_taste(self, stream_id: int) -> None:
        """Note whether the client has left room for a part of what is left: so it decides how much comes."""
        buffer = self.stream_buffers[stream_id]
        window = self.connection.local_flow_control_window(stream_id)
        if 0 < window < len(buffer.buffer):
            self._states.get(buffer, {})[TASTED] = True

    async def _send_data(self, stream_id: int) -> None:
        with suppress(KeyError, h2.exceptions.ProtocolError):  # it has ended
            self._note_taste(stream_id)
        self._frames += _FRAMES_PER_ANSWER
        try:
            await super()._send_data(stream_id)
        except KeyError:  # forgotten while it was being sent
            await self._forget(stream_id)


#: Events of frames that calls are made of, or that are counted apart; each is of one frame.
_OF_CALLS: Final = (h2.events.StreamReset, h2.events.TrailersReceived)


class _Frames(FrameBuffer):
    """Cuts what comes into frames, and counts them."""

    _count = 0

    def __next__(self) -> Frame:
        frame = super().__next__()
        self._count += 1
        return frame

    def take(self) -> int:
        """How many there were since somebody last asked."""
        count, self._count = self._count, 0
        return count


class _Streams(dict[int, Any]):
    """Streams by number; what still comes for one that has ended is dropped."""

    def __missing__(self, _stream_id: int) -> _Ended:
        return _Ended()


class _Ended:
    idle = True

    async def handle(self, _event: object) -> None:
        return
