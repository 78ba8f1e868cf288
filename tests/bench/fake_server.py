"""A server for the fuzz bench that misbehaves in one way: ``fake_server.py MISDEED DIR PORT``."""

from __future__ import annotations

import asyncio
import signal
import sys

MISDEED = sys.argv[1]
HEAD = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nX-Ca-Request-Id: X\r\n\r\n"


def answer(status: bytes, body: bytes = b"") -> bytes:
    return HEAD % (status, len(body)) + body


ANSWERS = {
    "500": answer(b"500 Fault"),
    "wrong": answer(b"200 OK", b'{"ok":1,"msg":"","data":"something else"}'),
    "broken": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfew",
    "foreign": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "smuggled": HEAD[:-2].replace(b"%s", b"404 Not").replace(b"%d", b"0")
    + b"X-Ca-Error-Message: `GET /smuggled`\r\n\r\n",
}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1 << 16)
    if MISDEED == "hangs":
        await asyncio.Event().wait()
    writer.write(ANSWERS.get(MISDEED, b""))
    writer.close()


async def main() -> None:
    if MISDEED == "silent":
        return
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[3]))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]} appcode\n")
    sys.stdout.flush()
    if MISDEED == "traces":
        sys.stderr.write("Traceback (most recent call last):\n")
    if MISDEED != "dies":
        await stop.wait()


asyncio.run(main())
if MISDEED == "fails":
    sys.exit(3)
