"""Stands between a client and the server, and keeps every byte that passes."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Exchange:
    """What passed on one connection."""

    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Relay:
    """A port that leads to the server, and what passed through it, connection by connection."""

    port: int
    exchanges: list[Exchange] = field(default_factory=list)

    def only(self) -> Exchange:
        """What passed, where the client made one connection."""
        (exchange,) = self.exchanges
        return exchange


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """Pass on whatever comes to a port of its own.  At the end every client has hung up."""

    class Carrier(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            exchange = Exchange()
            relay.exchanges.append(exchange)
            with socket.create_connection(("127.0.0.1", port)) as server:
                upward = threading.Thread(target=_copy, args=(self.request, server, exchange.sent))
                upward.start()
                _copy(server, self.request, exchange.answered)
                upward.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Carrier) as acceptor:  # its end waits for the carriers
        relay = Relay(acceptor.server_address[1])
        thread = threading.Thread(target=acceptor.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield relay
        finally:
            acceptor.shutdown()
            thread.join()


def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    """Pass on what comes until either hangs up, and then hang up on both."""
    with suppress(ConnectionError):
        while chunk := source.recv(1 << 16):
            kept += chunk
            target.sendall(chunk)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
