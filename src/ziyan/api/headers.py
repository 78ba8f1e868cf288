"""The contract's raw headers and how an answer goes out (``docs/contract.md`` §2).

Starlette lower-cases header names, and clients exist that look them up by case.  So answers are sent as raw ASGI
messages: Hypercorn writes the names to an HTTP/1 wire as they are given here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from starlette.types import Scope, Send

from ziyan.api.body import Body

Header = tuple[bytes, bytes]

_LINGER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the caller.

    Attributes:
        status: HTTP status.
        content_type: Value of ``Content-Type``.
        body: The content; its length is always sent, never chunks.
        extra: Headers of this answer alone, names in the contract's case.
        msg: What was wrong, for the log; empty for a success.
        outcome: One word for what became of the call, for the metrics.
    """

    status: int
    content_type: bytes
    body: bytes = b""
    extra: tuple[Header, ...] = ()
    msg: str = ""
    outcome: str = "ok"


def new_request_id() -> str:
    """An upper-case UUID."""
    return str(uuid4()).upper()


def raw_headers(answer: Answer, request_id: str, http_version: str) -> list[Header]:
    """Every header of an answer but ``Date``, which the server adds.

    Names are in mixed case for HTTP/1 and in lower case, as it demands, for HTTP/2.
    """
    headers = [
        (b"Content-Type", answer.content_type),
        (b"Content-Length", str(len(answer.body)).encode()),
        (b"X-Ca-Request-Id", request_id.encode()),
        # Billed are only calls taken from a package, and there are no packages yet; see docs/adr/0002.
        (b"X-Ziyan-Billed", b"0"),
        *answer.extra,
    ]
    return headers if http_version.startswith("1") else [(name.lower(), value) for name, value in headers]


async def send_answer(answer: Answer, request_id: str, scope: Scope, body: Body, send: Send) -> None:
    """Send an answer, also to a caller who is still sending.

    A connection closed while bytes of the request are under way is reset, and a reset may destroy the answer before
    the caller reads it.  So what still comes is read and dropped for a short while before the connection is let go.
    """
    headers = raw_headers(answer, request_id, scope["http_version"])
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if body.ended:
        await send({"type": "http.response.body", "body": answer.body})
        return
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    rest = asyncio.create_task(body.discard())
    try:
        # A stream of HTTP/2 can end without the connection.
        await asyncio.wait({rest}, timeout=_LINGER_SECONDS if scope["http_version"].startswith("1") else 0)
        # Still discarding: the server's queue of body chunks is bounded, and must not be full when it ends the answer.
        await send({"type": "http.response.body", "body": b""})
    finally:
        rest.cancel()
        await asyncio.wait({rest})
