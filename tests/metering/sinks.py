"""Real servers on loopback that take what notices are sent to."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Received:
    """One request: its path, headers by lower-case name, and body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpSink:
    """What came, and how it is answered.

    Attributes:
        port: Where it listens.
        received: What came, in order.
        answer: Gives the status for each; called once the request was taken whole, before it is answered.
        said: Body of every answer.
    """

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], int] = lambda _request: 204
    said: bytes = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def http_sink() -> Iterator[HttpSink]:
    sink, lock = HttpSink(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) < int(self.headers["Content-Length"]):
                return  # whoever sent it is dead
            request = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            with lock:
                sink.received.append(request)
                status = sink.answer(request)
            self.send_response(status)
            self.send_header("Content-Length", str(len(sink.said)))
            self.end_headers()
            self.wfile.write(sink.said)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # several senders come at once

    server = Server(("127.0.0.1", 0), Handler)
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailSink:
    """What mail came, who had signed in by then, and what a recipient is answered."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    answer: str = "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.signed_in.append(str(session.auth_data or ""))
        return "250 OK"


@asynccontextmanager
async def mail_sink(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, password: str = ""
) -> AsyncIterator[MailSink]:
    """A mail server; one with a password lets nobody in who does not know it."""
    sink = MailSink()

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        right = isinstance(given, LoginPassword) and given.password.decode() == password
        return AuthResult(success=right, handled=False, auth_data="somebody")

    def factory() -> SMTP:
        return SMTP(
            sink,
            tls_context=starttls,
            authenticator=check if password else None,
            auth_require_tls=bool(starttls),
            auth_required=bool(password and starttls),  # else it warns
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=tls)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()
