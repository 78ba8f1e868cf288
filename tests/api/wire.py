"""Bytes over a socket: what a client really sends and gets."""

from __future__ import annotations

import faulthandler
import hashlib
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events

from ziyan.engine.base import EngineStatus
from ziyan.ocr.types import Page, ReadOptions

FOUND = "查询成功"


class FakeEngine:
    """Answers at once, with a fingerprint of what it was given, or as a test tells it to."""

    def __init__(self) -> None:
        self.ready = True
        self.outcome: Page | Exception | None = None
        self.options: ReadOptions | None = None
        self.seen = b""

    async def start(self) -> None:
        pass

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        self.options, self.seen = options, image_bytes
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome or Page(lines=(), text=fingerprint(image_bytes), width=1, height=1)

    async def close(self) -> None:
        pass

    def status(self) -> EngineStatus:
        return EngineStatus(self.ready, workers=1, busy=0, queued=0, queue_limit=1, restarts=0)


def fingerprint(content: bytes) -> str:
    """Tells two pictures apart to the last bit."""
    return hashlib.sha256(content).hexdigest()[:16]


@dataclass
class Reply:
    """One HTTP/1 answer, names and bytes as they came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def names(self) -> list[str]:
        return [name for name, _ in self.headers]

    def __getitem__(self, name: str) -> str:
        """The value of the header spelled exactly so."""
        return dict(self.headers)[name]

    def get(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Connection:
    """A client's end of one connection."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self._received = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def say_no_more(self) -> None:
        """Close the sending side alone."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Cut it off, as the system does for a program that dies."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def read_interim(self) -> bytes:
        """The head of a 1xx answer."""
        return self._until(b"\r\n\r\n")

    def read_reply(self, *, head_only: bool = False) -> Reply:
        status_line, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        length = next(int(value) for name, value in headers if name.lower() == "content-length")
        return Reply(int(status_line.split(" ")[1]), headers, b"" if head_only else self._exactly(length))

    def at_end(self) -> bool:
        """Whether the server has closed without another byte."""
        return not self._received and self._socket.recv(1) == b""

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        with suppress(EOFError, ConnectionError):
            while True:
                self._fill()
        return self._received

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._fill()
        found, _, self._received = self._received.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._fill()
        found, self._received = self._received[:size], self._received[size:]
        return found

    def _fill(self) -> None:
        try:
            chunk = self._socket.recv(1 << 16)
        except TimeoutError:
            faulthandler.dump_traceback(2)  # a server in this process: what it does instead of answering
            raise
        if not chunk:
            raise EOFError(f"closed after {self._received!r}")
        self._received += chunk


def request(
    body: bytes = b"",
    *,
    content_type: str | None = "application/x-www-form-urlencoded",
    appcode: str = "",
    target: str = "/ocr",
    method: str = "POST",
    version: str = "HTTP/1.1",
    headers: tuple[str, ...] = (),
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {target} {version}", "Host: ocr.example", f"Content-Length: {len(body)}", *headers]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if appcode:
        lines.append(f"Authorization: APPCODE {appcode}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Http2:
    """A client's end of one HTTP/2 connection."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.client.initiate_connection()
        self.headers: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.terminated: h2.events.ConnectionTerminated | None = None

    def __enter__(self) -> Http2:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.client.data_to_send())

    def send_headers(self, headers: list[tuple[str, str]], *, end: bool = False) -> int:
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, headers, end_stream=end)
        self.flush()
        return stream

    def post(self, body: bytes, *headers: tuple[str, str], target: str = "/ocr") -> int:
        """Send a whole call; waits for no answer."""
        stream = self.send_headers([*http2_headers("POST", target), *headers])
        self.send_body(stream, body)
        return stream

    def send_body(self, stream: int, body: bytes) -> None:
        """All of it, as there is room; no more once the answer has come."""
        while body and stream not in self.ended:
            room = min(self.client.local_flow_control_window(stream), self.client.max_outbound_frame_size)
            if not room:
                self.receive()
                continue
            self.client.send_data(stream, body[:room], end_stream=len(body) <= room)
            self.flush()
            body = body[room:]

    def answer(self, stream: int) -> tuple[dict[str, str], bytes]:
        """The answer's headers as they were on the wire, and its body."""
        while stream not in self.ended:
            self.receive()
        return self.headers[stream], self.bodies[stream]

    def wait_for_reset(self, stream: int) -> None:
        while stream not in self.reset:
            self.receive()

    def wait_for_end(self) -> None:
        """Until the server has closed."""
        with suppress(EOFError, ConnectionError):
            while True:
                self.receive()

    def receive(self) -> None:
        """Take in what comes next."""
        chunk = self.socket.recv(1 << 16)
        if not chunk:
            raise EOFError("closed before the stream's end")
        self.take(chunk)

    def take(self, chunk: bytes) -> None:
        """Take in what has come."""
        for event in self.client.receive_data(chunk):
            match event:
                case h2.events.ResponseReceived():
                    self.headers[event.stream_id] = dict(event.headers)
                    self.bodies[event.stream_id] = b""
                case h2.events.DataReceived():
                    self.bodies[event.stream_id] += event.data
                case h2.events.StreamEnded():
                    self.ended.add(event.stream_id)
                case h2.events.StreamReset():
                    self.reset.add(event.stream_id)
                case h2.events.ConnectionTerminated():
                    self.terminated = event
        self.flush()


def http2_headers(method: str, target: str) -> list[tuple[str, str]]:
    return [(":method", method), (":scheme", "http"), (":authority", "ocr.example"), (":path", target)]


def http2_call(port: int, headers: list[tuple[str, str]], body: bytes) -> tuple[dict[str, str], bytes]:
    """One call over HTTP/2 with prior knowledge, with just these headers."""
    with Http2(port) as client:
        stream = client.send_headers(headers)
        client.send_body(stream, body)
        return client.answer(stream)
