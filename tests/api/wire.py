"""Bytes over a socket: what a client really sends and gets."""

from __future__ import annotations

import hashlib
import socket
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

    async def start(self) -> None:
        pass

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
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

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._received = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

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
        chunk = self._socket.recv(1 << 16)
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


def http2_call(port: int, headers: list[tuple[str, str]], body: bytes) -> tuple[dict[str, str], bytes]:
    """One call over HTTP/2 with prior knowledge; the answer's headers as they were on the wire."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    client.send_headers(1, headers)
    answered: dict[str, str] = {}
    content = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        while True:
            while body and (room := min(client.local_flow_control_window(1), client.max_outbound_frame_size)):
                client.send_data(1, body[:room], end_stream=len(body) <= room)
                body = body[room:]
            connection.sendall(client.data_to_send())
            chunk = connection.recv(1 << 16)
            if not chunk:
                raise EOFError("closed before the stream's end")
            for event in client.receive_data(chunk):
                if isinstance(event, h2.events.ResponseReceived):
                    answered = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    content += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    return answered, content
