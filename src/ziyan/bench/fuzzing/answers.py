"""What came back over a connection, and what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import hpack
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame

from ziyan.bench.fuzzing.cases import SMUGGLED, Case

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2})(?: [\x20-\x7e]*)?\r\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\r\n\0]*)\r\n")
_FRAME_HEAD = 9
#: What the server itself answers to bytes that are no request: nonsense, a head too large, an unknown encoding.
PROTOCOL_ERRORS = {400, 431, 501}
_LIVE = b'{"status":"live"}'


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer over HTTP/1.

    Attributes:
        status: HTTP status.
        headers: By lower-case name.
        body: The content.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> object:
        """``data`` of a success, else None."""
        return json.loads(self.body)["data"] if self.status == 200 and self.body.startswith(b'{"ok":1') else None


class BrokenAnswerError(Exception):
    """The server's own bytes break the rules."""


def replies(received: bytes) -> Iterator[Reply]:
    """Every whole answer in ``received``, interim ones left out.

    Raises:
        BrokenAnswerError: What is there is no answer, or is cut off.
    """
    at = 0
    while at < len(received):
        if _is_settings(received, at):
            return  # the client went over to HTTP/2
        reply, at = _reply(received, at)
        if reply.status == 101:
            return  # another protocol from here on
        if reply.status >= 200:
            yield reply


def _is_settings(received: bytes, at: int) -> bool:
    head = received[at : at + _FRAME_HEAD]
    return head[:1] == b"\0" and head[3:4] == b"\4" and head[5:] == bytes(4)


def _reply(received: bytes, at: int) -> tuple[Reply, int]:
    line = _STATUS_LINE.match(received, at)
    if not line:
        raise BrokenAnswerError(f"no status line: {received[at : at + 80]!r}")
    headers: dict[str, str] = {}
    at = line.end()
    while header := _HEADER.match(received, at):
        headers[header[1].decode().lower()] = header[2].decode("latin-1")
        at = header.end()
    if received[at : at + 2] != b"\r\n":
        raise BrokenAnswerError(f"no end of the head: {received[at : at + 80]!r}")
    at += 2
    status = int(line[1])
    length = 0 if status < 200 else int(headers.get("content-length", len(received) - at))
    body = received[at : at + length]
    if len(body) < length:
        raise BrokenAnswerError(f"{length} bytes announced, {len(body)} sent")
    return Reply(status, headers, body), at + length


def wrong(case: Case, received: bytes) -> str:
    """What is wrong with the bytes that came back; empty if nothing is."""
    try:
        if case.http2 and not received.startswith(b"HTTP/1.1 "):
            return _wrong_statuses([int(status) for status in http2_statuses(received)])
        found = list(replies(received))
    except BrokenAnswerError as error:
        return f"broken answer: {error}"
    for number, wanted in enumerate(case.answers):
        if number >= len(found) or found[number].data != wanted:
            got = f"{found[number].status} {found[number].headers}" if number < len(found) else "nothing"
            return f"call {number + 1} was well-formed and got {got}"
    for reply in found:
        if SMUGGLED.decode() in reply.headers.get("x-ca-error-message", "") and case.kind == "smuggling":
            return f"smuggled: {reply.headers['x-ca-error-message']}"
        if not _is_ours(reply):
            return f"{reply.status} without the contract's headers: {reply.headers}"
    return _wrong_statuses([reply.status for reply in found])


def _is_ours(reply: Reply) -> bool:
    """Whether it has the contract's headers, or is one of those that need not: the server's own, or of /healthz."""
    healthy = reply.status == 200 and reply.body == _LIVE
    return "x-ca-request-id" in reply.headers or reply.status in PROTOCOL_ERRORS or "allow" in reply.headers or healthy


def outcome(case: Case, received: bytes) -> str:
    """A word for the table: the statuses that came, or that the connection was closed without one."""
    if case.http2 and not received.startswith(b"HTTP/1.1 "):
        statuses = http2_statuses(received)
    else:
        statuses = [str(reply.status) for reply in replies(received)]
    return "+".join(sorted(set(statuses))) or "closed"


def http2_statuses(received: bytes) -> list[str]:
    """``:status`` of every answer in a run of frames.

    Raises:
        BrokenAnswerError: They are none.
    """
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 1 << 32
    statuses: list[str] = []
    block = b""
    at = 0
    while at + _FRAME_HEAD <= len(received):
        try:
            frame, length = Frame.parse_frame_header(memoryview(received)[at : at + _FRAME_HEAD])
            end = at + _FRAME_HEAD + length
            if end > len(received):
                break
            frame.parse_body(memoryview(received)[at + _FRAME_HEAD : end])
            if isinstance(frame, HeadersFrame | ContinuationFrame):
                block += frame.data
                if "END_HEADERS" in frame.flags:
                    head = decoder.decode(block, raw=True)
                    statuses += [value.decode() for name, value in head if name == b":status"]
                    block = b""
        except (HyperframeError, hpack.HPACKError) as error:
            raise BrokenAnswerError(f"frames: {error!r}") from None
        at = end
    return statuses


def _wrong_statuses(statuses: list[int]) -> str:
    bad = [status for status in statuses if 500 <= status < 600 and status not in PROTOCOL_ERRORS]
    return f"status {bad[0]}" if bad else ""
