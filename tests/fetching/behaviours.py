"""How servers answer: texts in the list are sent as they stand, words with ``@`` are misdeeds that need a program."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from pathlib import Path

from tests.fetching.internet import Behaviour

PICTURE = (Path(__file__).parent.parent / "resources" / "poem.png").read_bytes()
LIMIT = 1 << 20

#: What stands for bytes that no list could hold.
PLACEHOLDERS = {
    b"{picture}": PICTURE,
    b"{size}": str(len(PICTURE)).encode(),
    b"{size in hex}": f"{len(PICTURE):x}".encode(),
    b"{picture but its last byte}": PICTURE[:-1],
    b"{gzipped picture}": gzip.compress(PICTURE),
    b"{deflated picture}": zlib.compress(PICTURE),
    b"{gzip bomb}": gzip.compress(bytes(64 << 20)),
    b"{limit}": b"a" * LIMIT,
    b"{1000 digits}": b"1" * 1000,
    b"{5000 letters}": b"a" * 5000,
    b"{200,000 letters}": b"a" * 200_000,
    b"{1000 headers}": b"".join(b"X-%d: a\r\n" % number for number in range(1000)),
}


def behaviour(answer: str) -> Behaviour:
    """What a server does whose row in the list says ``answer``."""
    if answer.startswith("@"):
        return MISDEEDS[answer]
    sent = answer.replace("\n", "\r\n").encode("latin-1")
    for placeholder, content in PLACEHOLDERS.items():
        sent = sent.replace(placeholder, content)

    async def say(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)

    return say


def repeating(start: bytes, again: bytes, pause: float = 0.0) -> Behaviour:
    """Says ``start``, and ``again`` until nobody listens any more."""

    async def repeat(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)

    return repeat


async def nothing(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def counting(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Redirects from ``/3`` to ``/2`` and so on, and gives the picture at ``/0``."""
    left = int(request.split(b" ")[1].strip(b"/"))
    if left:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /%d\r\n\r\n" % (left - 1))
    else:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + PICTURE)


async def reset(_request: bytes, writer: asyncio.StreamWriter) -> None:
    """Goes away in the middle, without a word."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun")
    await writer.drain()
    writer.transport.abort()


MISDEEDS: dict[str, Behaviour] = {
    "@silence": nothing,
    "@reset": reset,
    "@counting": counting,
    "@drips its head": repeating(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", 0.01),
    "@drips its body": repeating(b"HTTP/1.1 200 OK\r\n\r\n", b"a", 0.01),
    "@drips chunks": repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", 0.01),
    "@drips the size of a chunk": repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", 0.01),
    "@endless body": repeating(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536),
    "@endless body that declares little": repeating(b"HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n", b"a" * 65536),
    "@endless chunks": repeating(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"a" * 65536 + b"\r\n"
    ),
    "@endless head": repeating(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
    "@endless header": repeating(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 65536),
    "@endless status line": repeating(b"HTTP/1.1 200 ", b"O" * 65536),
    "@endless trailers": repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 1000),
    "@endless chunk extension": repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 65536),
    "@endless interim answers": repeating(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100),
    "@endless gzip": repeating(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"a" * 65536),
    "@endless nonsense": repeating(b"", b"nonsense" * 1000),
}
