"""HTTP/1 on one connection: Hypercorn's, patient with old clients."""

from __future__ import annotations

from typing import Any

import h11
from hypercorn.protocol.h11 import H11Protocol

from ziyan.api.allowance import Allowance, worth
from ziyan.api.answers import gateway_answer
from ziyan.api.headers import new_request_id, raw_headers
from ziyan.api.refusals import INVALID_BODY
from ziyan.api.targets import escaped, origin_form


class Http1(H11Protocol):
    """HTTP/1, with the contract's headers also where the request is none."""

    def __init__(self, *args: Any) -> None:
        """Take what Hypercorn's own takes."""
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


class _Requests(h11.Connection):
    """Skips empty lines before a request line (RFC 9112 §2.2): old clients end a body with one.

    What is not ASCII in the line, but for its method, is escaped: h11 would take it for no request.  Chunks are
    counted: a few bytes in each, without end, would keep everybody else waiting.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._chunks = Allowance()

    def next_event(self) -> Any:
        event = self._next_event()
        if isinstance(event, h11.Data) and event.chunk_start:
            self._chunks.renew()
            self._chunks.add(worth(event.data) - 1)
            if self._chunks.is_used_up:
                raise h11.RemoteProtocolError("too many small chunks")
        return event

    def _next_event(self) -> Any:
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
