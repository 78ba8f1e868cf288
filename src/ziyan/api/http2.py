"""HTTP/2 on one connection: Hypercorn's, steady against hostile clients."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import h2.errors
import h2.events
import h2.exceptions
from h2.frame_buffer import FrameBuffer
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Request
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.utils import filter_pseudo_headers
from hyperframe.frame import Frame
from priority.priority import MissingStreamError

from ziyan.api.allowance import Allowance, worth
from ziyan.api.headers import CUT, TASTED
from ziyan.api.targets import escaped, origin_form

#: Streams that one HTTP/2 connection may open and take back; a client that gives up on calls needs few.
MAX_RESETS: Final = 200
#: Of HTTP/2's bytes so many are looked at before other connections have their turn: some 900 of the shortest frames.
_TURN_BYTES: Final = 8 << 10
_FRAMES_PER_ANSWER: Final = 4


class Http2(H2Protocol):
    """HTTP/2, steady when streams end before their time."""

    def __init__(self, *args: Any) -> None:
        """Take what Hypercorn's own takes."""
        super().__init__(*args)
        self.streams = _Streams()
        self.connection.incoming_buffer = self._seen = _Frames(server=True)
        self._resets = 0
        self._frames = Allowance()
        self._states: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()  # of requests, by what is to be sent

    async def handle(self, event: Event) -> None:
        """Take what comes, and tell its streams."""
        if isinstance(event, RawData):
            await self._take(event.data)
            return
        await super().handle(event)
        # Or answers that the client has left no room for would wait for ever.
        for stream_id in list(self.stream_buffers):
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
        return self._resets > MAX_RESETS or self._frames.is_used_up

    def _count(self, events: list[h2.events.Event]) -> None:
        """Count what a client sends besides its calls; it costs as much, and there is no end to it.

        Frames are counted as they come: of many, such as those on streams that have ended, no event tells.
        """
        self._frames.renew()
        self._frames.add(-self._seen.take())
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self._frames.add(1 + _FRAMES_PER_ANSWER)
            elif isinstance(event, h2.events.DataReceived):
                self._frames.add(worth(event.data))
            elif isinstance(event, _OF_CALLS):
                self._frames.add(1)

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
            # Or nobody would close a connection whose last call was taken back.
            await self.send(Updated(idle=self.idle))

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
        self._frames.add(_FRAMES_PER_ANSWER)
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
