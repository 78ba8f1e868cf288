"""A network on which every address of the world is a server of the test's own.

What is judged, resolved and sent is left as it is; only the last step, the connection to a numeric address, ends on
loopback instead.  So a test can have public addresses without leaving the machine, and sees every address that was
connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

import httpcore

Behaviour = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]

HTTPS = 443
#: Before a test puts its own network in the place of the real one.
_RealNetwork = httpcore.AnyIOBackend


class Internet(httpcore.AsyncNetworkBackend):
    """Takes the place of ``httpcore.AnyIOBackend``.

    Attributes:
        connected: Every address and port that a connection was made to.
        unreachable: Addresses at which nobody answers.
        open: Connections that were made and not closed since.
        peers: Address → the one that the far end turns out to have; for all others it is the address itself.
    """

    def __init__(self, plain_port: int, tls_port: int) -> None:
        self._plain_port, self._tls_port = plain_port, tls_port
        self.connected: list[tuple[str, int]] = []
        self.unreachable: set[str] = set()
        self.peers: dict[str, str] = {}
        self.open = 0

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self.unreachable:
            raise httpcore.ConnectError("nobody is there")
        end = self._tls_port if port == HTTPS else self._plain_port
        stream = await _RealNetwork().connect_tcp("127.0.0.1", end, timeout)
        self.open += 1
        return _Disguised(stream, (self.peers.get(host, host), port), self._forget)

    def _forget(self) -> None:
        self.open -= 1


class _Disguised(httpcore.AsyncNetworkStream):
    """A connection whose far end has the address that was asked for."""

    def __init__(
        self, stream: httpcore.AsyncNetworkStream, peer: tuple[str, int], on_close: Callable[[], None] = lambda: None
    ) -> None:
        self._stream, self._peer, self._on_close = stream, peer, on_close

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._on_close()
        self._on_close = lambda: None

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _Disguised(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._peer)

    def get_extra_info(self, info: str) -> Any:
        return self._peer if info == "server_addr" else self._stream.get_extra_info(info)


class Web:
    """What all servers of the world answer, by path.

    Attributes:
        requests: Heads of the requests, as they came.
    """

    def __init__(self, behaviours: Mapping[str, Behaviour]) -> None:
        self._behaviours = behaviours
        self._answers: list[asyncio.Task[None]] = []
        self.requests: list[bytes] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._answers.append(asyncio.create_task(self._answer(reader, writer)))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head)
                path = head.split(b" ")[1].decode("latin-1")
                behave = self._behaviours.get(path) or self._behaviours["*"]
                await behave(head, writer)
                await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()

    async def close(self) -> None:
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)


@contextlib.asynccontextmanager
async def internet(
    behaviours: Mapping[str, Behaviour], context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Internet, Web]]:
    """A network whose servers behave so; port 443 speaks TLS if there is a ``context``."""
    web = Web(behaviours)
    plain = await asyncio.start_server(web.accept, "127.0.0.1", 0)
    secure = await asyncio.start_server(web.accept, "127.0.0.1", 0, ssl=context)
    try:
        yield Internet(plain.sockets[0].getsockname()[1], secure.sockets[0].getsockname()[1]), web
    finally:
        plain.close()
        secure.close()
        await web.close()
