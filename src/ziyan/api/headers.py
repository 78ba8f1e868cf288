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
from ziyan.api.refusals import ClientGoneError

Header = tuple[bytes, bytes]

#: Under which name of a request's state its connection says whether what was sent has been taken.
TAKEN: Final = "taken"
#: Under which name it notes that its answer was cut short.
CUT: Final = "cut"
#: Under which name it notes that the client had a part of its answer sent, and no room for the rest yet.
TASTED: Final = "tasted"
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
        billed: A call was taken from a package for it.
        remaining: Calls that are left to the caller; None where the caller, or how many, is not known.
    """

    status: int
    content_type: bytes
    body: bytes = b""
    extra: tuple[Header, ...] = ()
    msg: str = ""
    outcome: str = "ok"
    billed: bool = False
    remaining: int | None = None


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
        (b"X-Ziyan-Billed", b"1" if answer.billed else b"0"),
    ]
    if answer.remaining is not None:
        headers.append((b"X-Ziyan-Remaining", str(answer.remaining).encode()))
    headers += answer.extra
    return headers if http_version.startswith("1") else [(name.lower(), value) for name, value in headers]


async def send_answer(answer: Answer, request_id: str, scope: Scope, body: Body, send: Send) -> None:
    """Send an answer, also to a caller who is still sending.

    A connection closed while bytes of the request are under way is reset, and a reset may destroy the answer before
    the caller reads it.  So what still comes is read and dropped for a short while before the connection is let go.

    Raises:
        ClientGoneError: The answer is billed, and the caller was gone before the operating system had all of it, or
            had closed the connection and did not take it (docs/adr/0006).
    """
    headers = raw_headers(answer, request_id, scope["http_version"])
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.billed:
        await _send_to_the_last_byte(answer, scope, body, send)
        return
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


async def _send_to_the_last_byte(answer: Answer, scope: Scope, body: Body, send: Send) -> None:
    """Send what costs something, and see to it that it was taken."""
    state, last = scope["state"], {"type": "http.response.body", "body": answer.body}
    if scope["http_version"].startswith("1"):
        # Its last message comes apart: it may close the connection, and then nobody could tell a caller who was gone.
        await send({**last, "more_body": True})
        taken = not await body.caller_is_gone() and await state[TAKEN](state, len(answer.body))
        await send({**last, "body": b""})
    else:
        await send(last)  # which ends when all of it is sent, or never will be
        taken = await state[TAKEN](state, len(answer.body))
    if not taken:
        raise ClientGoneError
